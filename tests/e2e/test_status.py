"""What the operator's tools are told on a listener of its own."""

import re
import socket

import pytest

from redis_server import Redis
from support import Response, eventually

ADMIN = {"listen": "127.0.0.1:0"}


def asked(host, path, method="GET"):
    """The answer to a request to the host's own listener."""
    port = int(re.search(r"status on http://127\.0\.0\.1:(\d+)", host.stdout())[1])
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        request = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        whole = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = whole.partition(b"\r\n\r\n")
    return Response(head + b"\r\n\r\n", body)


def figures(host):
    """Prometheus's figures by their names."""
    answer = asked(host, "/metrics")
    assert answer.status == 200
    assert answer.header("content-type").startswith("application/openmetrics-text")
    lines = answer.body.decode().splitlines()
    assert lines[-1] == "# EOF"
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def test_a_host_is_alive_and_ready(serving):
    with serving("commander", admin=ADMIN) as host:
        for path, words in [("/healthz", b"alive\n"), ("/readyz", b"ready\n")]:
            answer = asked(host, path)
            assert (answer.status, answer.body) == (200, words)
        assert figures(host)['narrowboat_layer_connected{layer="default"}'] == "1"


@pytest.mark.parametrize(("path", "method", "status"), [("/", "GET", 404), ("/metrics", "POST", 400)])
def test_nothing_else_is_answered(serving, path, method, status):
    with serving("commander", admin=ADMIN) as host:
        assert asked(host, path, method).status == status


def test_without_a_word_there_is_no_such_listener(serving):
    with serving("commander") as host:
        assert "status on" not in host.stdout()


@pytest.mark.parametrize("backend", ["redis", "redis-pubsub"])
def test_a_host_is_not_ready_while_its_layer_is_away(serving, backend):
    with Redis() as redis:
        layer = {"backend": backend, "hosts": [redis.address]}
        with serving("commander", layer=layer, admin=ADMIN) as host:
            eventually(lambda: asked(host, "/readyz").status == 200, "ready")
            redis.kill()
            eventually(lambda: asked(host, "/readyz").status == 503, "not ready")
            assert asked(host, "/readyz").body == b'layer "default" is away\n'
            assert asked(host, "/healthz").status == 200
            client = host.connect("/commander/")
            for _ in range(3):
                assert client.ask("group-send g hello") == "ok"
            assert figures(host)['narrowboat_layer_connected{layer="default"}'] == "0"
            assert int(figures(host)['narrowboat_layer_waiting{layer="default"}']) >= 3
            redis.start()
            eventually(lambda: asked(host, "/readyz").status == 200, "ready")


def test_what_was_dropped_and_what_is_foreign_is_counted(serving):
    with Redis() as redis:
        layer = {"backend": "redis", "hosts": [redis.address], "capacity": 1}
        with serving("commander", layer=layer, admin=ADMIN) as host:
            client = host.connect("/commander/")
            for _ in range(3):
                assert client.ask("send jobs hello") == "ok"
            channel = client.ask("channel")
            redis.ask("ZADD", "asgi" + channel[: channel.index("!") + 1], 9e9, b"foreign")
            count = lambda what: figures(host)[f'narrowboat_layer_{what}_total{{layer="default"}}']
            eventually(lambda: count("dropped") == "2", "two dropped")
            eventually(lambda: count("foreign") == "1", "one foreign")
