"""The opening handshake: the responses of the host, and those of a consumer."""

import json
from urllib.parse import quote

import pytest
from websockets.exceptions import InvalidStatus

from support import DEADLINE, KEY, TEXT, UPGRADE, eventually, frame


@pytest.fixture(scope="module")
def host(serving):
    routes = [
        {"path": "/door/", "plugin": "doorman"},
        {"path": "/door/{floor}/{room}/", "plugin": "doorman"},
        {"path": "/first/{name}/", "plugin": "doorman"},
        {"regex": "^/first/", "plugin": "echo"},
        {"regex": r"^/year/(?P<year>\d{4})/(?P<rest>.*)$", "plugin": "doorman"},
        {"path": "/été/", "plugin": "doorman"},
        {"path": "/echo/", "plugin": "echo"},
        {"path": "/small/", "plugin": "echo", "max_message": "1 KiB"},
        {"path": "/large/", "plugin": "echo", "max_message": "2 MiB"},
    ]
    limits = {"handshake_timeout": "1s", "max_message": "64 KiB", "max_frame": "4 MiB"}
    plugins = {"doorman": {"isolation": "connection"}}
    with serving("echo", plugins=plugins, routes=routes, limits=limits) as host:
        yield host


def answer(host, path, method="GET", headers=UPGRADE):
    raw = host.tcp()
    raw.request(path, method, headers)
    return raw.response()


def without(*names, **changed):
    return {name: value for name, value in (UPGRADE | changed).items() if name not in names}


# Responses of the host.


def test_the_rfcs_sample_key_gets_the_rfcs_sample_answer(host):
    switching = answer(host, "/door/")
    assert KEY == "dGhlIHNhbXBsZSBub25jZQ=="
    assert switching.status == 101
    assert switching.header("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert switching.header("upgrade").lower() == "websocket"
    # Only this value, because some clients compare the whole header.
    assert switching.header("connection").lower() == "upgrade"


def test_no_extension_is_agreed_on(host):
    headers = UPGRADE | {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
    assert answer(host, "/door/", headers=headers).header("sec-websocket-extensions") == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"Upgrade": "WebSocket"},
        {"Connection": "keep-alive, Upgrade"},
        {"Connection": "upgrade"},
    ],
)
def test_a_handshake_as_browsers_and_proxies_write_it_is_accepted(host, changes):
    assert answer(host, "/door/", headers=UPGRADE | changes).status == 101


@pytest.mark.parametrize("path", ["/nowhere/", "/door/?reject=403", "/door/?trap"])
def test_a_socket_that_was_turned_away_is_closed(host, path):
    raw = host.tcp()
    raw.request(path)
    assert raw.response().header("connection") == "close"
    assert raw.recv_frame() is None


def test_a_path_without_a_route_is_404(host):
    assert answer(host, "/nowhere/").status == 404
    assert answer(host, "/door").status == 404


def test_a_path_that_is_not_utf8_is_400(host):
    assert answer(host, "/first/%ff/").status == 400


def test_a_plain_get_is_426_and_told_what_to_upgrade_to(host):
    refused = answer(host, "/door/", headers={"Host": "localhost"})
    assert refused.status == 426
    assert refused.header("upgrade") == "websocket"
    assert refused.header("sec-websocket-version") == "13"
    assert b"WebSocket" in refused.body


def test_another_version_of_the_protocol_is_426_and_told_the_one_spoken(host):
    refused = answer(host, "/door/", headers=UPGRADE | {"Sec-WebSocket-Version": "8"})
    assert (refused.status, refused.header("sec-websocket-version")) == (426, "13")


def test_a_post_is_405_and_told_what_is_allowed(host):
    refused = answer(host, "/door/", method="POST", headers=UPGRADE | {"Content-Length": "0"})
    assert (refused.status, refused.header("allow")) == (405, "GET")


