"""A Django site under uvicorn and the group plugin, in one room."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

from redis_server import Redis, free_port
from support import CLIENTS, Client, eventually
from websockets.sync.client import connect

LAYERS = {
    "redis": "channels_redis.core.RedisChannelLayer",
    "redis-pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
}


class Site:
    """Django under uvicorn."""

    def __init__(self, port):
        self._port = port

    def connect(self, path):
        url = f"ws://127.0.0.1:{self._port}{path}"
        client = connect(url, create_connection=Client, legacy=True, proxy=None)
        CLIENTS.append(client)
        return client


@contextmanager
def site(root, redis, backend, log):
    port = free_port()
    config = {"BACKEND": LAYERS[backend], "CONFIG": {"hosts": [redis.address]}}
    command = [sys.executable, "-m", "uvicorn", "--port", str(port), "django_chat:application"]
    environment = os.environ | {"CHANNEL_LAYERS": json.dumps({"default": config})}
    with open(log, "w") as out:
        process = subprocess.Popen(
            command, cwd=root / "tests/peers", env=environment, stdout=out, stderr=out
        )
    try:
        eventually(lambda: "running on" in log.read_text() or process.poll() is not None, "uvicorn")
        assert process.poll() is None, log.read_text()
        yield Site(port)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module", params=LAYERS)
def both(request, root, serving, tmp_path_factory):
    """A host and a site on one layer."""
    log = tmp_path_factory.mktemp("site") / "log"
    routes = [{"path": "/chat/{room}/", "plugin": "group"}]
    with Redis() as redis, site(root, redis, request.param, log) as django:
        layer = {"backend": request.param, "hosts": [redis.address]}
        with serving("group", layer=layer, routes=routes) as host:
            yield host, django


def test_clients_of_both_are_in_one_room(both):
    host, django = both
    clients = [server.connect("/chat/one/") for server in (host, django) for _ in range(3)]
    elsewhere = [server.connect("/chat/two/") for server in (host, django)]
    for number, sender in enumerate(clients):
        sender.send(f"message {number}")
        assert [client.recv() for client in clients] == [f"message {number}"] * len(clients)
    elsewhere[0].send("only here")
    assert [client.recv() for client in elsewhere] == ["only here"] * 2


def test_a_type_with_an_underscore_reaches_the_handlers_of_both(both):
    host, django = both
    here, there = host.connect("/chat/types/"), django.connect("/chat/types/")
    for text in ("with a full stop", "_with an underscore"):
        there.send(text)
        assert (here.recv(), there.recv()) == (text, text)


def test_messages_keep_their_order_between_django_and_the_host(both):
    host, django = both
    for speaker, listener in [(host, django), (django, host)]:
        listening, speaking = listener.connect("/chat/order/"), speaker.connect("/chat/order/")
        for number in range(100):
            speaking.send(str(number))
            speaking.recv()
        assert listening.take(100) == [str(number) for number in range(100)]
        listening.close()
        speaking.close()


def test_a_former_member_gets_nothing(both):
    host, django = both
    for leaver, stayer in [(host, django), (django, host)]:
        leaving, staying = leaver.connect("/chat/left/"), stayer.connect("/chat/left/")
        leaving.close()
        assert staying.ask("anyone?") == "anyone?"
        staying.close()
