"""TLS to the service: whose certificates count, and a connection that one thread reads while others write."""

from __future__ import annotations

import io
import os
import select
import socket
import ssl
import threading
import time
from typing import Any, NamedTuple, Optional

from .errors import DataLayerError, from_code

__all__ = ["Tls", "TlsSocket"]


class Tls(NamedTuple):
    """PEM files for `https`: the authorities that count (else the system's), a client certificate, its key.

    `key` may be left out where it is in the certificate's file; `key_password_file` is for an encrypted one. The files
    are read at each connection.
    """

    ca_file: Optional[str] = None
    certificate: Optional[str] = None
    key: Optional[str] = None
    key_password_file: Optional[str] = None

    @classmethod
    def from_environment(cls) -> "Tls":
        """DATALAYER_CA_FILE, DATALAYER_CLIENT_CERT, DATALAYER_CLIENT_KEY, DATALAYER_CLIENT_KEY_PASSWORD_FILE."""
        names = ("CA_FILE", "CLIENT_CERT", "CLIENT_KEY", "CLIENT_KEY_PASSWORD_FILE")
        return cls(*(os.environ.get(f"DATALAYER_{name}") or None for name in names))

    def wrap(self, made: socket.socket, host: str) -> "TlsSocket":
        """Shakes hands over a connected socket, which is closed where that fails."""
        try:
            return TlsSocket(self._context().wrap_socket(made, server_hostname=host))
        except (ssl.SSLCertVerificationError, ssl.CertificateError) as error:
            made.close()
            raise untrusted(host, error) from error
        except BaseException:
            made.close()
            raise

    def _context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.certificate:
                context.load_cert_chain(self.certificate, self.key, self._password)
            return context
        except OSError as error:
            files = ", ".join(each for each in self if each)
            raise from_code(
                "invalidArgument", f"The files for TLS ({files}) cannot be used: {error}.",
                remedy="Give PEM files that are there, and the key that belongs to the certificate.",
            ) from error

    def _password(self) -> str:
        if not self.key_password_file:
            raise OSError("the key is encrypted and there is no key_password_file")
        with open(self.key_password_file, encoding="utf-8") as file:
            return file.read().rstrip("\r\n")


def untrusted(host: str, error: BaseException) -> DataLayerError:
    """The service's certificate does not count."""
    return from_code(
        "notAuthenticated", f"The certificate of '{host}' is not trusted: {error}.",
        remedy="Give its authority (DATALAYER_CA_FILE), and a name that the certificate has.",
    )


class TlsSocket:
    """A TLS connection that may be read and written by two threads: the library must not be, so they take turns.

    A turn never waits: who has nothing to read or no room to write waits outside of it.
    """

    family = socket.AF_INET

    def __init__(self, inner: ssl.SSLSocket) -> None:
        self._inner = inner
        self._turn = threading.Lock()
        self._timeout = inner.gettimeout()
        self._readers, self._closed = 0, False
        inner.setblocking(False)

    def settimeout(self, seconds: Optional[float]) -> None:
        """Bounds each wait."""
        self._timeout = seconds

    def gettimeout(self) -> Optional[float]:
        """The bound of each wait."""
        return self._timeout

    def fileno(self) -> int:
        """The descriptor."""
        return self._inner.fileno()

    def recv(self, size: int) -> bytes:
        """At most `size` bytes; none at the end."""
        return bytes(self._repeat(lambda: self._inner.recv(size)))

    def recv_into(self, target: Any, size: int = 0, flags: int = 0) -> int:
        """Reads into memory; 0 at the end."""
        return int(self._repeat(lambda: self._inner.recv_into(target, size or None, flags)))

    def sendall(self, data: Any) -> None:
        """Sends all."""
        view = memoryview(data).cast("B")
        while len(view) > 0:
            # The library wants a repeated write to be of the same bytes: the view stays until it is taken.
            view = view[int(self._repeat(lambda: self._inner.send(view))) :]

    def makefile(self, mode: str = "rb", *args: Any, **more: Any) -> Any:
        """A buffered reader, as http.client wants one; it outlives `close`."""
        self._readers += 1
        return io.BufferedReader(_Reader(self))

    def shutdown(self, how: int) -> None:
        """Ends the connection's directions; who waits is told."""
        socket.socket.shutdown(self._inner, how)

    def close(self) -> None:
        """Closes, once the last reader is closed too."""
        self._closed = True
        self.let_go(0)

    def let_go(self, readers: int) -> None:
        """So many readers are done."""
        self._readers -= readers
        if self._closed and self._readers <= 0:
            self._inner.close()

    def _repeat(self, act: Any) -> Any:
        end = None if self._timeout is None else time.monotonic() + self._timeout
        while True:
            with self._turn:
                try:
                    return act()
                except ssl.SSLWantReadError:
                    reads = True
                except ssl.SSLWantWriteError:
                    reads = False
            self._wait(reads, end)

    def _wait(self, reads: bool, end: Optional[float]) -> None:
        poll = select.poll()
        poll.register(self._inner.fileno(), select.POLLIN if reads else select.POLLOUT)
        left = None if end is None else max(0.0, end - time.monotonic()) * 1000
        if not poll.poll(left):
            raise socket.timeout("timed out")


class _Reader(io.RawIOBase):
    """What http.client reads an answer from; the socket stays open behind it."""

    def __init__(self, source: TlsSocket) -> None:
        super().__init__()
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        return self._source.recv_into(target)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._source.let_go(1)
