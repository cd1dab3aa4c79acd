"""Connections that are idle give their instance back, and keep their socket, groups and timers."""

import re

import pytest

from admin import ADMIN, Admin
from javascript_plugin import JavaScriptPlugin
from python_plugin import PythonPlugin
from support import eventually, with_manifest, toml


@pytest.fixture
def start(serve, component, tmp_path):
    """Serves a guest whose connections hibernate after 200 ms."""

    def run(guest, limits=None, **manifest):
        keys = {"name": guest, "isolation": "connection", "hibernate": True, "hibernate_after": "200ms"} | manifest
        file = tmp_path / f"{guest}.wasm"

        def write(**further):
            beside = file.with_suffix(".new")
            beside.write_bytes(with_manifest(component(guest).read_bytes(), toml(keys | further)))
            beside.rename(file)

        write()
        table = {"component": str(file), "grants": "all"} | ({"limits": limits} if limits else {})
        routes = [{"path": "/{room}/", "plugin": guest}]
        host = serve(plugins={guest: table}, routes=routes, admin=ADMIN)
        host.write = write
        host.visit = lambda: host.connect("/red/")
        return host

    return run


def figure(host, name):
    text = Admin(host).ask("/metrics").body.decode()
    return float(re.search(rf"^narrowboat_{name}{{.*}} ([\d.]+)$", text, re.MULTILINE)[1])


def asleep(host, count=1):
    """Waits until this number of connections hibernate."""
    eventually(lambda: figure(host, "hibernated_connections") == count)


def test_an_idle_connection_gives_its_instance_back_and_keeps_its_state(start):
    host = start("rooms")
    client = host.visit()
    assert [client.ask("add"), client.ask("add")] == ["1", "2"]
    asleep(host)
    assert client.ask("get") == "2"
    assert client.ask("reason") == "Some(Hibernation)"
    assert (figure(host, "hibernated_connections"), figure(host, "hibernation_wakes_total")) == (0, 1)
    asleep(host)
    assert client.ask("add") == "3"


def test_a_connection_with_events_does_not_hibernate(start):
    host = start("rooms", hibernate_after="500ms")
    client = host.visit()
    for _ in range(15):
        assert client.ask("get") == "0"
        host.silence(0.1)
    assert figure(host, "hibernation_wakes_total") == 0


def test_instances_of_connections_that_hibernate_count_in_no_limit(start):
    host = start("rooms", limits={"instances": 3})
    for number in range(1, 7):
        host.visit().ask("add")
        asleep(host, number)


def test_a_connection_that_finds_no_instance_ends_with_its_disconnect(start):
    host = start("commander", limits={"instances": 1}, capabilities={"groups": ["*"], "log": True})
    clients = []
    for number in range(1, 4):
        clients.append(host.visit())
        assert clients[-1].ask("add red") == "ok"
        asleep(host, number)
    # Each member wakes for the message, and only one finds an instance.
    assert clients[0].ask("group-send red hello") == "ok"
    codes = [client.ended()[0] for client in clients[1:]]
    assert set(codes) == {1013}
    eventually(lambda: len(re.findall("ended with", host.log())) == 2)
    assert clients[0].ask("channel")


def test_a_frame_for_a_group_needs_no_instance_and_a_message_wakes_the_connection(start):
    host = start("commander", capabilities={"groups": ["*"]})
    client, sender = host.visit(), host.visit()
    assert client.ask("add red") == "ok"
    asleep(host, 2)
    wakes = figure(host, "hibernation_wakes_total")
    assert sender.ask("frame red hello") == "ok"
    assert client.recv() == "hello"
    assert figure(host, "hibernation_wakes_total") == wakes + 1
    assert sender.ask("group-send red hello") == "ok"
    assert client.recv() == "message: hello"
    assert figure(host, "hibernation_wakes_total") == wakes + 2


def test_a_timer_wakes_a_connection(start):
    host = start("commander", capabilities={"groups": ["*"]})
    client = host.visit()
    client.ask("timer 1500")
    asleep(host)
    assert client.recv() == "fired"


def test_disconnect_is_called_after_hibernation(start):
    host = start("commander", capabilities={"log": True})
    client = host.visit()
    client.ask("channel")
    asleep(host)
    client.close()
    host.logged("ended with 1000")


def test_a_connection_that_hibernates_moves_to_a_new_version_and_hibernates_again(start):
    host = start("rooms")
    clients = [host.visit() for _ in range(5)]
    assert [client.ask("add") for client in clients] == ["1"] * 5
    asleep(host, 5)
    host.write(description="another version")
    host.logged("moved=5")
    asleep(host, 5)
    assert [client.ask("add") for client in clients] == ["2"] * 5
    assert clients[0].ask("reason") == "Some(Hibernation)"


def test_connections_that_hibernate_end_when_the_host_stops(start):
    host = start("commander", capabilities={"log": True})
    client = host.visit()
    client.ask("channel")
    asleep(host)
    assert host.stop() == 0
    assert "ended with 1001" in host.log()


PYTHON = """
import asyncio
from channels.generic.websocket import AsyncWebsocketConsumer

class Chat(AsyncWebsocketConsumer):
    count = 0
    async def receive(self, text_data=None, bytes_data=None):
        if text_data == "wait":
            await asyncio.sleep(2)
        self.count += 1
        await self.send(str(self.count))
"""
JAVASCRIPT = """
import { Consumer } from "narrowboat";

export default class Chat extends Consumer {
  count = 0;
  async receive(text) {
    if (text === "wait") await new Promise((resolve) => setTimeout(resolve, 2000));
    this.count += 1;
    this.send(String(this.count));
  }
}
"""


@pytest.mark.parametrize("kind, source", [(PythonPlugin, PYTHON), (JavaScriptPlugin, JAVASCRIPT)])
def test_code_that_waits_keeps_the_instance_in_each_language(serving_source, kind, source):
    manifest = {"hibernate": True, "hibernate_after": "200ms"}
    with serving_source(kind, source, isolation="connection", manifest=manifest, admin=ADMIN, routes=[{"path": "/chat/", "plugin": "chat"}]) as served:
        client = served.host.connect("/chat/")
        assert client.ask("x") == "1"
        asleep(served.host)
        client.send("wait")
        eventually(lambda: figure(served.host, "hibernated_connections") == 0)
        served.host.silence(1)
        assert figure(served.host, "hibernated_connections") == 0
        assert client.recv() == "2"
        asleep(served.host)
        assert client.ask("x") == "3"
