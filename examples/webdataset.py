"""WebDataset tars through DataLayer: images and labels out of .tar shards, shuffled over all of them.

    python3 examples/webdataset.py --data /usr/share/datasets/fashion-mnist --passes 2

`--shards FOLDER` of the tree takes shards that are there already. Else shards are written first, as WebDataset writes
them (`KEY.pgm`, `KEY.cls`, members of a sample one after the other), out of real IDX images. Nothing is unpacked: the
index knows where each sample lies in its shard, so a pass is shuffled over all samples of all shards, not over a
buffer, and `batch.members(i)` has the members in place. Trains a CNN; the last line is `accuracy A, N samples/s`.
"""

import argparse
import gzip
import io
import pathlib
import struct
import tarfile
import time

import numpy as np
import torch
from torch import nn

import datalayer

PARTS = {"train": "train", "test": "t10k"}


def read_idx(folder, name):
    """An array of bytes of an IDX file, plain or .gz."""
    found = sorted(pathlib.Path(folder).glob(f"{name}*"))
    if not found:
        raise SystemExit(f"There is no {name}[.gz] in {folder}.")
    with (gzip.open if found[0].suffix == ".gz" else open)(found[0], "rb") as file:
        content = file.read()
    shape = struct.unpack_from(f">{content[3]}I", content, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def write_shards(client, source, folder, each, most):
    """Shards of `each` samples, `most` samples at most a part, where they are not there yet."""
    for part, prefix in PARTS.items():
        if client.exists(f"{folder}/{part}"):
            continue
        images = read_idx(source, f"{prefix}-images-idx3-ubyte")[:most]
        labels = read_idx(source, f"{prefix}-labels-idx1-ubyte")[:most]
        for shard, first in enumerate(range(0, len(images), each)):
            stream = io.BytesIO()
            with tarfile.open(fileobj=stream, mode="w") as tar:
                for i in range(first, min(first + each, len(images))):
                    height, width = images[i].shape
                    header = f"P5\n{width} {height}\n255\n".encode()
                    members = {"pgm": header + images[i].tobytes(), "cls": str(labels[i]).encode()}
                    for extension, content in members.items():
                        entry = tarfile.TarInfo(f"{i:06}.{extension}")
                        entry.size = len(content)
                        tar.addfile(entry, io.BytesIO(content))
            client.write(f"{folder}/{part}/{shard:05}.tar", stream.getvalue(), parents=True)


def decode(pgm):
    """The pixels of a binary grey map, without a copy. Put your decoder here: JPEG's, say."""
    magic, size, most, _ = bytes(pgm[:32]).split(b"\n", 3)
    width, height = map(int, size.split())
    return np.frombuffer(pgm, np.uint8, offset=len(magic) + len(size) + len(most) + 3).reshape(height, width)


def tensors(batch):
    """Images (count, 1, height, width) of 0 to 1, and classes, without what only fills the step."""
    real = len(batch) - batch.padding
    images = np.stack([decode(batch.members(i)["pgm"]) for i in range(real)])
    return torch.from_numpy(images).float().div(255).unsqueeze(1), batch.labels_tensor()[:real].long()


def accuracy(model, feed):
    """The share of a feed's samples that are named right."""
    right = count = 0
    with torch.no_grad():
        for batch in feed:
            images, labels = tensors(batch)
            right += int((model(images).argmax(1) == labels).sum())
            count += len(labels)
    return right / count


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", help="the service; default DATALAYER_SERVER or 127.0.0.1:7070")
    parser.add_argument("--data", help="a folder with the four IDX files, to write shards from")
    parser.add_argument("--shards", default="/webdataset", help="a folder of the tree with train/*.tar and test/*.tar")
    parser.add_argument("--each", type=int, default=1000, help="samples in a shard that is written")
    parser.add_argument("--samples", type=int, default=None, help="at most so many samples of each part")
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)

    torch.manual_seed(options.seed)
    client = datalayer.Client(options.server)
    if options.data:
        write_shards(client, options.data, options.shards, options.each, options.samples)
    names = {part: options.shards.strip("/").replace("/", "-") + "-" + part for part in PARTS}
    for part, name in names.items():
        made = client.create_dataset(name, f"{options.shards}/{part}", "tar", labels="member")
        print(f"{name}: {made['samples']} samples in {made['files']} shards")
    model = nn.Sequential(
        nn.Conv2d(1, 8, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.LazyLinear(10),
    )
    optimizer, found, count, begin = None, 0.0, 0, time.perf_counter()
    with datalayer.Feed(
        names["train"], options.batch, seed=options.seed, passes=options.passes, server=options.server
    ) as feed:
        for which in range(options.passes):
            for batch in feed.one_pass():
                images, labels = tensors(batch)
                loss = nn.functional.cross_entropy(model(images), labels)
                if optimizer is None:
                    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                count += len(labels)
            seconds = time.perf_counter() - begin
            with datalayer.Feed(names["test"], 500, order="sequential", last="pad", server=options.server) as test:
                found = accuracy(model, test)
            print(f"pass {which}: loss {float(loss):.4f}, accuracy {found:.4f}")
    print(f"accuracy {found:.4f}, {count / seconds:.0f} samples/s")
    return found


if __name__ == "__main__":
    main()
