"""Files of the tree as Python's own file objects: seekable readers, and writers that publish at close."""

from __future__ import annotations

import http.client
import io
import socket
from typing import TYPE_CHECKING, Any, List, Optional

from ._http import encode_path, raise_for, read_answer
from .errors import DataLayerError, from_code

if TYPE_CHECKING:
    from .client import Client

__all__ = ["FileReader", "FileWriter", "open_file"]

_READ_BUFFER = 1 << 20
_WRITE_BUFFER = 1 << 20


def open_file(
    client: "Client",
    path: str,
    mode: str,
    buffering: int,
    *,
    encoding: Optional[str],
    errors: Optional[str],
    newline: Optional[str],
    parents: bool,
) -> Any:
    """What `Client.open` returns."""
    kind = mode.replace("b", "").replace("t", "")
    if kind not in ("r", "w", "x") or ("b" in mode and "t" in mode):
        raise from_code(
            "invalidArgument", f"A file cannot be opened with mode '{mode}'.",
            remedy="Take r, w or x, each with b for bytes; a mount and the HTTP API write parts of a file.",
        )
    text = "b" not in mode
    if kind == "r":
        raw = FileReader(client, path)
        if buffering == 0 and not text:
            return raw
        buffered = io.BufferedReader(raw, buffering if buffering > 1 else _READ_BUFFER)
        return io.TextIOWrapper(buffered, encoding or "utf-8", errors, newline) if text else buffered
    writer = FileWriter(client, path, new=kind == "x", parents=parents)
    return _TextWriter(writer, encoding or "utf-8", errors, newline) if text else writer


class FileReader(io.RawIOBase):
    """Ranged reads of the content a file had at the open, straight into the caller's memory."""

    def __init__(self, client: "Client", path: str) -> None:
        super().__init__()
        self._client, self.name, self._at = client, path, 0
        found = client.stat(path)
        if not found.is_file:
            raise from_code("isADirectory", f"'{path}' is a folder.", remedy="List it with listdir().")
        self.size, self.etag = found.size, found.etag
        self.mode = "rb"

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        self._check()
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._check()
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}.get(whence)
        if base is None or base + offset < 0:
            raise ValueError(f"There is no place {offset} from {whence} in '{self.name}'.")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        self._check()
        view = memoryview(buffer).cast("B")
        count = self.read_at(self._at, view)
        self._at += count
        return count

    def readall(self) -> bytes:
        self._check()
        rest = bytearray(max(0, self.size - self._at))
        count = self.read_at(self._at, memoryview(rest))
        self._at += count
        return bytes(rest[:count])

    def read_at(self, start: int, view: memoryview) -> int:
        """Reads from a place into memory without moving; returns how many bytes, fewer only at the file's end."""
        length = min(len(view), self.size - start)
        if length <= 0:
            return 0
        headers = {"Range": f"bytes={start}-{start + length - 1}"}
        if self.etag:
            headers["If-Match"] = f'"{self.etag}"'
        answer = self._client.transport.request(
            "GET", "/api/v1/files" + encode_path(self.name), headers=headers, into=view[:length]
        )
        if len(answer.body) != length or answer.status != 206:
            raise DataLayerError(f"'{self.name}': {len(answer.body)} bytes came where {length} were asked for.")
        if not isinstance(answer.body, memoryview):
            view[:length] = answer.body
        return length

    def _check(self) -> None:
        if self.closed:
            raise ValueError(f"'{self.name}' is closed.")


