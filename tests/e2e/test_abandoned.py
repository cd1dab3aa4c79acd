"""Abandoned handshakes. For every way to abandon one, `disconnect` runs for each accepted consumer, and no state is
left."""

import random
import re
import socket
import ssl
import struct
import threading
import time
from contextlib import ExitStack, suppress

import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from admin import ADMIN, Admin
from certificates import certificate, write
from redis_server import Redis
from support import DEADLINE, KEY, eventually, with_manifest

# Handshakes for each way, half of a test, plugin and layer.
TIMES = 120

# Guests that count their clients. `visitors` counts in its instance. `turnstile` counts in the key-value store, so its
# calls run on guest threads. A separate instance of `visitors` cannot count others.
PLUGINS = {
    "inline-shared": {"guest": "visitors", "isolation": "shared"},
    "inline-own": {"guest": "visitors", "isolation": "connection"},
    "aside-shared": {"guest": "turnstile", "isolation": "shared"},
    "aside-own": {"guest": "turnstile", "isolation": "connection"},
}
TOLD = ["inline-shared", "aside-shared", "aside-own"]

# The maximum growth of the host's memory in the second half.
SLACK = 32 << 20

# The number of consecutive short calls after which calls of a version run on the socket's task again.
GOOD_STREAK = 1000

# Rounds in which a long handshake is abandoned. In most of them another session runs the handshake's call.
ABANDONED_AS_CALLS_BECOME_LONG = 12

LIMITS = {"connections_per_address": 100_000, "handshakes_per_address": 100_000}


def request(plugin, query=""):
    """A handshake request with long headers, so that a leaked request shows in the memory."""
    padding = "".join(f"X-Padding-{number}: {'x' * 900}\r\n" for number in range(8))
    return (
        f"GET /{plugin}/{query} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{padding}\r\n"
    ).encode()


def connected(host):
    return socket.create_connection(("127.0.0.1", host.port), DEADLINE)


def hear_out(client):
    """Reads until the host has closed the connection."""
    with suppress(OSError):
        while client.recv(65536):
            pass
    client.close()


def hesitate():
    """Waits for a random time, so the consumer may or may not have accepted. The host does not ask a consumer if the
    client has already left when the host reads the request."""
    time.sleep(random.choice([0, 0.0002, 0.001, 0.003]))


def half_close(host, plugin, before=b"", query=""):
    client = connected(host)
    client.sendall(before + request(plugin, query))
    hesitate()
    client.shutdown(socket.SHUT_WR)
    hear_out(client)


def proxied(host, plugin):
    address = f"192.0.2.{random.randrange(1, 255)}"
    half_close(host, plugin, f"PROXY TCP4 {address} 127.0.0.1 4711 80\r\n".encode())


def reset(host, plugin):
    client = connected(host)
    client.sendall(request(plugin))
    hesitate()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def tls_close(host, plugin):
    """Closes with a TLS close_notify soon after the request."""
    client = connected(host)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = host.trusting.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            client.sendall(outgoing.read())
            incoming.write(client.recv(65536))
    tls.write(request(plugin))
    client.sendall(outgoing.read())
    hesitate()
    with suppress(ssl.SSLWantReadError):
        tls.unwrap()
    client.sendall(outgoing.read())
    hear_out(client)


