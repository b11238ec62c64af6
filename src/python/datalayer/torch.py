"""Feeds for PyTorch: `FeedDataset`, by itself in place of a `DataLoader`, or inside one with workers."""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple, Union

import torch
import torch.distributed
import torch.utils.data

from ._http import encode_path
from .batch import Batch
from .client import connect
from .errors import from_code
from .feed import Feed
from .order import OrderSpec, RankSlice, check_state, make_state, parse_state

__all__ = ["FeedDataset", "FeedItem", "rank_and_world"]


class FeedItem(NamedTuple):
    """One step: tensors, and where the feed stands once it is used."""

    data: Any
    """A tensor of dense and padded layouts, a list of tensors else; whatever `transform` made of them."""
    labels: Any
    """The classes, int64; None where the dataset has no labels."""
    numbers: Any
    """The samples' numbers in the index, int64."""
    padding: int
    """How many of the last samples are there only to fill the step."""
    next_cursor: int
    """Positions that all ranks and workers have taken after this step."""
    worker: int
    """Which worker made it, from 0."""
    workers: int
    """How many there are; 1 without a DataLoader's."""


def rank_and_world(rank: Optional[int] = None, world: Optional[int] = None) -> Tuple[int, int]:
    """Rank and world as given, of `torch.distributed`, or of RANK and WORLD_SIZE; 0 and 1 where nobody says.

    Raises where what was given disagrees with the process group.
    """
    group: Optional[Tuple[int, int]] = None
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        group = (torch.distributed.get_rank(), torch.distributed.get_world_size())
    elif "RANK" in os.environ and "WORLD_SIZE" in os.environ:
        try:
            group = (int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
        except ValueError:
            raise from_code("invalidArgument", "RANK and WORLD_SIZE are no numbers.", remedy="Correct them.") from None
    if rank is None and world is None:
        return group or (0, 1)
    if rank is None or world is None:
        raise from_code("invalidArgument", "Rank and world go together.", remedy="Give both, or neither.")
    if group is not None and torch.distributed.is_initialized() and group != (rank, world):
        raise from_code(
            "invalidArgument",
            f"Rank {rank} of {world} was asked for, the process group says rank {group[0]} of {group[1]}.",
            remedy="Leave rank and world out, or give those of the group.",
        )
    return rank, world


class FeedDataset(torch.utils.data.IterableDataset):
    """A feed as an iterable dataset of whole batches: use it as it is, or as `DataLoader(ds, batch_size=None)`.

    Takes what `Feed` takes. Without workers the tensors are views of the slab: they are valid until the next step
    (`hold` keeps more). With `num_workers=k` worker j takes the rank's steps j, j + k, ... and copies each batch once
    into shared memory: the loader hands out the same batches, in the same order, at any number of workers, and
    `state_dict(item)` is exact behind each.

    `transform` makes of a `Batch` what `FeedItem.data` shall be; it runs in the worker, and has to copy what it keeps.
    `pin` page-locks the slabs with `cudaHostRegister` where CUDA is there (not in workers), so that
    `tensor.to("cuda", non_blocking=True)` copies by DMA straight from the slab.
    """

    def __init__(
        self,
        dataset: str,
        batch: int,
        *,
        transform: Optional[Callable[[Batch], Any]] = None,
        rank: Optional[int] = None,
        world: Optional[int] = None,
        state: Union[None, str, Mapping[str, Any]] = None,
        pin: Optional[bool] = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.rank, self.world = rank_and_world(rank, world)
        if not 0 <= self.rank < self.world:
            raise from_code("invalidArgument", f"Rank {self.rank} of {self.world}: ranks count from 0 to world - 1.")
        self.dataset, self.batch = dataset, batch
        self._transform, self._pin = transform, pin
        self._options = options
        order = {name: options.pop(name) for name in ("part", "seed", "block", "window", "weights") if name in options}
        spec = options.pop("order", "shuffle")
        if isinstance(spec, str):
            spec = OrderSpec.parse(spec) if ";" in spec else OrderSpec(spec, **order)
        self.spec: OrderSpec = spec
        # One index for all workers, and for every later pass over this object.
        found = connect(options.get("server"), options.get("token")).dataset(dataset)
        if not found.get("hash"):
            raise from_code(
                "wrongState", f"The dataset '{dataset}' has no index yet: it is {found.get('state')}.",
                remedy=f"See 'datalayer dataset show {dataset}'.",
            )
        self.index: str = options.pop("index", None) or found["hash"]
        self.feed_id = self.spec.feed_id(bytes.fromhex(self.index))
        self._cursor = int(options.pop("cursor", 0))
        self._passes: Optional[int] = options.pop("passes", None)
        self._pass_length = int(self._look_up(options.get("server"), options.get("token"))["passLength"])
        self._feed: Optional[Feed] = None
        if state is not None:
            self.load_state_dict(state)

    def __iter__(self) -> Iterator[FeedItem]:
        worker = torch.utils.data.get_worker_info()
        if worker is not None:
            return self._copies(worker.id, worker.num_workers)
        return self._views()

    @property
    def feed(self) -> Optional[Feed]:
        """The feed of the running iteration; None before it, and where workers have it."""
        return self._feed

    def state_dict(self, item: Optional[FeedItem] = None) -> Dict[str, Any]:
        """Where the feed stands behind `item`, or (without workers) behind the newest step. The same on each rank.

        With workers give the item that was used last: what they have made ahead is not counted, and comes again.
        """
        if item is not None:
            self._cursor = item.next_cursor
        return make_state(self.feed_id, self._cursor, self.index, self.spec.canonical())

    def load_state_dict(self, state: Union[str, Mapping[str, Any]]) -> None:
        """The next iteration goes on from a state, at any world, batch and number of workers."""
        self._cursor = check_state(parse_state(state), self.feed_id, self.index, self.spec.canonical())

    @property
    def cursor(self) -> int:
        """Positions that all ranks have taken behind the newest step, or where the next iteration begins."""
        return self._cursor

    def _rewind(self, cursor: int) -> None:
        self._cursor = cursor

    def set_pass(self, which: int) -> None:
        """The next iteration begins at the begin of a pass, counted from 0."""
        if which < 0:
            raise from_code("invalidArgument", f"There is no pass {which}.", remedy="Passes count from 0.")
        self._cursor = which * self._pass_length

    def _look_up(self, server: Optional[str], token: Optional[str]) -> Dict[str, Any]:
        spec = self.spec
        query: Dict[str, Any] = {"mode": spec.mode, "part": spec.part, "seed": spec.seed, "limit": 1}
        if spec.mode in ("blocks", "lengths"):
            query.update(block=spec.block, window=spec.window)
        if spec.mode == "weighted":
            query["weights"] = ",".join(map(str, spec.weights))
        route = f"/api/v1/datasets{encode_path(self.dataset)}/order"
        return connect(server, token).transport.json("GET", route, query=query)

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "_feed": None}

    def _end(self) -> int:
        """Where this iteration ends: the pass that is not read any more."""
        if self._passes is not None:
            return self._passes
        last = self._options.get("last", "drop")
        steps = RankSlice(self._pass_length, self.batch, self.rank, self.world, last).checked()
        return steps.step_at(self._cursor).position_pass + 1

    def _open(self, pin: bool, passes: int, **deal: int) -> Feed:
        return Feed(
            self.dataset, self.batch, order=self.spec, rank=self.rank, world=self.world, index=self.index,
            cursor=self._cursor, passes=passes, pin=pin, **deal, **self._options,
        )

    def _views(self) -> Iterator[FeedItem]:
        pin = torch.cuda.is_available() if self._pin is None else self._pin
        with self._open(pin, self._end()) as feed:
            self._feed = feed
            try:
                for batch in feed:
                    self._cursor = batch.next_cursor
                    yield self._item(batch, 0, 1)
                self._cursor = feed.cursor
            finally:
                self._feed = None

    def _copies(self, worker: int, workers: int) -> Iterator[FeedItem]:
        # Whole steps are dealt out as the loader asks for them: worker 0 the first, worker 1 the second, and round.
        passes = self._end()
        with self._open(False, passes, every=workers, skip=worker) as feed:
            for batch in feed:
                yield FeedItem(*(_shared(part) for part in self._item(batch, worker, workers)))
        # Of a persistent worker the next iteration takes the next pass, whoever had the last step of this one.
        self._cursor = passes * self._pass_length

    def _item(self, batch: Batch, worker: int, workers: int) -> FeedItem:
        data = self._transform(batch) if self._transform is not None else batch.tensor()
        labels = batch.labels_tensor()
        return FeedItem(
            data, labels.long() if labels is not None else None, batch.numbers_tensor(), batch.padding,
            batch.next_cursor, worker, workers,
        )


def _shared(part: Any) -> Any:
    """A copy of tensors in shared memory: a worker's queue sends them later, when the slab is another batch's."""
    if isinstance(part, torch.Tensor):
        return part.clone().share_memory_()
    if isinstance(part, (list, tuple)):
        copies: List[Any] = [_shared(each) for each in part]
        return copies if isinstance(part, list) else tuple(copies)
    if isinstance(part, dict):
        return {name: _shared(each) for name, each in part.items()}
    return part
