"""Every form of a Redis host, and the messages for wrong ones."""

import pytest

from certificates import certificate, write
from redis_server import Redis, free_port

# The commands that a user of the layer needs.
COMMANDS = """auth select ping client eval zadd zrem zrange zremrangebyscore zcard expire
    bzpopmin zpopmin""".split()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A certificate authority, a server's certificate from it, and another authority."""
    folder = tmp_path_factory.mktemp("tls")
    authority = certificate("authority")
    server = certificate("server", authority)
    for name, made in [("ca", authority), ("server", server), ("other", certificate("x"))]:
        write(folder, name, made)
    return folder


@pytest.fixture(scope="module")
def redis(files):
    """A server that listens in every way and requires a login."""
    tls = free_port()
    options = [
        "user narrowboat on >s3cr@t ~* &* +@all",
        "user default on nopass ~* &* +@all",
        f"user few on >few ~asgi* -@all {' '.join(f'+{word}' for word in COMMANDS)}",
        f"unixsocket {files}/redis.sock",
        f"tls-port {tls}",
        f"tls-cert-file {files}/server.pem",
        f"tls-key-file {files}/server.key",
        f"tls-ca-cert-file {files}/ca.pem",
        "tls-auth-clients optional",
    ]
    with Redis(*options) as redis:
        redis.tls = tls
        yield redis


def hosts(redis, files):
    port, tls, ca = redis.port, redis.tls, str(files / "ca.pem")
    return {
        "pair": ["127.0.0.1", port],
        "url": f"redis://127.0.0.1:{port}",
        "url with a login": f"redis://narrowboat:s3cr%40t@127.0.0.1:{port}/3",
        "unix": f"unix://{files}/redis.sock?db=2",
        "address": {"address": f"redis://127.0.0.1:{port}", "db": 4},
        "arguments": {
            "host": "127.0.0.1",
            "port": port,
            "username": "narrowboat",
            "password": "s3cr@t",
        },
        "tls": {"address": f"rediss://127.0.0.1:{tls}", "ssl_ca_certs": ca},
        "tls with a client's certificate": {
            "address": f"rediss://127.0.0.1:{tls}",
            "ssl_ca_certs": ca,
            "ssl_certfile": str(files / "server.pem"),
            "ssl_keyfile": str(files / "server.key"),
        },
        "tls unverified": {"address": f"rediss://127.0.0.1:{tls}", "ssl_cert_reqs": "none"},
    }


NAMES = [
    "pair",
    "url",
    "url with a login",
    "unix",
    "address",
    "arguments",
    "tls",
    "tls with a client's certificate",
    "tls unverified",
]


@pytest.mark.parametrize("backend", ["redis", "redis-pubsub"])
@pytest.mark.parametrize("name", NAMES)
def test_a_server_is_reached(redis, files, serving, name, backend):
    layer = {"backend": backend, "hosts": [hosts(redis, files)[name]]}
    with serving("commander", layer=layer) as host:
        one, two = host.connect("/commander/"), host.connect("/commander/")
        assert one.ask(f"send {two.ask('channel')} hello") == "ok"
        assert two.recv() == "message: hello"
        assert "channel layer lost" not in host.log()


def test_a_user_needs_few_commands(redis, serving):
    host = {"host": "127.0.0.1", "port": redis.port, "username": "few", "password": "few"}
    with serving("commander", layer={"backend": "redis", "hosts": [host]}) as host:
        client, other = host.connect("/commander/"), host.connect("/commander/")
        assert client.ask(f"send {other.ask('channel')} hello") == "ok"
        assert other.recv() == "message: hello"
        assert other.ask("add g") == "ok"
        assert client.ask(f"send {other.ask('channel')} joined") == "ok"
        assert other.recv() == "message: joined"
        assert client.ask("group-send g hello") == "ok"
        assert other.recv() == "message: hello"
        assert "channel layer lost" not in host.log()


def wrong(redis, files):
    return {
        "password": (
            {"host": "127.0.0.1", "port": redis.port, "username": "narrowboat", "password": "no"},
            "(?i:wrongpass|authentication failed|invalid username-password)",
        ),
        "authority": (
            {
                "address": f"rediss://127.0.0.1:{redis.tls}",
                "ssl_ca_certs": str(files / "other.pem"),
            },
            "(?i:certificate)",
        ),
        "file": (
            {"address": f"rediss://127.0.0.1:{redis.tls}", "ssl_ca_certs": str(files / "gone")},
            "gone: No such file",
        ),
        "socket": (f"unix://{files}/nowhere.sock", "(?i:no such file)"),
        "port": (["127.0.0.1", 1], "(?i:refused)"),
    }


@pytest.mark.parametrize("name", ["password", "authority", "file", "socket", "port"])
def test_a_server_that_cannot_be_reached_is_named_with_the_cause(redis, files, serving, name):
    address, words = wrong(redis, files)[name]
    with serving("commander", layer={"backend": "redis", "hosts": [address]}) as host:
        said = host.logged(f"channel layer lost; .*{words}.*")[0]
        assert "s3cr" not in said
        assert host.connect("/commander/").ask("channel").startswith("specific.")
