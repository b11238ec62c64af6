"""The same small CNN on Fashion-MNIST twice: from tensors in memory, and through a feed. `eng/bench feed --only=fashion` runs it.

Both begin with the same weights (one seed) and do the same number of passes; their passes alternate, so that both meet the same machine. In memory a pass is a
permutation of one tensor that holds all images, cut into batches by indexing. Prints one line of JSON: the accuracies at the end, and the seconds of each pass.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import sys
import time

import torch
from torch import nn

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples"))
import fashion_mnist  # noqa: E402

import datalayer  # noqa: E402


def learn(model, optimizer, images, labels):
    loss = nn.functional.cross_entropy(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def load(name, server):
    """All of a dataset as two tensors."""
    with datalayer.Feed(name, 1000, order="sequential", last="pad", server=server) as feed:
        parts = [(b.tensor()[: len(b) - b.padding].clone(), b.labels_tensor()[: len(b) - b.padding].long()) for b in feed]
    return torch.cat([images for images, _ in parts]), torch.cat([labels for _, labels in parts])


def accuracy(model, images, labels):
    with torch.no_grad():
        return float((torch.cat([model(part) for part in images.split(500)]).argmax(1) == labels).float().mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server")
    parser.add_argument("--data", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--width", type=int, default=4)
    options = parser.parse_args()
    client = datalayer.Client(options.server)
    fashion_mnist.put(client, options.data, "/fashion")
    fashion_mnist.make(client, "fashion", "/fashion")
    images, labels = load("fashion-train", options.server)
    test = load("fashion-test", options.server)

    torch.manual_seed(options.seed)
    models = [fashion_mnist.Net(options.width)]
    models.append(copy.deepcopy(models[0]))
    memory, fed = models
    optimizers = [torch.optim.Adam(model.parameters(), 2e-3) for model in models]
    seconds = {"memory": [], "feed": []}

    def in_memory():
        order = torch.randperm(len(images))
        for first in range(0, len(images) - options.batch + 1, options.batch):
            chosen = order[first : first + options.batch]
            learn(memory, optimizers[0], images[chosen], labels[chosen])

    def through_feed(feed):
        for batch in feed.one_pass():
            learn(fed, optimizers[1], batch.tensor(), batch.labels_tensor().long())

    with datalayer.Feed(
        "fashion-train", options.batch, seed=options.seed, passes=options.passes, slabs=8, server=options.server
    ) as feed:
        for which in range(options.passes):
            ways = [("memory", in_memory), ("feed", lambda: through_feed(feed))]
            for name, run in ways if which % 2 == 0 else reversed(ways):
                start = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - start)
    print(json.dumps({
        "samples": len(images), "memory": accuracy(memory, *test), "feed": accuracy(fed, *test), "seconds": seconds,
    }))


main()
