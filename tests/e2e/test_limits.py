"""The limits of plugins and tenants: each limit, its effect, and its metric."""

import os
import re
import socket
import time

import pytest

import support
from admin import ADMIN, Admin
from support import UPGRADE, eventually, leb128, toml, with_manifest
from websockets.exceptions import InvalidStatus

ALONE = {"isolation": "connection"}


def reached(host, limit, plugin, tenant="default"):
    """How often a plugin reached a limit."""
    text = Admin(host).ask("/metrics").body.decode()
    labels = f'tenant="{tenant}",plugin="{plugin}",limit="{limit}"'
    # A limit that was never reached has no line.
    found = re.search(rf"narrowboat_limits_reached_total{{{labels}}} (\d+)", text)
    return int(found[1]) if found else 0


def refused(host, path, **options):
    """The status of a rejected handshake."""
    with pytest.raises(InvalidStatus) as failure:
        host.connect(path, **options)
    return failure.value.response.status_code


def connects(host, path):
    raw = host.tcp()
    raw.request(path, headers=UPGRADE)
    return raw.response().status == 101


def from_another_address(host):
    return socket.create_connection(("127.0.0.1", host.port), support.DEADLINE, source_address=("127.0.0.2", 0))


def acme(*plugins, **limits):
    return {"acme": {"path": "/acme", "plugins": list(plugins), "limits": limits}}


# Connections


def test_a_plugin_has_as_many_connections_as_it_may(serve):
    host = serve(plugins={"echo": {"limits": {"connections": 2}}, "reply": {}}, admin=ADMIN)
    first, second = host.connect("/echo/"), host.connect("/echo/")
    assert refused(host, "/echo/") == 503
    assert host.connect("/reply/").is_served()
    assert reached(host, "connections", "echo") == 1
    first.close()
    eventually(lambda: connects(host, "/echo/"))
    assert second.is_served()


def test_plugins_of_a_tenant_share_its_connections(serve):
    host = serve("echo", tenants=acme("echo", "reply", connections=2), admin=ADMIN)
    clients = [host.connect("/acme/echo/"), host.connect("/acme/reply/")]
    assert refused(host, "/acme/echo/") == 503
    assert host.connect("/echo/").is_served()
    assert reached(host, "connections", "echo", "acme") == 1
    assert all(client.is_served() for client in clients)


def test_one_address_has_as_many_connections_as_it_may(serve):
    host = serve("echo", limits={"connections_per_address": 2}, admin=ADMIN)
    clients = [host.connect("/echo/"), host.connect("/echo/")]
    assert refused(host, "/echo/") == 429
    assert host.connect("/echo/", sock=from_another_address(host)).is_served()
    assert reached(host, "connections_per_address", "echo") == 1
    assert all(client.is_served() for client in clients)


def test_handshakes_come_as_fast_as_they_may(serve):
    host = serve(plugins={"echo": {"limits": {"handshakes_per_second": 3}}}, admin=ADMIN)
    statuses = []
    for _ in range(8):
        raw = host.tcp()
        raw.request("/echo/", headers=UPGRADE)
        statuses.append(raw.response().status)
    assert statuses[:3] == [101] * 3 and 503 in statuses
    assert reached(host, "handshakes_per_second", "echo") == statuses.count(503)
    eventually(lambda: connects(host, "/echo/"))


def test_half_open_sockets_of_one_address_leave_room_for_others(serve):
    host = serve("echo", limits={"max_connections": 100, "handshakes_per_address": 20})
    held = [host.tcp() for _ in range(2_000)]
    for raw in held[::7]:
        raw.send(b"GET /echo/ HT")
    assert host.connect("/echo/", sock=from_another_address(host)).ask("hello") == "hello"
    closed = eventually(lambda: [raw for raw in held if is_over(raw)] if sum(map(is_over, held)) >= 1_980 else None)
    assert len(closed) == 1_980
    for raw in held:
        raw.close_socket()
    eventually(lambda: connects(host, "/echo/"))


def is_over(raw):
    """Whether the host has closed a socket."""
    raw.socket.setblocking(False)
    try:
        return raw.socket.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


# Instances, time, memory


