"""The key-value store of plugins (`wasi:keyvalue`), in memory, in a file and in Redis."""

import json
import time

import pytest

from admin import ADMIN, Admin
from redis_server import Redis
from support import PING, PONG, TEXT, configuration, eventually, short, toml, with_manifest

ASKS = {"keyvalue": True}


@pytest.fixture(scope="module")
def redis():
    with Redis() as redis:
        yield redis


@pytest.fixture
def over_redis(redis):
    """A `[keyvalue]` table for an empty Redis of this test."""
    redis.ask("FLUSHALL")
    return {"backend": "redis", "hosts": [redis.address]}


@pytest.fixture(params=["memory", "file", "redis"])
def backend(request, tmp_path):
    if request.param == "redis":
        return request.getfixturevalue("over_redis")
    return {"backend": request.param} | ({"path": str(tmp_path / "keyvalue")} if request.param == "file" else {})


@pytest.fixture
def keeping(serve):
    """Serves the guest `keeper` at /keeper/ and, as a second plugin, at /other/."""

    def start(keyvalue=None, **settings):
        plugins = {"keeper": {}, "other": {"guest": "keeper"}}
        return serve(plugins=plugins, top={"keyvalue": keyvalue or {}}, **settings)

    return start


@pytest.fixture
def started(narrowboat, component, tmp_path):
    """Runs a host with the guest `keeper` that should exit at once."""

    def run(asks, grants, keyvalue=None):
        file, config = tmp_path / "guest.wasm", tmp_path / "narrowboat.toml"
        manifest = toml({"name": "keeper", "capabilities": asks})
        file.write_bytes(with_manifest(component("keeper").read_bytes(), manifest))
        plugins = {"keeper": {"component": str(file), "grants": grants}}
        top = {"keyvalue": keyvalue or {}}
        config.write_text(toml(configuration(component, plugins=plugins, top=top)))
        return narrowboat("serve", "--config", config, "--listen", "127.0.0.1:0", timeout=30)

    return run


# Operations.


def test_a_value_is_kept_and_told_and_taken_away(keeping, backend):
    client = keeping(backend).connect("/keeper/")
    assert client.ask("notes get a") == "nothing"
    assert client.ask("notes exists a") == "false"
    assert client.ask("notes delete a") == "ok"
    assert client.ask("notes set a one two") == "ok"
    assert client.ask("notes get a") == "= one two"
    assert client.ask("notes set a ") == "ok"
    assert client.ask("notes get a") == "= "
    assert client.ask("notes exists a") == "true"
    assert client.ask("notes delete a") == "ok"
    assert client.ask("notes exists a") == "false"


def test_numbers_are_added_to(keeping, backend):
    client = keeping(backend).connect("/keeper/")
    assert client.ask("notes add n 40") == "40"
    assert client.ask("notes add n 2") == "42"
    assert client.ask("notes add n -50") == "-8"
    assert client.ask("notes get n") == "= -8"
    # More than a double can represent
    assert client.ask("notes set n 9007199254740993") == "ok"
    assert client.ask("notes add n 2") == "9007199254740995"
    assert client.ask("notes set n 9223372036854775807") == "ok"
    assert client.ask("notes add n 1") == 'error: the value is not a whole number of 64 bits, or would not be one (bucket "notes", key "n")'
    assert client.ask("notes set n seven") == "ok"
    assert client.ask("notes add n 1").startswith("error: the value is not a whole number")
    assert client.ask("notes get n") == "= seven"


def test_keys_are_told_page_by_page(keeping, backend):
    client = keeping(backend).connect("/keeper/")
    assert client.ask("notes keys") == ""
    assert client.ask("notes page") == "0 end"
    assert client.ask("notes many k 2500") == "ok"
    count, cursor = client.ask("notes page").split()
    assert 1 <= int(count) <= 1_500 and cursor != "end"
    assert client.ask("notes keys").split() == sorted(f"k{at}" for at in range(2500))


def test_a_cursor_that_is_none_is_refused_by_redis(keeping, over_redis):
    client = keeping(over_redis).connect("/keeper/")
    assert client.ask("notes page nonsense") == 'error: the cursor is not one that the store returned (bucket "notes")'


def test_plugins_of_a_tenant_share_their_buckets_and_buckets_share_nothing(keeping, backend):
    host = keeping(backend)
    one, other = host.connect("/keeper/"), host.connect("/other/")
    assert one.ask("notes set a 1") == "ok"
    assert other.ask("notes get a") == "= 1"
    assert other.ask("drafts get a") == "nothing"
    assert other.ask("drafts keys") == ""


def test_a_stored_value_outlives_the_instance(keeping, backend):
    host = keeping(backend)
    with host.connect("/keeper/") as client:
        assert client.ask("notes set a 1") == "ok"
    assert host.connect("/keeper/").ask("notes get a") == "= 1"


