"""The probes and the metrics of the admin listener."""

import re
from pathlib import Path

import pytest

from admin import ADMIN, Admin
from redis_server import Redis
from support import eventually, toml, with_manifest


def asked(host, path, method="GET"):
    """The response of the admin listener to a request."""
    return Admin(host).ask(path, method)


def figures(host):
    """The metrics in the Prometheus text format, by name."""
    answer = Admin(host).ask("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    lines = answer.body.decode().splitlines()
    assert lines[-1] == "# EOF"
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def test_a_host_is_alive_and_ready(serving):
    with serving("commander", admin=ADMIN) as host:
        for path, words in [("/healthz", b"alive\n"), ("/readyz", b"ready\n")]:
            answer = asked(host, path)
            assert (answer.status, answer.body) == (200, words)
        assert figures(host)['narrowboat_layer_connected{tenant="default",layer="default"}'] == "1.0"


@pytest.mark.parametrize(("path", "method", "status"), [("/x", "GET", 404), ("/metrics", "POST", 405)])
def test_nothing_else_is_answered(serving, path, method, status):
    with serving("commander", admin=ADMIN) as host:
        assert asked(host, path, method).status == status


def test_without_a_word_there_is_no_such_listener(serving):
    with serving("commander") as host:
        assert "admin on" not in host.stdout()


def test_probes_need_no_token_and_figures_do(serving):
    with serving("commander", admin=ADMIN) as host:
        admin = Admin(host)
        answers = {path: admin.ask(path, token="").status for path in ("/healthz", "/readyz", "/metrics")}
        assert answers == {"/healthz": 200, "/readyz": 200, "/metrics": 401}


def test_a_small_consumer_stays_within_its_first_memory(serving):
    with serving("echo", admin=ADMIN) as host:
        client = host.connect("/echo/")
        assert client.ask("x" * 1000) == "x" * 1000
        memory = [value for name, value in figures(host).items() if "guest_memory_bytes{" in name]
        # A stack of 1 MiB, and one page of 64 KiB for data and heap.
        assert list(map(float, memory)) == [17 * 64 * 1024]


def test_traffic_and_guests_are_counted(serving):
    with serving("reply", admin=ADMIN) as host:
        client = host.connect("/reply/")
        for _ in range(9):
            client.ask("hello")
        counted = figures(host)
        of = 'tenant="default",plugin="reply"'
        assert counted[f"narrowboat_frames_received_total{{{of}}}"] == "9"
        assert counted[f"narrowboat_frames_sent_total{{{of}}}"] == "9"
        assert int(counted[f"narrowboat_received_bytes_total{{{of}}}"]) == 9 * len("hello")
        assert float(counted[f"narrowboat_connections{{{of}}}"]) == 1
        instances = next(name for name in counted if name.startswith("narrowboat_instances{" + of))
        of_version = lambda name: instances.replace("instances", name)
        assert float(counted[instances]) == 1
        assert float(counted[of_version("guest_memory_bytes")]) >= 65536
        assert int(counted[of_version("guest_events_total")]) == 10
        assert int(counted[of_version("guest_call_duration_seconds_count")]) >= 10
        client.close()
        eventually(lambda: float(figures(host)[instances]) == 0, "the instance gone")
        assert float(figures(host)[of_version("guest_memory_bytes")]) == 0


@pytest.mark.parametrize(
    "page",
    ["configuration", "manifest", "limits", "metrics", "admin-api", "cli", "close-codes", "http-responses"],
)
def test_a_generated_reference_page_is_what_the_program_prints(narrowboat, root, page):
    printed = narrowboat("reference", page).stdout
    assert printed == (root / f"docs/reference/{page}.md").read_text(), f"narrowboat reference {page} > docs/reference/{page}.md"


def test_every_figure_of_the_reference_is_told(serving, component, root, tmp_path):
    names = [line.split("`")[1] for line in (root / "docs/reference/metrics.md").read_text().splitlines() if line.startswith("| `")]
    with Redis() as redis:
        layer = {"backend": "redis", "hosts": [redis.address]}
        worker = {"channel": "tasks", "plugin": "clerk", "cron": "0 0 1 1 *"}
        keys = {"name": "sleeper", "isolation": "connection", "hibernate": True, "on_trap": "restart"}
        sleeper = tmp_path / "sleeper.wasm"
        sleeper.write_bytes(with_manifest(component("rooms").read_bytes(), toml(keys)))
        plugins = {"commander": {}, "clerk": {}, "rooms": {}, "sleeper": {"component": str(sleeper)}}
        routes = [{"path": "/commander/", "plugin": "commander"}, {"path": "/rooms/{room}/", "plugin": "rooms"}]
        with serving(plugins=plugins, routes=routes, workers=[worker], layer=layer, admin=ADMIN) as host:
            host.connect("/commander/").ask("group-send g hello")
            told = figures(host)
    for name in names:
        assert any(re.match(rf"{name}(_count)?(\{{|$)", line) for line in told), name


@pytest.mark.parametrize("backend", ["redis", "redis-pubsub"])
def test_a_host_is_not_ready_while_its_layer_is_away(serving, backend):
    with Redis() as redis:
        layer = {"backend": backend, "hosts": [redis.address]}
        with serving("commander", layer=layer, admin=ADMIN) as host:
            eventually(lambda: asked(host, "/readyz").status == 200, "ready")
            redis.kill()
            eventually(lambda: asked(host, "/readyz").status == 503, "not ready")
            assert asked(host, "/readyz").body == b'layer "default" is disconnected\n'
            assert asked(host, "/healthz").status == 200
            client = host.connect("/commander/")
            for _ in range(3):
                assert client.ask("group-send g hello") == "ok"
            assert figures(host)['narrowboat_layer_connected{tenant="default",layer="default"}'] == "0.0"
            assert float(figures(host)['narrowboat_layer_queued_operations{tenant="default",layer="default"}']) >= 3
            redis.start()
            eventually(lambda: asked(host, "/readyz").status == 200, "ready")


def test_dropped_and_undecodable_messages_are_counted(serving):
    with Redis() as redis:
        layer = {"backend": "redis", "hosts": [redis.address], "capacity": 1}
        with serving("commander", layer=layer, admin=ADMIN) as host:
            client = host.connect("/commander/")
            for _ in range(3):
                assert client.ask("send jobs hello") == "ok"
            channel = client.ask("channel")
            redis.ask("ZADD", "asgi" + channel[: channel.index("!") + 1], 9e9, b"foreign")
            count = lambda what: figures(host)[f'narrowboat_layer_messages_{what}_total{{tenant="default",layer="default"}}']
            eventually(lambda: count("dropped") == "2", "two dropped")
            foreign = 'narrowboat_layer_messages_malformed_total{tenant="default",layer="default",cause="prefix"}'
            eventually(lambda: figures(host)[foreign] == "1", "one foreign")
