"""The examples as users run them: a CNN that learns, and a job that is killed and goes on at other world sizes."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import textwrap


import datalayer
from datasets import digits, idx, put_digits

ROOT = pathlib.Path(__file__).resolve().parents[3]
SAMPLES, PASSES, WAIT = 480, 2, 180
TEXTS = ("feed.md", "metadata.md", "order.md", "stripes.md")


def run(program, *arguments, **environment):
    return subprocess.Popen(
        [sys.executable, *([] if program.endswith(".py") else ["-c"]), program, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}/src/python:{ROOT}/examples", "OMP_NUM_THREADS": "1", **environment},
    )


def put_idx(folder):
    for prefix, count, seed in (("train", 1500, 1), ("t10k", 400, 2)):
        images, labels = digits(count, seed)
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(labels))


def test_the_cnn_learns(service, client, folder, tmp_path):
    put_idx(tmp_path)
    process = run(
        str(ROOT / "examples" / "fashion_mnist.py"), "--data", str(tmp_path), "--folder", f"{folder}/cnn", "--passes", "2",
        "--server", service.url,
    )
    output, _ = process.communicate(timeout=WAIT)
    assert process.returncode == 0, output
    assert float(output.splitlines()[-1].split()[1].rstrip(",")) > 0.9, output


def test_images_out_of_webdataset_shards_are_learnt(service, client, folder, tmp_path):
    """The images are made here, of a class that can be learnt (datasets.digits); the shards are real tars."""
    put_idx(tmp_path)
    process = run(
        str(ROOT / "examples" / "webdataset.py"), "--data", str(tmp_path), "--shards", f"{folder}/shards", "--each", "128",
        "--passes", "2", "--batch", "32", "--server", service.url,
    )
    output, _ = process.communicate(timeout=WAIT)
    assert process.returncode == 0, output
    assert "1500 samples in 12 shards" in output and "400 samples in 4 shards" in output, output
    assert float(output.splitlines()[-1].split()[1].rstrip(",")) > 0.9, output


def test_a_language_model_learns_from_a_stream_of_tokens(service, folder):
    """Real text: this repository's own pages about formats."""
    process = run(
        str(ROOT / "examples" / "tokens.py"), "--text", *(str(ROOT / "docs" / "FORMATS" / name) for name in TEXTS),
        "--folder", f"{folder}/tokens", "--window", "32", "--batch", "16", "--passes", "2", "--server", service.url,
    )
    output, _ = process.communicate(timeout=WAIT)
    assert process.returncode == 0, output
    held_out = [float(line.split()[-3]) for line in output.splitlines() if line.startswith("pass ")]
    words = output.splitlines()[-1].split()
    # Below what the frequencies alone give, by far: it has learnt what follows what.
    assert len(held_out) == 2 and held_out[1] < held_out[0], output
    assert float(words[1]) < 0.8 * float(words[3].rstrip(",")), output


SPOT = textwrap.dedent(
    """
    import json, os, signal, sys
    import spot_training

    options = spot_training.parse(sys.argv[3:])
    log, (rank_at, step_at, number) = open(sys.argv[1], "a"), map(int, sys.argv[2].split(","))

    def on_step(rank, steps, batch, loss):
        seen = batch.numbers.tolist()[: len(batch) - batch.padding]
        log.write(json.dumps({"step": steps, "after": batch.next_cursor, "seen": seen, "loss": loss, "world": options.world}) + "\\n")
        log.flush()
        if (rank, steps) == (rank_at, step_at):
            os.kill(os.getpid(), number)

    options.world = int(os.environ.get("WORLD_SIZE", 1))
    sys.exit(spot_training.run(options, on_step))
    """
)


def job(service, tmp_path, number, world, kill, arguments):
    """One incarnation of the job: its ranks' exit codes, and the steps each of them did."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    processes = [
        run(
            SPOT, str(tmp_path / f"{number}-{rank}.log"), kill, *arguments, RANK=str(rank), WORLD_SIZE=str(world),
            MASTER_ADDR="127.0.0.1", MASTER_PORT=port, DATALAYER_SERVER=service.url,
        )
        for rank in range(world)
    ]
    try:
        outputs = [process.communicate(timeout=WAIT)[0] for process in processes]
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
    steps = []
    for rank in range(world):
        path = tmp_path / f"{number}-{rank}.log"
        steps += [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [process.returncode for process in processes], steps, "\n".join(outputs)


def test_a_job_that_is_reclaimed_and_killed_goes_on_at_other_world_sizes(service, client, folder, tmp_path):
    name = "spot-digits"
    put_digits(client, folder, name, SAMPLES)
    arguments = [
        "--dataset", name, "--checkpoints", f"{folder}/checkpoints", "--passes", str(PASSES), "--batch", "8", "--every", "6",
    ]
    history, losses, stood = [], [], 0
    for number, (world, kill, expected) in enumerate((
        (2, f"1,9,{int(signal.SIGTERM)}", [75, 75]),   # reclaimed: the last step is in the checkpoint
        (1, f"0,16,{int(signal.SIGKILL)}", [-9]),      # killed: the checkpoint is some steps old
        (3, f"2,27,{int(signal.SIGKILL)}", None),      # one rank killed: the others cannot go on either
        (2, "9,9,9", [0, 0]),
    )):
        codes, steps, output = job(service, tmp_path, number, world, kill, arguments)
        assert codes == expected if expected else (codes[2] == -9 and 0 not in codes), output
        newest = datalayer.latest(f"{folder}/checkpoints", client=client)
        stands = datalayer.load(newest, client=client)["feed"]["cursor"] if codes != [0, 0] else PASSES * SAMPLES
        # The model's history is what it had seen when it was saved; steps after that were of a model that is gone.
        history += [sample for step in steps if step["after"] <= stands for sample in step["seen"]]
        losses.append([step["loss"] for step in steps])
        assert stands > stood, output
        stood = stands
    assert sorted(history) == sorted([*range(SAMPLES)] * PASSES)
    assert len(client.listdir(f"{folder}/checkpoints")) <= 3
    # It goes on learning: the last incarnation begins below the first (one batch's loss says little), and ends far below.
    assert sum(losses[-1][:6]) / 6 < sum(losses[0][:6]) / len(losses[0][:6]), losses
    assert sum(losses[-1][-6:]) / 6 < 0.5 * losses[0][0], losses
    client.transport.request("DELETE", f"/api/v1/datasets/{name}")


