"""The proxy that injects faults for other tests."""

import socket
import threading
from contextlib import suppress

import pytest

from faulty import Proxy
from faulty_redis import RedisProxy
from redis_server import Redis, command
from support import DEADLINE, eventually


class Echo:
    """A TCP echo server that records how each connection ended."""

    def __init__(self):
        self.ends = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection):
        with connection:
            try:
                while data := connection.recv(4096):
                    connection.sendall(data)
                self.ends.append("closed")
            except OSError:
                self.ends.append("reset")

    def ended(self, how):
        eventually(lambda: how in self.ends, f"the server's connection {how}")

    def close(self):
        # Without the shutdown, the accepting thread would not end.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def echo():
    echo = Echo()
    yield echo
    echo.close()


@pytest.fixture
def proxy(echo):
    with Proxy(echo.port) as proxy:
        yield proxy


@pytest.fixture
def client(proxy):
    with connected(proxy) as client:
        assert asked(client, b"hello") == b"hello"
        yield client


def connected(proxy):
    return socket.create_connection(("127.0.0.1", proxy.port), DEADLINE)


def asked(client, data):
    """Sends data and returns the same number of bytes."""
    client.sendall(data)
    return received(client, len(data))


def received(client, count):
    got = b""
    while len(got) < count:
        data = client.recv(count - len(got))
        assert data, got
        got += data
    return got


def comes(client, expected):
    return received(client, len(expected)) == expected


def nothing_comes(client):
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.recv(1)
    client.settimeout(DEADLINE)
    return True


def test_bytes_pass_both_ways_and_are_counted(proxy, client):
    assert asked(client, b"x" * 1_000_000) == b"x" * 1_000_000
    eventually(lambda: proxy.down.passed == proxy.up.passed == 1_000_005, "all bytes counted")
    assert (proxy.accepted, proxy.connections) == (1, 1)


def test_a_delay_holds_for_one_direction_and_may_end(proxy, client):
    proxy.down.delay = 60
    client.sendall(b"late")
    eventually(lambda: proxy.up.passed == 9, "passing the other way")
    assert nothing_comes(client)
    proxy.down.delay = 0
    with connected(proxy) as other:
        assert asked(other, b"now") == b"now"


def test_pieces_are_as_small_as_wanted(proxy, client):
    proxy.down.piece = proxy.up.piece = 1
    assert asked(client, b"bytewise") == b"bytewise"


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_stall_holds_back_and_loses_nothing(proxy, client, direction):
    getattr(proxy, direction).stall()
    client.sendall(b"later")
    assert nothing_comes(client)
    proxy.go_on()
    assert received(client, 5) == b"later"


def test_a_cut_closes_both_sides(proxy, client, echo):
    proxy.cut()
    assert client.recv(1) == b""
    echo.ended("closed")
    assert proxy.connections == 0


def test_a_reset_resets_both_sides(proxy, client, echo):
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    echo.ended("reset")


def test_a_half_close_ends_one_direction(proxy, client, echo):
    proxy.half_close(proxy.down)
    assert client.recv(1) == b""
    client.sendall(b"still going up")
    eventually(lambda: proxy.up.passed == 5 + 14, "passing up")
    client.close()
    echo.ended("closed")


def test_a_clients_half_close_and_reset_are_passed_on(proxy, echo):
    client = connected(proxy)
    client.sendall(b"last words")
    client.shutdown(socket.SHUT_WR)
    assert received(client, 10) == b"last words"
    assert client.recv(1) == b""
    echo.ended("closed")
    client.close()
    client = connected(proxy)
    assert asked(client, b"hello") == b"hello"
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    echo.ended("reset")


@pytest.mark.parametrize("then", ["cut", "half-close"])
def test_a_limit_lets_so_many_bytes_through(proxy, client, then):
    proxy.down.limit(3, then)
    client.sendall(b"hello")
    assert received(client, 3) == b"hel"
    assert client.recv(1) == b""


def test_a_limit_may_end_in_a_reset(proxy, client):
    proxy.up.limit(0, "reset")
    client.sendall(b"hello")
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_a_limit_may_stall_until_it_ends(proxy, client):
    proxy.down.limit(3, "stall")
    client.sendall(b"hello")
    assert received(client, 3) == b"hel"
    assert nothing_comes(client)
    proxy.go_on()
    assert received(client, 2) == b"lo"


def test_connections_are_refused_and_accepted_again_on_the_same_port(proxy, client):
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        connected(proxy)
    assert asked(client, b"stands") == b"stands"
    proxy.accept()
    with connected(proxy) as other:
        assert asked(other, b"again") == b"again"


def test_a_silent_one_accepts_and_says_nothing_until_it_speaks(proxy):
    proxy.be_silent()
    with connected(proxy) as client:
        client.sendall(b"hello")
        assert nothing_comes(client)
        proxy.speak()
        assert received(client, 5) == b"hello"


def test_a_server_that_is_not_there_is_a_reset(echo):
    with Proxy(echo.port) as proxy:
        proxy.target = ("127.0.0.1", 1)
        # The reset may arrive before the connect has returned.
        with pytest.raises(ConnectionResetError), connected(proxy) as client:
            client.recv(1)


@pytest.fixture(scope="module")
def redis():
    with Redis() as redis:
        yield redis


def test_chosen_commands_are_answered_with_a_chosen_error_in_their_turn(redis):
    with RedisProxy(redis.port) as proxy, connected(proxy) as client:
        proxy.answer("OOM no memory", to=["SET"])
        client.sendall(command("PING") + command("SET", "k", "v") + command("GET", "k"))
        assert comes(client, b"+PONG\r\n-OOM no memory\r\n$-1\r\n")
        proxy.answer(None)
        client.sendall(command("SET", "k", "v") + command("GET", "k"))
        assert comes(client, b"+OK\r\n$1\r\nv\r\n")
        assert proxy.commands["SET"] == 2
        proxy.answer("BUSY a script", times=1)
        client.sendall(command("PING") + command("PING"))
        assert comes(client, b"-BUSY a script\r\n+PONG\r\n")


def test_a_subscriber_is_refused_between_messages(redis):
    with RedisProxy(redis.port) as proxy, connected(proxy) as client:
        client.sendall(command("SUBSCRIBE", "a"))
        assert comes(client, b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n")
        proxy.answer("NOPERM no", to=["SUBSCRIBE"])
        client.sendall(command("SUBSCRIBE", "b"))
        assert comes(client, b"-NOPERM no\r\n")
        redis.ask("PUBLISH", "a", "m")
        assert comes(client, b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nm\r\n")