def repeat(way):
    """Repeats a way to abandon handshakes, for each plugin in turn, on a few threads."""

    def run(host):
        def some():
            for _ in range(TIMES // 4):
                for plugin in PLUGINS:
                    way(host, plugin)

        threads = [threading.Thread(target=some) for _ in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]

    return run


def time_out(host):
    """Handshakes that time out, because Redis is paused or because the guests are busy."""
    if host.redis:
        host.redis.pause()
    query = "" if host.redis else "?work=20000000"
    clients = [(connected(host), plugin) for _ in range(TIMES) for plugin in PLUGINS]
    for client, plugin in clients:
        client.sendall(request(plugin, query))
    for number, (client, _) in enumerate(clients):
        # Handshakes that finished in time are open, and are closed here.
        with suppress(OSError):
            client.recv(65536)
        client.close()
        if number == 0 and host.redis:
            # The first client has timed out. Resume Redis before the host detects the failure.
            host.redis.go_on()


WAYS = {
    "plain": [repeat(half_close), repeat(reset), time_out],
    "tls": [repeat(tls_close)],
    "proxy": [repeat(proxied)],
}


def is_empty(plugin, ask):
    """Whether a plugin's guest counts only the asking client, and its handshake succeeds in time."""
    try:
        client = ask(plugin)
    except (OSError, InvalidHandshake):
        return False
    told = client.ask("?")
    client.close()
    return told == "1"


def brought(admin):
    """The number of events of all guests, which includes the handshakes that reached a guest."""
    figures = admin.ask("/metrics").body.decode()
    return sum(float(events) for events in re.findall(r"^narrowboat_guest_events_total{.*} (\S+)$", figures, re.M))


@pytest.fixture
def serve_over(serve, tmp_path):
    """Starts the plugins on a layer, for clients of one kind."""
    with ExitStack() as stack:

        def start(layer, kind):
            redis = stack.enter_context(Redis()) if layer == "redis" else None
            limits = LIMITS | ({"handshake_timeout": "1s"} if kind == "plain" else {})
            settings = {"layer": {"backend": "redis", "hosts": [redis.address]}} if redis else {}
            if kind == "proxy":
                settings["top"] = {"proxy": {"trusted": ["127.0.0.0/8"], "proxy_protocol": True}}
            if kind == "tls":
                authority = certificate("authority")
                write(tmp_path, "ca", authority)
                write(tmp_path, "server", certificate("host", authority))
                settings["tls"] = {"cert": str(tmp_path / "server.pem"), "key": str(tmp_path / "server.key")}
            host = serve(plugins=PLUGINS, limits=limits, admin=ADMIN, watch="off", **settings)
            host.redis = redis
            if kind == "tls":
                host.trusting = ssl.create_default_context(cafile=tmp_path / "ca.pem")
            return host

        yield start


@pytest.mark.parametrize("layer", ["memory", "redis"])
@pytest.mark.parametrize("kind", WAYS)
def test_an_abandoned_handshake_leaves_nothing(serve_over, component, layer, kind, figure):
    host = serve_over(layer, kind)
    admin = Admin(host)
    secure = {"ssl": host.trusting} if kind == "tls" else {}

    def ask(plugin):
        if kind == "proxy":
            sock = connected(host)
            sock.sendall(b"PROXY TCP4 192.0.2.1 127.0.0.1 4711 80\r\n")
            secure["sock"] = sock
        if kind == "tls":
            host.url = lambda path: f"wss://127.0.0.1:{host.port}{path}"
        return host.connect(f"/{plugin}/", **secure)

    sizes = []
    # The first half shows the host's normal memory for this number of connections.
    for _ in range(2):
        for way in WAYS[kind]:
            before = brought(admin)
            way(host)
            assert brought(admin) - before > 0, "guests were not asked at all"
            for plugin in TOLD:
                what = f"the end of all visitors of {plugin}"
                eventually(lambda: is_empty(plugin, ask), what)
        sizes.append(host.rss())
    figure(f"memory after abandoned handshakes, {kind}, {layer}", [f"{size >> 20} MiB" for size in sizes])
    assert sizes[1] - sizes[0] < SLACK, sizes
    # The limits are free again, and no consumer is left to move.
    eventually(lambda: admin.get("/v1/status")["connections"] == 0, "the end of all connections")
    for plugin, table in PLUGINS.items():
        built = component(table["guest"]).read_bytes()
        asks = "[capabilities]\ngroups = ['visitors']\n" + ("keyvalue = true\n" if "aside" in plugin else "")
        other = with_manifest(built, f"name = '{table['guest']}'\ndescription = 'Another.'\nisolation = 'shared'\n{asks}")
        answer = admin.deploy(plugin, other)
        assert (answer.status, answer.json()["migrated"]) == (200, 0), answer.body


@pytest.mark.parametrize("layer", ["memory", "redis"])
def test_a_trap_in_the_disconnect_of_an_abandoned_handshake_ends_whoever_shares_the_instance(serve_over, layer):
    host = serve_over(layer, "plain")
    silent = host.connect("/inline-shared/")
    for _ in range(100):
        half_close(host, "inline-shared", query="?fatal=1")
    assert silent.ended()[0] == 1011

    def is_made_anew():
        # The last abandoned handshakes may still end an instance.
        with suppress(ConnectionClosed):
            return is_empty("inline-shared", lambda plugin: host.connect(f"/{plugin}/"))

    eventually(is_made_anew, "another instance")


def test_a_consumer_that_an_abandoned_handshake_leaves_as_calls_become_long_is_told(serve):
    """Calls are short again, and many handshakes arrive at once. The long one is abandoned while another session
    runs its call."""
    host = serve(plugins={"visitors": {"isolation": "shared"}}, limits=LIMITS | {"call_time": "5s"})
    client = host.connect("/visitors/")
    for _ in range(ABANDONED_AS_CALLS_BECOME_LONG):
        for _ in range(GOOD_STREAK + 50):
            client.ask("?")
        short, long = [connected(host) for _ in range(24)], connected(host)
        for number, other in enumerate(short):
            other.sendall(request("visitors", "?work=150000"))
            if number == 4:
                long.sendall(request("visitors", "?work=40000000"))
        time.sleep(0.02)
        for other in [long, *short]:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            other.close()
        eventually(lambda: client.ask("?") == "1", "the end of all visitors but one")
