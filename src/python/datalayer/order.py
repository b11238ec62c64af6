"""The order of samples (docs/FORMATS/order.md): which sample stands at each position of each pass.

A pure function of index hash, order, pass and position: every rank of any world, in C# or here, computes the same
numbers. With NumPy whole steps are computed at once; without it one by one, to the same result.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Sequence, Tuple, Union

from .errors import StaleError, from_code

try:
    import numpy as np
except ImportError:  # NumPy is optional.
    np = None  # type: ignore[assignment]

__all__ = ["FeedStep", "OrderSpec", "Permutation", "RankSlice", "SampleOrder", "check_state", "make_state", "mix"]

_M = (1 << 64) - 1
_G, _F, _S = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_MODES = ("sequential", "shuffle", "blocks", "weighted", "balanced", "lengths")
_PARTS = ("all", "train", "validation")
Key = Tuple[int, int, int, int]


def mix(x: int) -> int:
    """The finalizer of SplitMix64."""
    x = (x ^ (x >> 30)) * _F & _M
    x = (x ^ (x >> 27)) * _S & _M
    return x ^ (x >> 31)


@lru_cache(maxsize=256)
def _key(use: bytes, index_hash: bytes, seed: int, position_pass: int) -> Key:
    text = b"datalayer-order-1\0" + use + b"\0" + index_hash + struct.pack("<qq", seed, position_pass)
    return struct.unpack("<4Q", hashlib.sha256(text).digest())


def _round_keys(key: Key, tweak: int) -> List[int]:
    return [mix(key[i % 4] ^ mix((tweak + (i + 1) * _G) & _M)) for i in range(8)]


def _bits(n: int) -> int:
    return max(6, (n - 1).bit_length())


class Permutation:
    """The keyed permutation of 0 ... n - 1: 8 Feistel rounds and cycle walking, no table."""

    def __init__(self, key: Key, tweak: int, n: int) -> None:
        bits = _bits(n)
        self.n = n
        self._low, self._high = bits // 2, bits - bits // 2
        self._keys = _round_keys(key, tweak)

    def map(self, x: int) -> int:
        """What stands at place `x`."""
        return self._walk(x, range(8))

    def invert(self, x: int) -> int:
        """At which place `x` stands."""
        return self._walk(x, range(7, -1, -1))

    def _walk(self, x: int, rounds: Sequence[int]) -> int:
        low_bits, high_bits = self._low, self._high
        while True:
            low, high = x & ((1 << low_bits) - 1), x >> low_bits
            for i in rounds:
                half, wanted = (high, low_bits) if i % 2 == 0 else (low, high_bits)
                h = (half ^ self._keys[i]) * _F & _M
                h = ((h ^ (h >> 32)) * _S & _M) >> (64 - wanted)
                low, high = (low ^ h, high) if i % 2 == 0 else (low, high ^ h)
            x = high << low_bits | low
            if x < self.n:
                return x


@dataclass(frozen=True)
class OrderSpec:
    """What order a feed asks for. With the index hash it is the whole identity of a feed."""

    mode: str = "shuffle"
    part: str = "all"
    seed: int = 0
    block: int = 1024
    window: int = 16
    weights: Tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", tuple(int(w) for w in self.weights))
        self._want(self.mode in _MODES, f"There is no order '{self.mode}'.", f"Take one of {', '.join(_MODES)}.")
        self._want(self.part in _PARTS, f"There is no part '{self.part}'.", f"Take one of {', '.join(_PARTS)}.")
        self._want(-(1 << 63) <= self.seed < 1 << 63, f"The seed {self.seed} does not fit.", "Take a 64-bit number.")
        self._want(1 <= self.block < 1 << 31, f"Blocks of {self.block} samples.", "Take 1 to 2^31 - 1.")
        self._want(1 <= self.window <= 1 << 20, f"A window of {self.window} blocks.", "Take 1 to 2^20.")
        if self.mode == "weighted":
            good = len(self.weights) > 0 and all(0 <= w < 1 << 32 for w in self.weights)
            self._want(good, "A weighted order has a weight for each class.", "Give whole numbers from 0 on.")

    @staticmethod
    def _want(condition: bool, detail: str, remedy: str) -> None:
        if not condition:
            raise from_code("invalidArgument", detail, remedy=remedy)

    @classmethod
    def parse(cls, text: str) -> "OrderSpec":
        """Reads the canonical line; members that are left out have their defaults."""
        mode, *rest = text.split(";")
        fields: Dict[str, Any] = {"mode": mode}
        for field in rest:
            name, _, value = field.partition("=")
            try:
                if name == "part":
                    fields[name] = value
                elif name in ("seed", "block", "window"):
                    fields[name] = int(value)
                elif name == "weights":
                    fields[name] = tuple(int(w) for w in value.split(","))
                else:
                    raise ValueError(name)
            except ValueError:
                raise from_code(
                    "invalidArgument",
                    f"'{field}' is no part of an order.",
                    remedy="Write it as 'shuffle;part=all;seed=0' (docs/FORMATS/order.md).",
                ) from None
        return cls(**fields)

    def canonical(self) -> str:
        """The line that identities are made of."""
        mode = self.mode
        if mode in ("blocks", "lengths"):
            mode = f"{mode};block={self.block};window={self.window}"
        elif mode == "weighted":
            mode = f"weighted;weights={','.join(map(str, self.weights))}"
        return f"{mode};part={self.part};seed={self.seed}"

    def feed_id(self, index_hash: bytes) -> str:
        """The identity of the feed over an index: lower-case hexadecimal, 64 characters."""
        return hashlib.sha256(b"datalayer-feed-1\0" + self.canonical().encode("ascii") + b"\0" + index_hash).hexdigest()


class FeedStep(NamedTuple):
    """The positions one rank takes in one step; the last `padding` of them only fill it."""

    position_pass: int
    first: int
    stride: int
    count: int
    padding: int
    pass_length: int
    next_cursor: int

    def positions(self) -> List[int]:
        """The positions, in order."""
        return [(self.first + i * self.stride) % self.pass_length for i in range(self.count)]


class RankSlice(NamedTuple):
    """Which positions a rank of a world takes, step by step."""

    pass_length: int
    batch: int
    rank: int = 0
    world: int = 1
    last: str = "drop"

    def checked(self) -> "RankSlice":
        """Itself, where it is possible."""
        if self.pass_length < 1 or self.world < 1 or not 0 <= self.rank < self.world or self.batch < 1:
            raise from_code(
                "invalidArgument",
                f"Rank {self.rank} of {self.world} with batches of {self.batch}: a world has 1 rank or more, ranks "
                "count from 0 to one less, and a batch has 1 sample or more.",
            )
        if self.last not in ("drop", "pad"):
            raise from_code("invalidArgument", f"last is 'drop' or 'pad', not '{self.last}'.")
        if self.last == "drop" and self.pass_length < self.world * self.batch:
            raise from_code(
                "invalidArgument",
                f"A pass has {self.pass_length} positions, one step of {self.world} ranks takes "
                f"{self.world * self.batch}: every pass would be dropped. Take a smaller batch, or last='pad'.",
            )
        return self

    def step_at(self, cursor: int) -> FeedStep:
        """The step that begins at a cursor, whatever worlds and batches led there."""
        unit = self.world * self.batch
        which, position = divmod(cursor, self.pass_length)
        rest = self.pass_length - position
        if rest < unit and self.last == "drop":
            which, position, rest = which + 1, 0, self.pass_length
        start = position + self.rank
        if rest >= unit:
            after = which * self.pass_length + position + unit
            return FeedStep(which, start, self.world, self.batch, 0, self.pass_length, after)
        count = (rest - 1) // self.world + 1
        padding = 1 if (count - 1) * self.world + self.rank >= rest else 0
        return FeedStep(which, start, self.world, count, padding, self.pass_length, (which + 1) * self.pass_length)

    def steps(self, cursor: int, passes: int) -> Iterator[FeedStep]:
        """The steps from a cursor up to where pass `passes` would begin."""
        while True:
            step = self.step_at(cursor)
            if step.position_pass >= passes:
                return
            yield step
            cursor = step.next_cursor


class SampleOrder:
    """The order over an index: ordinals for positions.

    `count` is how many samples the part has; `counts` how many of them each class has, for `weighted` and `balanced`.
    """

    def __init__(self, spec: OrderSpec, index_hash: bytes, count: int, counts: Sequence[int] = ()) -> None:
        if len(index_hash) != 32 or count < 1:
            raise from_code("invalidArgument", "An order wants an index hash of 32 bytes and at least one sample.")
        if spec.mode in ("weighted", "balanced") and (not counts or sum(counts) != count):
            raise from_code("invalidArgument", f"'{spec.mode}' wants how many of the {count} samples each class has.")
        self.spec, self.count, self.counts = spec, count, list(counts)
        self._hash = bytes(index_hash)
        self._starts = [0]
        for each in self.counts:
            self._starts.append(self._starts[-1] + each)
        self._classes = [c for c, each in enumerate(self.counts) if each]
        weights = list(spec.weights) + [0] * (len(self.counts) - len(spec.weights))
        self._weights = weights
        self._shares = [w * c for w, c in zip(weights, self.counts)]
        if spec.mode == "weighted" and sum(self._shares) == 0:
            raise from_code("invalidArgument", "All weights are 0.", remedy="Give one class that has samples a weight.")

    @property
    def pass_length(self) -> int:
        """Positions a pass has."""
        if self.spec.mode == "balanced":
            return len(self._classes) * max(self.counts)
        return self.count

    def at(self, position_pass: int, p: int) -> int:
        """The ordinal at a position of a pass."""
        spec, n = self.spec, self.count
        if spec.mode == "sequential":
            return p
        first = _key(b"first", self._hash, spec.seed, position_pass)
        if spec.mode == "shuffle":
            return Permutation(first, 0, n).map(p)
        if spec.mode == "weighted":
            x = mix(first[0] ^ mix((first[1] + p * _G) & _M)) * sum(self._shares) >> 64
            c = 0
            while x >= self._shares[c]:
                x, c = x - self._shares[c], c + 1
            return self._starts[c] + x // self._weights[c]
        second = _key(b"second", self._hash, spec.seed, position_pass)
        if spec.mode == "balanced":
            classes = self._classes
            r = p // len(classes)
            c = classes[Permutation(first, r, len(classes)).map(p % len(classes))]
            tweak = (mix(c) + r // self.counts[c]) & _M
            return self._starts[c] + Permutation(second, tweak, self.counts[c]).map(r % self.counts[c])
        if spec.mode == "lengths":
            full, rest, short = self._short_run(first)
            place = short * spec.block + p - full * spec.block
            if p < full * spec.block:
                run = Permutation(first, 0, full).map(p // spec.block)
                place = run * spec.block + p % spec.block + (rest if run >= short else 0)
            span = spec.block * spec.window
            k = place // span
            return k * span + Permutation(second, k, min(span, n - k * span)).map(place - k * span)
        blocks, rank, lacking = self._short_block(first)
        span, short = spec.block * spec.window, rank // spec.window
        k = p // span
        if k > short or k == short and p >= (k + 1) * span - lacking:
            k = (p + lacking) // span
        start = k * span - (lacking if k > short else 0)
        end = min(n, (k + 1) * span - (lacking if k >= short else 0))
        x = Permutation(second, k, end - start).map(p - start)
        if k == short and x >= rank % spec.window * spec.block + spec.block - lacking:
            x += lacking
        return blocks.map(k * spec.window + x // spec.block) * spec.block + x % spec.block

    def take(self, position_pass: int, positions: Sequence[int]) -> Union[List[int], "np.ndarray"]:
        """The ordinals at many positions of a pass: an int64 array with NumPy, else a list."""
        if np is None:
            return [self.at(position_pass, p) for p in positions]
        with np.errstate(over="ignore"):
            return self._take(position_pass, np.asarray(positions, dtype=np.uint64)).astype(np.int64)

    def step(self, step: FeedStep) -> Union[List[int], "np.ndarray"]:
        """The ordinals of a step of a rank, padding included."""
        return self.take(step.position_pass, step.positions())

    def _short_block(self, first: Key) -> Tuple[Permutation, int, int]:
        blocks = Permutation(first, 0, (self.count - 1) // self.spec.block + 1)
        return blocks, blocks.invert(blocks.n - 1), blocks.n * self.spec.block - self.count

    def _take(self, position_pass: int, p: "np.ndarray") -> "np.ndarray":
        spec, n = self.spec, self.count
        if spec.mode == "sequential":
            return p
        first = _key(b"first", self._hash, spec.seed, position_pass)
        if spec.mode == "shuffle":
            return _permute(first, _u64(0), n, p)
        if spec.mode == "weighted":
            return self._take_weighted(first, p)
        second = _key(b"second", self._hash, spec.seed, position_pass)
        if spec.mode == "balanced":
            classes = np.array(self._classes, dtype=np.uint64)
            r = p // _u64(len(classes))
            c = classes[_permute(first, r, len(classes), p % _u64(len(classes))).astype(np.int64)]
            counts = np.array(self.counts, dtype=np.uint64)[c.astype(np.int64)]
            starts = np.array(self._starts, dtype=np.uint64)[c.astype(np.int64)]
            return starts + _permute(second, _mix(c) + r // counts, counts, r % counts)
        return self._take_lengths(first, second, p) if spec.mode == "lengths" else self._take_blocks(first, second, p)

    def _short_run(self, first: Key) -> Tuple[int, int, int]:
        """Whole blocks, samples left over, and which block has those."""
        full, rest = divmod(self.count, self.spec.block)
        return full, rest, mix(first[0] ^ mix(first[1])) * (full + 1) >> 64

    def _take_lengths(self, first: Key, second: Key, p: "np.ndarray") -> "np.ndarray":
        block, span, n = _u64(self.spec.block), _u64(self.spec.block * self.spec.window), _u64(self.count)
        full, rest, short = self._short_run(first)
        whole = p < _u64(full) * block
        run = _permute(first, _u64(0), max(1, full), np.where(whole, p // block, _u64(0)))
        place = run * block + p % block + np.where(run >= _u64(short), _u64(rest), _u64(0))
        place = np.where(whole, place, _u64(short) * block + p - _u64(full) * block)
        k = place // span
        return k * span + _permute(second, k, np.minimum(span, n - k * span), place - k * span)

    def _take_blocks(self, first: Key, second: Key, p: "np.ndarray") -> "np.ndarray":
        spec = self.spec
        blocks, rank, lack = self._short_block(first)
        span, short, lacking = _u64(spec.block * spec.window), _u64(rank // spec.window), _u64(lack)
        k = p // span
        moved = (k > short) | ((k == short) & (p >= (k + _u64(1)) * span - lacking))
        k = np.where(moved, (p + lacking) // span, k)
        start = k * span - np.where(k > short, lacking, _u64(0))
        end = np.minimum(_u64(self.count), (k + _u64(1)) * span - np.where(k >= short, lacking, _u64(0)))
        x = _permute(second, k, end - start, p - start)
        behind = (k == short) & (x >= _u64(rank % spec.window * spec.block + spec.block - lack))
        x = np.where(behind, x + lacking, x)
        block = _u64(spec.block)
        return _permute(first, _u64(0), blocks.n, k * _u64(spec.window) + x // block) * block + x % block

    def _take_weighted(self, first: Key, p: "np.ndarray") -> "np.ndarray":
        draw = _mix(_u64(first[0]) ^ _mix(_u64(first[1]) + p * _u64(_G)))
        total = sum(self._shares)
        if total >= 1 << 63:
            return np.array([self._weigh(int(d) * total >> 64) for d in draw], dtype=np.uint64)
        x = _high_product(draw, total)
        ends = np.cumsum(np.array(self._shares, dtype=np.uint64))
        c = np.searchsorted(ends, x, side="right")
        begins = np.concatenate((np.zeros(1, np.uint64), ends[:-1]))
        weights = np.array(self._weights, dtype=np.uint64)
        return np.array(self._starts, dtype=np.uint64)[c] + (x - begins[c]) // weights[c]

    def _weigh(self, x: int) -> int:
        for c, share in enumerate(self._shares):
            if x < share:
                return self._starts[c] + x // self._weights[c]
            x -= share
        raise AssertionError("a draw lies below the sum of all shares")


def make_state(feed: str, cursor: int, index: str, order: str) -> Dict[str, Any]:
    """A feed's state: what a job keeps. It has neither rank nor world, so any later world goes on from it."""
    return {"feed": feed, "cursor": int(cursor), "index": index, "order": order}


