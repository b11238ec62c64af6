"""What goes wrong, as exceptions that say what to do.

Every fault of the service is a `DataLayerError` with the service's stable `code`. Where Python has an exception of the
same meaning (`FileNotFoundError`, `PermissionError`, `TimeoutError`, ...), the error is that one too, so code that
knows only files works unchanged.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Type

__all__ = [
    "DataLayerError",
    "FeedError",
    "ForkedError",
    "NotFoundError",
    "ReleasedError",
    "StaleError",
    "UnreachableError",
    "from_code",
    "from_problem",
]


class DataLayerError(Exception):
    """A fault that the service, or the way to it, reported.

    `code` is the API's stable word (docs/API.md), `detail` what happened, `remedy` what to do, `status` the HTTP
    status or None, `details` whatever else the service gave.
    """

    def __init__(
        self,
        detail: str,
        *,
        code: str = "internal",
        remedy: Optional[str] = None,
        status: Optional[int] = None,
        details: Optional[Mapping[str, Any]] = None,
    ) -> None:
        text = f"{detail} {remedy}" if remedy and remedy not in detail else detail
        super().__init__(text)
        self.code = code
        self.detail = detail
        self.remedy = remedy
        self.status = status
        self.details: Dict[str, Any] = dict(details or {})

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else self.detail


class NotFoundError(DataLayerError, FileNotFoundError):
    """There is nothing of that name."""


class _ExistsError(DataLayerError, FileExistsError):
    """There is something of that name already."""


class _NotADirectoryError(DataLayerError, NotADirectoryError):
    """A component of the path is no folder."""


class _IsADirectoryError(DataLayerError, IsADirectoryError):
    """The path is a folder."""


class _PermissionError(DataLayerError, PermissionError):
    """The token's role or scope, or the file's mode, does not allow it."""


class _TimedOutError(DataLayerError, TimeoutError):
    """It took longer than it may."""


class _ArgumentError(DataLayerError, ValueError):
    """An argument that the service, or the client, does not accept."""


class StaleError(DataLayerError):
    """The content, the index or the condition is not the one expected: somebody changed it."""


class UnreachableError(DataLayerError, ConnectionError):
    """The service cannot be reached, or the connection broke."""


class FeedError(DataLayerError):
    """A feed that broke the contract of docs/FORMATS/feed.md."""


class ReleasedError(FeedError, ValueError):
    """A batch was used after it was released: its memory belongs to a later batch."""


class ForkedError(FeedError):
    """A feed that was opened before a fork was used in the child."""


_BY_CODE: Dict[str, Type[DataLayerError]] = {
    "notFound": NotFoundError,
    "alreadyExists": _ExistsError,
    "notADirectory": _NotADirectoryError,
    "isADirectory": _IsADirectoryError,
    "permissionDenied": _PermissionError,
    "notAuthenticated": _PermissionError,
    "readOnly": _PermissionError,
    "invalidArgument": _ArgumentError,
    "nameTooLong": _ArgumentError,
    "timedOut": _TimedOutError,
    "stale": StaleError,
}

_BY_STATUS: Dict[int, str] = {
    400: "invalidArgument",
    401: "notAuthenticated",
    403: "permissionDenied",
    404: "notFound",
    409: "wrongState",
    412: "stale",
    503: "overloaded",
}


def from_code(
    code: str,
    detail: str,
    *,
    remedy: Optional[str] = None,
    status: Optional[int] = None,
    details: Optional[Mapping[str, Any]] = None,
) -> DataLayerError:
    """The exception for one of the API's error codes; codes of newer services become a plain `DataLayerError`."""
    return _BY_CODE.get(code, DataLayerError)(detail, code=code, remedy=remedy, status=status, details=details)


def from_problem(status: int, reason: str, problem: Mapping[str, Any]) -> DataLayerError:
    """The exception for an `application/problem+json` answer (RFC 9457) with `code` and `remedy`."""
    code = problem.get("code") or _BY_STATUS.get(status, "internal")
    detail = problem.get("detail") or problem.get("title") or f"The service answered {status} {reason}."
    known = ("type", "title", "status", "detail", "code", "remedy", "instance")
    rest = {name: value for name, value in problem.items() if name not in known}
    return from_code(str(code), str(detail), remedy=problem.get("remedy"), status=status, details=rest)
