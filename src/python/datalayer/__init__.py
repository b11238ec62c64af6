"""DataLayer from Python: files of the tree, feeds of batches in shared memory, checkpoints.

    import datalayer

    datalayer.listdir("/images")
    with datalayer.open("/images/1.jpg") as file:
        header = file.read(16)

    for batch in datalayer.Feed("digits", batch=256, passes=3):
        images, labels = batch.tensor(), batch.labels_tensor()

Pure Python from 3.9 on; NumPy and PyTorch are used where they are there. docs/PYTHON.md tells the rest.
"""

from __future__ import annotations

from typing import Any, BinaryIO, Optional

from .batch import Batch, Cost
from .checkpoint import checkpoints, latest, load, save
from .client import Client, Stat, connect, listdir, remove, stat
from .errors import (
    DataLayerError,
    FeedError,
    ForkedError,
    NotFoundError,
    ReleasedError,
    StaleError,
    UnreachableError,
)
from .feed import Feed
from .order import OrderSpec, RankSlice, SampleOrder
from .reclaim import Reclaim
from .tls import Tls

__version__ = "0.1.0"

__all__ = [
    "Batch",
    "Client",
    "Cost",
    "DataLayerError",
    "Feed",
    "FeedError",
    "ForkedError",
    "NotFoundError",
    "OrderSpec",
    "RankSlice",
    "Reclaim",
    "ReleasedError",
    "SampleOrder",
    "StaleError",
    "Stat",
    "Tls",
    "UnreachableError",
    "checkpoints",
    "connect",
    "latest",
    "listdir",
    "load",
    "open",
    "remove",
    "save",
    "stat",
]


def open(path: str, mode: str = "rb", *, server: Optional[str] = None, **options: Any) -> BinaryIO:
    """Opens a file of the tree through the default client; `Client.open` tells the modes."""
    return connect(server).open(path, mode, **options)
