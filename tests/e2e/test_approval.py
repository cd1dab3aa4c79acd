"""A version that requests more capabilities than the live one waits for an approval."""

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

import support
from admin import ADMIN, Admin
from support import Host, counted, eventually, short, toml

LESS = {"log": True}
SOME = {"groups": ["room.*"], "log": True}
MORE = {"groups": ["room.*", "admin.*"], "log": True, "random": True}

TOKENS = [
    {"name": name, "sha256": hashlib.sha256(name.encode()).hexdigest(), "scopes": [scope]}
    for name, scope in {"ci": "deploy", "chief": "approve"}.items()
]


@pytest.fixture
def served(travel):
    """A host of the guest `traveller`. Its first version requests `SOME`."""
    served = travel(manifest={"capabilities": SOME}, admin=ADMIN | {"tokens": TOKENS})
    served.admin = Admin(served.host)
    return served


def deploy(served, plan, asks, token="ci"):
    return served.admin.deploy("traveller", served.version(plan, capabilities=asks), token=token)


def approve(served, version=None, token="chief"):
    """Approves this version, or the pending one."""
    states = served.admin.states("traveller")
    version = version or next((version for version, state in states if state == "pending"), "00000000")
    return served.admin.post("/v1/plugins/traveller/approve", {"version": version}, token=token)


def record(served, version):
    return next(each for each in served.admin.versions("traveller") if each["version"].startswith(short(version)))


def test_a_version_that_asks_for_more_waits_and_tells_the_difference(served):
    client = served.connect()
    answer = deploy(served, "v2", MORE)
    assert answer.status == 409 and answer.json()["kind"] == "pending"
    assert '+ groups "admin.*", + random' in answer.json()["error"]
    version = served.version("v2", capabilities=MORE)
    assert f"`narrowboat approve traveller {short(version)}`" in answer.json()["error"]
    served.host.logged(r'waits for an approval .*=\+ groups "admin\.\*", \+ random')
    waiting = record(served, version)
    assert (waiting["state"], waiting["deployed_by"]) == ("pending", "ci")
    assert waiting["extra_capabilities"] == ['groups "admin.*"', "random"] and waiting["approved_by"] is None
    assert client.ask("hello") == "v1 1 hello"


def test_a_pending_version_is_not_tried(served):
    served.connect().ask("hello")
    assert deploy(served, "v2 load-traps", MORE).status == 409


def test_an_approval_makes_it_live_with_the_state_of_now(served):
    client = served.connect()
    deploy(served, "v2", MORE)
    client.ask("hello")
    answer = approve(served)
    assert answer.status == 200 and answer.json()["migrated"] == 1
    assert client.ask("hello") == "v2 2 hello"
    live = record(served, served.version("v2", capabilities=MORE))
    assert (live["state"], live["deployed_by"], live["approved_by"]) == ("live", "ci", "chief")
    assert live["extra_capabilities"] == ['groups "admin.*"', "random"]
    served.host.logged("version is live .*requested_by=\"chief\"")
    assert approve(served).status == 404


def test_a_token_for_deploys_cannot_approve_and_the_reverse(served):
    deploy(served, "v2", MORE)
    assert approve(served, token="ci").status == 403
    assert deploy(served, "v3", SOME, token="chief").status == 403
    assert served.admin.post("/v1/plugins/traveller/rollback", {}, token="chief").status == 403


def test_nothing_gets_around_an_approval(served):
    version = served.version("v2", capabilities=MORE)
    assert deploy(served, "v2", MORE).status == 409
    assert deploy(served, "v2", MORE, token="").status == 401
    assert deploy(served, "v2", MORE).status == 409
    assert served.admin.post("/v1/plugins/traveller/rollback", {"version": short(version)}).status == 409
    served.write(version)
    served.host.logged('waits for an approval .*requested_by="file"')
    assert served.admin.states("traveller")[0] == (short(version), "pending")
    assert served.connect().ask("hello") == "v1 1 hello"