def check_state(state: Union[str, Mapping[str, Any]], feed: str, index: str, order: str) -> int:
    """The cursor of a state (as a mapping, or its line of JSON), checked to be of this feed.

    Raises `StaleError`, which says what differs, where it is of another.
    """
    read = parse_state(state)
    if read["feed"] == feed:
        return read["cursor"]
    if read.get("index") not in (None, index):
        reason = (
            f"the dataset had index {read['index']} and has {index} now: pin the dataset, or resume from the one it was"
        )
    else:
        reason = f"its order was '{read.get('order')}' and is '{order}' now: ask for the same order and seed"
    raise StaleError(f"The state is of another feed: {reason}.", code="stale")


def parse_state(state: Union[str, Mapping[str, Any]]) -> Dict[str, Any]:
    """A state as a mapping, from a mapping or its line of JSON."""
    try:
        read = json.loads(state) if isinstance(state, (str, bytes)) else dict(state)
        if isinstance(read, dict) and len(str(read["feed"])) == 64 and int(read["cursor"]) >= 0:
            return {**read, "cursor": int(read["cursor"])}
    except (KeyError, TypeError, ValueError):
        pass
    raise from_code(
        "invalidArgument", "It is not the state of a feed.", remedy="Give what state_dict() of a feed returned."
    )


