"""Instances of source plugins that are loaded before a connection needs them."""

import re

from admin import ADMIN, Admin
from support import eventually

SOURCE = """
from channels.generic.websocket import WebsocketConsumer

class Echo(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=text_data)
"""


def instances(host):
    figures = Admin(host).ask("/metrics").body.decode()
    return sum(float(count) for count in re.findall(r"^narrowboat_instances{.*} (\S+)$", figures, re.M))


def test_instances_are_kept_ready_while_a_plugin_gets_connections(python):
    host = python(SOURCE, isolation="connection", admin=ADMIN).host
    assert instances(host) == 0
    clients = [host.connect("/chat/") for _ in range(3)]
    eventually(lambda: instances(host) == 3 + 4, "four instances beside those of the clients")
    clients.append(host.connect("/chat/"))
    eventually(lambda: instances(host) == 4 + 4, "another instance")
    assert [client.ask("hello") for client in clients] == ["hello"] * 4


def test_a_plugin_without_connections_keeps_none_ready(python):
    host = python(SOURCE, isolation="connection", admin=ADMIN).host
    assert instances(host) == 0


def test_a_new_connection_never_gets_an_instance_of_an_old_version(python):
    plugin = python(SOURCE, isolation="connection", admin=ADMIN)
    plugin.host.connect("/chat/")
    eventually(lambda: instances(plugin.host) == 1 + 4, "the instances that are ready")
    plugin.swap(SOURCE.replace("text_data=text_data)", "text_data='new')"))
    assert [plugin.host.connect("/chat/").ask("hello") for _ in range(6)] == ["new"] * 6


def test_ready_instances_count_towards_the_limit_of_instances(python):
    """A connection that takes an instance which is ready is not refused."""
    host = python(SOURCE, isolation="connection", table={"limits": {"instances": 12}}, admin=ADMIN).host
    clients = [host.connect("/chat/") for _ in range(3)]
    assert [client.ask("hello") for client in clients] == ["hello"] * 3
