"""permessage-deflate (RFC 7692), on routes that enable it."""

import random
import zlib

import pytest

from support import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, UPGRADE, close_frame, closure

OFFER = UPGRADE | {"Sec-WebSocket-Extensions": "permessage-deflate"}


def deflated(data):
    stream = zlib.compressobj(wbits=-15)
    return (stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")


TAIL = b"\0\0\xff\xff"

# RFC 7692, section 7.2.3: "Hello" in one block, in a block with BFINAL, in two blocks.
ONE_BLOCK = bytes.fromhex("f248cdc9c90700")
FINAL_BLOCK = bytes.fromhex("f348cdc9c9070000")
TWO_BLOCKS = bytes.fromhex("f24805000000ffffcac9c90700")
STORED = bytes.fromhex("000500faff48656c6c6f00")


class Peer:
    """A client with permessage-deflate, implemented with zlib only. The negotiated parameters select the context
    takeover."""

    def __init__(self, host, offer="permessage-deflate"):
        self.raw = host.tcp()
        self.raw.request("/echo/", headers=UPGRADE | {"Sec-WebSocket-Extensions": offer})
        response = self.raw.response()
        assert response.status == 101
        self.agreed = response.header("sec-websocket-extensions")
        self.forgets = "client_no_context_takeover" in self.agreed
        self.host_forgets = "server_no_context_takeover" in self.agreed
        self.begin()
        self.inflater = zlib.decompressobj(wbits=-15)

    def begin(self):
        self.deflater = zlib.compressobj(wbits=-15)

    def message(self, text):
        """The compressed payload of a text. For an empty text it is the byte of section 7.2.3.6."""
        deflated = self.deflater.compress(text) + self.deflater.flush(zlib.Z_SYNC_FLUSH)
        if self.forgets:
            self.begin()
        return deflated.removesuffix(TAIL) or b"\0"

    def finished(self, text):
        """The same, with BFINAL on the last block, which ends the stream."""
        deflated = self.deflater.compress(text) + self.deflater.flush(zlib.Z_FINISH)
        self.begin()
        return deflated

    def say(self, payload, opcode=TEXT, cuts=()):
        """Sends a compressed message, split into frames at these positions. Only the first frame has the bit RSV1."""
        places = [0, *cuts, len(payload)]
        parts = [payload[start:end] for start, end in zip(places, places[1:])]
        for number, part in enumerate(parts):
            first, last = number == 0, number == len(parts) - 1
            kind = opcode if first else CONTINUATION
            self.raw.send_frame(kind, part, fin=last, reserved=4 if first else 0)

    def hear(self):
        """Returns the next message of the host, decompressed."""
        first, payload = self.frame()
        assert first == 0xC0 | TEXT or first == 0xC0 | BINARY, (first, payload)
        assert payload, "not even the byte of an empty message"
        if self.host_forgets:
            self.inflater = zlib.decompressobj(wbits=-15)
        text = self.inflater.decompress(payload + TAIL)
        assert not self.inflater.unused_data and not self.inflater.eof
        return text

    def frame(self):
        """The first byte and the payload of the next frame."""
        reader = self.raw._reader
        first, size = reader.read(2)
        if size >= 126:
            size = int.from_bytes(reader.read(2 if size == 126 else 8), "big")
        return first, reader.read(size)

    def failed(self):
        """The code of the host's Close, which must be the next frame."""
        first, payload = self.frame()
        assert first == 0x80 | CLOSE
        return closure(payload)[0]


OFFERS = [
    "permessage-deflate",
    "permessage-deflate; client_no_context_takeover",
    "permessage-deflate; server_no_context_takeover",
    "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
]


@pytest.fixture(params=OFFERS)
def peer(request, deflating):
    return Peer(deflating, request.param)


def raw(host, headers):
    raw = host.tcp()
    raw.request("/echo/", headers=headers)
    assert raw.response().status == 101
    return raw


def agreed(client):
    """The negotiated extensions. The client of the library offers permessage-deflate by default."""
    return [extension.name for extension in client.protocol.extensions]


@pytest.fixture(params=["no-context-takeover", "context-takeover"])
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


def test_a_deflated_message_that_crosses_a_close_is_not_inflated(serve):
    host = serve("closer", routes=[{"path": "/closer/", "plugin": "closer", "deflate": "no-context-takeover"}])
    client = host.tcp()
    client.request("/closer/", headers=OFFER)
    assert client.response().status == 101
    client.send_frame(TEXT, b"close 4000 mine")
    assert closure(client.recv_frame()[1]) == (4000, "mine")
    # One payload is not a deflate stream, the other exceeds the message limit. Decompressing either would be an error.
    client.send_frame(TEXT, b"\xff" * 40, reserved=4)
    client.send_frame(BINARY, deflated(bytes(10_000_000)), reserved=4)
    client.send(close_frame(4000))
    assert client.recv_frame() is None
    host.logged('closed with 4000 "mine"')
    assert "closed with 1" not in host.log()


# Negotiation.


def test_both_ways_of_a_route_say_whether_context_is_kept(deflating, request):
    forgets = request.node.callspec.params["deflating"] == "no-context-takeover"
    for offer in OFFERS:
        agreed = Peer(deflating, offer).agreed
        for side in ["client", "server"]:
            name = f"{side}_no_context_takeover"
            assert (name in agreed) == (forgets or name in offer), (offer, agreed)


@pytest.mark.parametrize("bits", [9, 12, 15])
def test_rfc_7692_7_1_2_1_a_window_that_is_asked_for_is_answered_and_kept_to(deflating, bits):
    peer = Peer(deflating, f"permessage-deflate; server_max_window_bits={bits}")
    assert f"server_max_window_bits={bits}" in peer.agreed
    peer.inflater = zlib.decompressobj(wbits=-bits)
    # The repeated data is just outside the smallest window.
    text = random.Random(bits).randbytes(600).hex().encode() * 20
    for _ in range(3):
        peer.say(peer.message(text))
        assert peer.hear() == text


@pytest.mark.parametrize(
    "offer",
    [
        'permessage-deflate; server_max_window_bits="10"',
        "permessage-deflate;\tserver_max_window_bits\t=\t10",
        "x; y=\"1\", permessage-deflate; server_max_window_bits=10",
        "permessage-deflate; unheard_of=1, permessage-deflate; server_max_window_bits=10, permessage-deflate",
        "x\r\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10",
        ", permessage-deflate; server_max_window_bits=10 ,",
    ],
)
def test_rfc_6455_9_1_offers_are_read_in_every_way_they_may_be_written(deflating, offer):
    assert "server_max_window_bits=10" in Peer(deflating, offer).agreed


# RFC 7692, section 7.2. `peer` uses routes with and without context takeover.


def test_rfc_7692_7_2_3_6_an_empty_message_may_stand_anywhere(peer):
    for text in [b"", b"", b"hello", b"", b"world", b"", b"", b"hello", b""]:
        peer.say(peer.message(text))
        assert peer.hear() == text


def test_an_empty_message_without_a_byte_is_one_too(peer):
    for text in [b"hello", b"hello", b"world"]:
        peer.say(peer.message(text))
        assert peer.hear() == text
        peer.say(b"")
        assert peer.hear() == b""


@pytest.mark.parametrize("sample", [ONE_BLOCK, FINAL_BLOCK, FINAL_BLOCK[:-1], TWO_BLOCKS, STORED])
def test_rfc_7692_7_2_3_every_sample_is_heard_every_time(peer, sample):
    for _ in range(3):
        peer.say(sample)
        assert peer.hear() == b"Hello"
        peer.say(peer.message(b""))
        assert peer.hear() == b""


def test_rfc_7692_7_2_3_4_a_final_block_may_end_any_message(peer):
    for number, byte in enumerate([b"\0", b"", b"\0", b""]):
        for text in [b"hello", b"", b"hello again " * number]:
            peer.say(peer.finished(text) + byte)
            assert peer.hear() == text
            peer.say(peer.message(text))
            assert peer.hear() == text


def test_a_final_block_may_stand_anywhere_in_a_message(peer):
    for _ in range(2):
        peer.say(peer.finished(b"first half,") + peer.message(b"second half"))
        assert peer.hear() == b"first half,second half"
        peer.say(peer.finished(b"one,") + peer.finished(b"") + peer.finished(b"two,") + peer.finished(b"three"))
        assert peer.hear() == b"one,two,three"
        peer.say(peer.message(b"and on"))
        assert peer.hear() == b"and on"


def test_rfc_7692_7_2_1_a_message_may_have_any_number_of_blocks(peer):
    for flush in [zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH, zlib.Z_PARTIAL_FLUSH]:
        blocks = [peer.deflater.compress(b"block %d;" % number) + peer.deflater.flush(flush) for number in range(20)]
        peer.say(b"".join(blocks) + peer.message(b"end"))
        assert peer.hear() == b"".join(b"block %d;" % number for number in range(20)) + b"end"


@pytest.mark.parametrize("level", [0, 1, 9])
def test_each_kind_of_block_is_heard(peer, level):
    text = b"stored, fixed and dynamic " * 500
    for strategy in [zlib.Z_DEFAULT_STRATEGY, zlib.Z_FIXED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE]:
        peer.deflater = zlib.compressobj(level, zlib.DEFLATED, -15, strategy=strategy)
        for _ in range(2):
            peer.say(peer.message(text))
            assert peer.hear() == text
        peer.say(peer.finished(text) + b"\0")
        assert peer.hear() == text


def test_rfc_7692_6_1_a_deflated_message_may_be_cut_anywhere(peer):
    text = b"cut where you like, " * 20
    for step in [1, 2, 7]:
        payload = peer.message(text)
        peer.say(payload, cuts=range(step, len(payload), step))
        assert peer.hear() == text
    payload = peer.message(text)
    peer.say(payload, cuts=[0, 0, 3, 3, len(payload)])
    assert peer.hear() == text
    # An empty message in two frames.
    peer.say(peer.message(b""), cuts=[0])
    assert peer.hear() == b""
    payload = peer.finished(text) + b"\0"
    peer.say(payload, cuts=[len(payload) - 1])
    assert peer.hear() == text


def test_rfc_6455_5_4_a_ping_may_come_within_a_deflated_message(peer):
    payload = peer.message(b"hello")
    peer.raw.send_frame(TEXT, payload[:2], fin=False, reserved=4)
    peer.raw.send_frame(PING, b"between")
    assert peer.frame() == (0x80 | PONG, b"between")
    peer.raw.send_frame(CONTINUATION, payload[2:])
    assert peer.hear() == b"hello"


def test_rfc_7692_6_a_message_that_is_not_deflated_may_come_between(peer):
    for text in [b"hello", b"hello"]:
        peer.say(peer.message(text))
        assert peer.hear() == text
        peer.raw.send_frame(TEXT, b"plain")
        assert peer.hear() == b"plain"


@pytest.mark.parametrize("opcode", [CONTINUATION, PING, PONG, CLOSE])
def test_rfc_7692_6_1_only_the_first_frame_of_a_message_has_the_bit(peer, opcode):
    if opcode == CONTINUATION:
        peer.raw.send_frame(TEXT, peer.message(b"hello"), fin=False, reserved=4)
    peer.raw.send_frame(opcode, b"", reserved=4)
    assert peer.failed() == 1002


@pytest.mark.parametrize("end", [b"\0\0", b"\xff" * 9, b"\x06"])
def test_bytes_after_a_final_block_are_a_stream_or_a_protocol_error(peer, end):
    peer.say(FINAL_BLOCK[:-1] + end)
    assert peer.failed() == 1002


def test_a_message_of_several_streams_that_is_too_long_closes_with_1009(peer):
    peer.say(peer.finished(bytes(40_000)) * 2)
    assert peer.failed() == 1009


def test_a_message_that_does_not_get_shorter_may_have_the_size_of_max_message(peer):
    for level in [0, 1, 9]:
        peer.deflater = zlib.compressobj(level, zlib.DEFLATED, -15)
        noise = random.Random(level).randbytes(64 * 1024)
        payload = peer.message(noise)
        assert len(payload) > len(noise)
        peer.say(payload, BINARY)
        assert peer.hear() == noise


def test_rfc_7692_7_2_any_conversation_is_heard_whole(peer, request):
    chance = random.Random(request.node.name)
    for _ in range(150):
        parts = []
        payload = b""
        for _ in range(chance.randint(0, 3)):
            parts.append(chance.randbytes(chance.choice([0, 1, 20, 3_000])).hex().encode())
            if chance.random() < 0.5:
                payload += peer.finished(parts[-1])
            else:
                payload += peer.deflater.compress(parts[-1]) + peer.deflater.flush(zlib.Z_SYNC_FLUSH)
        parts.append(chance.choice([b"", b"again and again", chance.randbytes(50).hex().encode()]))
        payload += chance.choice([peer.message, lambda text: peer.finished(text) + b"\0", peer.finished])(parts[-1])
        peer.say(payload, cuts=sorted(chance.randint(0, len(payload)) for _ in range(chance.randint(0, 3))))
        assert peer.hear() == b"".join(parts)
