"""Ranks and the service are killed at random moments; the job goes on at random worlds. KILL_ROUNDS=100 makes it a soak."""

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import textwrap
import time

import datalayer
from conftest import LISTS_FEEDS, ROOT, WAYS, Service
from datasets import put_digits

ROUNDS = int(os.environ.get("KILL_ROUNDS", "6"))
SEED = int(os.environ.get("KILL_SEED", random.randrange(1 << 30)))
SAMPLES, WAIT = 300, 90

RANK = textwrap.dedent(
    """
    import json, os, sys, time
    import datalayer

    path, state, rank, world, batch, server, way = sys.argv[1:]
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with datalayer.Feed(
        "digits", int(batch), rank=int(rank), world=int(world), last="pad", passes=0, server=server, reconnect=120,
        state=None if state == "null" else state, shared_memory=way == "shared",
    ) as feed:
        for made in feed:
            seen = made.numbers.tolist()[: len(made) - made.padding]
            assert made.data[0].tobytes() == bytes(made[0])
            line = json.dumps({"after": made.next_cursor, "seen": seen, "state": feed.state_dict()})
            os.write(log, line.encode() + b"\\n")
            time.sleep(0.003)  # stands for the step that uses the batch
    """
)


class Job:
    """The ranks of one incarnation, each with a log of its steps."""

    def __init__(self, folder, number, world, batch, state, server, way):
        self.logs = [folder / f"{number}-{rank}.log" for rank in range(world)]
        self.ranks = [
            subprocess.Popen(
                [sys.executable, "-c", RANK, str(log), json.dumps(state), str(rank), str(world), str(batch), server, way],
                env={**os.environ, "PYTHONPATH": str(ROOT / "src" / "python")}, stderr=subprocess.PIPE, text=True,
            )
            for rank, log in enumerate(self.logs)
        ]

    def steps(self, rank):
        text = self.logs[rank].read_text() if self.logs[rank].exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def wait_for(self, rank, count):
        limit = time.monotonic() + WAIT
        while len(self.steps(rank)) < count:
            assert self.ranks[rank].poll() is None, self.ranks[rank].stderr.read()
            assert time.monotonic() < limit, f"rank {rank} did {len(self.steps(rank))} steps of {count}: SEED={SEED}"
            time.sleep(0.005)

    def end(self):
        for process in self.ranks:
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
            process.wait(30)
            process.stderr.close()


def test_no_sample_is_lost_or_twice_whoever_is_killed(tmp_path):
    r = random.Random(SEED)
    print(f"KILL_SEED={SEED}")
    folder, own, state, history, stood = pathlib.Path(tmp_path), Service(), None, [], 0
    job, slowest = None, 0.0
    try:
        own.start()
        put_digits(datalayer.Client(own.url), "/own", "digits", SAMPLES)
        for number in range(ROUNDS):
            world, batch = r.randrange(1, 4), r.randrange(1, 12)
            job = Job(folder, number, world, batch, state, own.url, r.choice(WAYS))
            victim, count = r.randrange(world), r.randrange(1, 30)
            for rank in range(world):
                job.wait_for(rank, count if rank == victim else 1)
            if r.random() < 0.4:
                own.kill()
                own.start()
                begin, done = time.monotonic(), [len(job.steps(rank)) for rank in range(world)]
                for rank in range(world):
                    job.wait_for(rank, done[rank] + 2)
                slowest = max(slowest, time.monotonic() - begin)
            os.kill(job.ranks[victim].pid, signal.SIGKILL)
            job.end()
            steps = [job.steps(rank) for rank in range(world)]
            # What all ranks have done is kept; what some did beyond it is of a model that is gone.
            last = min((each[-1] for each in steps), key=lambda step: step["after"])
            state, stands = last["state"], last["after"]
            history += [sample for each in steps for step in each if step["after"] <= stands for sample in step["seen"]]
            assert len(history) == stands > stood, f"KILL_SEED={SEED}"
            stood = stands
        whole, rest = divmod(stood, SAMPLES)
        counts = [history.count(sample) for sample in range(SAMPLES)]
        assert set(counts) <= {whole, whole + 1} and counts.count(whole + 1) == rest, f"KILL_SEED={SEED}"
        limit = time.monotonic() + 30
        client = datalayer.Client(own.url)
        while own.memfds() or LISTS_FEEDS and client.transport.json("GET", "/api/v1/feeds"):
            assert time.monotonic() < limit, "dead clients' slabs or feeds are still there"
            time.sleep(0.02)
        print(f"{ROUNDS} rounds, {stood} samples, at most {slowest:.2f} s from the service's start to the next two steps")
    finally:
        if job is not None:
            job.end()
        own.end()
