"""One connection of a feed: found, opened, and read frame by frame."""

from __future__ import annotations

import http.client
import json
import os
import socket
import struct
import threading
from typing import Any, Dict, Mapping, NamedTuple, Optional

from ._http import Server, Transport
from .errors import DataLayerError, UnreachableError, from_code, from_problem
from .frames import NO_SLAB, Frame, FrameSocket, Kind, broken, encode, encode_json
from .slabs import BufferPool, SlabTable

__all__ = ["Arrival", "Ended", "Link", "LinkLost"]

_SLAB = struct.Struct("<IIQ")
_SEQUENCE = struct.Struct("<Q")
_UPGRADE_LIMIT = 64 << 10


class LinkLost(Exception):
    """The connection is over; a new one may go on from the cursor."""


class Ended(Exception):
    """There are no more batches; `cursor` is where the feed stands."""

    def __init__(self, cursor: Optional[int]) -> None:
        super().__init__()
        self.cursor = cursor


class Arrival(NamedTuple):
    """A batch that came: its memory (a slab's mapping, or a buffer of the pool) and its length."""

    memory: Any
    length: int
    pooled: bool


class Link:
    """One connection, from Hello to its end. One thread reads; releases may come from any."""

    def __init__(self, sock: Any, rest: bytes, *, timeout: float, slabs: int, pin: bool) -> None:
        self._pool = BufferPool(slabs)
        self._frames = FrameSocket(sock, rest, self._pool.allocate)
        self._slabs = SlabTable(pin)
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._closed = False
        self._pinged = False
        self.opened: Dict[str, Any] = {}
        # A silent connection is asked after half the time, and given up after the other half.
        self._frames.set_timeout(max(0.05, timeout / 2))

    @classmethod
    def local(cls, path: str, **options: Any) -> "Link":
        """Connects to a feed socket of this machine."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(options["timeout"])
            sock.connect(path)
            return cls(sock, b"", **options)
        except BaseException:
            sock.close()
            raise

    @classmethod
    def remote(cls, transport: Transport, **options: Any) -> "Link":
        """Upgrades a connection of the API."""
        server: Server = transport.server
        sock = server.connect(options["timeout"], transport.tls)
        try:
            host = server.host if server.scheme == "unix" else server.name.split("://")[1]
            lines = [
                "GET /api/v1/feeds/connect HTTP/1.1", f"Host: {host}", "Connection: Upgrade",
                "Upgrade: datalayer-feed", *(f"{name}: {value}" for name, value in transport.headers().items()),
            ]
            sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
            return cls(sock, _upgraded(sock), **options)
        except BaseException:
            sock.close()
            raise

    def open(self, hello: Mapping[str, Any], request: Mapping[str, Any]) -> Dict[str, Any]:
        """Says who this is and what it wants; returns Opened."""
        self._send(encode_json(Kind.HELLO, hello) + encode_json(Kind.OPEN, request))
        self._expect(Kind.WELCOME)
        self.opened = self._expect(Kind.OPENED).json()
        return self.opened

    def next(self) -> Arrival:
        """The next batch. Raises `Ended`, `LinkLost`, or the error the service gave."""
        while True:
            frame = self._receive()
            if frame.kind == Kind.BATCH:
                number, _, length = _SLAB.unpack_from(frame.payload)
                if number == NO_SLAB:
                    if frame.batch is None or len(frame.batch) != length:
                        raise broken(f"a batch of {length} bytes came without them")
                    return Arrival(self._pool.last, length, True)
                return Arrival(self._slabs.view(number, length), length, False)
            if frame.kind == Kind.SLAB:
                if len(frame.payload) != _SLAB.size:
                    os.close(frame.descriptor)
                    raise broken(f"a slab's frame has {len(frame.payload)} bytes")
                number, _, length = _SLAB.unpack(frame.payload)
                self._slabs.add(number, frame.descriptor, length)
            elif frame.kind == Kind.END:
                cursor = frame.json().get("cursor")
                raise Ended(int(cursor) if cursor is not None else None)
            else:
                raise broken(f"a frame of kind {frame.kind} came among batches")

    def release(self, sequence: int, memory: Any, pooled: bool) -> None:
        """Gives a batch back; of a connection that is over there is nothing to give."""
        if pooled:
            self._pool.give(memory)
        try:
            self._send(encode(Kind.RELEASE, _SEQUENCE.pack(sequence)))
        except (LinkLost, OSError):
            pass

    def close(self, polite: bool = True) -> None:
        """Ends the connection; the service takes its leases back."""
        if self._closed:
            return
        if polite and self._process == os.getpid():
            try:
                self._frames.set_timeout(1.0)
                self._send(encode(Kind.CLOSE))
            except (LinkLost, OSError):
                pass
        self._closed = True
        self._frames.close()
        self._slabs.retire()

    def _send(self, data: bytes) -> None:
        with self._lock:
            if self._closed:
                raise LinkLost("it was closed")
            try:
                self._frames.send(data)
            except OSError as error:
                # A frame may have gone half: nothing may follow it, and the reader is told.
                self._frames.shutdown()
                raise LinkLost(str(error)) from error

    def _expect(self, kind: int) -> Frame:
        frame = self._receive()
        if frame.kind != kind:
            raise broken(f"a frame of kind {frame.kind} came where one of kind {kind} was due")
        return frame

    def _receive(self) -> Frame:
        """The next frame that is no ping, pong or error."""
        while True:
            try:
                frame = self._frames.receive()
            except socket.timeout:
                if self._pinged:
                    raise LinkLost("the service does not answer") from None
                self._pinged = True
                self._send(encode(Kind.PING))
                continue
            except (EOFError, OSError) as error:
                raise LinkLost(str(error) or "the service closed it") from error
            self._pinged = False
            if frame.kind == Kind.PING:
                self._send(encode(Kind.PONG, frame.payload))
            elif frame.kind == Kind.ERROR:
                said = frame.json()
                raise from_code(
                    str(said.get("code", "internal")), str(said.get("error", "The service ended the feed.")),
                    details=said.get("details") if isinstance(said.get("details"), dict) else None,
                )
            elif frame.kind != Kind.PONG:
                return frame


def find_socket(transport: Transport) -> Optional[str]:
    """The feed socket of a service on this machine, where this process can see it."""
    path = os.environ.get("DATALAYER_FEED_SOCKET")
    if path:
        return path
    if not transport.server.is_local:
        return None
    try:
        folder = transport.json("GET", "/api/v1/mounts").get("stateFolder")
    except UnreachableError:
        raise
    except DataLayerError:
        return None
    path = os.path.join(folder, "feed.sock") if folder else None
    return path if path and os.path.exists(path) and os.access(path, os.W_OK) else None


def _upgraded(sock: Any) -> bytes:
    """Reads the answer to an upgrade; returns what came behind it. Any other answer is an error."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = sock.recv(1 << 14)
        if not data:
            raise ConnectionError("the service closed the connection instead of upgrading it")
        head += data
        if len(head) > _UPGRADE_LIMIT:
            raise broken("an answer without an end came to the upgrade")
    top, _, rest = head.partition(b"\r\n\r\n")
    lines = top.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ", 2)
    status = int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0
    if status == 101:
        return rest
    headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
    length = int(headers.get("content-length", "0") or 0)
    while len(rest) < min(length, _UPGRADE_LIMIT):
        data = sock.recv(1 << 14)
        if not data:
            break
        rest += data
    if headers.get("transfer-encoding", "").lower() == "chunked":
        rest = rest[rest.find(b"{") : rest.rfind(b"}") + 1]
    try:
        problem = json.loads(rest) if rest else {}
    except ValueError:
        problem = {}
    reason = parts[2] if len(parts) > 2 else http.client.responses.get(status, "")
    raise from_problem(status, reason, problem if isinstance(problem, dict) else {})


def transport_error(server: str, error: BaseException) -> UnreachableError:
    """The service of a feed cannot be reached."""
    return UnreachableError(
        f"The feed of the service at {server} cannot be reached: {error or type(error).__name__}.",
        code="originUnavailable", remedy="Is it running ('datalayer serve'), and does DATALAYER_SERVER name it?",
    )
