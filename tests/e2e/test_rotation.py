"""Secrets of other servers that change while the host runs: the webhook, the key-value store and sentinels."""

import json

import pytest

from admin import ADMIN, Admin
from redis_server import Redis
from support import eventually
from test_secrets import secret_file
from test_webhook import answering, told


def test_a_changed_address_of_the_webhook_is_asked_from_the_next_handshake_on(serve, tmp_path):
    users = [json.dumps({"sub": name}).encode() for name in ("one", "two")]
    with answering(lambda _: (200, users[0])) as first, answering(lambda _: (200, users[1])) as second:
        webhook = {"url": secret_file(tmp_path / "url", first.url), "headers": ["Cookie"]}
        host = serve("doorman", top={"users": {"webhook": webhook}})
        assert json.loads(told(host, Cookie="a=b"))["sub"] == "one"
        secret_file(tmp_path / "url", second.url)
        host.logged("secret has changed .*url")
        assert json.loads(told(host, Cookie="a=b"))["sub"] == "two"


@pytest.mark.parametrize("form", ["url", "password"])
def test_a_changed_password_of_the_key_value_store_is_used_for_the_next_connection(serve, tmp_path, form):
    with Redis() as redis:
        redis.ask("CONFIG", "SET", "requirepass", "first")
        text = lambda password: f"redis://:{password}@127.0.0.1:{redis.port}/0" if form == "url" else password
        reference = secret_file(tmp_path / "secret", text("first"))
        server = reference if form == "url" else {"host": "127.0.0.1", "port": redis.port, "password": reference}
        host = serve("keeper", top={"keyvalue": {"backend": "redis", "hosts": [server]}})
        client = host.connect("/keeper/")
        assert client.ask("notes set a before") == "ok"
        redis.ask_after_login("first", "CONFIG", "SET", "requirepass", "second")
        secret_file(tmp_path / "secret", text("second"))
        host.logged("secret has changed .*secret")
        redis.ask_after_login("second", "CLIENT", "KILL", "TYPE", "normal")
        eventually(lambda: client.ask("notes set a after") == "ok", "a write with the new password")
        assert client.ask("notes get a") == "= after"


def test_a_changed_password_of_sentinels_is_used_for_the_next_question(serve, tmp_path):
    with Redis() as master:
        options = [f"sentinel monitor site 127.0.0.1 {master.port} 1", "requirepass first"]
        with Redis(*options, kind="sentinel") as sentinel:
            reference = secret_file(tmp_path / "secret", "first")
            hosts = [
                {
                    "sentinels": [["127.0.0.1", sentinel.port]],
                    "master_name": "site",
                    "sentinel_kwargs": {"password": reference},
                }
            ]
            host = serve("echo", layer={"backend": "redis", "hosts": hosts}, admin=ADMIN)
            connected = lambda: Admin(host).get("/v1/status")["layers"][0]["connected"]
            eventually(connected, "the layer")
            sentinel.ask_after_login("first", "ACL", "SETUSER", "default", "resetpass", ">second")
            secret_file(tmp_path / "secret", "second")
            host.logged("secret has changed .*secret")
            # The next connection asks the sentinel, which takes only the new password.
            master.kill()
            eventually(lambda: not connected(), "the loss of the master")
            master.start()
            eventually(connected, "the layer with the new password of the sentinel")