def test_a_plugin_has_as_many_instances_as_it_may_and_moves_them_nevertheless(serve, component, tmp_path):
    file = tmp_path / "misbehave.wasm"
    file.write_bytes(component("misbehave").read_bytes())
    table = ALONE | {"component": str(file), "limits": {"instances": 2}}
    host = serve(plugins={"misbehave": table}, admin=ADMIN)
    first, second = host.connect("/misbehave/"), host.connect("/misbehave/")
    assert refused(host, "/misbehave/") == 503
    assert reached(host, "instances", "misbehave") == 1
    file.write_bytes(with_manifest(file.read_bytes(), 'name = "misbehave"'))
    host.logged("version is live")
    assert [client.ask("ok") for client in [first, second]] == ["ok", "ok"]
    first.close()
    eventually(lambda: connects(host, "/misbehave/"))


def test_an_instance_counts_before_a_guest_thread_is_free_to_start_it(serve, component, tmp_path):
    file = tmp_path / "doorman.wasm"
    file.write_bytes(with_manifest(component("doorman").read_bytes(), 'name = "doorman"\nexecution = "thread"'))
    table = ALONE | {"component": str(file), "limits": {"instances": 2}}
    host = serve(plugins={"doorman": table}, limits={"call_time": "5m"}, admin=ADMIN)
    handshakes = [host.tcp() for _ in range(5)]
    for raw in handshakes:
        raw.request("/doorman/?spin", headers=UPGRADE)
    eventually(lambda: reached(host, "instances", "doorman") == 3)


@pytest.mark.parametrize("isolation", ["connection", "shared"])
def test_a_plugin_that_has_used_its_time_waits_and_is_served_again(serve, isolation):
    table = {"isolation": isolation, "limits": {"cpu": "20ms"}}
    host = serve("echo", plugins={"misbehave": table}, limits={"call_time": "1m"}, admin=ADMIN)
    client, neighbour = host.connect("/misbehave/"), host.connect("/echo/")
    client.send("work 60000000")
    client.send("ok")
    for number in range(20):
        assert neighbour.ask(str(number)) == str(number)
    assert client.take(2) == ["worked", "ok"]
    assert reached(host, "cpu", "misbehave") >= 1


def test_calls_too_short_to_be_stopped_count_as_well(serve):
    host = serve(plugins={"misbehave": {"limits": {"cpu": "10ms"}}}, admin=ADMIN)
    client = host.connect("/misbehave/")
    eventually(lambda: client.ask("work 500000") == "worked" and reached(host, "cpu", "misbehave"))
    assert client.ask("ok") == "ok"


def test_plugins_of_a_tenant_share_its_time(serve):
    tenants = acme("misbehave", "echo", cpu="20ms")
    host = serve("echo", tenants=tenants, limits={"call_time": "1m"}, admin=ADMIN)
    client, sister = host.connect("/acme/misbehave/"), host.connect("/acme/echo/")
    client.send("work 60000000")
    assert client.recv() == "worked"
    eventually(lambda: reached(host, "cpu", "misbehave", "acme") >= 1)
    assert host.connect("/echo/").ask("of others") == "of others"
    assert sister.ask("in the end") == "in the end"


def test_memory_that_is_refused_is_counted(serve):
    host = serve(plugins={"misbehave": ALONE | {"limits": {"memory": "8 MiB"}}}, admin=ADMIN)
    assert int(host.connect("/misbehave/").ask("allocate").split()[0]) < 8
    assert reached(host, "memory", "misbehave") >= 1


@pytest.mark.parametrize("whose", ["plugin", "tenant", "host"])
def test_instances_have_so_much_memory_together(serve, whose):
    few = {"total_memory": "20 MiB"}
    limits, own, plugin = (few if whose == owner else {} for owner in ["host", "tenant", "plugin"])
    tenants = {"acme": {"path": "/acme", "plugins": {"misbehave": ALONE | {"limits": plugin}}, "limits": own}}
    host = serve("echo", limits=limits, tenants=tenants, admin=ADMIN)

    def client():
        return host.connect("/acme/misbehave/")

    def allocates(client):
        return int(client.ask("allocate").split()[0])

    first, second = client(), client()
    # A tenant has half of the host's memory, and both instances start with some.
    most = 10 if whose == "host" else 20
    assert most - 4 <= allocates(first) <= most
    assert allocates(second) <= 2
    assert reached(host, "total_memory", "misbehave", "acme") >= 2
    assert host.connect("/echo/").is_served()
    first.close()
    eventually(lambda: most - 4 <= allocates(client()) <= most)


