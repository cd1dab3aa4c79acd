"""Instances of source plugins that are loaded before a connection needs them."""

import re
from contextlib import suppress

from websockets.exceptions import InvalidStatus

from admin import ADMIN, Admin
from python_plugin import PythonPlugin
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


def connected(host):
    """A client, or None if the host has refused it."""
    with suppress(InvalidStatus):
        return host.connect("/chat/")


def test_instances_are_kept_ready_while_a_plugin_gets_connections(python):
    host = python(SOURCE, isolation="connection", admin=ADMIN).host
    clients = [host.connect("/chat/") for _ in range(3)]
    eventually(lambda: instances(host) == 3 + 4, "four instances beside those of the clients")
    clients.append(host.connect("/chat/"))
    eventually(lambda: instances(host) == 4 + 4, "another instance")
    assert [client.ask("hello") for client in clients] == ["hello"] * 4


def test_a_plugin_without_connections_keeps_one_instance_ready(python):
    host = python(SOURCE, isolation="connection", admin=ADMIN).host
    eventually(lambda: instances(host) == 1, "an instance before the first connection")


def test_a_new_version_has_an_instance_ready_before_a_connection_comes(python):
    plugin = python(SOURCE, isolation="connection", admin=ADMIN)
    eventually(lambda: instances(plugin.host) == 1, "an instance of the first version")
    plugin.swap(SOURCE.replace("text_data=text_data)", "text_data='new')"))
    eventually(lambda: instances(plugin.host) == 1, "an instance of the new version alone")
    assert plugin.host.connect("/chat/").ask("hello") == "new"


def test_a_shared_plugin_keeps_no_instance_ready(python):
    host = python(SOURCE, isolation="shared", admin=ADMIN).host
    assert host.connect("/chat/").ask("hello") == "hello"
    assert instances(host) == 1


def test_the_last_instance_under_a_limit_is_left_to_a_connection(tmp_path, serve):
    """An instance of the runtime counts as four, so one fits. Another plugin of the tenant gets it."""
    plugins = {name: PythonPlugin(tmp_path / name, SOURCE, name=name, isolation="connection") for name in ("first", "second")}
    tables = {name: plugin.table() for name, plugin in plugins.items()}
    routes = [{"path": f"/{name}/", "plugin": name} for name in plugins]
    tenant = {"path": "/acme", "plugins": tables, "routes": routes, "limits": {"instances": 7}}
    host = serve("echo", tenants={"acme": tenant}, admin=ADMIN)
    for name in plugins:
        client = host.connect(f"/acme/{name}/")
        assert client.ask("hello") == "hello"
        assert instances(host) == 1
        client.close()
        eventually(lambda: instances(host) == 0, "no instance after the connection")


def test_a_new_connection_never_gets_an_instance_of_an_old_version(python):
    plugin = python(SOURCE, isolation="connection", admin=ADMIN)
    plugin.host.connect("/chat/")
    eventually(lambda: instances(plugin.host) == 1 + 4, "the instances that are ready")
    plugin.swap(SOURCE.replace("text_data=text_data)", "text_data='new')"))
    assert [plugin.host.connect("/chat/").ask("hello") for _ in range(6)] == ["new"] * 6


def test_ready_instances_count_towards_the_limit_of_instances(python):
    """A connection that takes an instance which is ready is not refused. One beside an instance that is still loading may
    be: that instance counts already."""
    host = python(SOURCE, isolation="connection", table={"limits": {"instances": 12}}, admin=ADMIN).host
    clients = [eventually(lambda: connected(host), "an instance that is ready") for _ in range(3)]
    assert [client.ask("hello") for client in clients] == ["hello"] * 3
