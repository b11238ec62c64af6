"""Feeds of the real service: content, order, worlds, states, faults. What comes is compared with the files themselves."""

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import torch

import datalayer
from conftest import WAYS, Service
from datalayer import Feed, OrderSpec, SampleOrder, StaleError
from datasets import put_digits, put_photos, put_shards


@pytest.fixture(scope="module")
def data(service):
    """The datasets, made once: name -> what is in them."""
    client = datalayer.Client(service.url)
    return {
        "digits": put_digits(client, "/feeds", "feed-digits"),
        "photos": put_photos(client, "/feeds", "feed-photos"),
        "shards": put_shards(client, "/feeds", "feed-shards"),
    }


@pytest.fixture(params=WAYS)
def way(request):
    return {"shared_memory": request.param == "shared"}


def numbers_of(feed):
    return [number for batch in feed for number in batch.numbers.tolist()[: len(batch) - batch.padding]]


def test_dense_batches_are_the_records_in_the_order_both_ends_compute(client, data, way):
    images, labels = data["digits"]
    with Feed("feed-digits", 50, seed=3, passes=2, **way) as feed:
        order = SampleOrder(OrderSpec(seed=3), bytes.fromhex(feed.index), len(images))
        assert feed.feed_id == OrderSpec(seed=3).feed_id(bytes.fromhex(feed.index)) and feed.shape == (28, 28)
        assert (feed.layout, feed.samples, feed.pass_length) == ("dense", len(images), len(images))
        seen = []
        for batch in feed:
            numbers = batch.numbers
            step = feed.slice.step_at(batch.cursor)
            assert numbers.tolist() == list(order.step(step)) and batch.position_pass == step.position_pass
            assert np.array_equal(batch.data, images[numbers]) and np.array_equal(batch.labels, labels[numbers])
            assert torch.equal(batch.tensor(), torch.from_numpy(images[numbers]))
            assert batch.cost.assembly_seconds >= 0 and batch.keys is None
            seen += numbers.tolist()
        assert sorted(seen) == sorted([*range(len(images))] * 2) and len(seen) == 2 * len(images)


def test_files_come_with_their_bytes_keys_and_labels(client, data, way):
    photos = data["photos"]
    with Feed("feed-photos", 7, last="pad", keys=True, **way) as feed:
        assert feed.layout == "samples"
        seen = {}
        for batch in feed:
            for i in range(len(batch) - batch.padding):
                key = batch.keys[i]
                assert bytes(batch[i]) == photos[key] and batch.label_names[i] == key.split("/")[0]
                assert batch.data[i].tobytes() == photos[key]
                seen[key] = seen.get(key, 0) + 1
        assert seen == dict.fromkeys(photos, 1)


def test_tars_come_as_members_in_place(client, data, way):
    seen = []
    with Feed("feed-shards", 5, last="pad", keys=True, **way) as feed:
        for batch in feed:
            for i in range(len(batch) - batch.padding):
                members = {name: bytes(view) for name, view in batch.members(i).items()}
                key = json.loads(members["json"])["key"]
                assert members == data["shards"][key] and int(members["cls"]) == int(batch.label_names[i])
                seen.append(key)
    assert sorted(seen) == sorted(data["shards"])


@pytest.mark.parametrize("to", ["float32", "float16", "bfloat16", "int8"])
def test_casts_are_done_by_the_service(client, data, way, to):
    images = torch.from_numpy(data["digits"][0])
    scale, offset = (1.0, -128.0) if to == "int8" else (1 / 255, -0.5)
    with Feed("feed-digits", 40, cast={"to": to, "scale": scale, "offset": [offset]}, **way) as feed:
        assert feed.shape == (28, 28)
        for batch in feed:
            made = batch.tensor()
            assert batch.element == to and made.dtype == getattr(torch, to) and made.shape == (40, 28, 28)
            wanted = images[batch.numbers_tensor()].float() * np.float32(scale) + np.float32(offset)
            assert torch.allclose(made.float(), wanted, atol=0.005 if to == "bfloat16" else 0.001)


