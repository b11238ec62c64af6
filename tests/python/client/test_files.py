"""Files of the tree: readers, writers, names, errors, fsspec; over TCP and over the Unix socket."""

import io
import os
import pickle
import random
import threading

import pytest

import datalayer
from datalayer._http import parse_server
from datalayer.errors import from_problem


@pytest.fixture(params=["tcp", "unix"])
def either(service, request):
    server = service.url if request.param == "tcp" else f"unix:{service.socket}"
    with datalayer.Client(server, retry=5) as made:
        yield made


def test_what_a_writer_wrote_is_there_after_close_and_not_before(either, folder):
    path = f"{folder}/a b%ü.bin"
    content = random.Random(1).randbytes(3 << 20)
    with either.open(path, "wb") as file:
        for start in range(0, len(content), 700_001):
            file.write(content[start : start + 700_001])
        assert not either.exists(path)
        assert file.tell() == len(content)
    assert either.read(path) == content
    assert either.stat(path).etag == file.etag


def test_a_writer_left_by_an_exception_or_forgotten_publishes_nothing(either, folder):
    path = f"{folder}/kept"
    either.write(path, b"before")
    for size in (10, 3 << 20):
        with pytest.raises(ZeroDivisionError), either.open(path, "wb") as file:
            file.write(b"x" * size)
            1 / 0
        forgotten = either.open(path, "wb")
        forgotten.write(b"y" * size)
        del forgotten
        with pytest.raises(ZeroDivisionError), either.open(path, "w") as text:
            text.write("z" * size)
            1 / 0
    assert either.read(path) == b"before"


def test_a_reader_seeks_and_reads_as_python_files_do(either, folder):
    content = random.Random(2).randbytes(2_500_000)
    either.write(f"{folder}/data", content)
    with either.open(f"{folder}/data") as file, io.BytesIO(content) as model:
        r = random.Random(3)
        for _ in range(60):
            place, length = r.randrange(2_600_000), r.choice((0, 1, 100, 70_000, 1_500_000, -1))
            assert file.seek(place) == model.seek(place)
            assert file.read(length) == model.read(length)
            assert file.tell() == model.tell()
        assert file.seek(-5, os.SEEK_END) == model.seek(-5, os.SEEK_END)
        assert file.read() == model.read()


def test_text_goes_both_ways_line_by_line(client, folder):
    with client.open(f"{folder}/notes.txt", "w") as file:
        file.write("one\nzwei\n")
        file.write("drü\n")
    with client.open(f"{folder}/notes.txt", "r") as file:
        assert list(file) == ["one\n", "zwei\n", "drü\n"]


def test_a_reader_of_replaced_content_is_stale_and_never_mixes(client, folder):
    client.write(f"{folder}/data", b"a" * 100_000)
    with client.open(f"{folder}/data", buffering=0) as file:
        assert file.read(10) == b"a" * 10
        client.write(f"{folder}/data", b"b" * 100_000)
        with pytest.raises(datalayer.StaleError):
            file.read(10)


def test_new_files_are_made_once(client, folder):
    for size in (1, 2 << 20):
        path = f"{folder}/new-{size}"
        with client.open(path, "xb") as file:
            file.write(b"1" * size)
        with pytest.raises(datalayer.DataLayerError), client.open(path, "xb") as file:
            file.write(b"2" * size)
        assert client.read(path, 0, 1) == b"1"
    tag = client.stat(f"{folder}/new-1").etag
    client.write(f"{folder}/new-1", b"3", if_match=tag)
    with pytest.raises(datalayer.StaleError):
        client.write(f"{folder}/new-1", b"4", if_match=tag)


def test_listings_have_every_name_once_in_order(client, folder):
    names = [f"{i:03}" for i in range(25)] + ["x y", "ü"]
    for name in random.Random(4).sample(names, len(names)):
        client.write(f"{folder}/{name}", name.encode())
    client.mkdir(f"{folder}/sub/deep", parents=True)
    assert client.listdir(folder) == sorted([*names, "sub"], key=str.encode)
    assert [entry.name for entry in client.scandir(folder, page=4)] == client.listdir(folder)
    found = {entry.name: entry for entry in client.scandir(folder)}
    assert found["sub"].is_dir and found["ü"].size == 2 and found["ü"].path == f"{folder}/ü"


def test_names_are_renamed_cloned_and_removed(client, folder):
    client.write(f"{folder}/one", b"1")
    client.rename(f"{folder}/one", f"{folder}/two")
    client.clone(f"{folder}/two", f"{folder}/three")
    assert client.listdir(folder) == ["three", "two"] and client.read(f"{folder}/three") == b"1"
    client.mkdir(f"{folder}/full/of", parents=True)
    with pytest.raises(datalayer.DataLayerError) as refused:
        client.remove(f"{folder}/full")
    assert refused.value.code == "notEmpty"
    client.remove(f"{folder}/full", recursive=True)
    client.remove(f"{folder}/two")
    assert client.listdir(folder) == ["three"]


def test_errors_are_pythons_own_and_say_what_to_do(client, folder):
    with pytest.raises(FileNotFoundError) as missing:
        client.open(f"{folder}/missing")
    assert missing.value.code == "notFound" and missing.value.status == 404 and "missing" in str(missing.value)
    with pytest.raises(IsADirectoryError):
        client.open(folder)
    with pytest.raises(ValueError):
        client.stat(f"{folder}/{'n' * 300}")
    with pytest.raises(ValueError) as mode:
        client.open(f"{folder}/a", "r+b")
    assert "r, w or x" in str(mode.value)
    with pytest.raises(FileNotFoundError):
        client.write(f"{folder}/no/folder", b"1")
    with pytest.raises(FileNotFoundError), client.open(f"{folder}/no/folder", "wb") as file:
        file.write(b"1" * (4 << 20))
        file.write(b"1" * (4 << 20))
    client.write(f"{folder}/new/folder", b"1", parents=True)


