"""Checkpoints: written in parallel to the hot tier, published at once, sent to objects by the attachment's policy."""

from __future__ import annotations

import io
import os
import re
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, List, Optional, Tuple, Union

from ._http import encode_path
from .client import Client, clean_path, connect
from .errors import DataLayerError, NotFoundError, StaleError, from_code

__all__ = ["checkpoints", "latest", "load", "save"]

_PART = 16 << 20
_HIDDEN = re.compile(r"\..*\.[0-9a-f]{12}\.part")
_ABANDONED = 3600.0
_NUMBER = re.compile(r"(\d+)(?!.*\d)")
Content = Union[bytes, bytearray, memoryview]


def save(
    value: Any,
    path: str,
    *,
    keep: Optional[int] = None,
    flush: bool = False,
    threads: int = 4,
    client: Optional[Client] = None,
    server: Optional[str] = None,
) -> str:
    """Saves an object (by `torch.save`) or bytes at a path; returns the content's entity tag.

    It is written in parts by `threads` at once, is durable in the hot tier when this returns, and appears whole or not
    at all: a reader sees the file of before or this one. To the bucket it goes by itself as the attachment's policy
    says; `flush` waits for that. `keep` leaves that many of the files that differ from this one only in the last number
    of their names (`step-000100.pt`), the highest ones; this one is never removed.
    """
    client, path = client or connect(server), clean_path(path)
    content = value if isinstance(value, (bytes, bytearray, memoryview)) else _serialised(value)
    view = memoryview(content).cast("B")
    if len(view) <= _PART:
        tag = client.write(path, view, parents=True)
    else:
        tag = _write_parts(client, path, view, max(1, threads))
    if keep is not None:
        _remove_old(client, path, max(1, keep))
    if flush:
        client.flush(path, uploads=True)
    return tag


def load(
    path: str,
    *,
    raw: bool = False,
    map_location: Any = None,
    threads: int = 4,
    client: Optional[Client] = None,
    server: Optional[str] = None,
    **options: Any,
) -> Any:
    """What `save` saved: an object, or with `raw` its bytes (a bytearray). A folder's path means its `latest`.

    `map_location` and `options` go to `torch.load`, which unpickles: load only what you trust, or give
    `weights_only=True`.
    """
    client, path = client or connect(server), clean_path(path)
    found = client.stat(path)
    if found.is_dir:
        newest = latest(path, client=client)
        if newest is None:
            raise NotFoundError(f"There is no checkpoint in '{path}'.", code="notFound")
        return load(newest, raw=raw, map_location=map_location, threads=threads, client=client, **options)
    content = _read_parts(client, path, found.size, found.etag, max(1, threads))
    if raw:
        return content
    import torch

    return torch.load(_Memory(content), map_location=map_location, **options)  # type: ignore[arg-type]


def checkpoints(folder: str, *, client: Optional[Client] = None, server: Optional[str] = None) -> List[str]:
    """The paths of a folder's files that have a number in their names, the highest last."""
    client, folder = client or connect(server), clean_path(folder)
    found: List[Tuple[int, str]] = []
    try:
        for entry in client.scandir(folder):
            number = _NUMBER.search(entry.name)
            if entry.is_file and number and not entry.name.startswith("."):
                found.append((int(number.group(1)), entry.path))
    except FileNotFoundError:
        return []
    return [path for _, path in sorted(found)]


def latest(folder: str, *, client: Optional[Client] = None, server: Optional[str] = None) -> Optional[str]:
    """The path of the file with the highest number in its name, or None."""
    found = checkpoints(folder, client=client, server=server)
    return found[-1] if found else None


def _serialised(value: Any) -> memoryview:
    try:
        import torch
    except ImportError:
        raise DataLayerError(
            "Objects are saved through PyTorch, which is not installed.", code="notSupported",
            remedy="Install torch, or save bytes.",
        ) from None
    target = io.BytesIO()
    torch.save(value, target)
    return target.getbuffer()


