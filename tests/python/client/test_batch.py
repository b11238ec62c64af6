"""A batch's bytes as views: what is right is shown in place, what is damaged is an error."""

import io
import mmap
import random
import struct
import tarfile

import numpy as np
import pytest
import torch

from datalayer import Batch, FeedError, ReleasedError, batch as batches, tar
from wire import make_batch


def shared(content):
    memory = mmap.mmap(-1, len(content))
    memory[:] = content
    return memory


@pytest.fixture(params=["numpy", "plain"])
def numpy_or_not(request, monkeypatch):
    if request.param == "plain":
        monkeypatch.setattr(batches, "np", None)


def test_samples_of_any_length_are_shown_in_place(numpy_or_not):
    samples = [b"a", b"", b"hello" * 100, b"xy"]
    made = Batch(make_batch(samples, classes=[1, -1, 0, 1], numbers=[5, 6, 1 << 40, 8], keys=["a.jpg", "", "b/ü", "d"], padding=1))
    assert [bytes(sample) for sample in made] == samples and bytes(made[-1]) == b"xy"
    assert list(made.labels) == [1, -1, 0, 1] and list(made.numbers) == [5, 6, 1 << 40, 8]
    assert made.keys == ["a.jpg", "", "b/ü", "d"] and list(made.lengths) == [1, 0, 500, 2]
    assert (len(made), made.padding, made.layout, made.element) == (4, 1, "samples", "bytes")
    assert made.cost == (0.005, 0.001, 1, 2, 3, 4)
    with pytest.raises(IndexError):
        made[4]
    with pytest.raises(FeedError, match="layout="):
        made.shape


@pytest.mark.parametrize("element", [e for e in batches.ELEMENTS if e[0] not in ("bytes", "bfloat16")], ids=lambda e: e[0])
def test_dense_data_are_one_array_and_one_tensor_without_a_copy(element):
    name, size, _, numpy_name = element
    values = (np.arange(24) - 3).astype(numpy_name).reshape(4, 2, 3)
    content = make_batch([row.tobytes() for row in values], layout=1, element=[e[0] for e in batches.ELEMENTS].index(name))
    memory = shared(content)
    made = Batch(memory, shape=(2, 3))
    assert np.array_equal(made.data, values) and made.data.shape == (4, 2, 3)
    assert torch.equal(made.tensor(), torch.from_numpy(values))
    assert torch.equal(torch.from_dlpack(made), torch.from_numpy(values)) and np.array_equal(np.from_dlpack(made), values)
    memory[made.header.data : made.header.data + size] = values[0, 0, 1].tobytes()
    assert made.data[0, 0, 0] == values[0, 0, 1] == made.tensor()[0, 0, 0]
    made.data[0, 0, 0] = 7
    assert made.tensor()[0, 0, 0] == 7


def test_bfloat16_is_a_tensor_and_numpys_bits():
    values = torch.tensor([[1.5, -2.0], [3.0, 0.25]], dtype=torch.bfloat16)
    rows = [bytes(values[i].view(torch.int16).numpy()) for i in range(2)]
    made = Batch(make_batch(rows, layout=1, element=9), shape=(2,))
    assert torch.equal(made.tensor(), values) and torch.equal(torch.from_dlpack(made), values)
    assert made.data.dtype == np.uint16


def test_without_numpy_dense_data_are_a_memoryview(monkeypatch):
    monkeypatch.setattr(batches, "np", None)
    made = Batch(make_batch([struct.pack("<4i", *range(i, i + 4)) for i in range(3)], layout=1, element=4), shape=(2, 2))
    assert made.data.tolist() == [[[i, i + 1], [i + 2, i + 3]] for i in range(3)]


def test_padded_rows_are_as_long_as_the_longest():
    made = Batch(make_batch([b"abcd", b"e", b""], layout=2, row=4))
    assert made.data.tolist() == [[97, 98, 99, 100], [101, 238, 238, 238], [238] * 4]
    assert list(made.lengths) == [4, 1, 0] and bytes(made[1]) == b"e" and made.tensor().shape == (3, 4)


def test_a_released_batch_says_so_and_views_taken_before_stay_mapped():
    memory = shared(make_batch([b"\1\2\3\4"] * 3, layout=1, classes=[0, 1, 0]))
    released = []
    made = Batch(memory, shape=(2, 2), on_release=released.append)
    array, tensor, view = made.data, made.tensor(), made[0]
    made.release()
    made.release()
    assert released == [made] and made.released and "released" in repr(made)
    del memory
    for use in (
        lambda: made.data, lambda: made.tensor(), lambda: made[0], lambda: made.labels, lambda: made.numbers,
        lambda: made.keys, lambda: made.lengths, lambda: made.labels_tensor(), lambda: torch.from_dlpack(made),
    ):
        with pytest.raises(ReleasedError, match="copy what you keep"):
            use()
    assert array.sum() == 30 and tensor.sum() == 30 and bytes(view) == b"\1\2\3\4"


def test_damaged_batches_are_errors_and_never_reads_outside():
    r = random.Random(9)
    for content in (
        make_batch([b"abc", b"de" * 50, b""], classes=[0, 1, 2], keys=["a", "bb", "c"]),
        make_batch([b"\0" * 8] * 40, layout=1, element=7, classes=[0] * 40),
        make_batch([b"ab", b"c"], layout=2, row=4, element=3),
    ):
        for _ in range(700):
            torn = bytearray(content)
            for _ in range(r.randrange(1, 4)):
                at = r.randrange(8, 160) if r.random() < 0.8 else r.randrange(256, 400)
                torn[at] = r.choice((0, 1, 0x40, 0x80, 0xFF, r.randrange(256)))
            if r.random() < 0.3:
                del torn[r.randrange(len(torn)) :]
            try:
                made = Batch(bytes(torn), shape=(2,))
                for use in (
                    lambda: [bytes(s) for s in made], lambda: np.sum(made.data[-1]), lambda: made.labels, lambda: made.numbers,
                    lambda: made.keys, lambda: made.lengths,
                ):
                    use()
            except (FeedError, IndexError, UnicodeDecodeError):
                pass
    for field, value in ((0, b"DLBATCH2"), (96, b"\1" * 8), (64, b"\xff" * 8), (40, b"\xff" * 4), (104, b"\xff" * 8)):
        torn = bytearray(make_batch([b"abc"]))
        torn[field : field + len(value)] = value
        with pytest.raises(FeedError, match="damaged"):
            Batch(bytes(torn))


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_of_a_tar_sample_are_found_in_place(kind):
    long = "d" * 60 + "/" + "n" * 60
    wanted = {"jpg": b"\xff\xd8" * 700, "cls": b"3", "seg.png": b"", "txt": "ü".encode()}
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=kind) as made:
        folder = tarfile.TarInfo("d" * 60)
        folder.type = tarfile.DIRTYPE
        made.addfile(folder)
        for extension, content in wanted.items():
            entry = tarfile.TarInfo(f"{long}.{extension}")
            entry.size = len(content)
            made.addfile(entry, io.BytesIO(content))
    content = stream.getvalue()
    batch = Batch(make_batch([content, content[: 512 * 4]]))
    assert {name: bytes(view) for name, view in batch.members(0).items()} == wanted
    assert [name for name, _ in tar.walk(batch[0])] == [f"{long}.{extension}" for extension in wanted]
    for cut in range(520, len(content), 97):
        try:
            tar.members(memoryview(content)[:cut])
        except FeedError as torn:
            assert "kind 'tar'" in str(torn)
    with pytest.raises(FeedError):
        tar.members(memoryview(b"x" * 4096))
