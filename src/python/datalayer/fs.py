"""The tree as an fsspec file system: `fsspec.open("datalayer:///images/1.jpg")`, pandas, Arrow, Hugging Face."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Union

from fsspec import AbstractFileSystem, register_implementation  # type: ignore[import-untyped]

from .client import Client, Stat, clean_path
from .errors import from_code

__all__ = ["DataLayerFileSystem"]


class DataLayerFileSystem(AbstractFileSystem):
    """An fsspec file system over one service; `server` and `token` as of `datalayer.Client`."""

    protocol = "datalayer"
    root_marker = "/"

    def __init__(self, server: Optional[str] = None, token: Optional[str] = None, **options: Any) -> None:
        super().__init__(server=server, token=token, **options)
        self.client = Client(server, token)

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return [clean_path(each) for each in path] if isinstance(path, list) else clean_path(path)

    @staticmethod
    def _entry(found: Stat) -> Dict[str, Any]:
        kind = {"regular": "file", "directory": "directory"}.get(found.kind, "link")
        return {
            "name": found.path, "size": found.size if kind == "file" else 0, "type": kind, "mtime": found.mtime,
            "mode": found.mode, "ETag": found.etag, "state": found.state,
        }

    def info(self, path: str, **_: Any) -> Dict[str, Any]:
        """Attributes of one path."""
        return self._entry(self.client.stat(self._strip_protocol(path)))

    def ls(self, path: str, detail: bool = True, **_: Any) -> List[Any]:
        """What is in a folder, or the file itself."""
        path = self._strip_protocol(path)
        found = self.client.stat(path)
        entries = list(self.client.scandir(path, page=10_000)) if found.is_dir else [found]
        return [self._entry(entry) for entry in entries] if detail else [entry.path for entry in entries]

    def exists(self, path: str, **_: Any) -> bool:
        """Whether there is something at a path."""
        return self.client.exists(self._strip_protocol(path))

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        """Makes a folder."""
        path = self._strip_protocol(path)
        if self.client.exists(path):
            raise from_code("alreadyExists", f"'{path}' is there already.")
        self.client.mkdir(path, parents=create_parents)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Makes a folder and those above it."""
        path = self._strip_protocol(path)
        if not exist_ok and self.client.exists(path):
            raise from_code("alreadyExists", f"'{path}' is there already.")
        self.client.mkdir(path, parents=True)

    def rmdir(self, path: str) -> None:
        """Removes an empty folder."""
        self.client.remove(self._strip_protocol(path))

    def rm_file(self, path: str) -> None:
        """Removes a file."""
        self.client.remove(self._strip_protocol(path))

    _rm = rm_file

    def rm(self, path: Union[str, List[str]], recursive: bool = False, maxdepth: Optional[int] = None) -> None:
        """Removes files; with `recursive` folders with all that is in them."""
        if maxdepth is not None:
            super().rm(path, recursive=recursive, maxdepth=maxdepth)
            return
        for each in path if isinstance(path, list) else [path]:
            stripped = self._strip_protocol(each)
            for found in self.expand_path(stripped) if "*" in stripped else [stripped]:
                self.client.remove(found, recursive=recursive)

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        """Copies a file inside the service."""
        self.client.clone(self._strip_protocol(path1), self._strip_protocol(path2), parents=True)

    def mv(self, path1: str, path2: str, recursive: bool = False, maxdepth: Optional[int] = None, **_: Any) -> None:
        """Renames, in one transaction."""
        self.client.rename(self._strip_protocol(path1), self._strip_protocol(path2))

    def cat_file(self, path: str, start: Optional[int] = None, end: Optional[int] = None, **_: Any) -> bytes:
        """A file's bytes from `start` to `end`; negative ones count from its end."""
        path, first, length = self._strip_protocol(path), start or 0, None
        if first < 0 or (end is not None and end < 0):
            size = self.client.stat(path).size
            first = max(0, size + first) if first < 0 else first
            end = size + end if end is not None and end < 0 else end
        if end is not None:
            length = max(0, end - first)
        return self.client.read(path, first, length)

    def pipe_file(self, path: str, value: bytes, **_: Any) -> None:
        """Replaces or makes a file."""
        self.client.write(self._strip_protocol(path), value, parents=True)

    def created(self, path: str) -> Any:
        """When the content was last changed (the tree keeps no time of making)."""
        return self.modified(path)

    def modified(self, path: str) -> Any:
        """When the content was last changed, a UTC datetime."""
        from datetime import datetime, timezone

        return datetime.fromtimestamp(self.client.stat(self._strip_protocol(path)).mtime, tz=timezone.utc)

    def ukey(self, path: str) -> str:
        """The content's entity tag: changes with the content."""
        return self.client.stat(self._strip_protocol(path)).etag or ""

    def _open(self, path: str, mode: str = "rb", block_size: Any = None, **_: Any) -> Any:
        buffering = block_size if isinstance(block_size, int) and block_size > 0 else -1
        return self.client.open(path, mode, buffering=buffering, parents=True)


# An installed package is found by its entry point; one on PYTHONPATH by importing this module.
register_implementation("datalayer", DataLayerFileSystem, clobber=True)
