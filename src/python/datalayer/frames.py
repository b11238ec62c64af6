"""The feed socket's frames (docs/FORMATS/feed.md): a header of 12 bytes, a payload, at most one descriptor."""

from __future__ import annotations

import array
import json
import os
import socket
import struct
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional

from .errors import FeedError

__all__ = ["Frame", "FrameSocket", "Kind", "encode"]

MAGIC = b"DLFD"
VERSION = 1
_HEADER = struct.Struct("<4sIBBBB")
_MAX_PAYLOAD = 1 << 20
_MAX_BATCH = (1 << 31) - 1
_BATCH_HEAD = struct.Struct("<IIQ")
NO_SLAB = 0xFFFFFFFF


class Kind:
    """The kinds of frames."""

    HELLO, WELCOME, OPEN, OPENED, SLAB, BATCH, RELEASE, END, ERROR, CLOSE, PING, PONG = range(1, 13)


_FROM_SERVICE = frozenset((
    Kind.WELCOME, Kind.OPENED, Kind.SLAB, Kind.BATCH, Kind.END, Kind.ERROR, Kind.PING, Kind.PONG,
))


class Frame(NamedTuple):
    """A frame: `payload` of a batch without shared memory is its 16 bytes; the batch itself is in `batch`."""

    kind: int
    payload: bytes
    descriptor: int = -1
    batch: Optional[memoryview] = None

    def json(self) -> Dict[str, Any]:
        """The payload as JSON."""
        try:
            read = json.loads(self.payload)
        except ValueError as error:
            raise broken(f"a frame of kind {self.kind} holds no JSON") from error
        if not isinstance(read, dict):
            raise broken(f"a frame of kind {self.kind} holds no JSON object")
        return read


def encode(kind: int, payload: bytes = b"") -> bytes:
    """A frame of the client, which never has a descriptor."""
    return _HEADER.pack(MAGIC, len(payload), VERSION, kind, 0, 0) + payload


def encode_json(kind: int, message: Mapping[str, Any]) -> bytes:
    """A frame with a JSON payload."""
    return encode(kind, json.dumps(message).encode())


def broken(what: str) -> FeedError:
    """A breach of the contract by the other end."""
    return FeedError(
        f"The feed's connection is broken: {what}.", code="corrupt",
        remedy="Do client and service have versions that fit (docs/FORMATS/feed.md)?",
    )


class FrameSocket:
    """Frames over a stream socket. One thread reads; `send` may be called by others, one at a time.

    `allocate` gives memory for a batch that travels in its frame: a writable view of at least so many bytes.
    """

    def __init__(self, sock: Any, rest: bytes, allocate: Callable[[int], memoryview]) -> None:
        self._socket = sock
        self._rest = bytearray(rest)
        self._descriptors: List[int] = []
        self._allocate = allocate
        self._takes_descriptors = sock.family == socket.AF_UNIX

    def send(self, data: bytes) -> None:
        """Sends whole frames."""
        self._socket.sendall(data)

    def receive(self) -> Frame:
        """The next frame. Raises `EOFError` at the connection's end, `socket.timeout` where none came in time.

        After a timeout it may be called again: what came of a frame so far is kept.
        """
        self._fill(_HEADER.size)
        magic, length, version, kind, descriptors, zero = _HEADER.unpack_from(self._rest)
        if magic != MAGIC or version != VERSION or zero != 0:
            raise broken(f"a frame begins with {bytes(self._rest[:12]).hex()}")
        if kind not in _FROM_SERVICE:
            raise broken(f"a frame of kind {kind} came")
        if descriptors != (1 if kind == Kind.SLAB else 0):
            raise broken(f"a frame of kind {kind} came with {descriptors} descriptors")
        if kind == Kind.BATCH and length > _BATCH_HEAD.size:
            return self._receive_batch(length)
        if length > _MAX_PAYLOAD:
            raise broken(f"a frame of kind {kind} has {length} bytes")
        self._fill(_HEADER.size + length)
        payload = bytes(self._rest[_HEADER.size : _HEADER.size + length])
        del self._rest[: _HEADER.size + length]
        descriptor = -1
        if kind == Kind.SLAB:
            if not self._descriptors:
                raise broken("a slab came without its descriptor")
            descriptor = self._descriptors.pop(0)
        return Frame(kind, payload, descriptor)

    def shutdown(self) -> None:
        """Ends both directions; who reads is told at once."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self) -> None:
        """Closes the socket and descriptors that no frame took."""
        self._socket.close()
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []

    def set_timeout(self, seconds: Optional[float]) -> None:
        """Bounds each wait of `receive` and `send`."""
        self._socket.settimeout(seconds)

    def _receive_batch(self, length: int) -> Frame:
        if length > _MAX_BATCH:
            raise broken(f"a batch of {length} bytes came in its frame")
        self._fill(_HEADER.size + _BATCH_HEAD.size)
        payload = bytes(self._rest[_HEADER.size : _HEADER.size + _BATCH_HEAD.size])
        size = length - _BATCH_HEAD.size
        target = self._allocate(size)[:size]
        begin = _HEADER.size + _BATCH_HEAD.size
        have = min(size, len(self._rest) - begin)
        target[:have] = self._rest[begin : begin + have]
        del self._rest[: begin + have]
        while have < size:
            try:
                count = self._socket.recv_into(target[have:])
            except socket.timeout:
                # A batch that began comes in one go: this is a broken connection, not a pause.
                raise EOFError from None
            if count == 0:
                raise EOFError
            have += count
        return Frame(Kind.BATCH, payload, -1, target)

    def _fill(self, length: int) -> None:
        while len(self._rest) < length:
            if self._takes_descriptors:
                space, close = socket.CMSG_LEN(64 * 4), socket.MSG_CMSG_CLOEXEC
                data, ancillary, flags, _ = self._socket.recvmsg(1 << 16, space, close)
                for level, kind, content in ancillary:
                    if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                        numbers = array.array("i")
                        numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
                        self._descriptors.extend(numbers)
                if flags & socket.MSG_CTRUNC:
                    raise broken("descriptors were lost; this process may be at its limit of open files (ulimit -n)")
            else:
                data = self._socket.recv(1 << 16)
            if not data:
                raise EOFError
            self._rest += data