def test_a_connection_whose_instance_would_have_no_memory_is_answered_503(serve):
    tenants = {"acme": {"path": "/acme", "plugins": {"misbehave": ALONE}, "limits": {"total_memory": "20 MiB"}}}
    host = serve(tenants=tenants, admin=ADMIN)
    client = host.connect("/acme/misbehave/")
    assert client.ask("allocate").endswith(" MiB")
    assert refused(host, "/acme/misbehave/") == 503
    host.logged("the limit total_memory is reached")
    assert client.ask("ok") == "ok"


def test_a_guest_that_wants_memory_that_others_have_is_told_so(serve):
    host = serve(plugins={"misbehave": ALONE | {"limits": {"total_memory": "1 MiB"}}})
    client = host.connect("/misbehave/")
    client.send("hoard")
    assert client.ended()[0] == 1011
    host.logged("of the memory that all instances of the plugin have \\(plugins.misbehave.limits.total_memory\\)")


def test_a_guest_that_its_tenant_has_no_memory_for_is_told_so(serve):
    tenants = {"acme": {"path": "/acme", "plugins": {"misbehave": ALONE}, "limits": {"total_memory": "20 MiB"}}}
    host = serve(tenants=tenants)
    client = host.connect("/acme/misbehave/")
    client.send("hoard")
    assert client.ended()[0] == 1011
    host.logged("of the memory that all instances of the tenant have \\(tenants.acme.limits.total_memory\\)")


def test_a_component_that_takes_all_memory_at_its_start_does_not_start(narrowboat, component, tmp_path):
    (tmp_path / "narrowboat.toml").write_text(toml(support.configuration(component, "bomb")))
    result = narrowboat("serve", "--listen", "127.0.0.1:0", cwd=tmp_path, timeout=60)
    assert result.returncode == 2
    assert "cannot start" in result.stderr and "refused more than its memory of 64" in result.stderr


# Frames


def test_messages_of_clients_are_read_as_fast_as_they_may_come(serve):
    host = serve(plugins={"echo": {"limits": {"frames_in": 20}}, "reply": {}}, admin=ADMIN)
    client = host.connect("/echo/")
    for number in range(30):
        client.send(str(number))
    assert client.take(30) == [str(number) for number in range(30)]
    assert reached(host, "frames_in", "echo") >= 1


def test_bytes_of_clients_are_read_as_fast_as_they_may_come(serve):
    host = serve(plugins={"echo": {"limits": {"bytes_in": "100 KiB"}}}, admin=ADMIN)
    client = host.connect("/echo/")
    for _ in range(4):
        client.send("x" * 40_000)
    assert [len(text) for text in client.take(4)] == [40_000] * 4
    assert reached(host, "bytes_in", "echo") >= 1


def test_clients_of_one_plugin_share_its_rate_and_those_of_another_do_not(serve):
    host = serve(plugins={"echo": {"limits": {"frames_in": 5}}, "reply": {}}, admin=ADMIN)
    clients = [host.connect("/echo/") for _ in range(3)]
    other = host.connect("/reply/")
    for client in clients:
        for number in range(3):
            client.send(str(number))
    assert all(other.ask("hello") for _ in range(50))
    for client in clients:
        assert client.take(3) == ["0", "1", "2"]
    assert reached(host, "frames_in", "echo") >= 1


def test_a_client_that_waits_for_a_rate_is_not_taken_for_silent(serve):
    limits = {"ping_interval": "200ms", "idle_timeout": "500ms"}
    host = serve(plugins={"echo": {"limits": {"bytes_in": "10 KiB"}}}, limits=limits)
    client = host.connect("/echo/")
    client.send("x" * 25_000)
    client.send("the last")
    assert len(client.recv()) == 25_000
    assert client.recv() == "the last"


@pytest.mark.parametrize("limit", [{"frames_out": 100}, {"bytes_out": "20 KiB"}])
def test_frames_are_written_as_fast_as_they_may_go(serve, limit):
    host = serve(plugins={"misbehave": ALONE | {"limits": limit}}, admin=ADMIN)
    client = host.connect("/misbehave/")
    client.send("flood 300 200")
    assert len(client.take(300)) == 300
    assert reached(host, *limit, "misbehave") >= 1