def test_a_version_that_requests_no_more_needs_no_approval(served):
    assert deploy(served, "v2", SOME).status == 200
    assert deploy(served, "v3", {"groups": ["room.red", "room.b*"]}).status == 200
    assert deploy(served, "v4", {}).status == 200


def test_a_version_that_has_served_comes_back_without_one(served):
    assert deploy(served, "v2", LESS).status == 200
    assert served.admin.post("/v1/plugins/traveller/rollback", {}, token="ci").status == 200
    assert served.connect().ask("hello") == "v1 1 hello"


def test_an_approved_version_stays_approved(served):
    deploy(served, "v2", MORE)
    assert approve(served).status == 200
    assert deploy(served, "v3", LESS).status == 200
    assert deploy(served, "v2", MORE).status == 200
    assert record(served, served.version("v2", capabilities=MORE))["approved_by"] == "chief"


def test_a_newer_version_that_asks_for_no_more_supersedes_what_waits(served):
    deploy(served, "v2", MORE)
    assert deploy(served, "v3", SOME).status == 200
    version = short(served.version("v2", capabilities=MORE))
    assert (version, "superseded") in served.admin.states("traveller")
    assert approve(served).status == 404
    # This version can still be approved by its name.
    assert approve(served, version[:8]).status == 200
    assert served.connect().ask("hello") == "v2 1 hello"


def test_nothing_is_approved_that_is_not_named(served):
    deploy(served, "v2", MORE)
    answer = served.admin.post("/v1/plugins/traveller/approve", {}, token="chief")
    assert answer.status == 400 and "missing field `version`" in answer.json()["error"]
    assert served.connect().ask("hello") == "v1 1 hello"


def test_only_the_newest_pending_version_can_be_approved(served):
    deploy(served, "v2", MORE)
    deploy(served, "v3", MORE)
    assert approve(served).status == 200
    assert served.connect().ask("hello") == "v3 1 hello"
    states = dict(served.admin.states("traveller"))
    assert states[short(served.version("v2", capabilities=MORE))] == "superseded"


def test_only_what_waits_can_be_approved(served):
    assert approve(served).status == 404
    live = short(served.version("v1"))
    answer = approve(served, live)
    assert answer.status == 404 and "does not wait for an approval" in answer.json()["error"]
    assert approve(served, "00000000").status == 404
    assert approve(served, "x").status == 400


def test_one_that_fails_its_trial_goes_on_waiting(served):
    served.connect().ask("hello")
    deploy(served, "v2 load-traps", MORE)
    answer = approve(served)
    assert answer.status == 422 and "the trial failed" in answer.json()["error"]
    version = served.version("v2 load-traps", capabilities=MORE)
    waiting = record(served, version)
    assert (waiting["state"], waiting["approved_by"]) == ("pending", None)


def test_a_version_stored_during_a_rollback_is_compared_again(travel):
    # A few events of a few clients cause a rollback.
    few = {"window": "1m", "faults_per_thousand": 5, "min_events": 5, "min_clients": 1, "clients_per_hundred": 0}
    served = travel(manifest={"capabilities": SOME}, table={"rollback": few}, admin=ADMIN | {"tokens": TOKENS})
    served.admin = Admin(served.host)
    deploy(served, "v2 fails-at=4", MORE)
    assert approve(served).status == 200
    version = served.version("v3", capabilities=MORE)
    # Before the host stores a version, it reads the file of that name. The test makes that read block on a pipe.
    pipe = served.admin.token_file.parent / "traveller" / f"{hashlib.sha256(version).hexdigest()}.wasm"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        deployed = pool.submit(deploy, served, "v3", MORE)
        writer = eventually(lambda: writing_end(pipe), "a version that is about to be kept")
        try:
            clients = served.clients(2)
            for client in clients:
                assert [client.ask(text) for text in "abc"] == ["v2 1 a", "v2 2 b", "v2 3 c"]
            clients[0].send("d")
            assert clients[0].ended()[0] == 1011
            eventually(lambda: counted(served.connect())["version"] == "v1", "the version before")
        finally:
            os.close(writer)
        answer = deployed.result()
    assert answer.status == 409 and answer.json()["kind"] == "pending"
    assert record(served, version)["state"] == "pending"
    assert served.connect().ask("hello") == "v1 1 hello"
    assert approve(served, short(version)).status == 200
    assert served.connect().ask("hello") == "v3 1 hello"


