"""Slabs: shared memory of the service, mapped once; and the memory of batches that come over a network."""

from __future__ import annotations

import mmap
import os
import sys
from typing import Any, Dict, List, Optional

from .errors import FeedError
from .frames import broken

__all__ = ["BufferPool", "Slab", "SlabTable"]

_MAX_SLABS = 64
_PORTABLE = 1  # cudaHostRegisterPortable: page-locked for every context of the process.


class Slab:
    """One mapping. It is never unmapped by hand: arrays and tensors hold it, and the last of them lets it go."""

    def __init__(self, memory: mmap.mmap, pin: bool) -> None:
        self.memory = memory
        self._process = os.getpid()
        self._pinned: Optional[int] = None
        if pin:
            self._pin()

    @classmethod
    def map(cls, descriptor: int, length: int, pin: bool) -> "Slab":
        """Maps a memfd of the service and closes the descriptor."""
        try:
            if length < 1 or os.fstat(descriptor).st_size < length:
                raise broken(f"a slab of {length} bytes came with a descriptor that is shorter")
            try:
                memory = mmap.mmap(descriptor, length, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
            except PermissionError:
                memory = mmap.mmap(descriptor, length, mmap.MAP_SHARED, mmap.PROT_READ)
        except OSError as error:
            raise FeedError(
                f"A slab of {length} bytes cannot be mapped: {error.strerror}.", code="noSpace",
                remedy="Ask for fewer slabs or a smaller batch, or raise 'ulimit -v'.",
            ) from error
        finally:
            os.close(descriptor)
        return cls(memory, pin)

    def retire(self) -> None:
        """Ends the page-lock. What is mapped stays as long as somebody looks at it."""
        pinned, self._pinned = self._pinned, None
        if pinned is not None and self._process == os.getpid() and "torch" in sys.modules:
            sys.modules["torch"].cuda.cudart().cudaHostUnregister(pinned)

    def __del__(self) -> None:
        try:
            self.retire()
        except Exception:  # noqa: BLE001  (the interpreter may be ending)
            pass

    def _pin(self) -> None:
        import torch

        if not torch.cuda.is_available():
            return
        address = torch.frombuffer(self.memory, dtype=torch.uint8, count=1).data_ptr()
        code = torch.cuda.cudart().cudaHostRegister(address, len(self.memory), _PORTABLE)
        if int(code) != 0:
            raise FeedError(
                f"CUDA does not page-lock a slab of {len(self.memory)} bytes: error {int(code)}.", code="noSpace",
                remedy="Raise the limit of locked memory, ask for fewer slabs, or open the feed with pin=False.",
            )
        self._pinned = address


class SlabTable:
    """The slabs of one connection by number."""

    def __init__(self, pin: bool) -> None:
        self._slabs: Dict[int, Slab] = {}
        self._pin = pin

    def add(self, number: int, descriptor: int, length: int) -> None:
        """Takes a slab; one of that number from before is retired."""
        if number not in self._slabs and len(self._slabs) >= _MAX_SLABS:
            os.close(descriptor)
            raise broken(f"more than {_MAX_SLABS} slabs came")
        made = Slab.map(descriptor, length, self._pin)
        before = self._slabs.get(number)
        self._slabs[number] = made
        if before is not None:
            before.retire()

    def view(self, number: int, length: int) -> Any:
        """The memory of a batch."""
        slab = self._slabs.get(number)
        if slab is None or length > len(slab.memory):
            raise broken(f"a batch of {length} bytes came in slab {number}, which was never sent or is shorter")
        return slab.memory

    def retire(self) -> None:
        """Retires all: the connection is over."""
        slabs, self._slabs = self._slabs, {}
        for slab in slabs.values():
            slab.retire()


class BufferPool:
    """Page-aligned memory for batches that come in their frames; released memory is used again."""

    def __init__(self, limit: int) -> None:
        self._free: List[mmap.mmap] = []
        self._limit = limit
        self.last: Optional[mmap.mmap] = None

    def allocate(self, length: int) -> memoryview:
        """Memory of at least `length` bytes; `last` is its mapping."""
        for i, memory in enumerate(self._free):
            if len(memory) >= length:
                self.last = self._free.pop(i)
                return memoryview(self.last)
        self.last = mmap.mmap(-1, max(1, length + length // 8))
        return memoryview(self.last)

    def give(self, memory: mmap.mmap) -> None:
        """Takes memory back for a later batch."""
        if len(self._free) < self._limit:
            self._free.append(memory)
        else:
            self._free[0] = memory