def test_a_plugin_that_says_more_than_it_may_has_its_overflow_decide(serve):
    table = ALONE | {"limits": {"bytes_out": "10 KiB"}}
    host = serve(plugins={"misbehave": table}, limits={"outbound_queue": "64 KiB"})
    client = host.connect("/misbehave/")
    client.send("flood 1000 1000")
    assert client.rest()[1][0] == 1013


# Groups, timers, log lines


def test_a_connection_is_in_as_many_groups_as_it_may_be(serve):
    host = serve("echo", tenants=acme("commander", groups=2))
    client = host.connect("/acme/commander/")
    for group in ["a", "b", "c"]:
        client.ask(f"add {group}")
    for group in ["c", "b"]:
        assert client.ask(f"group-send {group} to {group}") == "ok"
    assert client.recv() == "message: to b"


def test_a_group_that_is_one_too_many_is_counted_logged_and_shown(serve, narrowboat):
    host = serve(plugins={"commander": {}}, limits={"groups": 2}, admin=ADMIN)
    client = host.connect("/commander/")
    for name in ["red", "green", "blue"]:
        assert client.ask(f"add {name}") == "ok"
    eventually(lambda: reached(host, "groups", "commander") == 1)
    host.logged('limit reached.*plugin="?commander.*limit="?groups')
    assert re.search(r"(?m)^groups +plugin commander +- +- +1$", status(narrowboat, host))


def test_a_connection_has_as_many_timers_as_it_may(serve):
    host = serve(plugins={"commander": {"limits": {"timers": 2}}}, admin=ADMIN)
    client = host.connect("/commander/")
    assert [client.ask("timer 60000") for _ in range(2)] == ["ok", "ok"]
    assert client.ask("timer 60000") == "error: a connection may have 2 timers"
    assert reached(host, "timers", "commander") == 1


def test_a_version_logs_as_much_as_it_may(serve):
    host = serve(plugins={"misbehave": ALONE | {"limits": {"log_lines_per_second": 2}}}, admin=ADMIN)
    assert host.connect("/misbehave/").ask("log-flood 100") == "logged"
    host.logged("log lines dropped .*the plugin logs more than its limit")
    lines = host.log().count("of a flood")
    assert 10 <= lines <= 12
    text = Admin(host).ask("/metrics").body.decode()
    unsaid = re.search(r"narrowboat_guest_log_lines_dropped_total{.*} (\d+)", text)[1]
    assert int(unsaid) + lines == 100


# Saved state


@pytest.mark.parametrize(
    ("limits", "sizes", "limit"),
    [({"snapshot": "100 KB"}, [200_000], "snapshot"), ({"total_snapshots": "100 KB"}, [60_000, 60_000], "total_snapshots")],
)
def test_a_consumer_that_leaves_too_much_stays_where_it_is(serve, component, tmp_path, limits, sizes, limit):
    file = tmp_path / "misbehave.wasm"
    file.write_bytes(component("misbehave").read_bytes())
    host = serve(plugins={"misbehave": ALONE | {"component": str(file), "limits": limits}}, admin=ADMIN)
    clients = [host.connect("/misbehave/") for _ in [*sizes, 0]]
    for client, size in zip(clients, [*sizes, 10]):
        assert client.ask(f"fatten {size}") == "fat"
    file.write_bytes(with_manifest(file.read_bytes(), 'name = "misbehave"'))
    host.logged(rf"(deploy refused|version is live) .*the limit {limit} is reached")
    assert [client.ask("ok") for client in clients] == ["ok"] * len(clients)
    assert reached(host, limit, "misbehave") >= 1


# Before a component is compiled


def section(id, content):
    return bytes([id]) + leb128(len(content)) + content


def module(*sections):
    """The section of a component that holds a core module."""
    return section(1, b"\0asm\x01\0\0\0" + b"".join(sections))


def table_of(elements):
    return module(section(4, b"\x01\x70\x00" + leb128(elements)))


def memory_of(pages):
    return module(section(5, b"\x01\x00" + leb128(pages)))


def functions(count):
    bodies = section(10, leb128(count) + b"\x02\0\x0b" * count)
    return module(section(1, b"\x01\x60\0\0"), section(3, leb128(count) + b"\0" * count), bodies)


