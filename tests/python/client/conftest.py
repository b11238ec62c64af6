"""A real service for the tests of the Python client: `datalayer serve` with its own folder, on a port it chooses.

DATALAYER_PROGRAM is the built `datalayer.dll`; without it the Release build of this repository. Every wait is bounded.
"""

import ctypes
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "src" / "python"))
PROGRAM = os.environ.get("DATALAYER_PROGRAM") or str(
    ROOT / "artifacts" / "bin" / "DataLayer.Server" / "release" / "datalayer.dll"
)
START_SECONDS = 120
# What the API promises is tried: feeds over its port, and who reads what.
API = (ROOT / "docs" / "API.md").read_text()
WAYS = ["shared", "remote"] if "/api/v1/feeds/connect" in API else ["shared"]
LISTS_FEEDS = "GET /api/v1/feeds`" in API


def _die_with_parent() -> None:
    """The kernel ends the service where the test's process dies (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Service:
    """The service as a process: started, killed or stopped, started again over the same state and port."""

    def __init__(self, more: str = "") -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="dlpy-", dir="/tmp"))
        self.socket = str(self.folder / "api.sock")
        self.bucket = self.folder / "bucket"
        self.bucket.mkdir()
        self.port = 0
        self.more = more
        self.listen = ""
        self.process = None
        self.log = self.folder / "service.log"

    def start(self) -> "Service":
        target = self.folder / "target"
        target.mkdir(exist_ok=True)
        text = (
            f"stateDirectory: {self.folder}/state\nlisten:\n  address: 127.0.0.1:{self.port}\n"
            f"  unixSocket: {self.socket}\n{self.listen}cache:\n  capacity: 256MiB\npools:\n  - name: default\n"
            f"    directories: [{target}]\nobjectStores:\n  - name: default\n    kind: directory\n{self.more}"
        )
        (self.folder / "state").mkdir(exist_ok=True)
        (self.folder / "datalayer.yaml").write_text(text)
        url = self.folder / "url"
        url.unlink(missing_ok=True)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["dotnet", PROGRAM, "serve", "--config", str(self.folder / "datalayer.yaml"), "--url-file", str(url)],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, "NO_COLOR": "1"},
                start_new_session=True, preexec_fn=_die_with_parent,
            )
        limit = time.monotonic() + START_SECONDS
        while not (url.exists() and url.read_text().strip()):
            if self.process.poll() is not None or time.monotonic() > limit:
                raise AssertionError(f"the service did not start:\n{self.log.read_text()[-4000:]}")
            select.select([], [], [], 0.02)
        self.url = url.read_text().split()[0]
        self.port = int(self.url.rsplit(":", 1)[1])
        return self

    def kill(self) -> None:
        if self.process is not None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait(30)
            self.process = None

    def stop(self) -> None:
        if self.process is not None:
            os.kill(self.process.pid, signal.SIGTERM)
            self.process.wait(60)
            self.process = None

    def end(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def memfds(self) -> int:
        """How many slabs the service has: descriptors of memory without a name in the file system."""
        folder, count = f"/proc/{self.process.pid}/fd", 0
        for name in os.listdir(folder):
            try:
                count += os.readlink(f"{folder}/{name}").startswith("/memfd:datalayer")
            except FileNotFoundError:
                pass
        return count

    def verb(self, *arguments: str) -> str:
        done = subprocess.run(
            ["dotnet", PROGRAM, "--server", self.url, *arguments], capture_output=True, text=True, timeout=120,
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="session")
def service():
    made = Service()
    before = {name: os.environ.get(name) for name in ("DATALAYER_SERVER", "DATALAYER_TOKEN", "DATALAYER_TOKEN_FILE")}
    try:
        made.start()
        os.environ.pop("DATALAYER_TOKEN", None)
        os.environ.pop("DATALAYER_TOKEN_FILE", None)
        os.environ["DATALAYER_SERVER"] = made.url
        yield made
    finally:
        made.end()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@pytest.fixture
def client(service):
    import datalayer

    with datalayer.Client(service.url, retry=5) as made:
        yield made


@pytest.fixture
def folder(client, request):
    """A folder of the tree of its own, removed afterwards."""
    name = "/tests/" + "".join(c if c.isalnum() else "-" for c in request.node.name)[:80]
    client.mkdir(name, parents=True)
    yield name
    client.remove(name, recursive=True)
