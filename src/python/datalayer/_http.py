"""Requests to the service over TCP or its Unix socket: kept connections, bounded waits, problems as exceptions."""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import threading
import time
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple, Union
from urllib.parse import quote, urlencode, urlsplit

from .errors import DataLayerError, UnreachableError, from_code, from_problem
from .tls import Tls

__all__ = ["Server", "Transport", "encode_path", "parse_server"]

DEFAULT_SERVER = "http://127.0.0.1:7070"
_IDLE_LIMIT = 16
_BROKEN = (http.client.HTTPException, ConnectionError, socket.timeout, OSError)
Body = Union[bytes, bytearray, memoryview]


class Server(NamedTuple):
    """Where a service is: a Unix socket, or a host and a port."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def name(self) -> str:
        """As a user writes it."""
        if self.scheme == "unix":
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether it is certainly on this machine, so that its feed socket may be reached."""
        return self.scheme == "unix" or self.host in ("127.0.0.1", "localhost", "::1")

    def connect(self, timeout: Optional[float], tls: Tls = Tls()) -> Any:
        """A new connection, plain or TLS; `timeout` in seconds is also that of each later read and write."""
        if self.scheme == "unix":
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                made.settimeout(timeout)
                made.connect(self.path)
            except BaseException:
                made.close()
                raise
            return made
        made = socket.create_connection((self.host, self.port), timeout)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.scheme == "https":
            return tls.wrap(made, self.host)
        return made


def parse_server(text: Optional[str]) -> Server:
    """`http(s)://host:port`, `host:port` or `unix:/path`; None takes DATALAYER_SERVER or the default."""
    text = text or os.environ.get("DATALAYER_SERVER") or DEFAULT_SERVER
    if text.startswith("unix:"):
        path = text[5:]
        while path.startswith("//"):
            path = path[1:]
        if not path.startswith("/"):
            raise _bad_server(text)
        return Server("unix", "localhost", 0, path)
    parts = urlsplit(text if "://" in text else f"http://{text}")
    try:
        port = parts.port
    except ValueError:
        raise _bad_server(text) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
        raise _bad_server(text)
    return Server(parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 7070), "")


def _bad_server(text: str) -> DataLayerError:
    return from_code(
        "invalidArgument",
        f"'{text}' does not name a service.",
        remedy="Write http(s)://host:port, host:port or unix:/path/to/api.sock.",
    )


def encode_path(path: str) -> str:
    """A path of the tree as it stands behind a route: percent-encoded UTF-8, slashes kept."""
    if path.startswith("datalayer://"):
        path = path[len("datalayer://"):]
    path = "/" + path.strip("/")
    return quote(path.encode("utf-8", "surrogateescape"), safe="/-._~")


class _Connection(http.client.HTTPConnection):
    """An HTTP/1.1 connection made by `Server.connect`."""

    def __init__(self, server: Server, timeout: Optional[float], tls: Tls) -> None:
        super().__init__(server.host if server.scheme != "unix" else "localhost", server.port or None, timeout=timeout)
        self._server, self._tls = server, tls

    def connect(self) -> None:
        self.sock = self._server.connect(self.timeout, self._tls)  # type: ignore[arg-type]