def test_padded_rows_are_as_long_as_the_longest_sample(client, data, way):
    with Feed("feed-photos", 8, layout="padded", pad=7, last="pad", keys=True, **way) as feed:
        for batch in feed:
            rows, lengths = batch.data, batch.lengths
            assert rows.shape == (len(batch), lengths.max())
            for i, key in enumerate(batch.keys):
                assert rows[i, : lengths[i]].tobytes() == data["photos"][key] and (rows[i, lengths[i] :] == 7).all()


def test_every_order_is_the_one_both_ends_compute(client, data):
    labels = data["digits"][1]
    counts = np.bincount(labels, minlength=10).tolist()
    by_class = np.lexsort((np.arange(len(labels)), labels))
    weights = (3, 0, 1, 1, 1, 1, 1, 1, 1, 5)
    for text in (
        "sequential", "blocks;block=16;window=3;part=all;seed=7", "balanced;part=all;seed=-1",
        f"weighted;weights={','.join(map(str, weights))};part=all;seed=9",
    ):
        with Feed("feed-digits", 25, order=text, passes=2) as feed:
            order = SampleOrder(feed.spec, bytes.fromhex(feed.index), len(labels), counts)
            assert feed.pass_length == order.pass_length
            for batch in feed:
                ordinals = np.asarray(order.step(feed.slice.step_at(batch.cursor)))
                picked = by_class[ordinals] if feed.spec.mode in ("balanced", "weighted") else ordinals
                assert batch.numbers.tolist() == picked.tolist()


def test_batches_by_lengths_are_the_order_both_ends_compute_and_pad_little(client, data):
    photos = data["photos"]
    lengths = [len(photos[path]) for path in sorted(photos)]
    by_length = np.lexsort((np.arange(len(lengths)), lengths))
    padded = {}
    for text in ("lengths;block=4;window=2;part=all;seed=5", "shuffle;part=all;seed=5"):
        padded[text[:7]] = 0
        with Feed("feed-photos", 4, order=text, layout="padded", last="pad", passes=2) as feed:
            order = SampleOrder(feed.spec, bytes.fromhex(feed.index), len(lengths))
            for batch in feed:
                ordinals = np.asarray(order.step(feed.slice.step_at(batch.cursor)))
                picked = by_length[ordinals] if feed.spec.mode == "lengths" else ordinals
                assert batch.numbers.tolist() == picked.tolist()
                assert batch.lengths.tolist() == [lengths[number] for number in picked]
                padded[text[:7]] += batch.data.size
    assert padded["lengths"] < 0.7 * padded["shuffle"]


def test_weights_of_single_files_come_from_a_csv(client, data, folder):
    photos = sorted(data["photos"])
    weights = {path: (0, 1, 4)[i % 3] for i, path in enumerate(photos)}
    client.write(f"{folder}/weights.csv", "".join(f"{path},{weight}\n" for path, weight in weights.items()).encode())
    made = client.create_dataset("feed-weights", "/feeds/feed-photos", "files", labels="csv", labelsFrom=f"{folder}/weights.csv")
    drawn = []
    with Feed("feed-weights", 10, order="weighted", weights=[int(name) for name in made["classes"]], seed=3, passes=100) as feed:
        for batch in feed:
            assert [bytes(sample) for sample in batch] == [data["photos"][photos[number]] for number in batch.numbers]
            drawn += [weights[photos[number]] for number in batch.numbers]
    # 6,000 draws: none of weight 0, and of each 5 in the mean 4 of weight 4, within six deviations of 31.
    assert 0 not in drawn and abs(drawn.count(4) - len(drawn) * 4 / 5) < 190
    client.transport.request("DELETE", "/api/v1/datasets/feed-weights")


def test_ranks_of_any_world_share_one_global_order(client, data):
    count = len(data["digits"][0])
    wanted = {}
    for world in (1, 2, 3):
        places = {}
        for rank in range(world):
            with Feed("feed-digits", 10, seed=8, rank=rank, world=world) as feed:
                for batch in feed:
                    positions = feed.slice.step_at(batch.cursor).positions()
                    places.update(zip(positions, batch.numbers.tolist()))
        wanted = wanted or places
        assert places == {p: wanted[p] for p in places} and len(places) == count - count % (world * 10)


