"""The key-value store in a file, and the commands of operators for it."""

import json
import resource
import signal
import subprocess

import pytest

from admin import ADMIN, Admin
from support import configuration, toml


@pytest.fixture
def stored(serve, narrowboat, tmp_path):
    """Serves the guest `keeper` with a store in a file. `run` is `narrowboat kv` against the host."""

    def start(**settings):
        top = {"keyvalue": {"path": str(tmp_path / "keyvalue")}}
        host = serve("keeper", admin=ADMIN, top=top, **settings)
        host.admin = Admin(host)
        host.run = lambda command, *arguments: narrowboat("kv", command, *arguments, *host.admin.arguments)
        host.client = lambda path="/keeper/": host.connect(path)
        return host

    return start


def test_values_outlive_a_host_that_is_killed(stored):
    host = stored()
    assert host.client().ask("notes set a 1") == "ok"
    host.stop(signal.SIGKILL)
    assert stored().client().ask("notes get a") == "= 1"


def test_the_default_is_a_file_where_a_folder_for_state_is_known(serve, tmp_path):
    state = tmp_path / "state"
    host = serve("keeper", versions={"folder": str(state)})
    assert host.connect("/keeper/").ask("notes set a 1") == "ok"
    host.stop(signal.SIGKILL)
    assert (state / ".keyvalue/keyvalue.redb").is_file()
    assert serve("keeper", versions={"folder": str(state)}).connect("/keeper/").ask("notes get a") == "= 1"


def test_a_second_host_is_refused(stored, narrowboat, component, tmp_path):
    stored()
    top, config = {"keyvalue": {"path": str(tmp_path / "keyvalue")}}, tmp_path / "second.toml"
    config.write_text(toml(configuration(component, "keeper", top=top)))
    result = narrowboat("serve", "--config", config, "--listen", "127.0.0.1:0", timeout=60)
    assert result.returncode == 2
    assert str(tmp_path / "keyvalue/keyvalue.redb") in result.stderr
    assert "restarts must not overlap" in result.stderr


def test_operators_read_and_change_what_plugins_store(stored, tmp_path):
    host = stored()
    client = host.client()
    assert client.ask("notes set a one two") == "ok"
    assert host.run("get", "--bucket", "notes", "a").stdout == "one two"
    assert host.run("set", "--bucket", "notes", "user/1", "x", "--ttl", "1h").returncode == 0
    told = json.loads(host.run("get", "--bucket", "notes", "user/1", "--json").stdout)
    assert told["text"] == "x" and 3_500_000 < told.pop("ttl_ms") <= 3_600_000
    (tmp_path / "in").write_bytes(bytes(range(256)))
    assert host.run("set", "--bucket", "notes", "user/2", "--file", tmp_path / "in").returncode == 0
    assert host.run("get", "--bucket", "notes", "user/2", "--file", tmp_path / "out").returncode == 0
    assert (tmp_path / "out").read_bytes() == bytes(range(256))
    listed = host.run("list", "--bucket", "notes", "--prefix", "user/").stdout.split()
    assert listed[:5] == ["KEY", "TTL", "user/1", listed[3], "user/2"] and listed[5] == "-"
    page = json.loads(host.run("list", "--bucket", "notes", "--limit", "1", "--json").stdout)
    assert [key["key"] for key in page["keys"]] == ["a"] and page["cursor"] == "a"
    assert host.run("delete", "--bucket", "notes", "a").returncode == 0
    assert client.ask("notes get a") == "nothing"
    missing = host.run("get", "--bucket", "notes", "a")
    assert missing.returncode == 5 and 'no key "a"' in missing.stderr
    assert host.run("get", "--bucket", "no/bucket", "a").returncode == 2


@pytest.mark.parametrize("key", ["b", "-b", "it's $HOME", "two\nlines", "\x1b[31mred", "é"])
def test_the_cursor_of_a_page_is_a_word_for_a_shell(stored, narrowboat, key):
    host = stored()
    for name in (key, key + "2"):
        words = ["--bucket", "notes", "--file", "/dev/null", "--", name]
        assert narrowboat("kv", "set", *host.admin.arguments, *words).returncode == 0
    shown = host.run("list", "--bucket", "notes", "--limit", "1").stdout
    assert all(line.isprintable() for line in shown.splitlines())
    word = shown.rpartition("go on with ")[2].strip()
    cursor = subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, text=True).stdout
    page = json.loads(host.run("list", "--bucket", "notes", "--json", cursor).stdout)
    assert [entry["key"] for entry in page["keys"]] == [key + "2"]


