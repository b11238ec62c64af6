"""Small real datasets for the tests of feeds: IDX records, files in folders, tars, lines. Content follows from a seed."""

import io
import json
import random
import struct
import tarfile

import numpy as np

DIGITS = 600


def digits(count=DIGITS, seed=1):
    """Images of 28 x 28 whose class can be learnt: a bright bar at a place of its own, and noise. (images, labels)"""
    r = np.random.default_rng(seed)
    labels = r.integers(0, 10, count).astype(np.uint8)
    images = r.integers(0, 90, (count, 28, 28)).astype(np.uint8)
    for image, label in zip(images, labels):
        row = 1 + 5 * (label // 2)
        column = 2 if label % 2 else 15
        image[row : row + 4, column : column + 10] += 150
    return images, labels


def idx(array):
    """An array of bytes as an IDX file."""
    return struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def put_digits(client, folder, name, count=DIGITS, seed=1, **spec):
    """A dataset of digits in the tree; returns (images, labels)."""
    images, labels = digits(count, seed)
    client.write(f"{folder}/{name}/train-images-idx3-ubyte", idx(images), parents=True)
    client.write(f"{folder}/{name}/train-labels-idx1-ubyte", idx(labels), parents=True)
    client.create_dataset(
        name, f"{folder}/{name}", "fixed", include="train-images-*", labels="array",
        labelsFrom=f"{folder}/{name}/train-labels-idx1-ubyte", **spec,
    )
    return images, labels


def put_photos(client, folder, name, count=60, seed=2):
    """Files of different lengths in a folder for each class; returns path below the folder -> content."""
    r = random.Random(seed)
    made = {}
    for i in range(count):
        path = f"{'cat' if i % 3 else 'dog'}/{i:03}.jpg"
        made[path] = r.randbytes(r.choice((0, 1, 63, 64, 65, 1000, 4096, 30_000)))
        client.write(f"{folder}/{name}/{path}", made[path], parents=True)
    client.create_dataset(name, f"{folder}/{name}", "files", labels="folder")
    return made


def put_shards(client, folder, name, shards=3, each=9, seed=3):
    """Tars of WebDataset samples; returns key of the sample -> extension -> content."""
    r = random.Random(seed)
    made = {}
    for shard in range(shards):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for i in range(each):
                key = f"{shard:02}{i:04}"
                made[key] = {
                    "jpg": r.randbytes(r.randrange(1, 5000)), "cls": str(i % 4).encode(), "json": json.dumps({"key": key}).encode(),
                }
                for extension, content in made[key].items():
                    entry = tarfile.TarInfo(f"{key}.{extension}")
                    entry.size = len(content)
                    archive.addfile(entry, io.BytesIO(content))
        client.write(f"{folder}/{name}/{shard:03}.tar", stream.getvalue(), parents=True)
    client.create_dataset(name, f"{folder}/{name}", "tar", labels="member")
    return made