def _write_parts(client: Client, path: str, view: memoryview, threads: int) -> str:
    """Ranges of a hidden file beside the path, then one rename."""
    folder, _, name = path.rpartition("/")
    hidden = f"{folder}/.{name[:200]}.{uuid.uuid4().hex[:12]}.part"
    route = "/api/v1/files" + encode_path(hidden)
    if folder:
        client.mkdir(folder, parents=True)

    def write(start: int) -> None:
        part = view[start : start + _PART]
        client.transport.request(
            "PUT", route, body=part, query={"create": True}, safe=True,
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Range": f"bytes {start}-{start + len(part) - 1}/*",
            },
        )

    try:
        # The first part makes the file; the others then only fill it.
        write(0)
        _each(write, range(_PART, len(view), _PART), threads)
        found = client.stat(hidden)
        if found.size != len(view):
            raise StaleError(f"'{hidden}' has {found.size} bytes where {len(view)} were written.", code="stale")
        client.rename(hidden, path)
    except BaseException:
        try:
            client.remove(hidden)
        except DataLayerError:
            pass
        raise
    return client.stat(path).etag or ""


def _read_parts(client: Client, path: str, size: int, tag: Optional[str], threads: int) -> bytearray:
    content = bytearray(size)
    view = memoryview(content)
    route = "/api/v1/files" + encode_path(path)

    def read(start: int) -> None:
        part = view[start : start + _PART]
        headers = {"Range": f"bytes={start}-{start + len(part) - 1}"}
        if tag:
            headers["If-Match"] = f'"{tag}"'
        body = client.transport.request("GET", route, headers=headers, into=part).body
        if len(body) != len(part):
            raise DataLayerError(f"'{path}': {len(body)} bytes came where {len(part)} were asked for.")
        if not isinstance(body, memoryview):
            part[:] = body

    _each(read, range(0, size, _PART), threads)
    return content


def _each(work: Callable[[int], None], starts: range, threads: int) -> None:
    """Runs all, waits for all, raises the first error."""
    if len(starts) <= 1 or threads == 1:
        for start in starts:
            work(start)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="datalayer-checkpoint") as pool:
        for done in [pool.submit(work, start) for start in starts]:
            done.result()


def _remove_old(client: Client, path: str, keep: int) -> None:
    folder, _, name = path.rpartition("/")
    number = _NUMBER.search(name)
    if number is None:
        raise from_code(
            "invalidArgument", f"keep={keep}, but '{name}' has no number to tell which files are older.",
            remedy="Name checkpoints as step-000100.pt, or leave keep out.",
        )
    before, after = name[: number.start()], name[number.end() :]
    # Parts that a save which died left: of checkpoints that are older than this one by now.
    for entry in client.scandir(folder or "/"):
        if _HIDDEN.fullmatch(entry.name) and time.time() - entry.mtime > _ABANDONED and entry.is_file:
            _remove(client, entry.path)
    alike = [
        each for each in checkpoints(folder, client=client)
        if re.fullmatch(re.escape(before) + r"\d+" + re.escape(after), each.rpartition("/")[2])
    ]
    for old in alike[: max(0, len(alike) - keep)]:
        if old != path:
            _remove(client, old)


def _remove(client: Client, path: str) -> None:
    try:
        client.remove(path)
    except FileNotFoundError:
        pass


class _Memory(io.RawIOBase):
    """Bytes as a file, without a copy of them."""

    def __init__(self, content: Content) -> None:
        super().__init__()
        self._view, self._at = memoryview(content), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = (0, self._at, len(self._view))[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        part = self._view[self._at : self._at + len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)

    def readline(self, size: Optional[int] = -1) -> bytes:
        rest = bytes(self._view[self._at : self._at + (size if size is not None and size >= 0 else 1 << 16)])
        end = rest.find(b"\n")
        line = rest if end < 0 else rest[: end + 1]
        self._at += len(line)
        return line
