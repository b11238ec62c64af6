"""A machine that is taken away: SIGTERM ends the loop between two steps, in time to keep where it stood."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any, Dict, Iterable, Iterator, Sequence, TypeVar

from .errors import from_code

__all__ = ["Reclaim"]

T = TypeVar("T")


class _Asked(BaseException):
    """Ends a wait for the next batch; never leaves `Reclaim.batches`."""


class Reclaim:
    """Watches for SIGTERM inside `with`; afterwards the handlers of before are there again.

        with datalayer.Reclaim(grace=25) as reclaim:
            for batch in reclaim.batches(feed):
                train(batch)
        if reclaim.asked:
            datalayer.save({"model": model.state_dict(), "feed": feed.state_dict()}, path)

    `grace` is how many seconds the platform leaves between SIGTERM and SIGKILL. `batches` ends after the step that runs
    when the signal comes, at once where the loop only waits; the feed's state is then that behind the last step.
    Has to be made in the main thread, where Python handles signals.
    """

    def __init__(self, grace: float = 25.0, signals: Sequence[int] = (signal.SIGTERM,)) -> None:
        if grace <= 0:
            raise from_code("invalidArgument", f"A grace time of {grace} s.", remedy="Give seconds, more than 0.")
        self.grace = grace
        self._signals = tuple(signals)
        self._before: Dict[int, Any] = {}
        self._at = 0.0
        self._asked = False
        self._waiting = False

    @property
    def asked(self) -> bool:
        """Whether the signal came."""
        return self._asked

    @property
    def remaining(self) -> float:
        """Seconds of the grace time that are left; all of it before the signal."""
        return max(0.0, self._at + self.grace - time.monotonic()) if self._asked else self.grace

    def batches(self, source: Iterable[T]) -> Iterator[T]:
        """The items of a feed (or of any iterable) until the signal comes."""
        items = iter(source)
        rewind = getattr(source, "_rewind", None)
        while not self._asked:
            stand = getattr(source, "cursor", None)
            try:
                self._waiting = True
                try:
                    if self._asked:
                        return
                    item = next(items)
                finally:
                    self._waiting = False
            except StopIteration:
                return
            except _Asked:
                # It may have come between the batch's arrival and here: nobody has used that batch.
                if rewind is not None:
                    rewind(stand)
                return
            yield item

    def __enter__(self) -> "Reclaim":
        if threading.current_thread() is not threading.main_thread():
            raise from_code(
                "wrongState", "Signals are handled in the main thread only.", remedy="Make the Reclaim there.",
            )
        for number in self._signals:
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before = {}

    def _handle(self, number: int, frame: Any) -> None:
        if not self._asked:
            self._at, self._asked = time.monotonic(), True
        if self._waiting:
            self._waiting = False
            raise _Asked
