"""The client over TLS: files and remote feeds of a service that wants a client certificate, and what is refused."""

import pickle
import subprocess
import threading

import pytest

import datalayer
from conftest import Service
from datalayer import DataLayerError, Feed, Tls
from datasets import put_digits


def openssl(*arguments, cwd):
    subprocess.run(["openssl", *arguments], cwd=cwd, check=True, capture_output=True, timeout=60)


def issue(folder, name, use, names=""):
    """A certificate of the folder's authority, with its key."""
    (folder / f"{name}.ext").write_text(f"extendedKeyUsage={use}\n{names}")
    openssl(
        "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
        "-subj", f"/CN={name}", cwd=folder,
    )
    openssl(
        "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "3", "-out",
        f"{name}.pem", "-extfile", f"{name}.ext", cwd=folder,
    )
    (folder / f"{name}.key").chmod(0o600)
    return str(folder / f"{name}.pem"), str(folder / f"{name}.key")


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
        "-days", "3", "-subj", "/CN=firm", cwd=folder,
    )
    certificate, key = issue(folder, "storage", "serverAuth", "subjectAltName=IP:127.0.0.1")
    mine = issue(folder, "trainer", "clientAuth")
    service = Service()
    service.listen = (
        f"  tls: {{certificateFile: {certificate}, keyFile: {key}, clientAuthorityFile: {folder}/ca.pem, "
        "clientCertificates: required}\n"
    )
    try:
        service.start()
        yield service, Tls(str(folder / "ca.pem"), *mine), folder
    finally:
        service.end()


def test_files_go_over_tls_by_a_client_certificate(secured, monkeypatch):
    service, tls, _ = secured
    assert service.url.startswith("https://")
    with datalayer.Client(service.url, tls=tls) as client:
        client.mkdir("/a")
        content = bytes(range(256)) * 5000
        client.write("/a/x", content)
        assert client.read("/a/x") == content and client.listdir("/a") == ["x"]
        again = pickle.loads(pickle.dumps(client))
        assert again.stat("/a/x").size == len(content)
    monkeypatch.setenv("DATALAYER_CA_FILE", tls.ca_file)
    monkeypatch.setenv("DATALAYER_CLIENT_CERT", tls.certificate)
    monkeypatch.setenv("DATALAYER_CLIENT_KEY", tls.key)
    with datalayer.Client(service.url) as client:
        assert client.listdir("/a") == ["x"]


def test_a_remote_feed_goes_over_tls_while_batches_are_released_by_other_threads(secured):
    service, tls, _ = secured
    with datalayer.Client(service.url, tls=tls) as client:
        images, _ = put_digits(client, "/feeds", "digits")
    seen = []
    with Feed("digits", 32, passes=2, hold=2, server=service.url, tls=tls, shared_memory=False) as feed:
        for batch in feed:
            seen += batch.numbers.tolist()[: len(batch) - batch.padding]
            assert (batch.data == images[batch.numbers]).all()
            thread = threading.Thread(target=batch.release)
            thread.start()
            thread.join()
    assert len(seen) == 2 * (len(images) // 32 * 32)


def test_who_is_not_trusted_is_refused_at_once_and_told_what_to_do(secured):
    service, tls, folder = secured
    with pytest.raises(DataLayerError, match="not trusted") as system:
        datalayer.Client(service.url, tls=Tls(), retry=60).listdir("/")
    assert system.value.code == "notAuthenticated" and "DATALAYER_CA_FILE" in system.value.remedy
    with pytest.raises(DataLayerError, match="cannot be used"):
        datalayer.Client(service.url, tls=Tls(str(folder / "none.pem")), retry=60).listdir("/")
    with pytest.raises(DataLayerError):
        datalayer.Client(service.url, tls=Tls(tls.ca_file), retry=0).listdir("/")
    with pytest.raises(DataLayerError):
        datalayer.Client(service.url.replace("https", "http"), retry=0).listdir("/")