class FileWriter(io.BufferedIOBase):
    """One streamed upload: what was written becomes the file's content at `close()`, whole and durable.

    `abort()`, an exception inside `with`, or forgetting it leaves what was there before.
    """

    def __init__(self, client: "Client", path: str, *, new: bool = False, parents: bool = False) -> None:
        super().__init__()
        self.name, self.mode, self.etag = path, "wb", None  # type: Any
        self._transport = client.transport
        self._parts: List[bytes] = []
        self._held = 0
        self._length = 0
        self._new, self._parents = new, parents
        self._connection: Optional[Any] = None
        self._done = False

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._length

    def write(self, data: Any) -> int:
        """Takes all of `data`; it goes to the service a MiB at a time."""
        if self._done:
            raise ValueError(f"'{self.name}' is closed.")
        view = memoryview(data).cast("B")
        self._length += len(view)
        if len(view) >= _WRITE_BUFFER:
            self._flush_parts()
            self._send(view)
        else:
            self._parts.append(bytes(view))
            self._held += len(view)
            if self._held >= _WRITE_BUFFER:
                self._flush_parts()
        return len(view)

    def close(self) -> None:
        """Publishes. Raises where the service did not take it; then nothing changed."""
        if self._done:
            return
        try:
            if self._connection is None:
                self._publish_small()
            else:
                self._flush_parts()
                self._finish()
        finally:
            self._end()

    def abort(self) -> None:
        """Ends the upload and leaves what was there before."""
        if not self._done:
            self._end()

    @property
    def closed(self) -> bool:
        return self._done

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def __del__(self) -> None:
        # io's own __del__ would close, and so publish what nobody finished.
        if not getattr(self, "_done", True):
            self.abort()

    def _end(self) -> None:
        self._done = True
        self._parts = []
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _headers(self) -> dict:
        headers = {"Content-Type": "application/octet-stream", **self._transport.headers()}
        if self._new:
            headers["If-None-Match"] = "*"
        return headers

    def _publish_small(self) -> None:
        answer = self._transport.request(
            "PUT", "/api/v1/files" + encode_path(self.name), body=b"".join(self._parts), headers=self._headers(),
            query={"parents": True} if self._parents else None, safe=not self._new,
        )
        self.etag = answer.headers.get("etag", "").strip('"')

    def _flush_parts(self) -> None:
        if self._held:
            content = b"".join(self._parts)
            self._parts, self._held = [], 0
            self._send(memoryview(content))

    def _send(self, view: memoryview) -> None:
        try:
            if self._connection is None:
                self._begin()
            self._connection.send(b"%x\r\n" % len(view))  # type: ignore[union-attr]
            self._connection.send(view)  # type: ignore[union-attr]
            self._connection.send(b"\r\n")  # type: ignore[union-attr]
        except (OSError, http.client.HTTPException) as error:
            raise self._refused(error) from error

    def _begin(self) -> None:
        # A connection of its own: its upload may stay open for long, and a kept one may have been closed meanwhile.
        from ._http import _Connection

        self._connection = connection = _Connection(
            self._transport.server, self._transport.timeout, self._transport.tls
        )
        connection.connect()
        route = "/api/v1/files" + encode_path(self.name) + ("?parents=true" if self._parents else "")
        connection.putrequest("PUT", route)
        for name, value in self._headers().items():
            connection.putheader(name, value)
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()

    def _finish(self) -> None:
        try:
            self._connection.send(b"0\r\n\r\n")  # type: ignore[union-attr]
            answer = read_answer(self._connection.getresponse())  # type: ignore[union-attr]
        except (OSError, http.client.HTTPException) as error:
            raise self._refused(error) from error
        self.etag = raise_for(answer).headers.get("etag", "").strip('"')

    def _refused(self, error: BaseException) -> BaseException:
        """Why the service stopped taking bytes: its answer, where it sent one before it closed."""
        connection, self._connection = self._connection, None
        self._done = True
        try:
            if connection is not None and connection.sock is not None:
                connection.sock.settimeout(2.0)
                raise_for(read_answer(connection.getresponse()))
        except DataLayerError as answer:
            return answer
        except (OSError, http.client.HTTPException, socket.timeout):
            pass
        finally:
            if connection is not None:
                connection.close()
        return self._transport._unreachable(error)


class _TextWriter(io.TextIOWrapper):
    """Text over a writer: an exception inside `with` publishes nothing."""

    def __init__(self, writer: FileWriter, *rest: Any) -> None:
        super().__init__(writer, *rest)  # type: ignore[arg-type]
        self._writer = writer

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is None:
            self.close()
        else:
            self._writer.abort()

    def __del__(self) -> None:
        self._writer.abort()
