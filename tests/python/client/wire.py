"""The service's side of a feed, scripted: batches made by hand and sent over a socket, so that each fault can be shown."""

import json
import os
import socket
import struct
import threading

from datalayer.frames import MAGIC, Kind
from datalayer.order import OrderSpec, RankSlice

HEADER = struct.Struct("<4sIBBBB")
INDEX = bytes(range(32))
WAIT = 20


def aligned(at, to):
    return (at + to - 1) // to * to


def make_batch(
    samples, *, sequence=0, which=0, cursor=0, after=0, layout=0, element=0, classes=None, numbers=None, keys=None, padding=0,
    row=0,
):
    """The bytes of a batch, as docs/FORMATS/feed.md has them."""
    n = len(samples)
    body = bytearray(256)

    def put(content):
        at = aligned(len(body), 64)
        body.extend(b"\0" * (at - len(body)) + content)
        return at

    table_at = put(b"\0" * (16 * n))
    classes_at = put(struct.pack(f"<{n}i", *classes)) if classes is not None else 0
    numbers_at = put(struct.pack(f"<{n}q", *(numbers if numbers is not None else range(n))))
    keys_at = 0
    if keys is not None:
        texts = [key.encode() for key in keys]
        ends = [sum(map(len, texts[:i])) for i in range(n + 1)]
        keys_at = put(struct.pack(f"<{n + 1}I", *ends) + b"".join(texts))
    data_at = aligned(len(body), 4096)
    body.extend(b"\0" * (data_at - len(body)))
    for i, sample in enumerate(samples):
        if layout == 0:
            body.extend(b"\0" * (aligned(len(body), 64) - len(body)))
        struct.pack_into("<QQ", body, table_at + 16 * i, len(body), len(sample))
        body.extend(bytes(sample).ljust(row, b"\xee") if layout == 2 else sample)
    length = len(body) - data_at
    row = len(samples[0]) if layout == 1 and n else row
    struct.pack_into(
        "<8s4Q4I13Q", body, 0, b"DLBATCH1", sequence, which, cursor, after, n, padding, layout, element, row, table_at, classes_at,
        numbers_at, keys_at, data_at, length, 5_000_000, 1_000_000, 1, 2, 3, 4,
    )
    return bytes(body)


class Scripted:
    """A feed socket whose connections are served by a script: `serve(number, connection)` in a thread."""

    def __init__(self, folder, serve):
        self.path = os.path.join(str(folder), "feed.sock")
        self._serve, self._count = serve, 0
        self.failures, self.messages, self.releases = [], [], []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self._listener.settimeout(WAIT)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(WAIT)
            number, self._count = self._count, self._count + 1
            try:
                self._serve(number, Peer(sock, self))
            except (EOFError, ConnectionError):
                pass
            except BaseException as error:  # shown by the test
                self.failures.append(error)
            finally:
                sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # A shutdown, unlike a close, wakes the thread that accepts.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(WAIT)
        assert not self.failures, self.failures


class Peer:
    """One connection, as the service sees it."""

    def __init__(self, sock, script):
        self.sock, self.script = sock, script
        self.request = None

    def send(self, kind, payload=b"", descriptors=(), version=1, magic=MAGIC, length=None):
        head = HEADER.pack(magic, len(payload) if length is None else length, version, kind, len(descriptors), 0)
        if descriptors:
            socket.send_fds(self.sock, [head + payload], list(descriptors))
        else:
            self.sock.sendall(head + payload)

    def json(self, kind, /, **message):
        self.send(kind, json.dumps(message).encode())

    def exact(self, length):
        data = b""
        while len(data) < length:
            more = self.sock.recv(length - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def receive(self):
        magic, length, version, kind, descriptors, _ = HEADER.unpack(self.exact(12))
        assert (magic, version, descriptors) == (MAGIC, 1, 0)
        payload = self.exact(length)
        if kind == Kind.RELEASE:
            self.script.releases.append(struct.unpack("<Q", payload)[0])
        return kind, payload

    def until(self, wanted):
        while True:
            kind, payload = self.receive()
            if kind == wanted:
                return payload

    def greet(self, pass_length=64, **more):
        """Hello and Open, answered."""
        kind, hello = self.receive()
        assert kind == Kind.HELLO
        self.script.messages.append(json.loads(hello))
        self.json(Kind.WELCOME, service="test", sharedMemory=True)
        kind, request = self.receive()
        assert kind == Kind.OPEN
        self.request = json.loads(request)
        self.script.messages.append(self.request)
        spec = OrderSpec.parse(self.request["order"])
        self.json(Kind.OPENED, **{
            "feed": spec.feed_id(INDEX), "index": INDEX.hex(), "order": spec.canonical(), "cursor": self.request.get("cursor", 0),
            "passLength": pass_length, "samples": pass_length, "kind": "fixed", "classes": 2, "classNames": ["cat", "dog"],
            "recordBytes": 4, "elementType": "uint8", "shape": [2, 2], "layout": "dense", **more,
        })
        self.slice = RankSlice(
            pass_length, self.request["batch"], self.request["rank"], self.request["world"], self.request["last"]
        )
        return self

    def slab(self, number, length):
        descriptor = os.memfd_create("slab")
        try:
            os.ftruncate(descriptor, length)
            self.send(Kind.SLAB, struct.pack("<IIQ", number, 0, length), [descriptor])
            return os.fdopen(os.dup(descriptor), "r+b", buffering=0)
        finally:
            os.close(descriptor)

    def in_slab(self, number, memory, batch):
        os.pwrite(memory.fileno(), batch, 0)
        self.send(Kind.BATCH, struct.pack("<IIQ", number, 0, len(batch)))

    def inline(self, batch):
        self.send(Kind.BATCH, struct.pack("<IIQ", 0xFFFFFFFF, 0, len(batch)) + batch)