def imports(count):
    """Function imports of a core module, without parameters."""
    one = lambda number: leb128(1) + b"m" + leb128(8) + f"{number:08}".encode() + b"\0\0"
    return module(section(1, b"\x01\x60\0\0"), section(2, leb128(count) + b"".join(map(one, range(count)))))


def imports_of_component(names):
    """Resource imports of a component, each under its own name."""
    one = lambda name: b"\0" + leb128(len(name)) + name.encode() + b"\x03\x01"
    return section(10, leb128(len(names)) + b"".join(map(one, names)))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (table_of(1_000_000_000), "initial table elements; the limit is 20000"),
        (memory_of(60_000), "bytes of initial memory"),
        (functions(300_000), "functions; the limit is 200000"),
        (imports(20_000), "imports; the limit is 10000"),
        (module() * 100, "modules; the limit is 64"),
        (imports_of_component([f"thing-{number}" for number in range(50)]), "imports thing-0, which this host does not offer"),
        (imports_of_component(["wasi:nn/tensor@0.2.0"]), "imports wasi:nn/tensor@0.2.0, which this host does not offer"),
    ],
)
def test_a_component_that_takes_too_much_is_not_compiled(serve, component, tmp_path, more, words):
    file = tmp_path / "echo.wasm"
    echo = component("echo").read_bytes()
    file.write_bytes(echo)
    host = serve(plugins={"echo": {"component": str(file)}}, admin=ADMIN, log="debug")
    client, compiled = host.connect("/echo/"), host.log().count("compiled")
    answer = Admin(host).ask("/v1/plugins/echo/versions", "POST", body=echo + more)
    assert answer.status == 422 and words in answer.json()["error"], answer.body
    file.write_bytes(echo + more)
    host.logged(f"deploy refused .*{re.escape(words)}")
    assert host.log().count("compiled") == compiled
    assert client.ask("still here") == "still here"


def test_a_component_that_is_too_large_is_not_read(serve, component, tmp_path):
    file = tmp_path / "echo.wasm"
    echo = component("echo").read_bytes()
    file.write_bytes(echo)
    host = serve(plugins={"echo": {"component": str(file)}}, limits={"max_component": len(echo) + 1_000})
    client = host.connect("/echo/")
    file.write_bytes(with_manifest(echo, 'name = "echo"' + " " * 10_000))
    host.logged("is larger than limits.max_component")
    assert client.ask("still here") == "still here"


@pytest.mark.parametrize("target", ["/dev/zero", "/etc/passwd", "/", "nothing-there"])
def test_a_symbolic_link_in_the_place_of_a_component_leads_nowhere(serve, component, tmp_path, target):
    file = tmp_path / "echo.wasm"
    file.write_bytes(component("echo").read_bytes())
    host = serve("reply", plugins={"echo": {"component": str(file)}})
    client = host.connect("/echo/")
    beside = tmp_path / "link"
    beside.symlink_to(target)
    beside.rename(file)
    assert host.connect("/reply/").is_served()
    time.sleep(1)
    assert client.ask("still here") == "still here"
    assert host.rss() < 1 << 30 and "root:" not in host.log()


