"""Clients over TLS, and a certificate that is renewed while they are connected."""

import json
import re
import socket
import ssl

import pytest

from certificates import certificate, write
from support import eventually


@pytest.fixture(scope="module")
def authority():
    return certificate("authority")


@pytest.fixture
def folder(tmp_path, authority):
    write(tmp_path, "ca", authority)
    write(tmp_path, "server", certificate("first", authority))
    return tmp_path


@pytest.fixture
def secure(serve, folder):
    """A host with a certificate, and clients that trust its authority."""
    host = serve("doorman", "echo", "misbehave", tls=files(folder), log="debug")
    host.trusting = ssl.create_default_context(cafile=folder / "ca.pem")
    host.url = lambda path="/": f"wss://127.0.0.1:{host.port}{path}"
    return host


def files(folder):
    return {"cert": str(folder / "server.pem"), "key": str(folder / "server.key")}


def shown(host):
    """The common name in the certificate that a new client gets."""
    with socket.create_connection(("127.0.0.1", host.port)) as tcp:
        with host.trusting.wrap_socket(tcp, server_hostname="127.0.0.1") as tls:
            return dict(part[0] for part in tls.getpeercert()["subject"])["commonName"]


def test_frames_of_every_size_pass(secure):
    client = secure.connect("/echo/", ssl=secure.trusting)
    for size in [0, 1, 125, 126, 65_535, 65_536, 1_000_000]:
        assert client.ask("x" * size) == "x" * size
    assert client.ask(b"\x00" * 70_000) == b"\x00" * 70_000


def test_much_that_is_sent_at_once_arrives_though_the_reader_is_slow(secure):
    client = secure.connect("/misbehave/", ssl=secure.trusting)
    client.send("flood 10 100000")
    assert [len(client.recv()) for _ in range(10)] == [100_000] * 10


def test_a_consumer_is_told_that_its_client_came_by_tls(secure):
    told = json.loads(secure.connect("/doorman/", ssl=secure.trusting).ask("scope"))
    assert told["scheme"] == "wss"


def test_both_sides_may_close(secure):
    client = secure.connect("/echo/", ssl=secure.trusting)
    client.close(4000)
    secure.logged("connection ended .*close_frame=4000")


def test_a_client_in_the_clear_is_turned_away_and_the_others_are_served(secure):
    tcp = secure.tcp()
    tcp.request("/echo/")
    secure.logged("TLS handshake failed")
    assert secure.connect("/echo/", ssl=secure.trusting).ask("hello") == "hello"


def test_a_client_that_begins_and_goes_on_in_silence_is_dropped(serve, folder):
    host = serve("echo", tls=files(folder), limits={"handshake_timeout": "200ms"}, log="debug")
    with socket.create_connection(("127.0.0.1", host.port)) as tcp:
        tcp.sendall(b"\x16\x03\x01")
        tcp.settimeout(5)
        assert tcp.recv(1) == b""
    host.logged("handshake timed out after")


def test_a_new_certificate_is_shown_to_new_clients_and_open_ones_stay(secure, folder, authority):
    client = secure.connect("/echo/", ssl=secure.trusting)
    assert shown(secure) == "first"
    write(folder, "server", certificate("second", authority))
    eventually(lambda: shown(secure) == "second", "the new certificate")
    secure.logged(r"(?m)INFO .*: certificate reloaded table=\"?tls\"?$")
    assert client.ask("still here") == "still here"


def test_a_spoilt_certificate_leaves_the_old_one(secure, folder, authority):
    (folder / "server.pem").write_text("not a certificate\n")
    secure.logged("cannot reload the certificate")
    assert shown(secure) == "first"
    write(folder, "server", certificate("third", authority))
    eventually(lambda: shown(secure) == "third", "the certificate after the spoilt one")


@pytest.mark.parametrize(
    ("spoilt", "text", "hint"),
    [
        ("server.pem", None, "server.pem"),
        ("server.pem", "", "server.pem contains no certificate in PEM"),
        ("server.key", "x", "server.key"),
        ("server.key", "the authority's", r"tls.key: the key in .*/server.key does not belong to the certificate in .*/server.pem; put"),
    ],
)
def test_an_invalid_certificate_is_refused_at_start(narrowboat, folder, spoilt, text, hint):
    match text:
        case None:
            (folder / spoilt).unlink()
        case "the authority's":
            (folder / spoilt).write_bytes((folder / "ca.key").read_bytes())
        case text:
            (folder / spoilt).write_text(text)
    config = folder / "narrowboat.toml"
    config.write_text('[tls]\ncert = "server.pem"\nkey = "server.key"\n')
    result = narrowboat("serve", "--config", config)
    assert result.returncode == 2
    assert re.search(hint, result.stderr), result.stderr