def test_a_tenants_token_reaches_its_own_buckets_only(stored, narrowboat, tmp_path):
    token = tmp_path / "acme.token"
    token.write_text("a" * 64)
    token.chmod(0o600)
    tokens = [{"name": "acme", "file": str(token), "scopes": ["admin"]}]
    reader = tmp_path / "reader.token"
    reader.write_text("b" * 64)
    reader.chmod(0o600)
    tokens.append({"name": "reader", "file": str(reader), "scopes": ["deploy"]})
    limits = {"keyvalue": "4 KiB"}
    host = stored(tenants={"acme": {"path": "/acme", "plugins": ["keeper"], "tokens": tokens, "limits": limits}})
    assert host.client().ask("notes set a ours") == "ok"
    assert host.client("/acme/keeper/").ask("notes set a theirs") == "ok"

    def run(command, *arguments, token=token):
        return narrowboat("kv", command, *arguments, "--admin", host.admin.url, "--token-file", token)

    assert run("get", "--bucket", "notes", "a").stdout == "theirs"
    assert host.run("get", "--bucket", "notes", "a").stdout == "ours"
    assert host.run("get", "--bucket", "notes", "a", "--tenant", "acme").stdout == "theirs"
    for arguments in [("get", "--bucket", "notes", "a", "--tenant", "default"), ("compact",), ("backup", tmp_path / "x")]:
        assert run(*arguments).returncode == 6, arguments
    assert run("get", "--bucket", "notes", "a", token=reader).returncode == 6
    over = run("set", "--bucket", "notes", "b", "x" * 5000)
    assert over.returncode == 3 and "quota exceeded" in over.stderr


def test_a_backup_of_a_running_host_is_restored_into_one_that_does_not_run(stored, narrowboat, tmp_path):
    host, backup = stored(), tmp_path / "backup"
    client = host.client()
    assert client.ask("notes many k 500") == "ok"
    assert host.run("backup", backup).returncode == 0
    assert backup.stat().st_mode & 0o777 == 0o600
    assert client.ask("notes set later 1") == "ok"
    running = narrowboat("kv", "restore", backup, "--config", host.config, "--replace")
    assert running.returncode == 2 and "in use by another process" in running.stderr
    host.stop()
    refused = narrowboat("kv", "restore", backup, "--config", host.config)
    assert refused.returncode == 2 and "--replace" in refused.stderr
    (tmp_path / "damaged").write_bytes(backup.read_bytes()[: backup.stat().st_size // 2])
    damaged = narrowboat("kv", "restore", tmp_path / "damaged", "--config", host.config, "--replace")
    assert damaged.returncode == 2 and "cannot be restored" in damaged.stderr
    assert narrowboat("kv", "restore", backup, "--config", host.config, "--replace").returncode == 0
    client = stored().client()
    assert len(client.ask("notes keys").split()) == 500
    assert client.ask("notes get later") == "nothing"


def test_a_compaction_makes_the_file_smaller(stored, tmp_path):
    host = stored()
    client = host.client()
    for at in range(20):
        assert client.ask(f"notes fill k{at} 500000") == "ok"
    for at in range(20):
        assert client.ask(f"notes delete k{at}") == "ok"
    assert client.ask("notes set a 1") == "ok"
    told = json.loads(host.run("compact", "--json").stdout)
    assert told["bytes_after"] < told["bytes_before"] / 2
    assert (tmp_path / "keyvalue/keyvalue.redb").stat().st_size == told["bytes_after"]
    assert client.ask("notes get a") == "= 1"


def test_a_full_disk_is_an_error_and_shows_in_status_and_metrics(serve, tmp_path):
    """A limit of the process for the size of its files stands for a full disk."""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20))

    top = {"keyvalue": {"path": str(tmp_path / "keyvalue")}}
    host = serve("keeper", admin=ADMIN, top=top, process={"preexec_fn": limit})
    client, admin = host.connect("/keeper/"), Admin(host)
    assert client.ask("notes set kept 1") == "ok"
    stored = 0
    while (told := client.ask(f"notes fill k{stored} 500000")) == "ok":
        stored += 1
        assert stored < 30
    assert told.startswith("error: key-value store unavailable: the disk is full"), told
    host.logged("takes no writes until the disk has room")
    assert not admin.ask("/v1/status").json()["keyvalue"]["writable"]
    assert "narrowboat_keyvalue_writable 0" in admin.ask("/metrics").body.decode()
    assert client.ask("notes get kept") == "= 1"
    assert client.ask(f"notes len k{stored - 1}") == "500000"
