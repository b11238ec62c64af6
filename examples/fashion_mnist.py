"""A small CNN on Fashion-MNIST (or any IDX images of 28 x 28), fed by DataLayer.

    python3 examples/fashion_mnist.py --data /usr/share/datasets/fashion-mnist --passes 3

The IDX files (plain or .gz) are put into the tree once, datasets are made of them, and every pass comes through a feed:
shuffled by the service, in shared memory. Prints the accuracy after each pass; the last line is
`accuracy A, N samples/s`.
"""

import argparse
import gzip
import pathlib
import shutil
import time

import torch
from torch import nn

import datalayer

PARTS = {"train": "train", "test": "t10k"}


def put(client, source, folder):
    """Copies the IDX files of a folder into the tree, unpacked, where they are not there yet."""
    for prefix in PARTS.values():
        for kind in ("images-idx3", "labels-idx1"):
            target = f"{folder}/{prefix}-{kind}-ubyte"
            if client.exists(target):
                continue
            found = sorted(pathlib.Path(source).glob(f"{prefix}-{kind}-ubyte*"))
            if not found:
                raise SystemExit(f"There is no {prefix}-{kind}-ubyte[.gz] in {source}.")
            unpack = gzip.open if found[0].suffix == ".gz" else open
            with unpack(found[0], "rb") as read, client.open(target, "wb", parents=True) as write:
                shutil.copyfileobj(read, write, 1 << 20)


def make(client, name, folder):
    """The datasets of training and test images."""
    for part, prefix in PARTS.items():
        client.create_dataset(
            f"{name}-{part}", folder, "fixed", include=f"{prefix}-images-*", labels="array",
            labelsFrom=f"{folder}/{prefix}-labels-idx1-ubyte",
        )


class Net(nn.Module):
    """Two convolutions and two linear layers."""

    def __init__(self, width=16):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, width, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(2 * width * 49, 64), nn.ReLU(), nn.Linear(64, 10),
        )

    def forward(self, images):
        return self.layers(images.float().div(255).sub(0.5).reshape(-1, 1, 28, 28))


def accuracy(model, feed):
    """The share of a feed's samples that are named right."""
    right = count = 0
    with torch.no_grad():
        for batch in feed:
            real = len(batch) - batch.padding
            guess = model(batch.tensor()[:real]).argmax(1)
            right += int((guess == batch.labels_tensor()[:real]).sum())
            count += real
    return right / count


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", help="the service; default DATALAYER_SERVER or 127.0.0.1:7070")
    parser.add_argument("--data", required=True, help="a folder with the four IDX files")
    parser.add_argument("--folder", default="/fashion-mnist", help="where they go in the tree")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)

    torch.manual_seed(options.seed)
    client, name = datalayer.Client(options.server), options.folder.strip("/").replace("/", "-")
    put(client, options.data, options.folder)
    make(client, name, options.folder)
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    count, begin, found = 0, time.perf_counter(), 0.0
    with datalayer.Feed(
        f"{name}-train", options.batch, seed=options.seed, passes=options.passes, server=options.server
    ) as feed:
        for which in range(options.passes):
            for batch in feed.one_pass():
                loss = nn.functional.cross_entropy(model(batch.tensor()), batch.labels_tensor().long())
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                count += len(batch)
            seconds = time.perf_counter() - begin
            test = datalayer.Feed(f"{name}-test", 500, order="sequential", last="pad", server=options.server)
            with test:
                found = accuracy(model, test)
            print(f"pass {which}: loss {float(loss):.4f}, accuracy {found:.4f}, {count / seconds:.0f} samples/s")
    print(f"accuracy {found:.4f}, {count / seconds:.0f} samples/s")
    return found


if __name__ == "__main__":
    main()