def writing_end(pipe):
    """Opens the write end of a pipe that has a reader. Returns `None` without a reader."""
    try:
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


def test_a_version_that_requests_ungranted_capabilities_is_refused_and_not_pending(travel):
    served = travel(manifest={"capabilities": SOME}, table={"grants": SOME}, admin=ADMIN)
    served.admin = Admin(served.host)
    answer = deploy(served, "v2", MORE, token=None)
    assert answer.status == 422 and 'not granted: groups "admin.*", random' in answer.json()["error"]


def test_a_file_that_asks_for_more_waits_too(served):
    client = served.connect()
    served.put("v2", capabilities=MORE)
    served.host.logged('waits for an approval .*requested_by="file"')
    assert client.ask("hello") == "v1 1 hello"
    assert approve(served).status == 200
    assert client.ask("hello") == "v2 2 hello"


def test_without_a_place_to_wait_it_is_refused_with_what_to_do(travel):
    served = travel(manifest={"capabilities": SOME})
    why = served.refuse("v2", capabilities=MORE)
    assert 'requests more capabilities than the running version: + groups "admin.*", + random' in why
    assert "restart the host with it, or configure [versions]" in why
    assert "version is live" in served.swap("v3", capabilities=LESS)


# At the start of a host.


@pytest.fixture
def restarting(narrowboat, component, tmp_path):
    """A host of the guest `traveller` that restarts with the same configuration."""
    served = support.Travelling(component("traveller").read_bytes(), tmp_path / "traveller.wasm", {"capabilities": SOME})
    served.put("v1")
    plugins = {"traveller": {"component": str(served.file)}}
    config = tmp_path / "narrowboat.toml"
    config.write_text(toml(support.configuration(component, plugins=plugins, admin=ADMIN)))

    def start():
        served.host = Host(narrowboat.binary, tmp_path, config)
        return served.host

    served.start = start
    return served


def answers(host):
    return host.connect("/traveller/").ask("hello").split()[0]


def test_a_first_start_needs_no_approval(restarting):
    restarting.put("v1", capabilities=MORE)
    with restarting.start() as host:
        assert answers(host) == "v1"
        assert Admin(host).states("traveller") == [(short(restarting.version("v1", capabilities=MORE)), "live")]


def test_a_file_that_asks_for_more_at_the_start_waits_while_the_live_version_serves(restarting):
    with restarting.start() as host:
        assert answers(host) == "v1"
        assert host.stop() == 0
    restarting.put("v2", capabilities=MORE)
    waiting = (short(restarting.version("v2", capabilities=MORE)), "pending")
    for _ in range(2):
        with restarting.start() as host:
            assert answers(host) == "v1"
            assert waiting in Admin(host).states("traveller")
            assert host.stop() == 0
    with restarting.start() as host:
        assert Admin(host).post("/v1/plugins/traveller/approve", {"version": waiting[0]}).status == 200
        assert answers(host) == "v2"
        assert host.stop() == 0
    with restarting.start() as host:
        assert answers(host) == "v2"
        # The unchanged file has no effect.
        assert Admin(host).states("traveller")[0] == (waiting[0], "live")