@pytest.mark.parametrize(
    "headers",
    [
        without("Sec-WebSocket-Key"),
        without("Upgrade"),
        without("Connection"),
        without("Sec-WebSocket-Version"),
        without("Host"),
        UPGRADE | {"Upgrade": "h2c"},
        UPGRADE | {"Sec-WebSocket-Key": ""},
        UPGRADE | {"Sec-WebSocket-Key": "too short"},
        UPGRADE | {"Sec-WebSocket-Key": "c2l4dGVlbiBieXRlcyBhbmQgbW9yZQ=="},
        UPGRADE | {"Sec-WebSocket-Key": "****************========"},
    ],
)
def test_a_bad_handshake_is_400(host, headers):
    assert answer(host, "/door/", headers=headers).status == 400


# Rules of HTTP, line by line.


LINES = [
    "Host: localhost",
    "Upgrade: websocket",
    "Connection: Upgrade",
    f"Sec-WebSocket-Key: {KEY}",
    "Sec-WebSocket-Version: 13",
]


def answer_to(host, *lines, target="/echo/", version="1.1", leave_out="", then=b""):
    """The response to a handshake with these lines added, and without the lines of one name."""
    head = [f"GET {target} HTTP/{version}", *(line for line in LINES if not leave_out or not line.startswith(leave_out))]
    raw = host.tcp()
    raw.send("\r\n".join([*head, *lines, "", ""]).encode("latin-1") + then)
    return raw.response()


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("Connection", ["Connection: keep-alive", "Connection: Upgrade"]),
        ("Connection", ["Connection: Upgrade", "Connection: keep-alive"]),
        ("Connection", ["Connection: keep-alive,\tUpgrade\t"]),
        ("Connection", ["Connection:\tupgrade\t,close"]),
        ("Connection", ["Connection: ,, ,Upgrade,"]),
        ("Connection", ["Connection:", "Connection: Upgrade"]),
        ("Upgrade", ["Upgrade: h2c", "Upgrade: WebSocket"]),
        ("Upgrade", ["Upgrade: h2c,\twebsocket"]),
        ("Upgrade", ["Upgrade: websocket, h2c/2"]),
        ("Sec-WebSocket-Version", ["Sec-WebSocket-Version:\t13\t"]),
    ],
)
def test_rfc_9110_5_3_a_list_may_stand_on_several_lines_with_any_white_space(host, name, lines):
    assert answer_to(host, *lines, leave_out=name).status == 101


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("Connection", ["Connection: not Upgrade"]),
        ("Connection", ["Connection: keep-alive Upgrade"]),
        ("Connection", ['Connection: "Upgrade"']),
        ("Upgrade", ["Upgrade: web socket"]),
        ("Upgrade", ["Upgrade: websocket/13"]),
        ("Sec-WebSocket-Key", ["Sec-WebSocket-Key: " + KEY, "Sec-WebSocket-Key: " + KEY]),
        ("Sec-WebSocket-Version", ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13"]),
        ("Sec-WebSocket-Version", ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"]),
        ("none", ["Sec-WebSocket-Protocol: a b"]),
        ("none", ["Sec-WebSocket-Protocol: chat, a/b"]),
        ("none", ["Sec-WebSocket-Extensions: permessage-deflate; x="]),
        ("none", ['Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits="10']),
        ("none", ['Sec-WebSocket-Extensions: x; y="a,b"']),
        ("none", ["Sec-WebSocket-Extensions: a b"]),
    ],
)
def test_rfc_6455_4_2_1_what_its_grammar_does_not_know_is_400(host, name, lines):
    assert answer_to(host, *lines, leave_out=name).status == 400


@pytest.mark.parametrize("lines", [["Sec-WebSocket-Protocol: ,chat ,,\tv2", "Sec-WebSocket-Protocol:"], ["Sec-WebSocket-Extensions: ,"]])
def test_rfc_9110_5_6_1_empty_elements_of_a_list_do_not_count(host, lines):
    assert answer_to(host, *lines).status == 101


@pytest.mark.parametrize("version", ["8", "12", "14", "0", "thirteen", "13, 8"])
def test_rfc_6455_4_4_any_other_version_is_told_the_one_spoken(host, version):
    refused = answer_to(host, f"Sec-WebSocket-Version: {version}", leave_out="Sec-WebSocket-Version")
    assert (refused.status, refused.header("sec-websocket-version")) == (426, "13")


