"""Reads samples as tensors, through a feed or through what PyTorch users have otherwise. `eng/bench feed` runs it.

Prints one line of JSON: samples a second of the timed passes, and the sum of all bytes of the pass before them, by which the caller sees that both ways
gave the same samples.
"""

from __future__ import annotations

import argparse
import json
import os
import tarfile
import time

import numpy
import torch
from torch.utils.data import DataLoader, Dataset


class Files(Dataset):
    """A tensor a file, its label the number of its folder: as torchvision's folder datasets, without decoding."""

    def __init__(self, folder: str) -> None:
        self.files = []
        for label, name in enumerate(sorted(os.listdir(folder))):
            inner = os.path.join(folder, name)
            self.files += [(os.path.join(inner, file), label) for file in sorted(os.listdir(inner))]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int):
        path, label = self.files[i]
        return torch.from_numpy(numpy.fromfile(path, dtype=numpy.uint8)), label


def data_loader(arguments: argparse.Namespace):
    files = Files(arguments.folder)
    loader = DataLoader(
        files, batch_size=arguments.batch, shuffle=True, drop_last=True, num_workers=arguments.workers,
        persistent_workers=arguments.workers > 0,
    )

    def one_pass(look):
        count = 0
        for samples, labels in loader:
            count += len(labels)
            look(samples)
        return count

    return one_pass


def feed(arguments: argparse.Namespace):
    import datalayer

    stream = datalayer.Feed(
        arguments.dataset, arguments.batch, layout="padded", passes=0, server=arguments.server, slabs=arguments.slabs, element="uint8",
    )

    def one_pass(look):
        count = 0
        for batch in stream.one_pass():
            samples, _ = batch.tensor(), batch.labels_tensor()
            count += len(samples)
            look(samples)
        return count

    return one_pass


def tars(arguments: argparse.Namespace):
    """WebDataset's way: tars one after the other, members grouped by the name up to the first dot."""
    names = sorted(os.path.join(arguments.folder, name) for name in os.listdir(arguments.folder))

    def one_pass(look):
        count = 0
        for name in names:
            with open(name, "rb") as file, tarfile.open(fileobj=file, mode="r|") as tar:
                key, sample = None, {}
                for member in tar:
                    stem, _, extension = member.name.partition(".")
                    if stem != key and sample:
                        look(torch.from_numpy(numpy.frombuffer(sample["bin"], dtype=numpy.uint8)))
                        count += 1
                        sample = {}
                    key = stem
                    sample[extension] = tar.extractfile(member).read()
                if sample:
                    look(torch.from_numpy(numpy.frombuffer(sample["bin"], dtype=numpy.uint8)))
                    count += 1
        return count

    return one_pass


def tar_feed(arguments: argparse.Namespace):
    import datalayer

    stream = datalayer.Feed(arguments.dataset, arguments.batch, passes=0, server=arguments.server, slabs=arguments.slabs, last="pad")

    def one_pass(look):
        count = 0
        for batch in stream.one_pass():
            for i in range(len(batch) - batch.padding):
                look(torch.from_numpy(numpy.frombuffer(batch.members(i)["bin"], dtype=numpy.uint8)))
                count += 1
        return count

    return one_pass


def main() -> None:
    ways = {"loader": data_loader, "feed": feed, "tars": tars, "tar-feed": tar_feed}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=sorted(ways))
    parser.add_argument("--folder")
    parser.add_argument("--dataset")
    parser.add_argument("--server")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--slabs", type=int, default=4)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=3.0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    one_pass = ways[arguments.way](arguments)
    total = 0

    def add(samples: torch.Tensor) -> None:
        nonlocal total
        total += int(samples.numpy().sum(dtype=numpy.uint64))

    first = one_pass(add)
    count, start = 0, time.monotonic()
    while time.monotonic() - start < arguments.seconds:
        count += one_pass(lambda samples: None)
    seconds = time.monotonic() - start
    print(json.dumps({"samplesPerSecond": count / seconds, "sum": total, "samples": first}))


main()
