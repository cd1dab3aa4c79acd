"""The settings of plugins: what a guest reads, and when it reads new values."""

import json
import time

import pytest

from admin import ADMIN, Admin
from http_server import listening
from support import eventually, toml, with_manifest

# The time after which a changed secret is used.
LIVE_WITHIN = 2

SOCKETS = 100


def rotate(path, text):
    """Replaces the file of a secret, and returns a reference to it."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text + "\n")
    new.chmod(0o600)
    new.rename(path)
    return {"file": str(path)}


@pytest.fixture
def server():
    with listening() as server:
        yield server


@pytest.fixture
def reading(serve, component, tmp_path, server):
    """Starts a host that serves the guest `reader` with settings. It may send requests to the test's server."""

    def start(config, isolation="connection", **settings):
        asks = {"http": [f"http://localhost:{server.port}"], "private_addresses": True}
        manifest = {"name": "reader", "isolation": isolation, "capabilities": asks}
        file = tmp_path / "reader.wasm"
        file.write_bytes(with_manifest(component("reader").read_bytes(), toml(manifest)))
        plugins = {"reader": {"component": str(file), "config": config}}
        host = serve(plugins=plugins, admin=ADMIN, **settings)
        host.admin = Admin(host)
        return host

    return start


def change(host, old, new):
    """Changes the configuration of a host."""
    text = host.config.read_text()
    assert old in text
    host.config.write_text(text.replace(old, new))


def test_a_plugin_reads_its_settings(reading, tmp_path):
    nested = {"key": rotate(tmp_path / "key", "hunter2"), "retries": 3}
    client = reading({"greeting": "hello", "api": nested, "list": ["a", 1]}).connect("/reader/")
    assert client.ask("get greeting") == "hello"
    assert client.ask("get api.retries") == "3"
    assert client.ask("get nothing") == "(none)"
    assert client.ask("all").splitlines() == ["api.key=hunter2", "api.retries=3", "greeting=hello", 'list=["a",1]']


def test_a_plugin_without_settings_reads_none(serve):
    assert serve("reader").connect("/reader/").ask("all") == ""


def test_a_version_that_is_uploaded_has_the_settings(reading, tmp_path, component):
    host = reading({"greeting": "hello"})
    client = host.connect("/reader/")
    another = with_manifest(component("reader").read_bytes(), toml({"name": "reader", "description": "another"}))
    assert host.admin.deploy("reader", another).status == 200
    assert client.ask("get greeting") == "hello"
    assert host.connect("/reader/").ask("get greeting") == "hello"


def test_a_version_from_the_store_has_the_settings_after_a_restart(reading, component, serve, tmp_path):
    versions = {"folder": str(tmp_path / "versions")}
    host = reading({"greeting": "hello"}, versions=versions)
    another = with_manifest(component("reader").read_bytes(), toml({"name": "reader", "description": "another"}))
    assert host.admin.deploy("reader", another).status == 200
    live = host.admin.plugin("reader")["version"]
    host.stop()
    host = reading({"greeting": "changed"}, versions=versions)
    assert host.admin.plugin("reader")["version"] == live
    assert host.connect("/reader/").ask("get greeting") == "changed"


@pytest.mark.parametrize("isolation", ["connection", "shared"])
def test_a_reload_changes_what_open_connections_read(reading, isolation):
    host = reading({"greeting": "hello"}, isolation)
    client, version = host.connect("/reader/"), host.admin.plugin("reader")["version"]
    assert client.ask("get greeting") == "hello"
    change(host, '"hello"', '"changed"')
    eventually(lambda: client.ask("get greeting") == "changed", "the new value")
    assert host.admin.plugin("reader")["version"] == version


def test_a_tenant_reads_its_own_settings_alone(reading, component):
    acme = {"path": "/acme", "plugins": {"reader": {"config": {"own": "of acme"}}}}
    bare = {"path": "/bare", "plugins": {"reader": {}}}
    host = reading({"own": "of the operator"}, tenants={"acme": acme, "bare": bare})
    said = [host.connect(path).ask("all") for path in ["/reader/", "/acme/reader/", "/bare/reader/"]]
    assert said == ["own=of the operator", "own=of acme", ""]


def test_a_manifest_refers_to_no_secret(serve, component, tmp_path):
    """Whoever may upload a version cannot read the environment or the files of the host."""
    admin = Admin(serve("echo", admin=ADMIN))
    for table in ["config", "settings"]:
        manifest = {"name": "echo", table: {"key": {"env": "HOME"}}}
        answer = admin.deploy("echo", with_manifest(component("echo").read_bytes(), toml(manifest)))
        assert answer.status == 422 and f"`{table}`" in answer.json()["error"], answer.body


def test_a_rotated_key_is_sent_within_two_seconds_and_no_socket_closes(reading, server, tmp_path):
    host = reading({"api": {"key": rotate(tmp_path / "key", "first")}})
    clients = [host.connect("/reader/") for _ in range(SOCKETS)]
    sent = lambda client: json.loads(client.ask(f"call http://localhost:{server.port}/asked"))["headers"]["x-api-key"]
    assert {sent(client) for client in clients} == {"first"}
    rotate(tmp_path / "key", "second")
    rotated = time.monotonic()
    eventually(lambda: sent(clients[0]) == "second", "the new key", LIVE_WITHIN)
    print(f"live after {time.monotonic() - rotated:.2f} s")
    assert {sent(client) for client in clients} == {"second"}
    assert host.admin.plugin("reader")["connections"] == SOCKETS


def test_a_file_that_is_gone_leaves_the_key(reading, tmp_path):
    host = reading({"key": rotate(tmp_path / "key", "kept")})
    client = host.connect("/reader/")
    (tmp_path / "key").unlink()
    host.logged("its value from before stays .*key cannot be read: ")
    assert client.ask("get key") == "kept"
    rotate(tmp_path / "key", "new")
    eventually(lambda: client.ask("get key") == "new", "the new key")


def test_a_file_that_is_written_in_two_steps_is_read_whole(reading, tmp_path):
    host = reading({"key": rotate(tmp_path / "key", "first")})
    client, seen = host.connect("/reader/"), set()
    for round in range(20):
        with open(tmp_path / "key", "w") as file:
            file.write(f"round-{round}")
            file.flush()
            # Shorter than the pause between two reads of the host.
            time.sleep(0.005)
            file.write("-whole")
        seen.add(client.ask("get key"))
    eventually(lambda: client.ask("get key") == "round-19-whole", "the last key")
    assert all(key == "first" or key.endswith("-whole") for key in seen), seen