@pytest.mark.parametrize(
    "lines",
    [
        ["Host: x", "Host: y"],
        ["Host: x", "Host: x"],
        ["Host:"],
        ["Host: a b"],
        ["Host: x, y"],
        ["Host: user@x"],
        ["Host: x/y"],
        ["Host: http://x"],
        ["Host: x:y"],
        ["Host: [::1"],
        ["Host: \xe9"],
        [],
    ],
)
@pytest.mark.parametrize("target", ["/echo/", "/nowhere/", "http://localhost/echo/"])
def test_rfc_9112_3_2_one_host_that_is_none_or_not_one_is_400(host, lines, target):
    assert answer_to(host, *lines, target=target, leave_out="Host").status == 400


@pytest.mark.parametrize("name", ["x", "x:80", "x:", "[::1]:8000", "127.0.0.1", "x.example.", "X_y-z"])
def test_rfc_9112_3_2_any_host_that_is_one_is_served(host, name):
    assert answer_to(host, f"Host: {name}", leave_out="Host").status == 101


@pytest.mark.parametrize("target", ["http://else.example/echo/", "HTTP://else.example:80/echo/?a", "ws://else.example/echo/"])
def test_rfc_9112_3_2_2_an_absolute_target_is_taken(host, target):
    assert answer_to(host, target=target).status == 101


@pytest.mark.parametrize("target", ["ftp://else.example/echo/", "http://user@else.example/echo/"])
def test_rfc_9110_4_2_a_target_that_no_http_server_has_is_400(host, target):
    assert answer_to(host, target=target).status == 400


def test_rfc_9112_3_2_2_the_host_of_an_absolute_target_counts_and_not_the_header(serve):
    host = serve("echo", top={"allowed_hosts": ["one.example"]})
    assert answer_to(host, "Host: two.example", target="http://one.example/echo/", leave_out="Host").status == 101
    assert answer_to(host, "Host: one.example", target="http://two.example/echo/", leave_out="Host").status == 400


@pytest.mark.parametrize(
    ("target", "lines", "seen"),
    [
        ("http://one.example:80/door/", ["Host: two.example"], "one.example:80"),
        ("ws://one.example/door/", ["Host: one.example"], "one.example"),
        ("/door/", ["Host: two.example"], "two.example"),
    ],
)
def test_rfc_9112_3_2_2_a_consumer_sees_the_host_of_an_absolute_target_alone(host, target, lines, seen):
    raw = host.tcp()
    head = [f"GET {target} HTTP/1.1", *(line for line in LINES if not line.startswith("Host")), *lines]
    raw.send("\r\n".join([*head, "", ""]).encode() + frame(TEXT, b"scope"))
    assert raw.response().status == 101
    headers = json.loads(raw.recv_frame()[1])["headers"]
    assert [value for name, value in headers if name == "host"] == [seen]


def test_rfc_9110_7_8_an_upgrade_in_http_1_0_does_not_count(host):
    assert answer_to(host, version="1.0").status == 400


@pytest.mark.parametrize(
    ("lines", "then"),
    [
        (["Content-Length: 5"], b"hello"),
        (["Content-Length: 5"], b""),
        (["Content-Length: 5"], frame(TEXT, b"not a body")),
        (["Transfer-Encoding: chunked"], b"5\r\nhello\r\n0\r\n\r\n"),
        (["Transfer-Encoding: chunked"], b"0\r\n\r\n"),
        (["Content-Length: 5", "Expect: 100-continue"], b""),
    ],
)
def test_rfc_9110_7_8_a_request_for_an_upgrade_with_a_body_is_400_whenever_that_comes(host, lines, then):
    refused = answer_to(host, *lines, then=then)
    assert refused.status == 400
    assert b"body" in refused.body


def test_rfc_9110_8_6_a_body_without_content_is_none(host):
    assert answer_to(host, "Content-Length: 0", then=frame(TEXT, b"early")).status == 101


def test_a_head_that_does_not_end_is_not_read_for_ever(host):
    raw = host.tcp()
    raw.send(b"GET /door/ HTTP/1.1\r\nX-Long: ")
    raw.send(b"x" * 20_000)
    assert raw.response().status in (400, 431)


