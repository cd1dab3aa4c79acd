"""How a host stops."""

import socket
from signal import SIGINT, SIGTERM

import pytest

from support import DEADLINE, eventually

# ctrl-c sends SIGINT, a service manager sends SIGTERM.
both_signals = pytest.mark.parametrize("number", [SIGINT, SIGTERM], ids=["ctrl-c", "SIGTERM"])


@pytest.fixture
def patient(serve):
    """A host whose limits allow it to wait for minutes."""
    return serve(
        "closer", "echo", limits={"shutdown_grace": "5m", "close_timeout": "5m", "call_time": "5m"}
    )


def refuses(host):
    """Whether the host no longer accepts connections."""
    try:
        socket.create_connection(("127.0.0.1", host.port), DEADLINE).close()
    except ConnectionRefusedError:
        return True
    return False


@both_signals
def test_clients_are_told_1001_and_the_exit_code_is_0(serve, number):
    host = serve("echo", limits={"shutdown_grace": "1m"})
    clients = [host.connect("/echo/") for _ in range(20)]
    assert host.stop(number) == 0
    assert {client.ended()[0] for client in clients} == {1001}


@both_signals
def test_consumers_hear_of_it_and_may_say_goodbye(serve, number):
    host = serve("closer")
    client = host.connect("/closer/")
    assert host.stop(number) == 0
    messages, (code, _) = client.rest()
    assert (messages, code) == (["goodbye"], 1001)
    assert "closed with 1001" in host.log()


def test_consumers_of_a_shared_instance_hear_of_it_too(serve):
    host = serve("commander")
    clients = [host.connect("/commander/") for _ in range(3)]
    assert host.stop() == 0
    assert [client.ended()[0] for client in clients] == [1001] * 3
    assert host.log().count("ended with 1001") == 3


def test_a_host_without_clients_stops_at_once(patient):
    assert patient.stop() == 0


@both_signals
def test_a_stopping_host_accepts_nobody(patient, number):
    # This client never replies to the Close, so the host waits for it.
    deaf = patient.raw("/echo/")
    patient.send_signal(number)
    assert deaf.recv_frame()
    eventually(lambda: refuses(patient), "closing the listener")


@both_signals
def test_a_second_ctrl_c_leaves_at_once(patient, number):
    deaf = patient.raw("/echo/")
    patient.send_signal(number)
    assert deaf.recv_frame()
    assert patient.stop(SIGINT) == 130


def test_a_peer_that_ignores_the_close_does_not_hold_the_host_past_the_grace(serve):
    host = serve("echo", limits={"shutdown_grace": "500ms", "close_timeout": "5m"})
    deaf = [host.raw("/echo/") for _ in range(3)]
    client = host.connect("/echo/")
    assert host.stop() == 0
    assert client.ended()[0] == 1001
    assert [raw.ended()[0] for raw in deaf] == [1001] * 3
    host.logged("dropped connections that did not end within shutdown_grace open=3")


def test_a_peer_that_does_not_read_does_not_hold_the_host_past_the_grace(serve):
    limits = {"shutdown_grace": "500ms", "close_timeout": "5m", "outbound_queue": "64 MiB"}
    host = serve("misbehave", limits=limits)
    stalled = host.raw("/misbehave/", receive_buffer=4096)
    stalled.send_frame(1, b"flood 15 1000000")
    host.connect("/misbehave/").ask("ok")
    assert host.stop() == 0


@pytest.mark.parametrize("isolation", ["connection", "shared"])
def test_a_consumer_that_loops_in_disconnect_does_not_hold_the_host(serve, isolation):
    plugins = {"misbehave": {"isolation": isolation}}
    host = serve(plugins=plugins, limits={"shutdown_grace": "500ms", "call_time": "5m"})
    assert host.connect("/misbehave/").ask("loop-in-disconnect") == "ok"
    assert host.stop() == 0


def test_an_unfinished_handshake_does_not_hold_the_host_past_the_grace(serve):
    host = serve("echo", limits={"shutdown_grace": "500ms", "handshake_timeout": "5m"})
    host.tcp().send(b"GET /echo/ HTTP/1.1\r\n")
    assert host.connect("/echo/").ask("hello") == "hello"
    assert host.stop() == 0


def test_the_second_signals_effect_is_announced(patient):
    deaf = patient.raw("/echo/")
    patient.send_signal(SIGINT)
    assert deaf.recv_frame()
    patient.logged("once more to leave at once")
