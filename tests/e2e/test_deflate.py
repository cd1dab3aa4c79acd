"""permessage-deflate, RFC 7692, where a route says so."""

import zlib

import pytest

from support import BINARY, CLOSE, TEXT, UPGRADE, closure

OFFER = UPGRADE | {"Sec-WebSocket-Extensions": "permessage-deflate"}


def deflated(data):
    stream = zlib.compressobj(wbits=-15)
    return (stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")


def raw(host, headers):
    raw = host.tcp()
    raw.request("/echo/", headers=headers)
    assert raw.response().status == 101
    return raw


def agreed(client):
    """What extensions are in use; the library's client offers this one unless told otherwise."""
    return [extension.name for extension in client.protocol.extensions]


@pytest.fixture(params=["message", "connection"])
def deflating(request, serve):
    return serve("echo", routes=[{"path": "/echo/", "plugin": "echo", "deflate": request.param, "max_message": "64 KiB"}])


def test_a_client_that_offers_it_gets_what_it_sent(deflating):
    client = deflating.connect("/echo/")
    assert agreed(client) == ["permessage-deflate"]
    for text in ["", "a", "once and again " * 2_000, "once and again " * 2_000]:
        assert client.ask(text) == text


def test_a_client_that_does_not_offer_it_gets_plain_messages(deflating):
    client = deflating.connect("/echo/", compression=None)
    assert agreed(client) == []
    assert client.ask("plain") == "plain"


def test_without_the_option_an_offer_is_passed_over(serve):
    client = serve("echo").connect("/echo/")
    assert agreed(client) == []
    assert client.ask("plain") == "plain"


def test_a_message_that_would_inflate_beyond_max_message_is_closed_with_1009(deflating):
    client = raw(deflating, OFFER)
    client.send_frame(BINARY, deflated(bytes(10_000_000)), reserved=4)
    opcode, payload = client.recv_frame()
    assert opcode == CLOSE and closure(payload)[0] == 1009


def test_a_message_that_is_no_deflate_stream_is_closed_with_1002(deflating):
    client = raw(deflating, OFFER)
    client.send_frame(TEXT, b"\xff" * 40, reserved=4)
    opcode, payload = client.recv_frame()
    assert opcode == CLOSE and closure(payload)[0] == 1002


def test_its_bit_without_an_agreement_is_closed_with_1002(deflating):
    client = raw(deflating, UPGRADE)
    client.send_frame(TEXT, deflated(b"hello"), reserved=4)
    opcode, payload = client.recv_frame()
    assert opcode == CLOSE and closure(payload)[0] == 1002