def test_a_client_that_does_not_finish_the_handshake_is_dropped(host):
    raw = host.tcp()
    raw.send(b"GET /door/ HTTP/1.1\r\nHost: localhost\r\n")
    assert b"101" not in raw.socket.recv(1000)
    silent = host.tcp()
    assert silent.socket.recv(1000) == b""


def test_one_socket_more_than_max_connections_is_503_until_another_leaves(serve):
    host = serve("echo", limits={"max_connections": 2})
    first, second = host.connect("/echo/"), host.connect("/echo/")
    full = answer(host, "/echo/")
    assert full.status == 503
    assert int(full.header("retry-after")) > 0
    assert second.ask("still served") == "still served"
    first.close()
    eventually(lambda: answer(host, "/echo/").status == 101, "a free place")


def test_the_first_route_that_matches_serves(host):
    assert json.loads(host.connect("/first/one/").ask("scope"))["path"] == "/first/one/"
    assert host.connect("/first/one/two/").ask("scope") == "scope"


def test_a_route_may_set_its_own_message_size(host):
    for path, size in [("/small/", 1024), ("/echo/", 64 * 1024), ("/large/", 2 * 1024 * 1024)]:
        assert host.connect(path).ask(b"x" * size) == b"x" * size
        client = host.connect(path)
        client.send(b"x" * (size + 1))
        assert client.ended()[0] == 1009


# Responses of a consumer.


def test_a_consumer_picks_one_of_the_offered_subprotocols(host):
    client = host.connect("/door/?subprotocol=chat", subprotocols=["soap", "chat"])
    assert client.subprotocol == "chat"


def test_no_subprotocol_is_picked_for_a_consumer(host):
    assert host.connect("/door/", subprotocols=["soap", "chat"]).subprotocol is None


@pytest.mark.parametrize("offer", [{}, {"Sec-WebSocket-Protocol": "soap, chatter"}])
def test_a_subprotocol_that_was_not_offered_is_500(host, offer):
    refused = answer(host, "/door/?subprotocol=chat", headers=UPGRADE | offer)
    assert refused.status == 500
    host.logged('subprotocol "chat", but the client offered')


def test_a_consumer_adds_headers_to_the_101(host):
    switching = answer(host, "/door/?header=X-Berth:seven&header=Set-Cookie:a%3db&header=x-berth:8")
    assert switching.status == 101
    assert switching.header("x-berth") == "seven, 8"
    assert switching.header("set-cookie") == "a=b"


RESERVED = ["Connection", "Upgrade", "Sec-WebSocket-Accept", "Sec-WebSocket-Extensions"]
RESERVED += ["Sec-WebSocket-Protocol", "Content-Length", "Transfer-Encoding"]


@pytest.mark.parametrize("name", RESERVED)
@pytest.mark.parametrize("verdict", ["", "&reject=403"])
def test_headers_of_the_handshake_are_the_hosts(host, name, verdict):
    assert answer(host, f"/door/?header={name}:x{verdict}").status == 500
    host.logged(f"(?i)header .{name}. is set by the host")


@pytest.mark.parametrize(
    "header", ["x-a:b\r\nset-cookie: c", "x-a:b\nc", "x-a:b\0", "x a:b", "x-a\r\nx-b:c", ":b"]
)
@pytest.mark.parametrize("verdict", ["", "&reject=403"])
def test_a_header_that_http_does_not_allow_is_500(host, header, verdict):
    refused = answer(host, f"/door/?header={quote(header)}{verdict}")
    assert refused.status == 500
    assert refused.header("set-cookie") == refused.header("x-b") == ""


def test_a_rejection_has_the_consumers_status_headers_and_body(host):
    refused = answer(host, "/door/?reject=451&header=X-Why:law&body=not+here")
    assert (refused.status, refused.header("x-why"), refused.body) == (451, "law", b"not here")


def test_the_clients_library_is_told_the_status_of_a_rejection(host):
    with pytest.raises(InvalidStatus) as refused:
        host.connect("/door/?reject=403")
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("status", [100, 101, 200, 302, 399, 600])
def test_a_rejection_is_400_to_599_or_else_500(host, status):
    assert answer(host, f"/door/?reject={status}").status == 500


