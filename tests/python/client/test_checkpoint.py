"""Checkpoints appear whole or not at all, the newest are kept, and a reclaim ends a loop in time."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading

import pytest
import torch

import datalayer
from datalayer import checkpoint
from datalayer.reclaim import Reclaim


def model(seed=0, width=64):
    torch.manual_seed(seed)
    return {"w": torch.randn(width, width), "b": torch.zeros(width, dtype=torch.bfloat16), "n": 7, "name": "ü"}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) if torch.is_tensor(a[k]) else a[k] == b[k] for k in a)


def test_objects_come_back_and_any_tool_reads_them(client, folder):
    saved = model()
    tag = datalayer.save(saved, f"{folder}/run/step-1.pt", client=client)
    assert same(datalayer.load(f"{folder}/run/step-1.pt", client=client), saved)
    assert client.stat(f"{folder}/run/step-1.pt").etag == tag
    with client.open(f"{folder}/run/step-1.pt") as file:
        assert same(torch.load(file), saved)
    assert same(datalayer.load(f"{folder}/run/step-1.pt", client=client, weights_only=False, map_location="cpu"), saved)


def test_large_ones_are_written_and_read_in_parts_at_once(client, folder, monkeypatch):
    monkeypatch.setattr(checkpoint, "_PART", 1 << 20)
    content = random.Random(7).randbytes((5 << 20) + 12_345)
    tag = datalayer.save(content, f"{folder}/raw/1.bin", client=client, threads=3)
    assert client.listdir(f"{folder}/raw") == ["1.bin"] and client.stat(f"{folder}/raw/1.bin").etag == tag
    assert datalayer.load(f"{folder}/raw/1.bin", raw=True, client=client) == content
    assert client.read(f"{folder}/raw/1.bin") == content
    saved = model(1, 1200)
    datalayer.save(saved, f"{folder}/raw/2.pt", client=client)
    assert same(datalayer.load(f"{folder}/raw", client=client), saved)


def test_a_save_that_fails_leaves_the_one_before(client, folder, monkeypatch):
    monkeypatch.setattr(checkpoint, "_PART", 1 << 20)
    datalayer.save(b"before", f"{folder}/1", client=client)
    real, count = client.transport.request, []

    def fail(method, route, **more):
        if method == "PUT":
            count.append(route)
            if len(count) == 3:
                raise datalayer.DataLayerError("No space.", code="noSpace")
        return real(method, route, **more)

    monkeypatch.setattr(client.transport, "request", fail)
    with pytest.raises(datalayer.DataLayerError, match="No space"):
        datalayer.save(b"x" * (6 << 20), f"{folder}/1", client=client, threads=2)
    assert client.listdir(folder) == ["1"] and client.read(f"{folder}/1") == b"before"


def test_a_process_killed_in_a_save_leaves_the_one_before(service, client, folder, monkeypatch):
    datalayer.save(b"before", f"{folder}/7", client=client)
    program = textwrap.dedent(
        f"""
        import os, signal, sys
        sys.path.insert(0, {os.path.dirname(os.path.dirname(datalayer.__file__))!r})
        import datalayer
        from datalayer import checkpoint
        checkpoint._PART = 1 << 20
        client = datalayer.Client({service.url!r})
        real, count = client.transport.request, []
        def request(method, route, **more):
            answer = real(method, route, **more)
            count.append(method)
            if count.count("PUT") == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer
        client.transport.request = request
        datalayer.save(b"x" * (8 << 20), "{folder}/7", client=client, threads=2)
        """
    )
    done = subprocess.run([sys.executable, "-c", program], timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert datalayer.load(f"{folder}/7", raw=True, client=client) == b"before"
    # What the dead process left is no checkpoint; a later save takes it away once no living one can be writing it.
    assert len(client.listdir(folder)) == 2 and datalayer.checkpoints(folder, client=client) == [f"{folder}/7"]
    datalayer.save(b"after", f"{folder}/7", client=client, keep=1)
    assert len(client.listdir(folder)) == 2
    monkeypatch.setattr(checkpoint, "_ABANDONED", -3600.0)
    datalayer.save(b"after", f"{folder}/7", client=client, keep=1)
    assert client.listdir(folder) == ["7"]


def test_the_newest_are_kept_and_found(client, folder):
    assert datalayer.latest(folder, client=client) is None and datalayer.latest(f"{folder}/none", client=client) is None
    client.write(f"{folder}/other-1.txt", b"not one of them")
    for step in (9, 10, 100, 20):
        datalayer.save(b"%d" % step, f"{folder}/step-{step}.bin", keep=2, client=client)
    assert client.listdir(folder) == ["other-1.txt", "step-100.bin", "step-20.bin"]
    assert datalayer.latest(folder, client=client) == f"{folder}/step-100.bin"
    assert datalayer.load(folder, raw=True, client=client) == b"100"
    with pytest.raises(ValueError, match="step-000100"):
        datalayer.save(b"", f"{folder}/newest", keep=2, client=client)
    with pytest.raises(FileNotFoundError):
        client.mkdir(f"{folder}/empty")
        datalayer.load(f"{folder}/empty", client=client)


def test_flush_waits_until_the_bucket_has_it(service, client, folder):
    (service.bucket / "job").mkdir()
    service.verb("attach", f"file://{service.bucket}/job", f"{folder}/attached", "--mode", "readWrite")
    try:
        datalayer.save(b"to the bucket" * 1000, f"{folder}/attached/step-1.bin", client=client, flush=True)
        assert (service.bucket / "job" / "step-1.bin").read_bytes() == b"to the bucket" * 1000
    finally:
        service.verb("detach", f"{folder}/attached", "--force")


def test_a_signal_ends_the_loop_after_its_step():
    steps = []
    with Reclaim(grace=20) as reclaim:
        assert reclaim.remaining == 20
        for step in reclaim.batches(range(10)):
            steps.append(step)
            if step == 3:
                os.kill(os.getpid(), signal.SIGTERM)
        assert reclaim.asked and 0 < reclaim.remaining <= 20
    assert steps == [0, 1, 2, 3] and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_signal_ends_a_wait_at_once_and_nothing_is_skipped():
    came = threading.Event()

    class Source:
        cursor = 0

        def __iter__(self):
            return self

        def __next__(self):
            self.cursor += 1
            if self.cursor == 3:
                os.kill(os.getpid(), signal.SIGTERM)
                assert not came.wait(20), "the wait was not ended"
            return self.cursor

        def _rewind(self, cursor):
            self.cursor = cursor

    source = Source()
    with Reclaim() as reclaim:
        assert list(reclaim.batches(source)) == [1, 2]
        assert reclaim.asked and source.cursor == 2
    failures = []

    def elsewhere():
        try:
            with Reclaim():
                pass
        except datalayer.DataLayerError as error:
            failures.append(error.code)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(20)
    assert failures == ["wrongState"]
