"""`Feed`: batches of a dataset in its order, in shared memory of the service or over a network."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import deque
from typing import Any, Deque, Dict, Iterator, Mapping, Optional, Sequence, Tuple, Union

from ._http import Transport
from .batch import Batch
from .errors import DataLayerError, FeedError, ForkedError, StaleError, UnreachableError, from_code
from .link import Arrival, Ended, Link, LinkLost, find_socket, transport_error
from .order import OrderSpec, RankSlice, check_state, make_state, parse_state
from .tls import Tls

__all__ = ["Feed"]

# Errors of the service that pass by themselves: a feed goes on from its cursor.
_PASSING = frozenset(("shuttingDown", "overloaded", "originUnavailable", "timedOut"))
_FIRST_LIMIT = 5.0


class Feed:
    """An iterator of batches.

    `dataset` is its name, `batch` how many samples a step of one rank has. The order is `order` (`shuffle`,
    `sequential`, `blocks`, `weighted`, `balanced`, `lengths`, or a whole line as docs/FORMATS/order.md has it) with
    `part`, `seed` and, where they apply, `block`, `window` and `weights`. `rank` and `world` say which positions are
    taken, `last` what becomes of the rest of a pass (`drop` or `pad`). It begins at `cursor`, or where `state` says,
    and ends where pass `passes` would begin (counted from pass 0; 0 is never).

    `layout`, `pad`, `element`, `cast`, `keys` and `slabs` are those of docs/FORMATS/feed.md. `hold` is how many batches
    stay valid at once, the newest included: less than `slabs`. `pin` page-locks the slabs for CUDA through PyTorch.

    `server` and `token` are as of `Client`. On the service's machine batches come through shared memory
    (`shared_memory` None: where that can be; True: or fail; False: never), else over the API's port. A connection that
    breaks is made again for `reconnect` seconds and the feed goes on from its cursor: no sample is lost, none comes
    twice. `timeout` is how long the service may be silent, seconds.

    `every=k, skip=j` takes only steps j, j + k, ... of the rank's: so k workers share them, each step whole and exactly
    what it is without workers. Such a feed's own state says nothing of the others' steps; `one_pass` is not for it.

    Not for several threads at once, except `Batch.release`. A fork does not inherit it: the child has to open its own.
    """

    def __init__(
        self,
        dataset: str,
        batch: int,
        *,
        order: Union[str, OrderSpec] = "shuffle",
        part: str = "all",
        seed: int = 0,
        block: int = 1024,
        window: int = 16,
        weights: Sequence[int] = (),
        rank: int = 0,
        world: int = 1,
        last: str = "drop",
        cursor: int = 0,
        state: Union[None, str, Mapping[str, Any]] = None,
        passes: int = 1,
        slabs: int = 4,
        layout: str = "auto",
        pad: int = 0,
        element: Optional[str] = None,
        cast: Optional[Mapping[str, Any]] = None,
        keys: bool = False,
        index: Optional[str] = None,
        hold: int = 1,
        pin: bool = False,
        server: Optional[str] = None,
        token: Optional[str] = None,
        tls: Optional[Tls] = None,
        socket: Optional[str] = None,
        shared_memory: Optional[bool] = None,
        reconnect: float = 30.0,
        timeout: float = 30.0,
        every: int = 1,
        skip: int = 0,
    ) -> None:
        self._link: Optional[Link] = None
        self._closed = True
        self._process = os.getpid()
        self.spec = order if isinstance(order, OrderSpec) else _spec(order, part, seed, block, window, weights)
        _want(world >= 1 and 0 <= rank < world, f"Rank {rank} of {world}.", "Ranks count from 0 to world - 1.")
        _want(batch >= 1, f"A batch of {batch} samples.", "Take 1 or more.")
        _want(2 <= slabs <= 64, f"{slabs} slabs.", "Take 2 to 64.")
        _want(1 <= hold < slabs, f"hold={hold} with {slabs} slabs.", "Hold at least 1, and fewer than there are slabs.")
        _want(1 <= every <= 4096 and 0 <= skip < every, f"every={every}, skip={skip}.", "Skip fewer steps than every.")
        _want(reconnect >= 0 and timeout > 0, "Times are in seconds and not negative.", "")
        self.dataset, self.rank, self.world = dataset, rank, world
        self._hold, self._pin, self._reconnect, self._timeout = hold, pin, reconnect, timeout
        self._socket, self._shared = socket, shared_memory
        self._transport = Transport(server, token, timeout=timeout, retry=0.0, tls=tls)
        self._cursor = cursor
        self._every, self._first_skip, self._skip = every, skip, skip
        self._state = parse_state(state) if state is not None else None
        self._request: Dict[str, Any] = {
            "dataset": dataset, "index": index, "order": self.spec.canonical(), "rank": rank, "world": world,
            "batch": batch, "last": last, "passes": passes, "slabs": slabs, "layout": layout, "pad": pad,
            "element": element, "cast": _cast(cast) if cast else None, "keys": keys,
        }
        self._held: Deque[Batch] = deque()
        self._lock = threading.Lock()
        self._ended = False
        self._closed = False
        self.opened: Dict[str, Any] = {}
        self.reconnects = 0
        if self._state is not None:
            self._cursor = self._state["cursor"]
        self._connect(min(_FIRST_LIMIT, reconnect))
        if self._state is not None:
            self._check(self._state)

    # ---- what it is ----------------------------------------------------------------------------------------------

    @property
    def feed_id(self) -> str:
        """Its identity: the same for every feed that gives the same samples in the same order."""
        return str(self.opened["feed"])

    @property
    def index(self) -> str:
        """The index hash of the dataset, hexadecimal."""
        return str(self.opened["index"])

    @property
    def pass_length(self) -> int:
        """Positions a pass has, all ranks together."""
        return int(self.opened["passLength"])

    @property
    def samples(self) -> int:
        """Samples of the part."""
        return int(self.opened["samples"])

    @property
    def class_names(self) -> Optional[Sequence[str]]:
        """The labels by class number; None past 10,000 classes."""
        return self.opened.get("classNames")

    @property
    def shape(self) -> Optional[Tuple[int, ...]]:
        """The shape of one sample after the cast; None where it has none."""
        shape = self.opened.get("shape")
        return tuple(shape) if shape is not None else None

    @property
    def layout(self) -> str:
        """`samples`, `dense` or `padded`."""
        return str(self.opened["layout"])

    @property
    def cursor(self) -> int:
        """Positions that all ranks have taken once the batches handed out so far are used."""
        return self._cursor

    @property
    def slice(self) -> RankSlice:
        """Which positions it takes."""
        r = self._request
        return RankSlice(self.pass_length, r["batch"], r["rank"], r["world"], r["last"])

    # ---- iteration -----------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        self._usable()
        while len(self._held) >= self._hold:
            self._held.popleft().release()
        if self._ended:
            raise StopIteration
        stood, skip = self._cursor, self._skip
        try:
            made = self._batch(*self._arrival())
            self._held.append(made)
            self._cursor, self._skip = made.next_cursor, self._every - 1
            return made
        except StopIteration:
            raise
        except BaseException:
            # Also an interrupt by a signal, at any place: what came half, or was not handed out, comes again.
            self._rewind(stood)
            self._skip = skip
            raise

    def _arrival(self) -> Tuple[Link, Arrival]:
        """The next batch's memory, over as many connections as the time for them allows."""
        limit, pause = 0.0, 0.0
        while True:
            link = self._link
            try:
                if link is None:
                    raise LinkLost("it was lost before")
                return link, link.next()
            except Ended as end:
                self._ended = True
                self._cursor = end.cursor if end.cursor is not None else self._cursor
                raise StopIteration from None
            except (LinkLost, DataLayerError) as error:
                self._drop()
                if isinstance(error, DataLayerError) and error.code not in _PASSING:
                    raise
                # A feed that opens each time and then fails again gets no more time than one that does not open.
                now = time.monotonic()
                limit = limit or now + self._reconnect
                if pause and now + pause > limit:
                    raise self._lost(error) from error
                time.sleep(pause)
                pause = min(1.0, max(0.02, 2 * pause))
                self._connect(max(0.0, limit - time.monotonic()), error)
                self.reconnects += 1

    def one_pass(self) -> Iterator[Batch]:
        """The batches of the pass it stands in, to its end: the loop body of one pass."""
        wanted = self.slice.step_at(self._cursor).position_pass
        while not self._ended and self.slice.step_at(self._cursor).position_pass == wanted:
            try:
                made = next(self)
            except StopIteration:
                return
            yield made

    # ---- state ---------------------------------------------------------------------------------------------------

    def state_dict(self) -> Dict[str, Any]:
        """Where it stands once the batches handed out so far are used: what a checkpoint keeps."""
        return self._state_at(self._cursor)

    def load_state_dict(self, state: Union[str, Mapping[str, Any]]) -> None:
        """Goes on from a state, whatever world and batch it was taken at. Raises `StaleError` for another feed's."""
        self._usable()
        read = parse_state(state)
        self._check(read)
        while self._held:
            self._held.popleft().release()
        if read["cursor"] != self._cursor or self._ended or self._link is None:
            self._drop(polite=True)
            self._cursor, self._ended, self._skip = read["cursor"], False, self._first_skip
            self._connect(self._reconnect)

    def _rewind(self, cursor: int) -> None:
        """Stands where it stood; the connection, which is further, is left."""
        self._drop()
        self._cursor = cursor

    def close(self) -> None:
        """Ends the feed and gives all its memory back."""
        if self._closed:
            return
        self._closed = True
        if self._process != os.getpid():
            if self._link is not None:
                self._link.close(polite=False)
            return
        while self._held:
            self._held.popleft().release()
        self._drop(polite=True)
        self._transport.close()

    def __enter__(self) -> "Feed":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        try:
            self.close()
        except Exception:  # noqa: BLE001  (the interpreter may be ending)
            pass

    def __reduce__(self) -> Any:
        raise FeedError(
            "A feed is a connection of this process and cannot be sent to another.", code="notSupported",
            remedy="Open one there; datalayer.torch.FeedDataset does so in each worker.",
        )

    # ---- the connection ------------------------------------------------------------------------------------------

    def _batch(self, link: Link, arrival: Arrival) -> Batch:
        def give_back(batch: Batch) -> None:
            link.release(batch.sequence, arrival.memory, arrival.pooled)

        try:
            return Batch(
                arrival.memory, length=arrival.length, shape=self.opened.get("shape"),
                class_names=self.opened.get("classNames"), on_release=give_back, state=self._state_at,
            )
        except FeedError:
            self._drop()
            raise

    def _state_at(self, cursor: int) -> Dict[str, Any]:
        return make_state(self.feed_id, cursor, self.index, str(self.opened["order"]))

    def _check(self, state: Mapping[str, Any]) -> None:
        try:
            check_state(state, self.feed_id, self.index, str(self.opened["order"]))
        except StaleError:
            self.close()
            raise

    def _usable(self) -> None:
        if self._process != os.getpid():
            raise ForkedError(
                "The feed was opened before a fork and belongs to the parent.", code="wrongState",
                remedy="Open a feed in the child; with a DataLoader use datalayer.torch.FeedDataset.",
            )
        if self._closed:
            raise FeedError("The feed is closed.", code="wrongState", remedy="Open another, with state=state_dict().")

    def _drop(self, polite: bool = False) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close(polite)

    def _lost(self, error: Optional[BaseException]) -> DataLayerError:
        if isinstance(error, DataLayerError):
            return error
        return transport_error(self._transport.server.name, error or ConnectionError())

    def _connect(self, seconds: float, why: Optional[BaseException] = None) -> None:
        """Opens a connection at the cursor; tries again for so many seconds what may pass."""
        limit, pause, error = time.monotonic() + seconds, 0.02, why
        while True:
            try:
                self._link = self._open()
                return
            except (LinkLost, OSError, UnreachableError) as broken:
                # Errors of the API are OSErrors too (FileNotFoundError, PermissionError): those do not pass.
                if isinstance(broken, DataLayerError) and not isinstance(broken, UnreachableError):
                    if broken.code not in _PASSING:
                        raise
                error = broken
            except DataLayerError as refused:
                if refused.code not in _PASSING:
                    raise
                error = refused
            wait = pause * (0.5 + random.random() / 2)
            if time.monotonic() + wait > limit:
                raise self._lost(error) from error
            time.sleep(wait)
            pause = min(1.0, pause * 1.6)

    def _open(self) -> Link:
        from . import __version__

        options = {"timeout": self._timeout, "slabs": self._request["slabs"], "pin": self._pin}
        path = None if self._shared is False else self._socket or find_socket(self._transport)
        if path is not None:
            link = Link.local(path, **options)
        elif self._shared:
            raise from_code(
                "notSupported", f"No feed socket of the service at {self._transport.server.name} can be reached.",
                remedy="Run on its machine, with write access to feed.sock in its state folder.",
            )
        else:
            link = Link.remote(self._transport, **options)
        try:
            hello: Dict[str, Any] = {"client": f"datalayer-python/{__version__}"}
            if path is not None and self._transport.token():
                hello["token"] = self._transport.token()
            request = {name: value for name, value in self._request.items() if value is not None}
            if self.opened:
                request["index"] = self.opened["index"]
            request["cursor"] = self._cursor
            if self._every > 1:
                request.update(every=self._every, skip=self._skip)
            opened = link.open(hello, request)
            if self.opened and opened.get("feed") != self.opened.get("feed"):
                raise StaleError(
                    f"The dataset '{self.dataset}' changed: its index was {self.opened['index']} and is "
                    f"{opened.get('index')} now.", code="stale",
                    remedy="Pin a dataset that a job reads ('datalayer dataset pin').",
                )
            self.opened = opened
            return link
        except BaseException:
            link.close(polite=False)
            raise


def _spec(order: str, part: str, seed: int, block: int, window: int, weights: Sequence[int]) -> OrderSpec:
    if ";" in order:
        return OrderSpec.parse(order)
    return OrderSpec(order, part, seed, block, window, tuple(weights))


def _cast(cast: Mapping[str, Any]) -> Dict[str, Any]:
    """A cast as the frame has it: `scale` and `offset` may be one number, a list, an array."""
    made = dict(cast)
    for name in ("scale", "offset"):
        value = made.get(name)
        if value is not None:
            made[name] = [float(x) for x in value] if hasattr(value, "__len__") else [float(value)]
    return made


def _want(condition: bool, detail: str, remedy: str) -> None:
    if not condition:
        raise from_code("invalidArgument", detail, remedy=remedy)