@pytest.mark.parametrize("way", ["trap", "spin"])
def test_a_consumer_that_fails_in_connect_is_500(host, way):
    refused = answer(host, f"/door/?{way}")
    assert refused.status == 500
    assert b"asked" not in refused.body
    assert answer(host, "/door/").status == 101


def test_a_close_in_connect_follows_the_101_and_the_frames(host):
    client = host.connect("/door/?greet=2&close")
    assert client.take(2) == ["greeting 0", "greeting 1"]
    assert client.ended()[:2] == (4001, "closed in connect")


def test_a_close_in_connect_changes_nothing_of_a_rejection(host):
    refused = answer(host, "/door/?close&reject=451")
    assert refused.status == 451


def test_frames_sent_in_connect_follow_the_101(host):
    client = host.connect("/door/?greet=3")
    assert client.take(3) == ["greeting 0", "greeting 1", "greeting 2"]
    assert client.ask("next") == "next"


def test_frames_sent_in_connect_are_lost_with_a_rejection(host):
    refused = answer(host, "/door/?greet=3&reject=403&body=no")
    assert (refused.status, refused.body) == (403, b"no")


def test_a_frame_in_the_same_packet_as_the_handshake_is_served(host):
    raw = host.tcp()
    raw.request("/door/", then=frame(TEXT, b"early") + frame(TEXT, b"bird"))
    assert raw.response().status == 101
    assert [raw.recv_frame(), raw.recv_frame()] == [(TEXT, b"early"), (TEXT, b"bird")]


# The scope of a consumer.


def scope(host, path, **options):
    return json.loads(host.connect(path, **options).ask("scope"))


def test_the_scope_has_the_path_decoded_and_raw(host):
    told = scope(host, "/%C3%A9t%C3%A9/?a=1&b=%20c")
    assert told["path"] == "/été/"
    assert told["raw_path"] == "/%C3%A9t%C3%A9/"
    assert told["query_string"] == "a=1&b=%20c"
    assert told["scheme"] == "ws"


def test_the_scope_has_what_the_route_caught(host):
    caught = scope(host, "/door/3/blue%20room/")["url_route"]
    assert caught == [["floor", "3"], ["room", "blue room"]]
    assert scope(host, "/year/1984/a/b")["url_route"] == [["year", "1984"], ["rest", "a/b"]]
    assert scope(host, "/door/")["url_route"] == []


def test_the_scope_has_the_headers_in_lower_case(host):
    headers = scope(host, "/door/", additional_headers={"X-Mixed": "Case", "Cookie": "a=b"})
    names = [name for name, _ in headers["headers"]]
    assert ["x-mixed", "Case"] in headers["headers"] and ["cookie", "a=b"] in headers["headers"]
    assert names == [name.lower() for name in names]


def test_the_scope_has_every_value_of_a_repeated_header(host):
    repeated = [("X-Twice", "1"), ("X-Twice", "2")]
    headers = scope(host, "/door/", additional_headers=repeated)["headers"]
    assert [value for name, value in headers if name == "x-twice"] == ["1", "2"]


def test_the_scope_has_the_offered_subprotocols_in_order(host):
    assert scope(host, "/door/", subprotocols=["b", "a"])["subprotocols"] == ["b", "a"]
    raw = host.tcp()
    offers = "soap\r\nSec-WebSocket-Protocol: chat ,v2"
    raw.request("/door/", headers=UPGRADE | {"Sec-WebSocket-Protocol": offers})
    raw.response()
    raw.send_frame(TEXT, b"scope")
    assert json.loads(raw.recv_frame()[1])["subprotocols"] == ["soap", "chat", "v2"]


def test_the_scope_has_both_addresses(host):
    client = host.connect("/door/")
    told = json.loads(client.ask("scope"))
    assert told["client"] == list(client.local_address)
    assert told["server"] == ["127.0.0.1", host.port]


def test_the_scope_has_no_user_without_an_authenticator(host):
    told = scope(host, "/door/")
    assert (told["user"], told["attributes"]) == (None, [])


def test_handshakes_do_not_wait_for_each_other(host):
    waiting = [host.tcp() for _ in range(50)]
    assert host.connect("/echo/", open_timeout=DEADLINE).ask("served") == "served"
    for raw in waiting:
        raw.close_socket()