def test_a_call_that_traps_has_written_what_it_wrote_before(keeping, backend):
    host = keeping(backend)
    client = host.connect("/keeper/")
    client.send("notes set-and-trap a 1")
    assert client.ended()[0] == 1011
    assert host.connect("/keeper/").ask("notes get a") == "= 1"


# Limits.


@pytest.mark.parametrize("name", ["a/b", "a@b", "a!b", "x" * 100, "é"])
def test_a_bucket_that_cannot_be_is_no_such_store(keeping, name):
    client = keeping().connect("/keeper/")
    assert client.ask(f"{name} get a") == (
        f"error: no such store {json.dumps(name[:64], ensure_ascii=False)}: the name of a bucket has 1 to 99 ASCII letters, digits, '.', '_' and '-'"
    )


def test_keys_and_values_have_bounds(keeping, backend):
    client = keeping(backend | {"max_key": "16 B", "max_value": "1 KiB"}).connect("/keeper/")
    assert client.ask(f"notes set {'k' * 16} v") == "ok"
    too_long = f'error: the key has 17 bytes, and the limit is 16 bytes (bucket "notes", key "{"k" * 17}")'
    assert client.ask(f"notes set {'k' * 17} v") == too_long
    assert client.ask(f"notes get {'k' * 17}") == too_long
    assert client.ask("notes fill a 1024") == "ok"
    assert client.ask("notes fill a 1025") == 'error: the value has 1025 bytes, and the limit is 1024 bytes (bucket "notes", key "a")'
    assert client.ask("notes len a") == "1024"
    assert client.ask("notes get ") == 'error: the key is empty; a key has at least 1 byte (bucket "notes", key "")'


def test_a_worker_keeps_what_consumers_find(serve, backend):
    workers, routes = [{"channel": "desk", "plugin": "keeper"}], [{"path": "/keeper/", "plugin": "keeper"}]
    host = serve("keeper", workers=workers, routes=routes, admin=ADMIN, top={"keyvalue": backend})
    message = {"type": "keeper.errand", "text": "notes set a done"}
    assert Admin(host).ask("/v1/publish", "POST", {"channel": "desk", "message": message}).status == 200
    client = host.connect("/keeper/")
    eventually(lambda: client.ask("notes get a") == "= done")


def test_a_tenant_keeps_no_more_than_its_quota(keeping, backend):
    host = keeping(backend | {"quota": "64 KiB"})
    client, other = host.connect("/keeper/"), host.connect("/other/")
    over = "error: key-value store unavailable: quota exceeded: all buckets of the tenant together may have 64.0 KiB; delete values, or raise the quota"
    assert client.ask("notes fill a 60000") == "ok"
    assert client.ask("notes fill b 6000") == f'{over} (bucket "notes", key "b")'
    # Another bucket and another plugin of the same tenant
    assert other.ask("drafts fill b 6000") == f'{over} (bucket "drafts", key "b")'
    assert client.ask("notes fill a 65000") == "ok"
    assert client.ask("notes fill a 66000") == f'{over} (bucket "notes", key "a")'
    assert client.ask("notes add n 1") == "1"
    # Small entries have an overhead, too.
    assert client.ask("notes many k 1000").startswith(over)
    assert client.ask("notes fill a 1") == "ok"
    assert other.ask("drafts fill b 60000") == "ok"
    assert other.ask("drafts delete b") == "ok"
    assert client.ask("notes many k 300") == "ok"


def test_a_batch_has_bounds(keeping, backend):
    client = keeping(backend).connect("/keeper/")
    assert client.ask("notes batch k 1000") == "ok"
    assert client.ask("notes batch k 1001") .startswith("error: the batch has 1001 keys, and the limit is 1000 keys; split it (bucket \"notes\", 1001 keys, the first ")
    assert client.ask("notes fill a 1048576") == "ok"
    assert client.ask("notes copies a 4") == "4"
    assert client.ask("notes copies a 5") .startswith("error: the values of the batch have more than 4.0 MiB together; split it (bucket \"notes\", 5 keys, the first ")
    assert client.ask("notes copies a 1001").startswith("error: the batch has 1001 keys")


def test_a_handle_of_an_earlier_value_fails_and_the_host_returns_one_of_the_later(keeping, backend):
    client = keeping(backend).connect("/keeper/")
    assert client.ask("notes set a before") == "ok"
    assert client.ask("notes stale a last") == "stale, then first"
    assert client.ask("notes get a") == "= last"


def test_a_guest_compares_no_more_bytes_than_so_many_at_a_time(keeping):
    client = keeping().connect("/keeper/")
    assert client.ask("notes fill a 1048000") == "ok"
    assert client.ask("notes compare a 8") == "8"
    too_many = "the values of all compare-and-swap handles of this instance have more than 8 MiB together; drop some of them (bucket \"notes\", key \"a\")"
    assert client.ask("notes compare a 9") == f"error: {too_many}"
    # Dropped handles do not count.
    assert client.ask("notes compare a 8") == "8"


