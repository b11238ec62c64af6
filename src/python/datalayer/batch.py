"""A batch (docs/FORMATS/feed.md) as views of its slab: NumPy arrays, PyTorch tensors, DLPack, plain memory.

Every offset is checked against the slab before it is used: a damaged batch is an error, never a fault of memory.
"""

from __future__ import annotations

import os
import struct
import sys
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from . import tar
from .errors import DataLayerError, FeedError, ForkedError, ReleasedError

try:
    import numpy as np
except ImportError:  # NumPy is optional.
    np = None  # type: ignore[assignment]

__all__ = ["Batch", "BatchHeader", "Cost", "ELEMENTS", "LAYOUTS"]

_HEADER = struct.Struct("<8s4Q4I13Q")
_HEADER_BYTES = 256
_DLPACK_CPU = (1, 0)

LAYOUTS = ("samples", "dense", "padded")
ELEMENTS: Tuple[Tuple[str, int, str, str], ...] = (
    # name, bytes, code of memoryview.cast, NumPy's name
    ("bytes", 1, "B", "uint8"),
    ("uint8", 1, "B", "uint8"),
    ("int8", 1, "b", "int8"),
    ("int16", 2, "h", "int16"),
    ("int32", 4, "i", "int32"),
    ("int64", 8, "q", "int64"),
    ("float16", 2, "e", "float16"),
    ("float32", 4, "f", "float32"),
    ("float64", 8, "d", "float64"),
    ("bfloat16", 2, "H", "uint16"),
)


class BatchHeader(NamedTuple):
    """The first bytes of a batch; all offsets count from its begin."""

    magic: bytes
    sequence: int
    position_pass: int
    cursor: int
    next_cursor: int
    samples: int
    padding: int
    layout: int
    element: int
    row: int
    table: int
    classes: int
    numbers: int
    keys: int
    data: int
    data_length: int
    waited: int
    assembled: int
    memory: int
    hot: int
    origin: int
    peers: int

    @classmethod
    def read(cls, view: memoryview) -> "BatchHeader":
        """Reads and checks a header: afterwards all its arrays lie inside `view`."""
        if len(view) < _HEADER_BYTES:
            raise _bad(f"it has {len(view)} bytes")
        head = cls(*_HEADER.unpack_from(view))
        if head.magic != b"DLBATCH1":
            raise _bad(f"it begins with {head.magic!r}")
        if head.padding > head.samples or head.layout >= len(LAYOUTS) or head.element >= len(ELEMENTS):
            raise _bad(f"padding {head.padding} of {head.samples}, layout {head.layout}, element {head.element}")
        end = head.data + head.data_length
        if head.data < _HEADER_BYTES or head.data % 4096 or end > len(view):
            raise _bad(f"its data are bytes {head.data} to {end} of {len(view)}")
        n = head.samples
        for name, at, size, optional in (
            ("table", head.table, 16 * n, False), ("classes", head.classes, 4 * n, True),
            ("numbers", head.numbers, 8 * n, False), ("keys", head.keys, 4 * (n + 1), True),
        ):
            if at == 0 and optional:
                continue
            if at < _HEADER_BYTES or at % 64 or at + size > head.data:
                raise _bad(f"its {name} are {size} bytes at {at}, its data begin at {head.data}")
        size = ELEMENTS[head.element][1]
        if head.layout != 0 and (n * head.row > head.data_length or head.row % size):
            raise _bad(f"{n} rows of {head.row} bytes in {head.data_length}")
        return head


class Cost(NamedTuple):
    """What a batch cost: seconds that the service waited and assembled, and bytes by where they came from."""

    waited_seconds: float
    assembly_seconds: float
    memory_bytes: int
    hot_bytes: int
    origin_bytes: int
    peer_bytes: int