def test_a_job_goes_on_from_any_point_at_any_world_and_sees_each_sample_once(client, data):
    r = random.Random(11)
    count = len(data["digits"][0])
    for _ in range(4):
        seen, state = [], None
        while True:
            world, batch, steps = r.randrange(1, 4), r.randrange(1, 40), r.randrange(1, 12)
            states, done = [], False
            for rank in range(world):
                with Feed(
                    "feed-digits", batch, seed=4, rank=rank, world=world, last="pad", state=state, slabs=r.randrange(2, 6)
                ) as feed:
                    for step, made in enumerate(feed):
                        seen += made.numbers.tolist()[: len(made) - made.padding]
                        if step + 1 == steps:
                            break
                    else:
                        done = True
                    states.append(feed.state_dict())
            assert all(each == states[0] for each in states)
            state = json.loads(json.dumps(states[0]))
            if done:
                break
        assert sorted(seen) == list(range(count))


def test_a_pass_after_the_other_from_one_feed(client, data):
    with Feed("feed-digits", 64, passes=3) as feed:
        counts = [sum(len(batch) for batch in feed.one_pass()) for _ in range(4)]
    assert counts == [576, 576, 576, 0]


def test_wrong_use_says_what_to_do(client, data, way):
    with pytest.raises(FileNotFoundError) as unknown:
        Feed("no-such", 4, **way)
    assert "dataset" in str(unknown.value)
    with pytest.raises(StaleError):
        Feed("feed-digits", 4, index="0" * 64, **way)
    for wrong, words in (
        ({"rank": 3, "world": 2}, "Rank 3 of 2"), ({"batch": 100_000}, "batch"), ({"order": "weighted"}, "weight"),
        ({"layout": "round"}, "layout"), ({"element": "complex"}, "element"),
    ):
        with pytest.raises(ValueError, match=words):
            Feed(**{"dataset": "feed-digits", "batch": 4, **way, **wrong})


def test_an_index_that_changed_refuses_the_state_of_before(client, folder):
    put_digits(client, folder, "changing", 40, seed=1)
    with Feed("changing", 4) as feed:
        next(feed)
        state = feed.state_dict()
    put_digits(client, folder, "changing", 40, seed=2)
    client.wait_job(client.transport.json("POST", "/api/v1/datasets/changing/refresh", {}), 60)
    with pytest.raises(StaleError, match="pin the dataset"):
        Feed("changing", 4, state=state)
    client.transport.request("DELETE", "/api/v1/datasets/changing")


def test_a_client_that_dies_leaves_no_slab(service, client, data):
    before = service.memfds()
    with Feed("feed-digits", 8) as feed:
        next(feed)
        assert service.memfds() > before
    program = textwrap.dedent(
        f"""
        import os, signal, sys
        sys.path.insert(0, {os.path.dirname(os.path.dirname(datalayer.__file__))!r})
        import datalayer
        feed = datalayer.Feed("feed-digits", 8, passes=0, server={service.url!r})
        for i, batch in enumerate(feed):
            if i == 3:
                os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == -signal.SIGKILL
    limit = time.monotonic() + 30
    while service.memfds() > before:
        assert time.monotonic() < limit, "the dead client's slabs are still there"
        time.sleep(0.02)


def test_the_service_is_killed_and_comes_back_and_no_sample_is_lost_or_twice():
    own = Service()
    try:
        own.start()
        client = datalayer.Client(own.url)
        count = len(put_digits(client, "/own", "digits")[0])
        r = random.Random(12)
        for way in WAYS:
            seen, kept = [], None
            with Feed("digits", 6, passes=2, server=own.url, shared_memory=way == "shared", reconnect=120, hold=2) as feed:
                kills = set(r.sample(range(1, 190), 2))
                for step, batch in enumerate(feed):
                    seen += batch.numbers.tolist()
                    kept = batch.data
                    if step in kills:
                        own.kill()
                        # What was handed out is still there while nobody serves.
                        assert kept.sum() == batch.data.sum()
                        own.start()
                assert feed.reconnects == len(kills)
            assert sorted(seen) == sorted([*range(count)] * 2)
    finally:
        own.end()
