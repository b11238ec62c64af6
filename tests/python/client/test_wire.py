"""A feed against a scripted service: what comes is given out once and in order, and every fault ends in time."""

import os
import signal
import struct
import threading

import numpy as np
import pytest

import datalayer
from datalayer import Feed, FeedError, ForkedError, ReleasedError, StaleError
from datalayer.frames import Kind
from wire import Scripted, make_batch


def step_batch(peer, sequence, cursor, **more):
    step = peer.slice.step_at(cursor)
    numbers = [position % 256 for position in step.positions()]
    rows = [bytes([number] * 4) for number in numbers]
    return step, make_batch(
        rows, sequence=sequence, which=step.position_pass, cursor=cursor, after=step.next_cursor, layout=1, element=1,
        numbers=step.positions(), classes=[n % 2 for n in numbers], padding=step.padding, **more,
    )


def stream(peer, steps=None, slabs=2):
    """Batches in slabs as a service sends them, each slab again once it was released."""
    memories = [peer.slab(i, 1 << 16) for i in range(slabs)]
    cursor, sequence, free, leased = peer.request["cursor"], 0, list(range(slabs)), {}
    passes = peer.request["passes"]
    while steps is None or sequence < steps:
        step, content = step_batch(peer, sequence, cursor)
        if passes and step.position_pass >= passes:
            break
        if not free:
            free.append(leased.pop(struct.unpack("<Q", peer.until(Kind.RELEASE))[0]))
        number = free.pop()
        peer.in_slab(number, memories[number], content)
        leased[sequence] = number
        cursor, sequence = step.next_cursor, sequence + 1
    [memory.close() for memory in memories]
    return cursor


def whole(number, peer):
    cursor = stream(peer.greet())
    peer.json(Kind.END, cursor=cursor)
    peer.until(Kind.CLOSE)


def open_feed(server, /, **more):
    return Feed(**{"dataset": "d", "batch": 8, "socket": server.path, "slabs": 2, "timeout": 10, "reconnect": 5, **more})


def test_batches_come_in_order_and_slabs_are_used_again(tmp_path):
    with Scripted(tmp_path, whole) as server, open_feed(server, passes=3) as feed:
        assert feed.shape == (2, 2) and feed.class_names == ["cat", "dog"] and feed.pass_length == 64
        seen = []
        for batch in feed:
            assert batch.data.shape == (8, 2, 2) and (batch.data[:, 0, 0] == batch.numbers % 256).all()
            assert batch.label_names[1] == "dog" and batch.cursor + 8 == batch.next_cursor == feed.cursor
            seen += batch.numbers.tolist()
        assert seen == list(range(64)) * 3 and feed.cursor == 192 and list(feed) == []
    assert server.releases == list(range(24))
    hello, request = server.messages
    assert hello["client"] == f"datalayer-python/{datalayer.__version__}" and request["slabs"] == 2


def test_one_pass_at_a_time(tmp_path):
    with Scripted(tmp_path, whole) as server, open_feed(server, passes=2, batch=7) as feed:
        assert [sum(len(batch) for batch in feed.one_pass()) for _ in range(3)] == [63, 63, 0]


def test_held_batches_stay_valid_and_older_ones_are_released(tmp_path):
    def serve(number, peer):
        stream(peer.greet(), slabs=4)
        peer.json(Kind.END, cursor=64)
        peer.until(Kind.CLOSE)

    with Scripted(tmp_path, serve) as server, open_feed(server, slabs=4, hold=3) as feed:
        batches = [next(feed) for _ in range(5)]
        assert [batch.released for batch in batches] == [True, True, False, False, False]
        assert [int(batch.numbers[0]) for batch in batches[2:]] == [16, 24, 32]
        with pytest.raises(ReleasedError):
            batches[0].data


def test_arrays_outlive_the_feed_without_a_fault(tmp_path):
    with Scripted(tmp_path, whole) as server:
        feed = open_feed(server)
        batch = next(feed)
        array, tensor = batch.data, batch.tensor()
        feed.close()
        del feed, batch
        assert array.shape == (8, 2, 2) and int(tensor.sum()) == int(array.astype(np.int64).sum())


def test_a_broken_connection_goes_on_from_the_cursor(tmp_path):
    def serve(number, peer):
        if number == 0:
            peer.greet()
            stream(peer, steps=3, slabs=4)
            return
        if number == 1:
            peer.receive()
            return
        if number == 2:
            peer.receive()
            peer.json(Kind.ERROR, code="overloaded", error="Too many feeds.")
            return
        whole(number, peer)

    with Scripted(tmp_path, serve) as server, open_feed(server, passes=2, slabs=4) as feed:
        numbers = [number for batch in feed for number in batch.numbers.tolist()]
        assert numbers == list(range(64)) * 2 and feed.reconnects == 1
    assert server.messages[-1]["index"] == bytes(range(32)).hex() and server.messages[-1]["cursor"] == 24