# ---- with NumPy ------------------------------------------------------------------------------------------------------


def _u64(x: int) -> Any:
    return np.uint64(x & _M)


def _mix(x: Any) -> Any:
    x = (x ^ (x >> _u64(30))) * _u64(_F)
    x = (x ^ (x >> _u64(27))) * _u64(_S)
    return x ^ (x >> _u64(31))


def _high_product(a: "np.ndarray", b: int) -> "np.ndarray":
    """The upper 64 bits of a x b."""
    mask, half = _u64(0xFFFFFFFF), _u64(32)
    b_low, b_high = _u64(b & 0xFFFFFFFF), _u64(b >> 32)
    a_low, a_high = a & mask, a >> half
    low, middle = a_low * b_low, a_high * b_low
    carry = (low >> half) + (middle & mask) + a_low * b_high
    return a_high * b_high + (middle >> half) + (carry >> half)


def _permute(key: Key, tweak: Any, n: Any, x: "np.ndarray") -> "np.ndarray":
    """`Permutation(key, tweak, n).map(x)` for arrays: `tweak` and `n` are one number, or one for each place."""
    if isinstance(n, int):
        bits: Any = _u64(_bits(n))
        limit: Any = _u64(n)
    else:
        sizes, where = np.unique(n, return_inverse=True)
        bits = np.array([_bits(int(size)) for size in sizes], dtype=np.uint64)[where]
        limit = n
    low_bits = bits // _u64(2)
    high_bits = bits - low_bits
    keys = [_mix(_u64(key[i % 4]) ^ _mix(tweak + _u64((i + 1) * _G))) for i in range(8)]
    result = np.array(x, dtype=np.uint64)
    open_places = np.arange(len(result))
    while len(open_places):
        at = [_pick(keys[i], open_places) for i in range(8)]
        low_n, high_n = _pick(low_bits, open_places), _pick(high_bits, open_places)
        value = result[open_places]
        low, high = value & ((_u64(1) << low_n) - _u64(1)), value >> low_n
        for i in range(8):
            half, wanted = (high, low_n) if i % 2 == 0 else (low, high_n)
            h = (half ^ at[i]) * _u64(_F)
            h = ((h ^ (h >> _u64(32))) * _u64(_S)) >> (_u64(64) - wanted)
            low, high = (low ^ h, high) if i % 2 == 0 else (low, high ^ h)
        value = (high << low_n) | low
        result[open_places] = value
        open_places = open_places[value >= _pick(limit, open_places)]
    return result


def _pick(values: Any, places: "np.ndarray") -> Any:
    return values[places] if isinstance(values, np.ndarray) and values.ndim else values
