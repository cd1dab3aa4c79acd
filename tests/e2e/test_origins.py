"""Allowed hosts and origins of handshakes, by the rules of Django and Channels."""

import pytest

HANDSHAKE = [
    "GET /echo/ HTTP/1.1",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
]


def status(host, *headers):
    """The status of a handshake with these headers."""
    tcp = host.tcp()
    tcp.send("\r\n".join([*HANDSHAKE, *headers, "", ""]).encode())
    return tcp.response().status


@pytest.fixture(scope="module")
def choosy(serving):
    top = {
        "allowed_hosts": ["chat.example.com", ".example.org", "[::1]"],
        "allowed_origins": ["https://example.com", ".example.org", "http://localhost:8080"],
    }
    with serving("echo", top=top) as host:
        yield host


@pytest.mark.parametrize(
    "origin", ["https://example.com", "https://EXAMPLE.com:443", "http://a.example.org:99", "http://localhost:8080"]
)
def test_a_page_of_an_allowed_origin_opens_a_socket(choosy, origin):
    assert status(choosy, "Host: chat.example.com", f"Origin: {origin}") == 101


@pytest.mark.parametrize(
    "headers",
    [
        ["Origin: http://example.com"],
        ["Origin: https://example.com:8443"],
        ["Origin: https://evil-example.org"],
        ["Origin: https://example.com.evil.org"],
        ["Origin: http://localhost"],
        ["Origin: null"],
        ["Origin: "],
        [],
        ["Origin: https://example.com", "Origin: https://evil.org"],
        ["Origin: https://evil.org", "Origin: https://example.com"],
        # RFC 6454, section 7.1, allows several origins in the header. Then each has to be allowed; no browser sends
        # several.
        ["Origin: https://example.com https://evil.org"],
        ["Origin: https://evil.org https://example.com"],
        ["Origin: https://evil.org, https://example.com"],
    ],
)
def test_any_other_is_answered_403(choosy, headers):
    assert status(choosy, "Host: chat.example.com", *headers) == 403


def test_a_star_lets_those_in_that_name_no_origin(serve):
    host = serve("echo", top={"allowed_origins": ["*"]})
    assert host.connect("/echo/").ask("hello") == "hello"
    assert status(host, "Host: x", "Origin: https://anything.org") == 101


@pytest.mark.parametrize("name", ["chat.example.com", "Chat.Example.Com:8000", "example.org", "a.example.org.", "[::1]:80"])
def test_an_allowed_host_is_served(choosy, name):
    assert status(choosy, f"Host: {name}", "Origin: https://example.com") == 101


@pytest.mark.parametrize(
    "headers",
    [
        ["Host: example.com"],
        ["Host: chat.example.com.evil.org"],
        ["Host: a b"],
        ["Host: "],
        [],
        ["Host: chat.example.com", "Host: evil.org"],
    ],
)
def test_any_other_host_is_answered_400(choosy, headers):
    assert status(choosy, *headers, "Origin: https://example.com") == 400


@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [
        ("allowed_hosts", ["https://example.com"], "without a scheme or a port"),
        ("allowed_origins", ["https://example.com/chat"], "without a path"),
        ("allowed_origins", [], "remove the key"),
    ],
)
def test_an_invalid_pattern_is_refused_at_start(narrowboat, tmp_path, key, value, hint):
    config = tmp_path / "narrowboat.toml"
    config.write_text(f"{key} = {value!r}\n")
    result = narrowboat("serve", "--config", config)
    assert result.returncode == 2
    assert key in result.stderr and hint in result.stderr


def test_a_host_on_a_public_address_warns_about_pages_of_other_origins(narrowboat, tmp_path):
    config = tmp_path / "narrowboat.toml"
    # An address reserved for documentation (RFC 5737), so the bind fails and the program ends.
    for top, told in [("", True), ('allowed_origins = ["*"]\n', False)]:
        config.write_text(top)
        result = narrowboat("serve", "--config", config, "--listen", "192.0.2.1:0")
        assert result.returncode != 0
        assert ("allowed_origins" in result.stderr) is told, result.stderr