def test_a_file_that_waits_is_not_served_for_want_of_another(restarting, narrowboat, tmp_path):
    with restarting.start() as host:
        folder = Admin(host).token_file.parent / "traveller"
        assert host.stop() == 0
    restarting.put("v2", capabilities=MORE)
    with restarting.start() as host:
        assert host.stop() == 0
    live = hashlib.sha256(restarting.version("v1")).hexdigest()
    (folder / f"{live}.wasm").unlink()
    result = narrowboat("serve", "--config", tmp_path / "narrowboat.toml", "--listen", "127.0.0.1:0", timeout=30)
    assert result.returncode == 2
    assert "waits for an approval and is not served instead" in result.stderr


def test_a_version_stored_before_a_crash_is_pending_if_it_requests_more(restarting):
    with restarting.start() as host:
        version = restarting.version("v2", capabilities=MORE)
        assert Admin(host).deploy("traveller", version).status == 409
        records = Admin(host).token_file.parent / "traveller" / "versions.json"
        assert host.stop() == 0
    assert records.read_text().count('"pending"') == 1
    records.write_text(records.read_text().replace('"pending"', '"kept"'))
    with restarting.start() as host:
        assert Admin(host).states("traveller")[0] == (short(version), "kept")
        assert Admin(host).deploy("traveller", version).status == 409
        assert answers(host) == "v1"


def test_a_file_that_requests_no_more_supersedes_a_pending_version(restarting):
    with restarting.start() as host:
        version = restarting.version("v2", capabilities=MORE)
        assert Admin(host).deploy("traveller", version).status == 409
        assert host.stop() == 0
    restarting.put("v3")
    with restarting.start() as host:
        assert answers(host) == "v3"
        assert (short(version), "superseded") in Admin(host).states("traveller")


# The commands.


@pytest.fixture
def run(served, narrowboat, tmp_path):
    def run(command, *arguments):
        return narrowboat(command, *arguments, *served.admin.arguments)

    def file(plan, asks):
        (tmp_path / "new.wasm").write_bytes(served.version(plan, capabilities=asks))
        return tmp_path / "new.wasm"

    run.file = file
    return run


def test_a_deploy_that_waits_is_7(served, run):
    result = run("deploy", "traveller", run.file("v2", MORE))
    assert result.returncode == 7
    assert 'waits for an approval, since it requests more capabilities than the live one: + groups "admin.*", + random' in result.stderr


def test_a_version_that_waits_shows_in_status_and_figures(served, run):
    figure = 'narrowboat_version_pending{tenant="default",plugin="traveller"}'
    assert f"{figure} 0" in served.admin.ask("/metrics").body.decode()
    run("deploy", "traveller", run.file("v2", MORE))
    waiting = served.version("v2", capabilities=MORE)
    assert f"{figure} 1" in served.admin.ask("/metrics").body.decode()
    (plugin,) = json.loads(run("status", "--json").stdout)["plugins"]
    assert plugin["pending"].startswith(short(waiting))
    assert f"{short(waiting)} pending" in run("status").stdout
    run("approve", "traveller", short(waiting))
    assert f"{figure} 0" in served.admin.ask("/metrics").body.decode()
    assert "pending" not in run("status").stdout


def test_versions_that_wait_are_listed_and_approved(served, run):
    client = served.connect()
    run("deploy", "traveller", run.file("v2", MORE))
    line = run("versions", "traveller").stdout.splitlines()[1]
    assert line.split()[:2] == [short(served.version("v2", capabilities=MORE)), "pending"]
    assert line.endswith('requests more capabilities: + groups "admin.*", + random')
    result = run("approve", "traveller", line.split()[0])
    assert result.returncode == 0 and "1 consumers moved" in result.stdout
    assert client.ask("hello") == "v2 1 hello"
    line = run("versions", "traveller").stdout.splitlines()[1]
    assert line.endswith('approved by operator: + groups "admin.*", + random')
    listed = json.loads(run("versions", "traveller", "--json").stdout)["versions"][0]
    assert listed["approved_by"] == "operator"


def test_approving_what_does_not_wait_is_5(served, run):
    result = run("approve", "traveller", short(served.version("v1")))
    assert result.returncode == 5 and "does not wait for an approval" in result.stderr
