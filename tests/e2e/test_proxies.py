"""Clients behind proxies: the trusted proxies, and the client's address in the scope."""

import json
import socket
import struct

import pytest

from support import UPGRADE

TRUSTED = {"proxy": {"trusted": ["127.0.0.1", "10.0.0.0/8"]}}
PROTOCOL = {"proxy": {"trusted": ["127.0.0.0/8"], "proxy_protocol": True}}
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def told(host, **headers):
    """The scope of a client whose request has these headers."""
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return json.loads(host.connect("/doorman/", additional_headers=named).ask("scope"))


@pytest.fixture(scope="module")
def behind(serving):
    with serving("doorman", top=TRUSTED) as host:
        yield host


def proxied(host, header):
    """Opens a connection with a PROXY header and sends a handshake."""
    raw = host.tcp()
    raw.send(header)
    raw.request("/doorman/")
    return raw


def client_of(raw):
    assert raw.response().status == 101
    raw.send_frame(1, b"scope")
    return json.loads(raw.recv_frame()[1])["client"]


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("192.0.2.7", ["192.0.2.7", 0]),
        ("6.6.6.6, 192.0.2.7, 10.1.2.3", ["192.0.2.7", 0]),
        ("10.9.9.9, 10.1.2.3", ["10.9.9.9", 0]),
        ("192.0.2.7:4711", ["192.0.2.7", 4711]),
        ("[2001:db8::1]:80, 10.0.0.1", ["2001:db8::1", 80]),
        ("2001:db8::1", ["2001:db8::1", 0]),
        ("not an address, 192.0.2.7", ["192.0.2.7", 0]),
    ],
)
def test_the_client_is_the_last_that_is_no_trusted_proxy(behind, chain, client):
    assert told(behind, X_Forwarded_For=chain)["client"] == client


def test_the_scheme_is_what_the_proxy_spoke_with_its_client(behind):
    assert told(behind)["scheme"] == "ws"
    assert told(behind, X_Forwarded_Proto="https")["scheme"] == "wss"
    assert told(behind, X_Forwarded_Proto="https, http")["scheme"] == "ws"


@pytest.mark.parametrize(
    "lines",
    [
        ["6.6.6.6", "192.0.2.7", "10.1.2.3"],
        ["6.6.6.6,192.0.2.7\t,\t10.1.2.3"],
        ["6.6.6.6", "", " , 192.0.2.7 ,", "10.1.2.3,"],
    ],
)
def test_rfc_9110_5_3_what_proxies_add_is_one_list_on_however_many_lines(behind, lines):
    raw = behind.tcp()
    chain = "\r\nX-Forwarded-For: ".join(lines)
    schemes = "https\r\nX-Forwarded-Proto:\thttp ,\twss\t,"
    raw.request("/doorman/", headers=UPGRADE | {"X-Forwarded-For": chain, "X-Forwarded-Proto": schemes})
    assert raw.response().status == 101
    raw.send_frame(1, b"scope")
    scope = json.loads(raw.recv_frame()[1])
    assert (scope["client"], scope["scheme"]) == (["192.0.2.7", 0], "wss")


@pytest.mark.parametrize(
    ("proxy", "asked", "status"),
    [
        ({"use_forwarded_host": True}, "acme.example", 101),
        ({"use_forwarded_host": True}, "elsewhere.example, ACME.example:8443", 101),
        ({"use_forwarded_host": True}, "acme.example, elsewhere.example", 400),
        ({"use_forwarded_host": True}, "no host at all", 400),
        ({"use_forwarded_host": True}, None, 400),
        ({}, "acme.example", 400),
        ({"use_forwarded_host": True, "trusted": ["10.0.0.0/8"]}, "acme.example", 400),
    ],
)
def test_the_host_is_what_the_proxy_was_asked_for_where_that_is_believed(serve, proxy, asked, status):
    host = serve("echo", top={"proxy": TRUSTED["proxy"] | proxy, "allowed_hosts": ["acme.example"]})
    raw = host.tcp()
    raw.request("/echo/", headers=UPGRADE | ({"X-Forwarded-Host": asked} if asked else {}))
    assert raw.response().status == status


def test_nobody_else_is_believed(serve):
    host = serve("doorman", top={"proxy": {"trusted": ["10.0.0.0/8"]}})
    scope = told(host, X_Forwarded_For="192.0.2.7", X_Forwarded_Proto="https")
    assert (scope["client"][0], scope["scheme"]) == ("127.0.0.1", "ws")
    unasked = serve("doorman")
    assert told(unasked, X_Forwarded_For="192.0.2.7")["client"][0] == "127.0.0.1"


@pytest.mark.parametrize(("name", "value"), [("X-Forwarded-For", "unknown"), ("X-Forwarded-Proto", "gopher")])
def test_an_invalid_header_of_a_trusted_proxy_is_answered_400(behind, name, value):
    raw = behind.tcp()
    raw.request("/doorman/", headers=UPGRADE | {name: value})
    assert raw.response().status == 400


@pytest.fixture(scope="module")
def protocol(serving):
    with serving("doorman", top=PROTOCOL, limits={"handshake_timeout": "500ms"}, log="debug") as host:
        yield host


def test_a_header_as_text_names_the_client(protocol):
    raw = proxied(protocol, b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n")
    assert client_of(raw) == ["192.0.2.7", 4711]
    raw = proxied(protocol, b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n")
    assert client_of(raw) == ["2001:db8::7", 4711]


def test_a_header_as_bytes_names_the_client(protocol):
    addresses = socket.inet_aton("192.0.2.7") + socket.inet_aton("192.0.2.1") + struct.pack("!HH", 4711, 443)
    raw = proxied(protocol, SIGNATURE + b"\x21\x11" + struct.pack("!H", len(addresses)) + addresses)
    assert client_of(raw) == ["192.0.2.7", 4711]


def test_a_header_that_names_nobody_leaves_the_address_of_the_proxy(protocol):
    assert client_of(proxied(protocol, b"PROXY UNKNOWN\r\n"))[0] == "127.0.0.1"
    assert client_of(proxied(protocol, SIGNATURE + b"\x20\x00\x00\x00"))[0] == "127.0.0.1"


@pytest.mark.parametrize("header", [b"", b"PROXY TCP4 nobody\r\n", b"x" * 200, SIGNATURE + b"\x21\x11\xff\xff"])
def test_a_trusted_proxy_that_sends_none_is_not_served(protocol, header):
    with pytest.raises((AssertionError, ConnectionError)):
        proxied(protocol, header).response()
    protocol.logged("invalid PROXY protocol header")


def test_half_a_header_is_waited_for_as_long_as_a_handshake_may_take(protocol):
    tcp = protocol.tcp()
    tcp.send(b"PROXY TCP4 192.0")
    tcp.socket.settimeout(5)
    assert tcp.socket.recv(1) == b""


@pytest.mark.parametrize(
    ("table", "hint"),
    [({"trusted": []}, "names no proxy"), ({"trusted": ["localhost"]}, "an address or a network"), ({}, "trusted")],
)
def test_a_wrong_table_is_told_at_the_start(narrowboat, tmp_path, table, hint):
    config = tmp_path / "narrowboat.toml"
    rows = "".join(f"{key} = {value!r}\n" for key, value in table.items())
    config.write_text(f"[proxy]\n{rows}")
    result = narrowboat("serve", "--config", config)
    assert result.returncode == 2
    assert hint in result.stderr
