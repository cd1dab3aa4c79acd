"""The runtime that a version of a source plugin has run on."""

import gzip
import hashlib
import json

import pytest

from admin import ADMIN, Admin
from support import BUILD_DEADLINE, eventually, leb128

# In JavaScript, because its runtime compiles in seconds.
ECHO = (
    'import {{ Consumer }} from "narrowboat";\n\n'
    "export default class Echo extends Consumer {{\n"
    "  receive(message) {{\n"
    "    this.send({} + message);\n"
    "  }}\n"
    "}}\n"
)


@pytest.fixture
def plugin(tmp_path):
    folder = tmp_path / "plugin"
    folder.mkdir()
    (folder / "plugin.toml").write_text('name = "chat"\nruntime = "javascript"\n')
    return folder


def write(plugin, text):
    (plugin / "consumers.js").write_text(ECHO.format(json.dumps(text)))


def kept_runtimes(store):
    return {file.name for file in (store / ".runtimes").iterdir()}


def records(store):
    return {record["version"]: record for record in json.loads((store / "chat/versions.json").read_text())["versions"]}


def states(store):
    return {record["state"] for record in records(store).values()}


def earlier_runtime(gzipped):
    """Another runtime that behaves the same: a component with one more custom section."""
    section = leb128(4) + b"test" + b"another runtime"
    component = gzip.decompress(gzipped) + b"\0" + leb128(len(section)) + section
    return hashlib.sha256(component).hexdigest(), gzip.compress(component, compresslevel=1)


def pretend_earlier(store, version):
    """Changes the store as if a version had run on another runtime. Returns the digest of that runtime."""
    [current] = (store / ".runtimes").iterdir()
    digest, gzipped = earlier_runtime(current.read_bytes())
    file = store / ".runtimes" / f"javascript-{digest}.wasm.gz"
    file.write_bytes(gzipped)
    file.chmod(0o600)
    index = store / "chat/versions.json"
    text = json.loads(index.read_text())
    for record in text["versions"]:
        if record["version"] == version:
            record["runtime"] = digest
    index.write_text(json.dumps(text))
    return digest


def runtime_in_use(host):
    [plugin] = Admin(host).get("/v1/status")["plugins"]
    return plugin["runtime"]


def test_a_version_runs_on_its_own_runtime_after_a_rollback(serving, plugin, tmp_path):
    store = tmp_path / "store"
    settings = {
        "plugins": {"chat": {"source": str(plugin)}},
        "versions": {"folder": str(store)},
        "admin": ADMIN,
    }
    write(plugin, "one ")
    with serving(**settings) as host:
        client = host.connect("/chat/")
        assert client.ask("x") == "one x"
        eventually(lambda: len(records(store)) == 1, "the first record")
        write(plugin, "two ")
        eventually(lambda: client.ask("x") == "two x", "the second version")
        eventually(lambda: {"live", "previous"} == states(store), "the second record")
        current = runtime_in_use(host)
    assert {record["runtime"] for record in records(store).values()} == {current}
    assert kept_runtimes(store) == {f"javascript-{current}.wasm.gz"}
    [first] = [version for version, record in records(store).items() if record["state"] == "previous"]
    earlier = pretend_earlier(store, first)
    with serving(**settings) as host:
        assert runtime_in_use(host) == current
        client = host.connect("/chat/")
        # The host compiles the earlier runtime.
        answer = Admin(host).ask("/v1/plugins/chat/rollback", "POST", deadline=BUILD_DEADLINE)
        assert answer.status == 200, answer.body
        assert (client.ask("x"), runtime_in_use(host)) == ("one x", earlier)


def test_a_runtime_that_no_version_needs_is_removed(serving, plugin, tmp_path):
    store = tmp_path / "store"
    settings = {"plugins": {"chat": {"source": str(plugin)}}, "versions": {"folder": str(store)}}
    write(plugin, "one ")
    with serving(**settings):
        eventually(lambda: (store / "chat/versions.json").exists() and len(records(store)) == 1, "the record")
    [current] = kept_runtimes(store)
    (store / ".runtimes" / f"javascript-{'0' * 64}.wasm.gz").write_bytes(b"")
    with serving(**settings):
        assert kept_runtimes(store) == {current}