def test_a_pipe_in_the_place_of_a_component_holds_up_nobody(serve, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    tenants = acme()
    tenants["acme"]["plugins"] = {"echo": {"component": str(tmp_path / "pipe")}}
    host = serve("reply", tenants=tenants)
    host.logged('plugin "acme/echo": .* is not a regular file')
    assert host.connect("/reply/").is_served() and refused(host, "/acme/echo/") == 503


# Changes while the host runs


def test_a_tenants_limits_are_changed_without_dropping_anyone(serve, component):
    settings = {"admin": ADMIN, "tenants": acme("echo", connections=1)}
    host = serve("reply", **settings)
    client = host.connect("/acme/echo/")
    assert refused(host, "/acme/echo/") == 503
    settings["tenants"] = acme("echo", connections=2)
    host.config.write_text(toml(support.configuration(component, "reply", **settings)))
    eventually(lambda: connects(host, "/acme/echo/"))
    assert client.ask("still here") == "still here"


def test_limits_that_allow_nothing_are_refused(narrowboat, component, tmp_path):
    config = support.configuration(component, plugins={"echo": {"limits": {"connections": 0}}})
    (tmp_path / "narrowboat.toml").write_text(toml(config))
    result = narrowboat("serve", cwd=tmp_path)
    assert result.returncode == 2 and "plugins.echo.limits.connections: must be more than zero" in result.stderr


# Reports of reached limits


def status(narrowboat, host, *arguments):
    result = narrowboat("status", *arguments, *Admin(host).arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_limit_that_a_tenant_reached_is_told_by_status_and_once_by_the_log(serve, narrowboat):
    host = serve(tenants=acme("echo", "reply", connections=2), admin=ADMIN)
    held = [host.connect("/acme/echo/"), host.connect("/acme/reply/")]
    for _ in range(5):
        assert refused(host, "/acme/echo/") == 503
    for arguments in ([], ["--tenant", "acme"]):
        assert re.search(r"(?m)^connections +tenant acme +2 +2 +5$", status(narrowboat, host, *arguments))
    assert "2 of 2 connections\n" in status(narrowboat, host, "--tenant", "acme")
    everything = status(narrowboat, host)
    assert "2 of 10000 connections\n" in everything and re.search(r"(?m)^acme +2 of 2$", everything)
    own = next(tenant for tenant in Admin(host).get("/v1/status")["tenants"] if tenant["name"] == "acme")
    assert {"name": "connections", "used": 2, "limit": 2, "reached": 5} in own["limits"]
    told = re.findall(r'WARN .*limit reached.*plugin="?acme/echo"?.*owner="?tenant"?.*limit="?connections"?.*max="?2"?', host.log())
    assert len(told) == 1
    assert all(client.is_served() for client in held)


def test_a_limit_that_a_plugin_reached_is_told_as_its_own(serve, narrowboat):
    host = serve(plugins={"echo": {"limits": {"connections": 1}}}, admin=ADMIN)
    assert "TIMES REACHED" not in status(narrowboat, host)
    held = host.connect("/echo/")
    assert refused(host, "/echo/") == 503
    assert re.search(r"(?m)^connections +plugin echo +1 +1 +1$", status(narrowboat, host))
    host.logged(r'limit reached.*owner="?plugin"?.*limit="?connections"?.*max="?1"?')
    assert held.is_served()


def test_a_rate_that_makes_a_plugin_wait_is_told_once_by_the_log(serve, narrowboat):
    host = serve(plugins={"echo": {"limits": {"frames_in": 5}}}, admin=ADMIN)
    client = host.connect("/echo/")
    for _ in range(8):
        client.ask("hello")
    eventually(lambda: reached(host, "frames_in", "echo") > 0)
    assert len(re.findall('limit reached.*limit="?frames_in"?.*max="?5 a second', host.log())) == 1
    assert re.search(r"(?m)^frames_in +plugin echo +- +5 a second +\d+$", status(narrowboat, host))


def test_the_status_has_the_quota_of_the_key_value_store_for_every_tenant(serve):
    keeper = {"path": "/acme", "plugins": ["keeper"], "limits": {"keyvalue": "4 KiB"}}
    host = serve("keeper", tenants={"acme": keeper}, admin=ADMIN, top={"keyvalue": {"quota": "1 MiB"}})
    assert host.connect("/keeper/").ask("notes set a ours") == "ok"
    tenants = Admin(host).get("/v1/status")["tenants"]
    found = {tenant["name"]: limit for tenant in tenants for limit in tenant["limits"] if limit["name"] == "keyvalue"}
    assert found["default"]["limit"] == 1 << 20 and found["default"]["used"] > 128
    assert found["acme"] == {"name": "keyvalue", "used": 0, "limit": 4096, "reached": 0}


def test_the_status_shows_a_limit_without_usage_as_a_limit(serve, narrowboat):
    host = serve(tenants=acme("echo", handshakes_per_second=1), admin=ADMIN)
    eventually(lambda: not connects(host, "/acme/echo/"), "the refusal")
    assert re.search(r"(?m)^REACHED LIMIT +OF +USED NOW +AT MOST +TIMES REACHED$", status(narrowboat, host))
    assert re.search(r"(?m)^handshakes_per_second +tenant acme +- +1 a second +\d+$", status(narrowboat, host))
