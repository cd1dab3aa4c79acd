"""Deploys of one tenant are bounded, so that those of another are not held up."""

import statistics
import threading
import time
from collections import Counter

import pytest

from admin import ADMIN, Admin
from bundles import CODE, FILES, bundle
from support import eventually

RATE = {"deploys_per_minute": 2}


def variant(component, number):
    """The component with another SHA-256, so that the host compiles it again."""
    payload = number.to_bytes(8, "little")
    return component + bytes([0, 5 + len(payload), 4]) + b"test" + payload


def limit_of(host, tenant, name):
    """A limit of a tenant in the status."""
    tenants = {each["name"]: each for each in Admin(host).get("/v1/status")["tenants"]}
    return next(limit for limit in tenants[tenant]["limits"] if limit["name"] == name)


@pytest.fixture
def serve(serving, tmp_path):
    """Starts hosts with the tenants acme, which has these limits and plugins, and bolt."""

    def start(plugins=None, **limits):
        plugins = {"echo": {}, "commander": {}} | (plugins or {})
        acme = {"path": "/acme", "plugins": plugins, "limits": limits}
        bolt = {"path": "/bolt", "plugins": ["echo"]}
        versions = {"folder": str(tmp_path / "versions")}
        return serving("echo", tenants={"acme": acme, "bolt": bolt}, admin=ADMIN, versions=versions)

    return start


def deploy(host, tenant, plugin, component):
    return Admin(host).ask(f"/v1/plugins/{plugin}/versions?tenant={tenant}", "POST", component, deadline=120)


def test_uploads_beyond_the_rate_of_a_tenant_get_429_and_when_to_try_again(serve, component):
    echo = component("echo").read_bytes()
    with serve(**RATE) as host:
        statuses = [deploy(host, "acme", "echo", variant(echo, number)).status for number in range(2)]
        assert statuses == [200, 200]
        refused = deploy(host, "acme", "commander", component("commander").read_bytes())
        assert refused.status == 429 and refused.json()["kind"] == "rate-limited"
        assert 1 <= int(refused.headers["retry-after"]) <= 31
        assert limit_of(host, "acme", "deploys_per_minute")["reached"] == 1
        assert deploy(host, "bolt", "echo", variant(echo, 0)).status == 200
        client = host.connect("/acme/echo/")
        assert client.ask("still") == "still"


def test_a_changed_file_waits_for_the_rate(serving, component, tmp_path):
    file = tmp_path / "echo.wasm"
    echo = component("echo").read_bytes()
    file.write_bytes(echo)
    plugins = {"echo": {"component": str(file), "limits": {"deploys_per_minute": 2}}}
    with serving(plugins=plugins, admin=ADMIN) as host:

        def change(number):
            since = len(host.log())
            beside = file.with_suffix(".new")
            beside.write_bytes(variant(echo, number))
            beside.rename(file)
            return since

        # On a busy machine a part of the rate is there again before it is used up.
        waits = "the changed file waits, because of deploys_per_minute"
        live = 0
        while "is live" in host.logged(rf"version is live|{waits}", change(live)).group():
            live += 1
        change(1_000)
        # The last content goes live after the wait, and the one before it does not.
        eventually(lambda: Admin(host).get("/v1/status")["plugins"][0]["deploys"] == live + 1, "the deploy", 90)


def test_a_tenant_that_deploys_in_a_loop_does_not_hold_another_up(serve, component, tmp_path):
    echo, commander = (component(name).read_bytes() for name in ("echo", "commander"))
    over, statuses = threading.Event(), Counter()
    folder = tmp_path / "chat"
    folder.mkdir()
    for path, text in FILES.items():
        (folder / path).write_text(text)

    def go_on(host, plugin, build):
        number = 0
        while not over.is_set():
            number += 1
            statuses[plugin, deploy(host, "acme", plugin, build(number)).status] += 1

    def looping_source(number):
        """A source that never ends when it is imported."""
        return bundle(FILES | {"chat.py": f"{CODE}number = {number}\nwhile True: pass\n"})

    def times_of_bolt(host, start):
        times = []
        for number in range(5):
            began = time.monotonic()
            assert deploy(host, "bolt", "echo", variant(echo, start + number)).status == 200
            times.append(time.monotonic() - began)
        return times

    with serve({"chat": {"source": str(folder)}}, deploys_per_minute=10_000) as host:
        alone = times_of_bolt(host, 1_000)
        loops = [
            ("echo", lambda number: variant(echo, 10_000 + number)),
            ("commander", lambda number: variant(commander, 20_000 + number)),
            ("chat", looping_source),
        ]
        threads = [threading.Thread(target=go_on, args=(host, *loop)) for loop in loops]
        for thread in threads:
            thread.start()
        beside = times_of_bolt(host, 2_000)
        client = host.connect("/bolt/echo/")
        assert client.ask("meanwhile") == "meanwhile"
        usage = limit_of(host, "acme", "loads")
        over.set()
        for thread in threads:
            thread.join()
        assert usage["limit"] == 1 and usage["used"] <= 1
        # Deploys of both kinds have ended, so acme was at work.
        assert statuses["commander", 200] + statuses["echo", 200] > 0
        assert {status for (_, status) in statuses} <= {200, 422, 503}, statuses
        print(f"a deploy of bolt: {statistics.median(alone):.2f} s alone, {statistics.median(beside):.2f} s beside acme")