def test_a_guest_holds_no_more_than_so_many_comparisons(keeping):
    host = keeping()
    client = host.connect("/keeper/")
    client.send("notes compare a 5000")
    host.logged("resource table has no free keys|capacity")


def test_a_guest_holds_no_more_than_so_many_buckets(keeping):
    host = keeping()
    assert host.connect("/keeper/").ask("notes hold 50") == "50"
    client = host.connect("/keeper/")
    client.send("notes hold 5000")
    host.logged("resource table has no free keys|capacity")


# Permission.


def test_a_plugin_without_the_grant_does_not_start(started):
    result = started(ASKS, {"log": True})
    assert result.returncode == 2
    assert "not granted: keyvalue;" in result.stderr and "`keyvalue = true`" in result.stderr


@pytest.mark.parametrize(
    "keyvalue, problem",
    [
        ({"quota": "0 B"}, "keyvalue.quota must be more than 0 bytes"),
        ({"max_value": "5 MiB"}, "keyvalue.max_value must be at most 4.0 MiB"),
        ({"hosts": ["redis://localhost"]}, 'keyvalue.hosts belongs to backend = "redis"'),
        ({"backend": "memory", "path": "x"}, 'keyvalue.path belongs to backend = "file"'),
        ({"path": ""}, "keyvalue.path must name a folder"),
        ({"backend": "file"}, "keyvalue.backend needs a folder"),
        ({"backend": "redis", "hosts": ["redis://a", "redis://b"]}, "keyvalue.hosts must be one host"),
        ({"backend": "redis", "hosts": ["http://a"]}, "keyvalue.hosts[0]"),
        ({"backend": "redis", "prefix": "a@b"}, "keyvalue.prefix must have at most"),
    ],
)
def test_a_wrong_table_is_told(started, keyvalue, problem):
    result = started(ASKS, "all", keyvalue)
    assert result.returncode == 2
    assert problem.split()[0] in result.stderr and " ".join(problem.split()[1:]) in result.stderr, result.stderr


# Versions.


@pytest.mark.parametrize("isolation", ["connection", "shared"])
def test_a_trial_writes_nothing_and_neither_does_whoever_saves(serve, component, tmp_path, isolation):
    file, built = tmp_path / "keeper.wasm", component("keeper").read_bytes()

    def version(description):
        told = {"name": "keeper", "description": description, "isolation": isolation, "capabilities": ASKS}
        return with_manifest(built, toml(told))

    file.write_bytes(version("one"))
    host = serve(plugins={"keeper": {"component": str(file)}})
    client = host.connect("/keeper/")
    assert client.ask("restored") == "fresh"
    assert [client.ask(f"{bucket} set kept x") for bucket in ("snapshots", "restores")] == ["ok", "ok"]
    beside = file.with_suffix(".new")
    beside.write_bytes(version("two"))
    beside.rename(file)
    host.logged(f'version is live .*version="{short(version("two"))}"')
    # Once in the trial, once in the move
    eventually(lambda: client.ask("restored") == "written", "a consumer that has moved")
    assert client.ask("moves get restores") == "= 1"
    assert client.ask("moves get snapshots") == "nothing"
    assert client.ask("snapshots keys") == "kept"
    assert client.ask("snapshots left kept") == "Unlimited"
    assert client.ask("restores keys") == "compare_and_set set set_many set_with_ttl update"


# Redis.


def test_a_tenant_may_have_a_quota_of_its_own(serve, component, backend):
    def settings(most):
        acme = {"path": "/acme", "plugins": ["keeper"], "limits": {"keyvalue": most}}
        globex = {"path": "/globex", "plugins": ["keeper"]}
        tenants = {"acme": acme, "globex": globex}
        return {"tenants": tenants, "admin": ADMIN, "top": {"keyvalue": backend | {"quota": "64 KiB"}}}

    host = serve("keeper", **settings("128 KiB"))
    own, acme, globex = (host.connect(f"{path}/keeper/") for path in ["", "/acme", "/globex"])
    for client in [own, globex]:
        assert client.ask("notes fill a 60000") == "ok"
        assert "together may have 64.0 KiB; " in client.ask("notes fill b 10000")
    assert acme.ask("notes fill a 120000") == "ok"
    assert "together may have 128.0 KiB; " in acme.ask("notes fill b 20000")
    figures = Admin(host).ask("/metrics").body.decode()
    assert f'keyvalue_bytes{{tenant="acme"}} {120_000 + 128 + len("notes") + len("a")}.0\n' in figures
    for tenant in ["default", "acme", "globex"]:
        assert f'limits_reached_total{{tenant="{tenant}",plugin="keeper",limit="keyvalue"}} 1\n' in figures
    # More, while the host runs
    host.config.write_text(toml(configuration(component, "keeper", **settings("256 KiB"))))
    eventually(lambda: acme.ask("notes fill b 20000") == "ok")