def test_a_silent_service_is_asked_and_then_given_up(tmp_path):
    silent = []

    def serve(number, peer):
        peer.greet()
        if not silent:
            # Where this thread is held up for longer than the client waits, the next connection tries again.
            peer.until(Kind.PING)
            peer.send(Kind.PONG)
            peer.until(Kind.PING)
            silent.append(number)
            peer.until(Kind.CLOSE)
        cursor = stream(peer)
        peer.json(Kind.END, cursor=cursor)
        peer.until(Kind.CLOSE)

    with Scripted(tmp_path, serve) as server, open_feed(server, timeout=0.8, reconnect=60) as feed:
        assert sum(len(batch) for batch in feed) == 64 and feed.reconnects >= 1
    assert len(silent) == 1


def test_a_service_that_stays_away_is_an_error_after_the_time_given(tmp_path):
    def serve(number, peer):
        if number == 0:
            stream(peer.greet(), steps=1)

    with Scripted(tmp_path, serve) as server, open_feed(server, reconnect=0.3) as feed:
        next(feed)
        with pytest.raises(datalayer.UnreachableError, match="datalayer serve"):
            next(feed)
        assert feed.state_dict()["cursor"] == 8


def test_a_feed_that_opens_and_fails_again_and_again_ends_after_the_time_given(tmp_path):
    def serve(number, peer):
        peer.greet()
        if number == 0:
            step, content = step_batch(peer, 0, 0)
            memory = peer.slab(0, 1 << 16)
            peer.in_slab(0, memory, content)
            memory.close()
        peer.json(Kind.ERROR, code="originUnavailable", error="The bucket does not answer.")
        peer.until(Kind.CLOSE)

    with Scripted(tmp_path, serve) as server, open_feed(server, reconnect=0.5) as feed:
        next(feed)
        with pytest.raises(datalayer.DataLayerError, match="bucket"):
            next(feed)
        assert feed.reconnects >= 1 and feed.cursor == 8


def test_an_interrupt_loses_no_batch(tmp_path):
    with Scripted(tmp_path, whole) as server, open_feed(server) as feed:
        numbers, real = [], feed._batch

        def interrupted(*arguments):
            feed._batch = real
            real(*arguments)
            raise KeyboardInterrupt

        for batch in iter(lambda: next(feed, None), None):
            numbers += batch.numbers.tolist()
            if len(numbers) == 24:
                feed._batch = interrupted
                with pytest.raises(KeyboardInterrupt):
                    next(feed)
        assert numbers == list(range(64))


@pytest.mark.parametrize("code, kind", [
    ("notFound", FileNotFoundError), ("stale", StaleError), ("invalidArgument", ValueError), ("permissionDenied", PermissionError),
])
def test_the_services_errors_come_with_their_words(tmp_path, code, kind):
    def serve(number, peer):
        peer.until(Kind.OPEN)
        peer.json(Kind.WELCOME, service="test", sharedMemory=True)
        peer.json(Kind.ERROR, code=code, error="There is no dataset 'd': see 'datalayer dataset ls'.", details={"a": "b"})

    with Scripted(tmp_path, serve) as server, pytest.raises(kind, match="dataset ls") as refused:
        open_feed(server)
    assert refused.value.code == code and refused.value.details == {"a": "b"}


def test_an_index_that_changed_under_a_reconnect_is_stale(tmp_path):
    def serve(number, peer):
        if number == 0:
            stream(peer.greet(), steps=1)
        else:
            peer.greet(feed="f" * 64, index="0" * 64)
            peer.until(Kind.CLOSE)

    with Scripted(tmp_path, serve) as server, open_feed(server) as feed:
        next(feed)
        with pytest.raises(StaleError, match="Pin"):
            next(feed)


def test_states_of_this_feed_are_gone_on_from_and_others_refused(tmp_path):
    with Scripted(tmp_path, whole) as server:
        with open_feed(server) as feed:
            next(feed)
            second = next(feed)
            state = feed.state_dict()
            assert state == second.state_dict() and state["cursor"] == 16
            next(feed)
            feed.load_state_dict(state)
            assert next(feed).numbers.tolist() == list(range(16, 24))
        with open_feed(server, state=state, batch=3, rank=1, world=2) as feed:
            assert next(feed).numbers.tolist() == [17, 19, 21]
        with pytest.raises(StaleError, match="same order and seed"):
            open_feed(server, seed=5, state=state)
        with pytest.raises(ValueError, match="state_dict"):
            open_feed(server, state={"cursor": 1})


def test_wrong_arguments_say_what_to_write(tmp_path):
    for wrong in (
        {"rank": 2, "world": 2}, {"batch": 0}, {"slabs": 1}, {"hold": 2}, {"order": "random"}, {"part": "test"}, {"timeout": 0},
    ):
        with pytest.raises(ValueError):
            Feed(**{"dataset": "d", "batch": 8, "slabs": 2, "socket": str(tmp_path), **wrong})


