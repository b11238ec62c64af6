"""The members of a tar sample, in place: no copy, no `tarfile`, nothing read before it is asked for."""

from __future__ import annotations

from typing import Dict, Iterator, Optional, Tuple

from .errors import FeedError

__all__ = ["members", "walk"]

_BLOCK = 512
_REGULAR = (b"0", b"\0", b"7")


def walk(sample: memoryview) -> Iterator[Tuple[str, memoryview]]:
    """Names and contents of the regular members of a piece of a tar: ustar, GNU long names, pax."""
    offset, long_name, long_size = 0, None, None  # type: int, Optional[str], Optional[int]
    while offset + _BLOCK <= len(sample):
        header = sample[offset : offset + _BLOCK]
        if header[0] == 0:
            return
        kind = bytes(header[156:157])
        size = _number(header[124:136], offset)
        if kind not in (b"x", b"g", b"L", b"K") and long_size is not None:
            size = long_size
        start = offset + _BLOCK
        if start + size > len(sample):
            raise _bad(offset, f"a member of {size} bytes reaches past the sample's end")
        content = sample[start : start + size]
        offset = start + (size + _BLOCK - 1) // _BLOCK * _BLOCK
        if kind == b"L":
            long_name = bytes(content).rstrip(b"\0").decode("utf-8", "surrogateescape")
        elif kind == b"x":
            fields = _pax(content, offset)
            long_name = fields.get("path", long_name)
            long_size = int(fields["size"]) if "size" in fields else long_size
        elif kind not in (b"g", b"K"):
            if kind in _REGULAR:
                yield long_name or _name(header), content
            long_name = long_size = None


def members(sample: memoryview) -> Dict[str, memoryview]:
    """Extension -> content of each member; the extension is what follows the first dot of the last part of its name."""
    found: Dict[str, memoryview] = {}
    for name, content in walk(sample):
        _, dot, extension = name.rpartition("/")[2].partition(".")
        if dot:
            found[extension] = content
    return found


def _name(header: memoryview) -> str:
    name = bytes(header[:100]).split(b"\0", 1)[0]
    if bytes(header[257:263]) == b"ustar\0":
        prefix = bytes(header[345:500]).split(b"\0", 1)[0]
        name = prefix + b"/" + name if prefix else name
    return name.decode("utf-8", "surrogateescape")


def _number(field: memoryview, offset: int) -> int:
    raw = bytes(field)
    if raw[0] & 0x80:
        return int.from_bytes(bytes([raw[0] & 0x7F]) + raw[1:], "big")
    text = raw.strip(b"\0 ")
    try:
        return int(text, 8) if text else 0
    except ValueError:
        raise _bad(offset, "a member's length is no number") from None


def _pax(content: memoryview, offset: int) -> Dict[str, str]:
    fields, at = {}, 0
    raw = bytes(content)
    while at < len(raw) and raw[at] != 0:
        space = raw.find(b" ", at)
        try:
            length = int(raw[at:space])
        except ValueError:
            raise _bad(offset, "a pax header is torn") from None
        if space < 0 or length <= space - at or at + length > len(raw):
            raise _bad(offset, "a pax header is torn")
        name, _, value = raw[space + 1 : at + length - 1].partition(b"=")
        fields[name.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
        at += length
    return fields


def _bad(offset: int, what: str) -> FeedError:
    return FeedError(
        f"The sample is no piece of a tar: at byte {offset} {what}.", code="corrupt",
        remedy="members() is for datasets of kind 'tar'; of others take batch[i].",
    )