def test_hosts_with_one_redis_share_what_is_kept_and_its_quota(keeping, over_redis, redis):
    table = over_redis | {"quota": "64 KiB"}
    one, other = (keeping(table).connect("/keeper/") for _ in range(2))
    assert one.ask("notes fill a 60000") == "ok"
    assert other.ask("notes len a") == "60000"
    assert other.ask("notes fill b 10000").startswith("error: key-value store unavailable: quota exceeded")
    for at in range(10):
        assert [client.ask("notes add n 1") for client in (one, other)] == [str(2 * at + 1), str(2 * at + 2)]
    used = int(redis.ask("GET", "keyvalue:bytes").split()[-1])
    assert used == 2 * (128 + len("notes") + 1) + 60000 + 2
    assert other.ask("notes delete a") == "ok"
    assert other.ask("notes delete a") == "ok"
    assert other.ask("notes delete n") == "ok"
    assert redis.ask("GET", "keyvalue:bytes").split()[-1] == b"0"
    assert redis.ask("KEYS", "*").split()[-1] == b"keyvalue:bytes"


def test_a_redis_that_does_not_answer_is_waited_for_two_seconds_and_its_connection_goes_on(keeping, over_redis, redis):
    host = keeping(over_redis)
    client, other = host.raw("/keeper/"), host.connect("/other/")
    assert other.ask("notes set a 1") == "ok"
    redis.pause()
    try:
        since = time.monotonic()
        client.send_frame(TEXT, b"notes get a")
        client.send_frame(PING)
        # The host reads this socket and all others meanwhile.
        assert client.recv_frame() == (PONG, b"")
        assert other.ask("restored") == "fresh"
        opcode, answer = client.recv_frame()
        assert time.monotonic() - since > 1.5
        assert opcode == TEXT and answer.startswith(b"error: ")
    finally:
        redis.go_on()
    eventually(lambda: other.ask("notes get a") == "= 1", "a Redis that is back")
    host.logged('keyvalue: Redis .* server="127.0.0.1')


def test_a_redis_that_goes_and_comes_back_is_found_again(serve, keeping):
    with Redis() as redis:
        client = keeping({"backend": "redis", "hosts": [redis.address]}).connect("/keeper/")
        assert client.ask("notes set a 1") == "ok"
        redis.kill()
        assert client.ask("notes get a").startswith("error: key-value store unavailable")
        redis.start()
        eventually(lambda: client.ask("notes set a 2") == "ok", "a Redis that is back")
        assert client.ask("notes get a") == "= 2"
        # An idle connection that ended unnoticed does not cause an error.
        redis.kill()
        redis.start()
        assert client.ask("notes set a 3") == "ok"


def test_time_spent_waiting_is_not_the_guests(keeping, over_redis, redis):
    host = keeping(over_redis, limits={"call_time": "20ms"})
    client = host.connect("/keeper/")
    assert client.ask("notes set a 1") == "ok"
    redis.pause()
    client.send("notes get a")
    time.sleep(0.5)
    redis.go_on()
    assert client.recv() == "= 1"
    # The wait does not make the version count as slow either.
    assert "ran longer" not in host.log()


def test_all_the_waits_of_a_call_together_have_a_bound(keeping, over_redis, redis):
    host = keeping(over_redis, limits={"wait_time": "300ms"})
    client = host.connect("/keeper/")
    redis.pause()
    try:
        waited = "key-value store unavailable: the waits of this call have taken longer than limits.wait_time"
        assert client.ask("notes get a") == f'error: {waited} (bucket "notes", key "a")'
    finally:
        redis.go_on()


def test_a_call_that_waits_blocks_no_guest_thread(serve, component, tmp_path, over_redis, redis):
    slow = tmp_path / "echo.wasm"
    slow.write_bytes(with_manifest(component("echo").read_bytes(), toml({"name": "echo", "execution": "thread"})))
    plugins = {"keeper": {}, "echo": {"component": str(slow)}}
    host = serve(plugins=plugins, top={"keyvalue": over_redis}, limits={"guest_threads": 1})
    waiting, echo = [host.connect("/keeper/") for _ in range(20)], host.connect("/echo/")
    redis.pause()
    try:
        for client in waiting:
            client.send("notes get a")
        since = time.monotonic()
        for _ in range(20):
            assert echo.ask("hello") == "hello"
        assert all(client.recv().startswith("error: ") for client in waiting)
        # All wait in parallel. In sequence they would take 40 s.
        assert time.monotonic() - since < 30
    finally:
        redis.go_on()
