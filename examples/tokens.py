"""A small language model on a stream of tokens: fixed windows of a token file, as records of a feed.

    python3 examples/tokens.py --text README.md docs --passes 4

The text (files, or folders of .md, .txt and .py files) is cut into tokens, here its bytes: 256 of them, so no
vocabulary is needed and the example stands for any tokenizer. The tokens are one raw file of 16-bit numbers in the
tree, a record of it `--window` + 1 tokens: a window and what follows each of its tokens. A feed shuffles the windows
and gives each batch as one tensor. The model is a GRU that learns to say the next token. Prints the loss of held-out
windows in bits a token after each pass; the last line is `bits B of F, N tokens/s`, F that of the frequencies alone.
"""

import argparse
import math
import pathlib
import time

import numpy as np
import torch
from torch import nn

import datalayer

VOCABULARY = 256


def read_text(paths):
    """The bytes of all files, in the order of their names."""
    files = []
    for path in map(pathlib.Path, paths):
        files += [path] if path.is_file() else [p for p in path.rglob("*") if p.suffix in (".md", ".txt", ".py")]
    if not files:
        raise SystemExit(f"There is no text in {', '.join(map(str, paths))}.")
    return b"\n".join(path.read_bytes() for path in sorted(files))


def put(client, text, folder, window):
    """The tokens as a file of whole records; returns how many records there are."""
    tokens = np.frombuffer(text, np.uint8).astype("<u2")
    # Windows overlap by the one token that is only a target, so no token is left out.
    records = (len(tokens) - 1) // window
    if records < 20:
        raise SystemExit(f"{len(tokens)} tokens are {records} windows of {window}: give more text.")
    places = np.arange(records)[:, None] * window + np.arange(window + 1)
    client.write(f"{folder}/tokens.bin", tokens[places].tobytes(), parents=True)
    return records


class Model(nn.Module):
    """An embedding, a GRU, and a score for each token that may follow."""

    def __init__(self, width=64, hidden=128):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, width)
        self.memory = nn.GRU(width, hidden, batch_first=True)
        self.scores = nn.Linear(hidden, VOCABULARY)

    def forward(self, tokens):
        return self.scores(self.memory(self.embedding(tokens))[0])


def loss_of(model, batch):
    """Nats a token, over the batch's windows that are no padding."""
    windows = batch.tensor()[: len(batch) - batch.padding].long()
    scores = model(windows[:, :-1])
    return nn.functional.cross_entropy(scores.reshape(-1, VOCABULARY), windows[:, 1:].reshape(-1))


def held_out(model, options, name):
    """Bits a token over the windows that no pass trains on."""
    nats = count = 0.0
    with torch.no_grad(), datalayer.Feed(
        name, options.batch, part="validation", order="sequential", last="pad", element="int16", server=options.server
    ) as feed:
        for batch in feed:
            real = len(batch) - batch.padding
            if real:
                nats += float(loss_of(model, batch)) * real
                count += real
    return nats / count / math.log(2)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", help="the service; default DATALAYER_SERVER or 127.0.0.1:7070")
    parser.add_argument("--text", nargs="+", required=True, help="files, or folders of .md, .txt and .py files")
    parser.add_argument("--folder", default="/tokens", help="where the tokens go in the tree")
    parser.add_argument("--window", type=int, default=64, help="tokens the model sees at once")
    parser.add_argument("--passes", type=int, default=4)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)

    torch.manual_seed(options.seed)
    client, name = datalayer.Client(options.server), options.folder.strip("/").replace("/", "-")
    text = read_text(options.text)
    records = put(client, text, options.folder, options.window)
    client.create_dataset(
        name, options.folder, "fixed", include="*.bin", recordBytes=2 * (options.window + 1), validation=0.1
    )
    shares = np.bincount(np.frombuffer(text, np.uint8), minlength=VOCABULARY) / len(text)
    frequencies = float(-(shares[shares > 0] * np.log2(shares[shares > 0])).sum())
    print(f"{len(text)} tokens, {records} windows of {options.window}, {frequencies:.3f} bits a token by frequency")
    model, count, bits, begin = Model(), 0, 0.0, time.perf_counter()
    optimizer = torch.optim.Adam(model.parameters(), options.rate)
    with datalayer.Feed(
        name, options.batch, part="train", seed=options.seed, passes=options.passes, last="pad", element="int16",
        server=options.server,
    ) as feed:
        for which in range(options.passes):
            for batch in feed.one_pass():
                loss = loss_of(model, batch)
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                count += (len(batch) - batch.padding) * options.window
            seconds = time.perf_counter() - begin
            bits = held_out(model, options, name)
            print(f"pass {which}: {float(loss) / math.log(2):.3f} bits in the last step, {bits:.3f} held out")
    print(f"bits {bits:.3f} of {frequencies:.3f}, {count / seconds:.0f} tokens/s")
    return bits, frequencies


if __name__ == "__main__":
    main()