class Transport:
    """Connections to one service, kept for the next request. Safe for threads; a forked child makes its own.

    `timeout` bounds each connect, read and write, in seconds. Requests that change nothing are tried again while
    `retry` seconds are not over; others only where the service certainly did not carry them out.
    """

    def __init__(
        self,
        server: Optional[str] = None,
        token: Optional[str] = None,
        *,
        timeout: float = 60.0,
        retry: float = 10.0,
        tls: Optional[Tls] = None,
    ) -> None:
        self.server = parse_server(server)
        self.tls = tls if tls is not None else Tls.from_environment()
        self.timeout = timeout
        self.retry = retry
        self._token = token
        self._lock = threading.Lock()
        self._idle: List[_Connection] = []
        self._process = os.getpid()

    def token(self) -> Optional[str]:
        """The token as given, or of DATALAYER_TOKEN, or in the file DATALAYER_TOKEN_FILE (read again each time)."""
        if self._token:
            return self._token
        if os.environ.get("DATALAYER_TOKEN"):
            return os.environ["DATALAYER_TOKEN"]
        path = os.environ.get("DATALAYER_TOKEN_FILE")
        if not path:
            return None
        try:
            with open(path, encoding="utf-8") as file:
                return file.read().strip() or None
        except OSError as error:
            raise from_code(
                "notAuthenticated",
                f"The token file '{path}' cannot be read: {error.strerror}.",
                remedy="Correct DATALAYER_TOKEN_FILE or the file's mode.",
            ) from error

    def headers(self) -> Dict[str, str]:
        """What every request says of its caller."""
        token = self.token()
        return {"Authorization": f"Bearer {token}"} if token else {}

    def request(
        self,
        method: str,
        route: str,
        *,
        query: Optional[Mapping[str, Any]] = None,
        headers: Optional[Mapping[str, str]] = None,
        body: Optional[Body] = None,
        into: Optional[memoryview] = None,
        safe: Optional[bool] = None,
    ) -> "Answer":
        """One request and its whole answer; `into` takes the body where it fits.

        Raises `DataLayerError` for every answer that is no success, `UnreachableError` where there is none.
        """
        asked = {name: _text(value) for name, value in (query or {}).items() if value is not None}
        target = f"{route}?{urlencode(asked)}" if asked else route
        safe = method in ("GET", "HEAD") if safe is None else safe
        limit = time.monotonic() + self.retry
        attempt = 0
        while True:
            try:
                return self._once(method, target, headers, body, into)
            except _NotSent as failure:
                error: Exception = failure.cause
            except DataLayerError as refused:
                if refused.status not in (429, 503) or refused.code not in ("overloaded", "shuttingDown"):
                    raise
                error = refused
            except _BROKEN as broken:
                if not safe:
                    raise self._unreachable(broken) from broken
                error = broken
            attempt += 1
            wait = min(2.0, 0.05 * 2**attempt) * (0.5 + random.random() / 2)
            if time.monotonic() + wait > limit:
                raise (error if isinstance(error, DataLayerError) else self._unreachable(error)) from error
            time.sleep(wait)

    def json(self, method: str, route: str, command: Optional[Mapping[str, Any]] = None, **more: Any) -> Any:
        """A request with a JSON command; the answer's JSON, or None where it has no body."""
        headers = dict(more.pop("headers", None) or {})
        body = None
        if command is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(command).encode()
        answer = self.request(method, route, headers=headers, body=body, **more)
        return json.loads(answer.body) if len(answer.body) else None

    def take(self) -> Tuple["_Connection", bool]:
        """A kept connection (and that it is one), or a new one. Give it back by `give`, or close it."""
        with self._lock:
            if self._process != os.getpid():
                self._process, self._idle = os.getpid(), []
            if self._idle:
                return self._idle.pop(), True
        return _Connection(self.server, self.timeout, self.tls), False

    def give(self, connection: "_Connection") -> None:
        """Keeps a connection whose answer was read to its end."""
        with self._lock:
            if self._process == os.getpid() and connection.sock is not None and len(self._idle) < _IDLE_LIMIT:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Closes the kept connections; the next request makes new ones."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _once(
        self,
        method: str,
        target: str,
        headers: Optional[Mapping[str, str]],
        body: Optional[Body],
        into: Optional[memoryview],
    ) -> "Answer":
        connection, kept = self.take()
        try:
            try:
                if connection.sock is None:
                    connection.connect()
            except DataLayerError:
                raise
            except _BROKEN as error:
                raise _NotSent(error) from error
            try:
                connection.request(method, target, body=body, headers={**self.headers(), **(headers or {})})
                response = connection.getresponse()
            except (http.client.RemoteDisconnected, ConnectionError) as error:
                if not kept or (body is not None and len(body) > 0):
                    raise
                # The service closed a kept connection before it saw the request.
                raise _NotSent(error) from error
            answer = read_answer(response, into)
        except BaseException:
            connection.close()
            raise
        if response.will_close:
            connection.close()
        else:
            self.give(connection)
        return raise_for(answer)

    def _unreachable(self, error: BaseException) -> UnreachableError:
        return UnreachableError(
            f"The service at {self.server.name} cannot be reached: {error or type(error).__name__}.",
            code="originUnavailable",
            remedy="Is it running ('datalayer serve'), and does DATALAYER_SERVER name it?",
        )


class _NotSent(Exception):
    """The service certainly did not see the request."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Answer(NamedTuple):
    """A whole answer: status, reason, headers in lower case, body (the caller's memory where it was given)."""

    status: int
    reason: str
    headers: Dict[str, str]
    body: Union[bytes, memoryview]


def read_answer(response: http.client.HTTPResponse, into: Optional[memoryview] = None) -> Answer:
    """Reads an answer to its end; a body shorter than its announced length raises, and is never data."""
    headers = {name.lower(): value for name, value in response.getheaders()}
    body: Union[bytes, memoryview]
    length = response.length
    if into is not None and response.status < 300 and length is not None and length <= len(into):
        body, done = into[:length], 0
        while done < length:
            count = response.readinto(body[done:])
            if not count:
                raise http.client.IncompleteRead(b"", length - done)
            done += count
        response.read()
    else:
        body = response.read()
    return Answer(response.status, response.reason, headers, body)


def raise_for(answer: Answer) -> Answer:
    """The answer, where it is a success."""
    if answer.status < 300:
        return answer
    try:
        problem = json.loads(bytes(answer.body)) if len(answer.body) else {}
    except ValueError:
        problem = {}
    raise from_problem(answer.status, answer.reason, problem if isinstance(problem, dict) else {})


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