class Batch:
    """Samples of one step, in memory that belongs to the service.

    The memory is this batch's until `release()`, or until the feed releases it: when the next batch is asked for
    (`Feed(hold=...)` keeps more). Afterwards the accessors raise `ReleasedError`. Arrays and tensors taken before stay
    mapped, so reading them is safe, but a later batch's bytes appear in them: copy what you keep.
    """

    def __init__(
        self,
        memory: Any,
        *,
        length: Optional[int] = None,
        shape: Optional[Sequence[int]] = None,
        class_names: Optional[Sequence[str]] = None,
        on_release: Optional[Callable[["Batch"], None]] = None,
        state: Optional[Callable[[int], Dict[str, Any]]] = None,
        check: bool = True,
    ) -> None:
        self._memory: Any = memory
        self._view: memoryview = memoryview(memory).cast("B")[:length]
        self._header = BatchHeader.read(self._view)
        self._shape = tuple(shape) if shape is not None else None
        self._class_names = class_names
        self._on_release = on_release
        self._state = state
        self._process = os.getpid()
        self._released = False
        if check and self._header.layout != 1:
            self._check_table()

    # ---- what it is ----------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self._header.samples

    @property
    def header(self) -> BatchHeader:
        """The header as it stands in the slab; valid after the release too."""
        return self._header

    @property
    def sequence(self) -> int:
        """Its number in its connection, from 0."""
        return self._header.sequence

    @property
    def position_pass(self) -> int:
        """The pass it belongs to, from 0."""
        return self._header.position_pass

    @property
    def cursor(self) -> int:
        """Positions that all ranks had taken before this step."""
        return self._header.cursor

    @property
    def next_cursor(self) -> int:
        """Positions that all ranks have taken after this step."""
        return self._header.next_cursor

    @property
    def padding(self) -> int:
        """How many of the last samples are there only to fill the step: leave them out of what you count."""
        return self._header.padding

    @property
    def layout(self) -> str:
        """`samples`, `dense` or `padded`."""
        return LAYOUTS[self._header.layout]

    @property
    def element(self) -> str:
        """The element type's name; `bytes` where samples are opaque."""
        return ELEMENTS[self._header.element][0]

    @property
    def cost(self) -> Cost:
        """Waiting and assembling at the service, and bytes by tier."""
        h = self._header
        return Cost(h.waited / 1e9, h.assembled / 1e9, h.memory, h.hot, h.origin, h.peers)

    def state_dict(self) -> Dict[str, Any]:
        """The feed's state once this batch is used (docs/FORMATS/order.md)."""
        if self._state is None:
            raise FeedError("A batch by itself has no feed's state.", code="wrongState")
        return self._state(self._header.next_cursor)

    # ---- samples -------------------------------------------------------------------------------------------------

    def __getitem__(self, i: int) -> memoryview:
        """The bytes of sample `i`, in place."""
        offset, length = self._place(i)
        return self._live()[offset : offset + length]

    def __iter__(self) -> Iterator[memoryview]:
        return (self[i] for i in range(len(self)))

    def members(self, i: int) -> Dict[str, memoryview]:
        """Of a dataset of tars: extension -> bytes of each member of sample `i`, in place."""
        return tar.members(self[i])

    @property
    def lengths(self) -> Any:
        """The samples' lengths in bytes, without what rows are filled with (int64 array, or a list)."""
        view, h = self._live(), self._header
        if np is not None:
            return np.frombuffer(self._memory, np.int64, 2 * h.samples, h.table)[1::2]
        return list(view[h.table : h.table + 16 * h.samples].cast("Q"))[1::2]

    @property
    def labels(self) -> Any:
        """The classes (int32 array, or a memoryview), -1 for none; None where the dataset has no labels."""
        return None if self._header.classes == 0 else self._array("i", "int32", self._header.classes)

    @property
    def label_names(self) -> Optional[List[Optional[str]]]:
        """The labels as words; None where the dataset has none, or has more than 10,000 classes."""
        names = self._class_names
        if names is None or self._header.classes == 0:
            return None
        return [names[c] if 0 <= c < len(names) else None for c in self.labels]

    @property
    def numbers(self) -> Any:
        """The samples' numbers in the index (int64 array, or a memoryview)."""
        return self._array("q", "int64", self._header.numbers)

    @property
    def keys(self) -> Optional[List[str]]:
        """The samples' paths below the dataset's folder; None unless the feed was opened with `keys=True`."""
        view, h = self._live(), self._header
        if h.keys == 0:
            return None
        offsets = view[h.keys : h.keys + 4 * (h.samples + 1)].cast("I")
        start = h.keys + 4 * (h.samples + 1)
        if any(a > b for a, b in zip(offsets, offsets[1:])) or start + offsets[-1] > h.data:
            raise _bad("its keys do not lie one behind the other")
        text = view[start : start + offsets[-1]]
        return [bytes(text[a:b]).decode("utf-8", "surrogateescape") for a, b in zip(offsets, offsets[1:])]

    # ---- data ----------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> Tuple[int, ...]:
        """Of dense and padded data, in elements."""
        h = self._header
        if h.layout == 0:
            raise FeedError(
                "Samples of different lengths have no common shape.", code="wrongState",
                remedy="Open the feed with layout='dense' or 'padded', or take them one by one.",
            )
        size = ELEMENTS[h.element][1]
        row = h.row // size
        if h.layout == 1 and self._shape is not None and _product(self._shape) == row:
            return (h.samples, *self._shape)
        return (h.samples, row)

    @property
    def data(self) -> Any:
        """The data in place: of dense and padded layouts one array, else a list of arrays.

        NumPy arrays where NumPy is there (bfloat16 as uint16: NumPy has none), else memoryviews.
        """
        view, h = self._live(), self._header
        _, size, code, name = ELEMENTS[h.element]
        if h.layout == 0:
            places = (self._place(i) for i in range(h.samples))
            if np is None:
                return [view[o : o + n].cast(code) if n % size == 0 else view[o : o + n] for o, n in places]
            kind = np.dtype(name)
            return [
                np.frombuffer(self._memory, kind, n // size, o) if n % size == 0
                else np.frombuffer(self._memory, np.uint8, n, o)
                for o, n in places
            ]
        shape = self.shape
        if np is not None:
            return np.frombuffer(self._memory, np.dtype(name), _product(shape), h.data).reshape(shape)
        raw = view[h.data : h.data + h.samples * h.row]
        return raw.cast(code, shape) if _product(shape) and code != "e" else raw.cast(code)

    numpy = data

    def tensor(self) -> Any:
        """The data as PyTorch tensors in place: one of dense and padded layouts, else a list."""
        torch = _torch()
        self._live()
        h = self._header
        name, size = ELEMENTS[h.element][:2]
        kind = getattr(torch, "uint8" if name == "bytes" else name)
        if h.layout == 0:
            return [
                self._tensor(torch, kind, n // size, o) if n % size == 0 else self._tensor(torch, torch.uint8, n, o)
                for o, n in (self._place(i) for i in range(h.samples))
            ]
        shape = self.shape
        return self._tensor(torch, kind, _product(shape), h.data).reshape(shape)

    def labels_tensor(self) -> Any:
        """The classes as an int32 tensor in place; None where the dataset has no labels."""
        torch = _torch()
        self._live()
        h = self._header
        return None if h.classes == 0 else self._tensor(torch, torch.int32, h.samples, h.classes)

    def numbers_tensor(self) -> Any:
        """The samples' numbers as an int64 tensor in place."""
        torch = _torch()
        self._live()
        return self._tensor(torch, torch.int64, self._header.samples, self._header.numbers)

    def __dlpack__(self, *, stream: Any = None, **more: Any) -> Any:
        """The dense or padded data for any library that speaks DLPack; the memory stays mapped while it is used."""
        self.shape  # noqa: B018  (raises where there is none)
        if "torch" in sys.modules:
            return sys.modules["torch"].utils.dlpack.to_dlpack(self.tensor())
        if np is None or self.element == "bfloat16":
            wanted = "NumPy has no bfloat16: import torch first" if np is not None else "Install NumPy or PyTorch"
            raise FeedError("DLPack capsules are made by NumPy or PyTorch.", code="notSupported", remedy=f"{wanted}.")
        return self.data.__dlpack__()

    def __dlpack_device__(self) -> Tuple[int, int]:
        """CPU memory."""
        return _DLPACK_CPU

    # ---- release -------------------------------------------------------------------------------------------------

    @property
    def released(self) -> bool:
        """Whether its memory was given back."""
        return self._released

    def release(self) -> None:
        """Gives the memory back to the service; a second call does nothing."""
        if self._released:
            return
        self._released = True
        if self._on_release is not None:
            self._on_release(self)
        self._view = memoryview(b"")
        self._memory = None

    def __enter__(self) -> "Batch":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def __repr__(self) -> str:
        h = self._header
        what = "released" if self._released else f"{self.layout} of {self.element}"
        return f"<datalayer.Batch {h.sequence}: {h.samples} samples, pass {h.position_pass}, {what}>"

    def _live(self) -> memoryview:
        if self._released:
            raise ReleasedError(
                f"Batch {self._header.sequence} was released: its memory belongs to a later batch.", code="wrongState",
                remedy="Use it before the next one is asked for, copy what you keep, or open the feed with a larger "
                "hold.",
            )
        if self._process != os.getpid():
            raise ForkedError(
                "The batch belongs to the process that opened its feed, not to this fork.", code="wrongState",
                remedy="Open a feed in the child.",
            )
        return self._view

    def _place(self, i: int) -> Tuple[int, int]:
        view, h = self._live(), self._header
        if not -h.samples <= i < h.samples:
            raise IndexError(f"There is no sample {i} among {h.samples}.")
        i += h.samples if i < 0 else 0
        offset, length = struct.unpack_from("<QQ", view, h.table + 16 * i)
        if offset < h.data or offset + length > h.data + h.data_length:
            raise _bad(f"sample {i} is {length} bytes at {offset}, outside of the data")
        return offset, length

    def _check_table(self) -> None:
        h = self._header
        if np is None or h.samples < 32:
            for i in range(h.samples):
                self._place(i)
            return
        table = np.frombuffer(self._memory, np.uint64, 2 * h.samples, h.table).reshape(-1, 2)
        offsets, lengths = table[:, 0], table[:, 1]
        end = np.uint64(h.data + h.data_length)
        bad = (offsets < np.uint64(h.data)) | (offsets > end) | (lengths > end - np.minimum(offsets, end))
        if bad.any():
            self._place(int(bad.argmax()))

    def _array(self, code: str, name: str, at: int) -> Any:
        view, n = self._live(), self._header.samples
        if np is not None:
            return np.frombuffer(self._memory, np.dtype(name), n, at)
        size = ELEMENTS[4][1] if code == "i" else ELEMENTS[5][1]
        return view[at : at + n * size].cast(code)

    def _tensor(self, torch: Any, kind: Any, count: int, at: int) -> Any:
        if count == 0:
            return torch.empty(0, dtype=kind)
        return torch.frombuffer(self._memory, dtype=kind, count=count, offset=at)


def _product(shape: Sequence[int]) -> int:
    result = 1
    for extent in shape:
        result *= extent
    return result


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise DataLayerError(
            "PyTorch is not installed.", code="notSupported", remedy="Install torch, or use batch.data.",
        ) from None
    return torch


def _bad(what: str) -> FeedError:
    return FeedError(
        f"The batch is damaged: {what}.", code="corrupt",
        remedy="Do client and service have versions that fit (docs/FORMATS/feed.md)?",
    )
