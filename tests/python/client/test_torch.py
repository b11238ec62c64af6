"""`FeedDataset` by itself and inside a `DataLoader`: the same samples at any number of workers, states, ranks, pinning."""

import json

import pytest
import torch
from torch.utils.data import DataLoader

import datalayer
from datalayer.torch import FeedDataset, rank_and_world
from datasets import put_digits, put_photos


@pytest.fixture(scope="module")
def data(service):
    client = datalayer.Client(service.url)
    put_photos(client, "/torch", "torch-photos", 24)
    images, labels = put_digits(client, "/torch", "torch-digits")
    return torch.from_numpy(images), torch.from_numpy(labels).long()


def loader(dataset, workers):
    return DataLoader(dataset, batch_size=None, num_workers=workers, timeout=60 if workers else 0)


def test_by_itself_it_gives_tensors_in_place(data):
    images, labels = data
    count = 0
    for item in FeedDataset("torch-digits", 40):
        assert torch.equal(item.data, images[item.numbers]) and torch.equal(item.labels, labels[item.numbers])
        assert item.data.dtype == torch.uint8 and item.labels.dtype == torch.int64
        count += len(item.data)
    assert count == 600


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_any_number_of_workers_gives_the_same_batches_in_the_same_order(data, workers):
    images, labels = data
    dataset = FeedDataset("torch-digits", 10, seed=2)
    steps = []
    for item in loader(dataset, workers):
        assert torch.equal(item.data, images[item.numbers]) and torch.equal(item.labels, labels[item.numbers])
        steps.append(item.numbers.tolist())
    with datalayer.Feed("torch-digits", 10, seed=2) as feed:
        assert steps == [batch.numbers.tolist() for batch in feed]
    assert len(steps) == 60


def test_an_iteration_is_a_pass_and_the_next_takes_the_next(data):
    with datalayer.Feed("torch-digits", 50, seed=5, passes=3) as feed:
        wanted = [[number for batch in feed.one_pass() for number in batch.numbers.tolist()] for _ in range(3)]
    dataset = FeedDataset("torch-digits", 50, seed=5)
    assert [[n for item in dataset for n in item.numbers.tolist()] for _ in range(3)] == wanted
    assert dataset.state_dict()["cursor"] == 3 * 600
    dataset = FeedDataset("torch-digits", 50, seed=5)
    for which in (1, 0):
        dataset.set_pass(which)
        assert [n for item in loader(dataset, 1) for n in item.numbers.tolist()] == wanted[which]
    whole = FeedDataset("torch-digits", 50, seed=5, passes=2)
    assert [n for item in whole for n in item.numbers.tolist()] == wanted[0] + wanted[1]
    # 12 steps a pass and 5 workers: the last step of a pass is not the last worker's, and persistent workers go on behind it.
    lasting = DataLoader(FeedDataset("torch-digits", 50, seed=5), batch_size=None, num_workers=5, persistent_workers=True, timeout=60)
    assert [[n for item in lasting for n in item.numbers.tolist()] for _ in range(3)] == wanted


def test_a_state_goes_on_at_another_number_of_workers_and_ranks(data):
    seen = []
    dataset = FeedDataset("torch-digits", 10, seed=6, last="pad")
    for i, item in enumerate(loader(dataset, 3)):
        seen += item.numbers.tolist()
        assert dataset.state_dict(item)["cursor"] == 10 * (i + 1)
        if i == 6:  # The first of three in its round: workers have made others ahead, which come again.
            state = json.loads(json.dumps(dataset.state_dict(item)))
            break
    rest = FeedDataset("torch-digits", 10, seed=6, last="pad", state=state)
    for i, item in enumerate(loader(rest, 2)):
        seen += item.numbers.tolist()
        if i == 2:
            state = rest.state_dict(item)
            break
    states = []
    for rank in range(2):
        again = FeedDataset("torch-digits", 7, seed=6, last="pad", rank=rank, world=2, state=state)
        for item in again:
            seen += item.numbers.tolist()[: len(item.numbers) - item.padding]
        states.append(again.state_dict())
    assert sorted(seen) == list(range(600)) and states[0] == states[1]
    with pytest.raises(datalayer.StaleError, match="seed"):
        FeedDataset("torch-digits", 7, seed=7, state=state)


def test_transforms_run_in_the_workers(data):
    def longest(batch):
        return {"first": bytes(batch[0][:4]), "lengths": torch.tensor([len(sample) for sample in batch])}

    found = {workers: [] for workers in (0, 2)}
    for workers, lengths in found.items():
        for item in loader(FeedDataset("torch-photos", 4, transform=longest, last="pad"), workers):
            lengths += item.data["lengths"].tolist()
    assert found[0] == found[2] and len(found[0]) == 24
    item = next(iter(FeedDataset("torch-photos", 4)))
    assert [tensor.dtype for tensor in item.data] == [torch.uint8] * 4


def test_rank_and_world_come_from_the_environment_and_must_agree(data, monkeypatch):
    assert rank_and_world() == (0, 1) and rank_and_world(1, 2) == (1, 2)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    dataset = FeedDataset("torch-digits", 10)
    assert (dataset.rank, dataset.world) == (1, 3)
    assert next(iter(dataset)).next_cursor == 30
    for wrong in ({"rank": 1}, {"rank": 5, "world": 2}):
        with pytest.raises(ValueError):
            FeedDataset("torch-digits", 10, **wrong)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 0)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    assert rank_and_world() == (0, 2)
    with pytest.raises(ValueError, match="process group says rank 0 of 2"):
        FeedDataset("torch-digits", 10, rank=1, world=2)


def test_slabs_are_page_locked_once_and_let_go_at_the_end(data, monkeypatch):
    calls = []

    class Cudart:
        def cudaHostRegister(self, address, length, flags):
            calls.append(("register", address, length, flags))
            return 0

        def cudaHostUnregister(self, address):
            calls.append(("unregister", address))
            return 0

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "cudart", Cudart)
    dataset = FeedDataset("torch-digits", 10, slabs=3)
    addresses = {item.data.data_ptr() & ~4095 for item in dataset}
    registered = [call[1] for call in calls if call[0] == "register"]
    assert 2 <= len(registered) <= 3 and all(call[3] == 1 for call in calls if call[0] == "register")
    assert sorted(registered) == sorted(call[1] for call in calls if call[0] == "unregister")
    assert all(any(at <= address < at + (1 << 20) for at in registered) for address in addresses)
    with pytest.raises(FileNotFoundError):
        FeedDataset("no-such", 10)