@pytest.mark.parametrize("damage", [
    dict(kind=Kind.WELCOME, magic=b"XXXX"), dict(kind=Kind.WELCOME, version=2), dict(kind=99), dict(kind=Kind.OPEN),
    dict(kind=Kind.PONG, length=1 << 21), dict(kind=Kind.SLAB, payload=b"\0" * 16), dict(kind=Kind.END, payload=b"{"),
    dict(kind=Kind.BATCH, payload=struct.pack("<IIQ", 3, 0, 100)), dict(kind=Kind.OPENED, payload=b"{}"),
    dict(kind=Kind.BATCH, payload=struct.pack("<IIQ", 0xFFFFFFFF, 0, 9) + b"short"),
], ids=str)
def test_frames_that_break_the_contract_end_the_feed(tmp_path, damage):
    def serve(number, peer):
        peer.greet()
        peer.send(**damage)
        peer.until(Kind.CLOSE)

    with Scripted(tmp_path, serve) as server, open_feed(server) as feed, pytest.raises(FeedError, match="feed.md"):
        next(feed)


def test_slabs_that_are_not_what_they_say_are_refused(tmp_path):
    def serve(number, peer):
        peer.greet()
        descriptor = os.memfd_create("short")
        os.ftruncate(descriptor, 100)
        peer.send(Kind.SLAB, struct.pack("<IIQ", 0, 0, 4096), [descriptor])
        os.close(descriptor)
        peer.until(Kind.CLOSE)

    with Scripted(tmp_path, serve) as server, open_feed(server) as feed, pytest.raises(FeedError, match="shorter"):
        next(feed)


def test_no_descriptor_is_left_open(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    with Scripted(tmp_path, whole) as server:
        for _ in range(3):
            with open_feed(server) as feed:
                assert sum(len(batch) for batch in feed) == 64
    assert len(os.listdir("/proc/self/fd")) <= before


def test_a_fork_is_told_to_open_its_own(tmp_path):
    with Scripted(tmp_path, whole) as server, open_feed(server) as feed:
        batch = next(feed)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                batch.data
            except ForkedError:
                try:
                    next(feed)
                except ForkedError as error:
                    code = 0 if "child" in str(error) else 2
            feed.close()
            os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        assert next(feed).numbers.tolist() == list(range(8, 16))


def test_a_reclaim_ends_the_wait_for_a_batch_and_the_state_is_that_behind_the_last(tmp_path):
    def serve(number, peer):
        stream(peer.greet(), steps=2)
        for _ in range(2):
            peer.until(Kind.RELEASE)
        os.kill(os.getpid(), signal.SIGTERM)
        peer.receive()

    with Scripted(tmp_path, serve) as server, open_feed(server, timeout=40) as feed:
        with datalayer.Reclaim() as reclaim:
            assert [len(batch) for batch in reclaim.batches(feed)] == [8, 8]
        assert reclaim.asked and feed.state_dict()["cursor"] == 16


def test_remote_batches_travel_in_their_frames(tmp_path):
    def serve(number, peer):
        head = b""
        while b"\r\n\r\n" not in head:
            head += peer.sock.recv(4096)
        top, _, rest = head.partition(b"\r\n\r\n")
        assert top.startswith(b"GET /api/v1/feeds/connect HTTP/1.1") and b"Upgrade: datalayer-feed" in top and not rest
        assert b"Authorization: Bearer secret" in top
        peer.sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: datalayer-feed\r\n\r\n")
        peer.greet()
        cursor, sequence = 0, 0
        while True:
            step, content = step_batch(peer, sequence, cursor)
            if step.position_pass:
                break
            if sequence >= 2:
                peer.until(Kind.RELEASE)
            peer.inline(content)
            cursor, sequence = step.next_cursor, sequence + 1
        peer.json(Kind.END, cursor=cursor)
        peer.until(Kind.CLOSE)

    with Scripted(tmp_path, serve) as server:
        with open_feed(server, socket=None, server=f"unix:{server.path}", token="secret", shared_memory=False) as feed:
            numbers = []
            for batch in feed:
                assert (batch.data[:, 1, 1] == batch.numbers).all() and batch.tensor().data_ptr() % 64 == 0
                numbers += batch.numbers.tolist()
        assert numbers == list(range(64))
    assert "token" not in server.messages[0]


def test_a_refused_upgrade_is_the_apis_error(tmp_path):
    body = b'{"code":"notAuthenticated","detail":"A token is wanted.","remedy":"Give one."}'

    def serve(number, peer):
        peer.sock.recv(4096)
        peer.sock.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    with Scripted(tmp_path, serve) as server, pytest.raises(PermissionError, match="Give one"):
        open_feed(server, socket=None, server=f"unix:{server.path}", shared_memory=False)


def test_releases_may_come_from_another_thread(tmp_path):
    with Scripted(tmp_path, whole) as server, open_feed(server, passes=4) as feed:
        count = 0
        for batch in feed:
            count += len(batch)
            thread = threading.Thread(target=batch.release)
            thread.start()
            thread.join(20)
        assert count == 256
    assert sorted(server.releases) == list(range(32))
