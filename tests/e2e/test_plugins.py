"""The behaviour of the plugins in plugins/."""

import pytest

from support import Host


@pytest.fixture(scope="module")
def host(serving):
    routes = [
        {"path": "/echo/", "plugin": "echo"},
        {"path": "/broadcast/", "plugin": "broadcast"},
        {"path": "/group/{room}/", "plugin": "group"},
        {"path": "/roomless/", "plugin": "group"},
        {"path": "/reply/", "plugin": "reply"},
    ]
    with serving("echo", "broadcast", "group", "reply", routes=routes) as host:
        yield host


@pytest.mark.parametrize("message", ["hello", "你好, 🚤", "", b"\x00\xff", b""])
def test_echo_sends_every_frame_back(host, message):
    assert host.connect("/echo/").ask(message) == message


def test_echo_answers_each_client_with_its_own(host):
    clients = [host.connect("/echo/") for _ in range(10)]
    for number, client in enumerate(clients):
        client.send(f"number {number}")
    assert [client.recv() for client in clients] == [f"number {number}" for number in range(10)]


def test_echo_keeps_the_order(host):
    client = host.connect("/echo/")
    texts = [str(number) for number in range(500)]
    for text in texts:
        client.send(text)
    assert client.take(500) == texts


def test_broadcast_sends_each_text_to_every_client_its_sender_included(host):
    clients = [host.connect("/broadcast/") for _ in range(5)]
    clients[2].send("to all")
    assert [client.recv() for client in clients] == ["to all"] * 5


def test_broadcast_goes_on_without_a_client_that_left(host):
    left, *stayed = [host.connect("/broadcast/") for _ in range(3)]
    left.close()
    stayed[0].send("still here")
    assert [client.recv() for client in stayed] == ["still here"] * 2


def test_broadcast_goes_on_without_a_client_that_was_cut_off(host):
    left = host.raw("/broadcast/")
    stayed = [host.connect("/broadcast/") for _ in range(2)]
    left.reset()
    stayed[0].send("still here")
    assert [client.recv() for client in stayed] == ["still here"] * 2


def test_broadcast_ignores_binary(host):
    client = host.connect("/broadcast/")
    client.send(b"not for all")
    assert client.ask("for all") == "for all"


def test_group_sends_a_text_to_the_whole_room(host):
    red = [host.connect("/group/red/") for _ in range(3)]
    red[1].send("hello, red")
    assert [client.recv() for client in red] == ["hello, red"] * 3


def test_group_keeps_rooms_apart(host):
    one, other = host.connect("/group/one/"), host.connect("/group/other/")
    one.send("for one")
    assert one.recv() == "for one"
    assert other.ask("for the other") == "for the other"


def test_group_keeps_the_order_of_a_sender(host):
    sender, receiver = host.connect("/group/order/"), host.connect("/group/order/")
    for number in range(50):
        sender.send(str(number))
    assert receiver.take(50) == [str(number) for number in range(50)]


def test_group_goes_on_without_a_client_that_left(host):
    left, stayed = host.connect("/group/leaving/"), host.connect("/group/leaving/")
    left.close()
    assert stayed.ask("still here") == "still here"


def test_group_refuses_a_room_that_is_no_name(host):
    raw = host.tcp()
    raw.request("/group/two%20words/")
    assert raw.response().status == 400


def test_group_is_nowhere_without_a_room(host):
    raw = host.tcp()
    raw.request("/roomless/")
    answer = raw.response()
    assert (answer.status, answer.body) == (404, b"which room?\n")


def test_reply_answers_every_frame_with_the_same_words(host):
    client = host.connect("/reply/")
    assert [client.ask(frame) for frame in ("a text", b"\x01\x02", "")] == ["收到了"] * 3


def test_log_lines_of_a_plugin_are_in_the_hosts_log_with_its_name(host):
    client = host.connect("/reply/")
    client.ask("log me 你好")
    client.ask(b"\x07\x08")
    assert "reply" in host.logged('.*got the text "log me 你好".*')[0]
    assert "reply" in host.logged(r".*got 2 bytes: \[7, 8\].*")[0]


def test_the_demos_configuration_builds_and_serves_the_three_plugins_in_each_language(narrowboat, root, tmp_path):
    with Host(narrowboat.binary, tmp_path, root / "narrowboat.toml") as host:
        for language in ("", "/python", "/javascript"):
            assert host.connect(f"{language}/echo/").ask("echo") == "echo"
            assert host.connect(f"{language}/broadcast/").ask("broadcast") == "broadcast"
            assert host.connect(f"{language}/group/red/").ask("group") == "group"
