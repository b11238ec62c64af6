"""The service's tree and datasets from Python: `Client`, and the module-level shortcuts over a default one."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import Any, BinaryIO, Dict, Iterator, List, Mapping, Optional, Tuple, Union, cast

from ._http import Transport, encode_path
from .errors import DataLayerError, from_code
from .tls import Tls

__all__ = ["Client", "Stat", "clean_path", "connect", "listdir", "remove", "stat"]


@dataclass(frozen=True)
class Stat:
    """Attributes of a file, a folder or a link."""

    path: str
    name: str
    kind: str
    """`regular`, `directory`, `symbolicLink`, ..."""
    size: int
    """Length, bytes."""
    mode: int
    """Permission bits."""
    mtime: float
    """Last change of the content, seconds since 1970 UTC."""
    etag: Optional[str]
    """Identity of the content; None for what is no file."""
    state: str
    """Where the content stands between the tiers."""
    more: Mapping[str, Any]
    """Everything the service said, as docs/API.md has it."""

    @property
    def is_file(self) -> bool:
        """Whether it has content."""
        return self.kind == "regular"

    @property
    def is_dir(self) -> bool:
        """Whether it is a folder."""
        return self.kind == "directory"

    @classmethod
    def of(cls, path: str, said: Mapping[str, Any]) -> "Stat":
        """Reads one entry of the API."""
        return cls(
            path=path,
            name=said["name"],
            kind=said["kind"],
            size=said["sizeBytes"],
            mode=said["mode"],
            mtime=said.get("modifyTimeNanoseconds", 0) / 1e9,
            etag=said.get("entityTag"),
            state=said.get("state", ""),
            more=said,
        )


def clean_path(path: Union[str, "os.PathLike[str]"]) -> str:
    """A path of the tree with one slash in front and none behind; `datalayer://` in front is taken off."""
    text = os.fspath(path)
    if text.startswith("datalayer://"):
        text = text[len("datalayer://"):]
    return "/" + text.strip("/")


class Client:
    """Files, folders and datasets of one service. Safe for threads; keeps its connections.

    `server` is `http(s)://host:port`, `host:port` or `unix:/path` (default: DATALAYER_SERVER, else 127.0.0.1:7070);
    `token` is given or comes from DATALAYER_TOKEN or DATALAYER_TOKEN_FILE. `timeout` bounds each wait for the service,
    seconds; `retry` is how long requests that may be repeated are tried again, seconds. `tls` says what counts over
    `https` (default: DATALAYER_CA_FILE and so on, see `datalayer.Tls`).
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
        self._arguments = (server, token, timeout, retry, tls)
        self.transport = Transport(server, token, timeout=timeout, retry=retry, tls=tls)

    def __reduce__(self) -> Tuple[Any, ...]:
        return _again, self._arguments

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the kept connections."""
        self.transport.close()

    # ---- names and attributes -------------------------------------------------------------------------------------

    def stat(self, path: str, *, follow: bool = True) -> Stat:
        """Attributes of what is at a path; `follow=False` of a link itself. Raises `NotFoundError`."""
        path = clean_path(path)
        query = None if follow else {"follow": False}
        return Stat.of(path, self.transport.json("GET", "/api/v1/stat" + encode_path(path), query=query))

    def exists(self, path: str) -> bool:
        """Whether there is something at a path."""
        try:
            self.stat(path)
            return True
        except (FileNotFoundError, NotADirectoryError):
            return False

    def scandir(self, path: str = "/", *, page: int = 1000) -> Iterator[Stat]:
        """The entries of a folder in the order of their names (UTF-8 bytes), page by page."""
        path = clean_path(path)
        after: Optional[str] = None
        while True:
            said = self.transport.json(
                "GET", "/api/v1/dirs" + encode_path(path), query={"after": after, "limit": page}
            )
            for entry in said["entries"]:
                yield Stat.of(f"{path.rstrip('/')}/{entry['name']}", entry)
            after = said.get("next")
            if after is None:
                return

    def listdir(self, path: str = "/") -> List[str]:
        """The names in a folder, in order."""
        return [entry.name for entry in self.scandir(path, page=10_000)]

    def mkdir(self, path: str, *, parents: bool = False, mode: Optional[int] = None) -> None:
        """Makes a folder, with `parents` also those above it (and then one that is there is no error)."""
        command: Dict[str, Any] = {"path": clean_path(path), "parents": parents}
        if mode is not None:
            command["mode"] = mode
        self.transport.json("POST", "/api/v1/ops/mkdir", command)

    def rename(self, source: str, target: str, *, replace: bool = True) -> None:
        """Renames in one transaction; a reader of a replaced name sees the old or the new."""
        command = {"from": clean_path(source), "to": clean_path(target), "noReplace": not replace}
        self.transport.json("POST", "/api/v1/ops/rename", command)

    def clone(self, source: str, target: str, *, parents: bool = False) -> None:
        """A file with the content of another, inside the service."""
        command = {"from": clean_path(source), "to": clean_path(target), "parents": parents}
        self.transport.json("POST", "/api/v1/ops/clone", command)

    def remove(self, path: str, *, recursive: bool = False) -> None:
        """Removes a file, a link or an empty folder; with `recursive` a folder with all that is in it."""
        query = {"recursive": True} if recursive else None
        self.transport.request("DELETE", "/api/v1/files" + encode_path(path), query=query)

    def flush(self, path: str, *, uploads: bool = False) -> None:
        """Waits until a file is durable; with `uploads`, until what is at and below a path is in its bucket."""
        self.transport.json("POST", "/api/v1/ops/flush", {"path": clean_path(path), "uploads": uploads})

    # ---- contents ------------------------------------------------------------------------------------------------

    def open(
        self,
        path: str,
        mode: str = "rb",
        *,
        buffering: int = -1,
        encoding: Optional[str] = None,
        errors: Optional[str] = None,
        newline: Optional[str] = None,
        parents: bool = False,
    ) -> BinaryIO:
        """Opens a file: `r`, `rb`, `w`, `wb`, `x`, `xb`.

        A reader is seekable and reads the content that was there at the open: once somebody replaced the file it
        raises `StaleError`. What a writer gets becomes the file's content at `close()`, whole and durable; left by an
        exception, or forgotten, it leaves nothing. `parents` makes missing folders of a new file.
        """
        from .files import open_file

        return cast(
            BinaryIO,
            open_file(
                self, clean_path(path), mode, buffering, encoding=encoding, errors=errors, newline=newline,
                parents=parents,
            ),
        )

    def read(self, path: str, start: int = 0, length: Optional[int] = None) -> bytes:
        """A file's bytes, or `length` of them from `start` on (fewer at its end)."""
        headers = {}
        if start or length is not None:
            if length is not None and length <= 0:
                return b""
            last = "" if length is None else str(start + length - 1)
            headers["Range"] = f"bytes={start}-{last}"
        try:
            answer = self.transport.request("GET", "/api/v1/files" + encode_path(path), headers=headers)
        except DataLayerError as error:
            if error.status == 416:
                return b""
            raise
        return bytes(answer.body)

    def write(
        self,
        path: str,
        content: Union[bytes, bytearray, memoryview],
        *,
        parents: bool = False,
        if_match: Optional[str] = None,
        new: bool = False,
    ) -> str:
        """Replaces or makes a file, whole, durable and at once; returns its entity tag.

        `if_match`: only where the file has this tag; `new`: only where there is none. Else `StaleError`.
        """
        headers = {"Content-Type": "application/octet-stream"}
        if if_match:
            headers["If-Match"] = f'"{if_match}"'
        if new:
            headers["If-None-Match"] = "*"
        answer = self.transport.request(
            "PUT", "/api/v1/files" + encode_path(path), body=content, headers=headers,
            query={"parents": True} if parents else None, safe=not new and not if_match,
        )
        return answer.headers.get("etag", "").strip('"')

    # ---- datasets ------------------------------------------------------------------------------------------------

    def datasets(self) -> List[Dict[str, Any]]:
        """The datasets the caller reaches (docs/API.md has their members)."""
        said = self.transport.json("GET", "/api/v1/datasets")
        return list(said["datasets"] if isinstance(said, dict) else said)

    def dataset(self, name: str) -> Dict[str, Any]:
        """One dataset: `hash`, `samples`, `classes`, `recordBytes`, `shape`, ... Raises `NotFoundError`."""
        return cast(Dict[str, Any], self.transport.json("GET", "/api/v1/datasets" + encode_path(name)))

    def create_dataset(self, name: str, path: str, kind: str, *, wait: float = 600.0, **spec: Any) -> Dict[str, Any]:
        """Makes a dataset and waits at most `wait` seconds until its sample index is built.

        `spec` has the members of docs/API.md: include, labels, labelsFrom, recordBytes, validation, splitSalt.
        """
        command = {"path": clean_path(path), "kind": kind, **spec}
        self.wait_job(self.transport.json("PUT", "/api/v1/datasets" + encode_path(name), command), wait)
        return self.dataset(name)

    def wait_job(self, job: Mapping[str, Any], wait: float) -> Dict[str, Any]:
        """Waits until a job has ended; raises where it did not end well, or not within `wait` seconds."""
        import time

        limit, pause, now = time.monotonic() + wait, 0.01, dict(job)
        while now["state"] in ("queued", "running", "paused", "cancelling"):
            if time.monotonic() > limit:
                raise from_code(
                    "timedOut", f"Job {now['id']} is still {now['state']} after {wait:g} s.",
                    remedy=f"See 'datalayer job show {now['id']}'.",
                )
            time.sleep(pause)
            pause = min(0.5, pause * 1.5)
            now = self.transport.json("GET", f"/api/v1/jobs/{now['id']}")
        if now["state"] != "done":
            raise from_code(
                "wrongState", f"Job {now['id']} is {now['state']}: {now.get('fault') or now.get('error') or now}.",
            )
        return now


def _again(
    server: Optional[str], token: Optional[str], timeout: float, retry: float, tls: Optional[Tls] = None
) -> Client:
    return Client(server, token, timeout=timeout, retry=retry, tls=tls)


_lock = threading.Lock()
_default: Dict[Tuple[Optional[str], ...], Client] = {}


def connect(server: Optional[str] = None, token: Optional[str] = None) -> Client:
    """The process's client of a service, made once and shared by everything that names the same service."""
    key = (server or os.environ.get("DATALAYER_SERVER"), token)
    with _lock:
        made = _default.get(key)
        if made is None:
            made = _default[key] = Client(server, token)
        return made


def stat(path: str, *, server: Optional[str] = None) -> Stat:
    """Attributes of what is at a path, through the default client."""
    return connect(server).stat(path)


def listdir(path: str = "/", *, server: Optional[str] = None) -> List[str]:
    """The names in a folder, through the default client."""
    return connect(server).listdir(path)


def remove(path: str, *, recursive: bool = False, server: Optional[str] = None) -> None:
    """Removes a file or an empty folder (with `recursive` all in it), through the default client."""
    connect(server).remove(path, recursive=recursive)