def test_a_service_that_is_not_there_is_an_error_within_the_bound(service):
    for server in ("127.0.0.1:1", f"unix:{service.folder}/nobody.sock"):
        with pytest.raises(datalayer.UnreachableError) as gone:
            datalayer.Client(server, retry=0.1, timeout=5).stat("/")
        assert "datalayer serve" in str(gone.value)
    for server in ("ftp://x", "http://h/path", "unix:relative", "h:port"):
        with pytest.raises(ValueError):
            datalayer.Client(server)
    assert parse_server("unix:///a/b").path == "/a/b" and parse_server("[::1]:9").host == "::1"


def test_problems_keep_their_members():
    error = from_problem(
        409, "Conflict", {"code": "wrongState", "detail": "Busy.", "remedy": "Wait.", "errors": [1], "type": "t"}
    )
    assert (error.code, str(error), error.details) == ("wrongState", "Busy. Wait.", {"errors": [1]})
    assert isinstance(from_problem(404, "Not Found", {}), FileNotFoundError)


def test_tokens_are_asked_for_and_read_from_a_file(service, client, folder, tmp_path, monkeypatch):
    path = tmp_path / "token"
    path.write_text("no-token-of-this-service\n")
    monkeypatch.setenv("DATALAYER_TOKEN_FILE", str(path))
    with pytest.raises(PermissionError) as refused:
        datalayer.Client(service.url).stat("/")
    assert refused.value.status == 401
    token = service.verb(
        "token", "create", "--config", f"{service.folder}/datalayer.yaml", "--role", "reader", "--scope", folder
    ).split()[0]
    path.write_text(token)
    reader = datalayer.Client(service.url)
    assert reader.listdir(folder) == []
    with pytest.raises(PermissionError) as refused:
        reader.write(f"{folder}/no", b"1")
    assert refused.value.status == 403
    with pytest.raises(PermissionError), reader.open(f"{folder}/no", "wb") as file:
        file.write(b"1" * (8 << 20))


def test_a_client_serves_threads_and_survives_a_fork_and_a_pickle(client, folder):
    for i in range(8):
        client.write(f"{folder}/{i}", bytes([i]) * 50_000)
    wrong = []

    def read(number):
        for _ in range(10):
            if client.read(f"{folder}/{number}") != bytes([number]) * 50_000:
                wrong.append(number)

    threads = [threading.Thread(target=read, args=(i,)) for i in range(8)]
    [thread.start() for thread in threads]
    [thread.join(60) for thread in threads]
    assert not wrong and not any(thread.is_alive() for thread in threads)
    child = os.fork()
    if child == 0:
        os._exit(0 if client.read(f"{folder}/3") == bytes([3]) * 50_000 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert client.read(f"{folder}/4") == bytes([4]) * 50_000
    assert pickle.loads(pickle.dumps(client)).listdir(folder) == [str(i) for i in range(8)]


def test_the_module_has_shortcuts_for_the_default_service(service, folder):
    with datalayer.open(f"datalayer://{folder}/x", "wb") as file:
        file.write(b"1234")
    assert datalayer.listdir(folder) == ["x"] and datalayer.stat(f"{folder}/x").size == 4
    datalayer.remove(f"{folder}/x")
    assert datalayer.listdir(folder) == []


def test_fsspec_reads_writes_walks_and_finds(service, client, folder):
    from datalayer.fs import DataLayerFileSystem

    files = DataLayerFileSystem(server=service.url)
    with files.open(f"{folder}/a/b/1.txt", "w") as file:
        file.write("one")
    files.pipe({f"{folder}/a/2.txt": b"two", f"{folder}/a/3.bin": b"0123456789"})
    assert files.find(folder) == [f"{folder}/a/2.txt", f"{folder}/a/3.bin", f"{folder}/a/b/1.txt"]
    assert files.glob(f"{folder}/a/*.txt") == [f"{folder}/a/2.txt"]
    assert files.cat_file(f"{folder}/a/3.bin", 2, -3) == b"23456" and files.cat_file(f"{folder}/a/3.bin", -2) == b"89"
    found = files.cat([f"{folder}/a/b/1.txt", f"{folder}/a/2.txt"])
    assert found == {f"{folder}/a/b/1.txt": b"one", f"{folder}/a/2.txt": b"two"}
    files.cp(f"{folder}/a/2.txt", f"{folder}/c.txt")
    files.mv(f"{folder}/a/2.txt", f"{folder}/a/4.txt")
    assert files.info(f"datalayer://{folder}/c.txt")["size"] == 3 and not files.exists(f"{folder}/a/2.txt")
    assert files.du(folder) == 3 + 3 + 10 + 3
    with files.open(f"{folder}/a/3.bin", "rb") as file:
        file.seek(4)
        assert file.read(2) == b"45"
    files.rm(f"{folder}/a", recursive=True)
    assert [entry["name"] for entry in files.ls(folder)] == [f"{folder}/c.txt"]
    assert files.isdir(folder) and files.isfile(f"{folder}/c.txt") and files.modified(f"{folder}/c.txt").year > 2000
    with pytest.raises(FileExistsError):
        files.mkdir(folder)
