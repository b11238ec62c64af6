"""Training on machines that are taken away: killed at any time, gone on with at any world size.

    python3 examples/spot_training.py --dataset digits --checkpoints /jobs/digits --passes 3

One process a rank; RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT as torchrun sets them (one process without). Each rank
reads its share of one global order. A checkpoint holds model, optimizer and the feed's state, which is one integer; a
job that begins looks for the newest and goes on from there, whatever its world is now. On SIGTERM (any rank's) all
ranks end after the same step, rank 0 saves, and the exit code is 75: run it again. On SIGKILL the steps since the last
checkpoint are done again, by a model that has not seen them: in its own history no sample is lost or comes twice.
"""

import argparse
import datetime
import os
import sys

import torch
import torch.distributed as dist
from torch import nn

import datalayer

AGAIN = 75


def together(values):
    """The sum of some numbers over all ranks."""
    if not dist.is_initialized():
        return [float(value) for value in values]
    total = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(total)
    return total.tolist()


def learn(model, optimizer, batch, stopping):
    """One step of all ranks; returns the loss over all their samples, and whether somebody has to stop."""
    real = len(batch) - batch.padding
    optimizer.zero_grad()
    loss = torch.zeros(())
    if real:
        images = batch.tensor()[:real].float().div(255).sub(0.5).flatten(1)
        loss = nn.functional.cross_entropy(model(images), batch.labels_tensor()[:real].long(), reduction="sum")
        loss.backward()
    loss_sum, samples, stops = together([float(loss), real, float(stopping)])
    for parameter in model.parameters():
        grad = parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
        if dist.is_initialized():
            dist.all_reduce(grad)
        parameter.grad = grad / samples
    optimizer.step()
    return loss_sum / samples, stops > 0


def run(options, on_step=None):
    """Trains until the passes are over or the machine is wanted; returns the exit code."""
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    if world > 1:
        dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=60))
    client = datalayer.Client(options.server)
    model = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.5)
    state, steps = None, 0
    newest = datalayer.latest(options.checkpoints, client=client)
    if newest is not None:
        kept = datalayer.load(newest, client=client)
        model.load_state_dict(kept["model"])
        optimizer.load_state_dict(kept["optimizer"])
        state, steps = kept["feed"], kept["steps"]
        print(f"rank {rank} of {world} goes on from {newest} at {state['cursor']}", flush=True)

    def save(feed):
        if rank == 0:
            states = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "feed": feed.state_dict()}
            datalayer.save(
                {**states, "steps": steps},
                f"{options.checkpoints}/step-{steps:06}.pt", keep=options.keep, client=client,
            )
        if world > 1:
            dist.barrier()

    stop = False
    with datalayer.Reclaim(options.grace) as reclaim, datalayer.Feed(
        options.dataset, options.batch, seed=options.seed, rank=rank, world=world, last="pad", passes=options.passes,
        state=state, server=options.server,
    ) as feed:
        # All ranks take each step: one that was told to stop tells the others in it, and leaves none of them waiting.
        for batch in feed if world > 1 else reclaim.batches(feed):
            loss, stop = learn(model, optimizer, batch, reclaim.asked)
            steps += 1
            if on_step is not None:
                on_step(rank, steps, batch, loss)
            if (stop and world > 1) or steps % options.every == 0:
                save(feed)
            if stop:
                break
        stop = stop or reclaim.asked
        if stop and world == 1:
            save(feed)
        print(f"rank {rank}: {'stopped' if stop else 'done'} after {steps} steps", flush=True)
    return AGAIN if stop else 0


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", help="the service; default DATALAYER_SERVER or 127.0.0.1:7070")
    parser.add_argument("--dataset", required=True, help="records of 28 x 28 bytes with labels")
    parser.add_argument("--checkpoints", required=True, help="a folder of the tree")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--every", type=int, default=20, help="steps between checkpoints")
    parser.add_argument("--keep", type=int, default=2, help="checkpoints that are kept")
    parser.add_argument("--grace", type=float, default=25.0, help="seconds between SIGTERM and SIGKILL")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(run(parse()))
