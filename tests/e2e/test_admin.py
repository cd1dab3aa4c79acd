"""The admin API: authorization, deploys, and the state after a restart."""

import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import tomllib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

import support
from admin import ADMIN, Admin
from support import Host, eventually, short, toml

TOKENS = {
    "looker": ["read"],
    "caller": ["publish"],
    "ci": ["deploy"],
    "chief": ["approve"],
    "boss": ["admin"],
}


@pytest.fixture(scope="module")
def admin(serving):
    """A host with a token for each scope. Tests do not change its state."""
    tokens = [
        {"name": name, "sha256": hashlib.sha256(name.encode()).hexdigest(), "scopes": scopes}
        for name, scopes in TOKENS.items()
    ]
    settings = ADMIN | {"tokens": tokens, "hosts": ["boat.example"], "max_upload": "1 MiB"}
    with serving("commander", "echo", admin=settings) as host:
        admin = Admin(host)
        admin.host = host
        yield admin


# Authorization.

EVERYTHING = [
    ("GET", "/metrics", "read"),
    ("GET", "/v1/status", "read"),
    ("GET", "/v1/connections", "read"),
    ("GET", "/v1/logs", "read"),
    ("GET", "/v1/plugins/echo/versions", "read"),
    ("GET", "/v1/rooms", "read"),
    ("GET", "/v1/plugins/echo/rooms/sleeping", "read"),
    ("POST", "/v1/publish", "publish"),
    ("POST", "/v1/plugins/echo/versions", "deploy"),
    ("POST", "/v1/plugins/echo/rollback", "deploy"),
    ("POST", "/v1/plugins/echo/approve", "approve"),
    ("POST", "/v1/connections/x/close", "admin"),
    ("POST", "/v1/plugins/echo/rooms/red/close", "admin"),
    ("POST", "/v1/plugins/echo/rooms/red/reset", "admin"),
    ("POST", "/v1/drain", "admin"),
    ("POST", "/v1/reload", "admin"),
    ("GET", "/v1/keyvalue/entry", "admin"),
    ("PUT", "/v1/keyvalue/entry", "admin"),
    ("DELETE", "/v1/keyvalue/entry", "admin"),
    ("GET", "/v1/keyvalue/keys", "admin"),
    ("GET", "/v1/keyvalue/backup", "admin"),
    ("POST", "/v1/keyvalue/compact", "admin"),
]


@pytest.mark.parametrize(("method", "path", "scope"), EVERYTHING)
@pytest.mark.parametrize("token", ["", "wrong", "looker2"])
def test_without_a_token_nothing_is_answered(admin, method, path, scope, token):
    answer = admin.ask(path, method, token=token)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    problem = "the host does not know this token" if token else "Bearer TOKEN"
    assert answer.json()["kind"] == "unauthorized" and problem in answer.json()["error"]


@pytest.mark.parametrize(("method", "path", "scope"), EVERYTHING)
@pytest.mark.parametrize("token", ["looker", "caller", "ci", "chief"])
def test_a_token_allows_what_its_scopes_say(admin, method, path, scope, token):
    if scope == "admin" or scope not in [*TOKENS[token], "read"]:
        answer = admin.ask(path, method, token=token)
        assert answer.status == 403
        assert f'lacks the scope "{scope}"' in answer.json()["error"]
    else:
        assert admin.ask(path, method, token=token).status not in (401, 403)


def test_every_path_of_the_document_but_the_probes_is_listed_here(admin):
    paths = admin.get("/openapi.json", token="")["paths"]
    listed = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    asked = {
        (method, path.replace("/echo/", "/{plugin}/").replace("/x/", "/{channel}/").replace("/red/", "/{room}/"))
        for method, path, _ in EVERYTHING
    }
    assert listed - {("GET", "/healthz"), ("GET", "/readyz")} == asked


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8001"},
        {"Host": "localhost.evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://localhost:1"},
    ],
)
def test_a_web_page_of_another_site_cannot_ask(admin, headers):
    answer = admin.ask("/v1/status", headers=headers)
    assert answer.status == 403 and answer.json()["kind"] == "forbidden"


def test_the_hosts_own_page_may_ask_and_so_may_its_other_names(admin):
    own = {"Origin": f"http://127.0.0.1:{admin.port}"}
    assert admin.ask("/v1/status", headers=own).status == 200
    named = {"Host": "boat.example", "Origin": "https://boat.example"}
    assert admin.ask("/v1/status", headers=named).status == 200


def test_the_hosts_token_is_for_its_user_alone(admin):
    assert admin.token_file.stat().st_mode & 0o777 == 0o600
    assert len(admin.token) >= 40


def test_a_token_that_others_can_read_is_not_used(narrowboat, component, tmp_path):
    (tmp_path / "token").write_text("secret\n")
    (tmp_path / "token").chmod(0o644)
    config = support.configuration(component, "echo", admin=ADMIN | {"token_file": "token"})
    (tmp_path / "narrowboat.toml").write_text(toml(config))
    result = narrowboat("serve", "--listen", "127.0.0.1:0", cwd=tmp_path)
    assert result.returncode == 1 and "chmod 600" in result.stderr


@pytest.mark.parametrize(
    ("table", "key", "words"),
    [
        ({"tokens": [{"name": "a", "scopes": ["read"]}]}, "admin.tokens", "exactly one"),
        ({"tokens": [{"name": "a", "sha256": "x", "scopes": ["read"]}]}, "sha256", "sha256sum"),
        ({"tokens": [{"name": "a", "file": "f", "scopes": []}]}, "scopes", "at least one of"),
        ({"tokens": [{"name": "a", "file": "f", "scopes": ["rule"]}]}, "scopes", "`read`"),
        ({"tokens": [{"name": "", "file": "f", "scopes": ["read"]}]}, "name", "at least 1 character"),
        ({"lissten": "127.0.0.1:0"}, "admin.lissten", "`listen`"),
        ({"max_upload": 0}, "admin.max_upload", "more than 0"),
    ],
)
def test_a_wrong_table_is_told_with_its_key(narrowboat, component, tmp_path, table, key, words):
    config = support.configuration(component, "echo", admin=table)
    (tmp_path / "narrowboat.toml").write_text(toml(config))
    result = narrowboat("serve", cwd=tmp_path)
    assert result.returncode == 2
    assert key in result.stderr and words in result.stderr


# Malformed requests.


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/v1/publish", "{", 400, "the body is not valid"),
        ("/v1/publish", "[]", 400, "the body is not valid"),
        ("/v1/publish", {"group": "g", "message": {}}, 400, "no \"type\""),
        ("/v1/publish", {"group": "g", "message": {"type": "_x"}}, 400, "starts with '_'"),
        ("/v1/publish", {"message": {"type": "a"}}, 400, "either a `group` or a `channel`"),
        ("/v1/publish", {"group": "a b", "message": {"type": "a"}}, 400, "group: "),
        ("/v1/publish", {"group": "g", "layer": "defualt", "message": {"type": "a"}}, 404, '"default"'),
        ("/v1/publish", {"groop": "g", "message": {"type": "a"}}, 400, "`groop`"),
        ("/v1/plugins/ecko/rollback", {}, 404, 'did you mean "echo"?'),
        ("/v1/plugins/echo/rollback", {"version": "x"}, 400, "SHA-256"),
        ("/v1/plugins/echo/approve", {"version": "x"}, 400, "SHA-256"),
        ("/v1/plugins/echo/approve", {}, 400, "missing field `version`"),
        ("/v1/plugins/echo/rollback", {"version": "0000000"}, 404, "no stored version"),
        ("/v1/plugins/echo/rollback", {}, 404, "no version before"),
        ("/v1/connections/nobody/close", {}, 404, "no connection"),
        ("/v1/connections/nobody/close", {"code": 1005}, 400, "1005"),
        ("/v1/connections/nobody/close", {"reason": "x" * 124}, 400, "123 bytes"),
        ("/v1/drain", {"duration": "soon"}, 400, '"30s"'),
        ("/v1/drain", {"duration": "3days"}, 400, "a day"),
        ("/v1/nothing", {}, 404, "/openapi.json"),
    ],
)
def test_a_malformed_request_is_refused_with_the_reason(admin, path, body, status, words):
    answer = admin.post(path, body)
    assert (answer.status, words in answer.json()["error"]) == (status, True), answer.body


@pytest.mark.parametrize("path", ["/v1/connections?limit=x", "/v1/connections?plugn=a", "/v1/logs?follow=2"])
def test_an_invalid_parameter_is_refused_with_the_reason(admin, path):
    answer = admin.ask(path)
    assert answer.status == 400 and answer.json()["kind"] == "invalid"


# Deploys.


def test_a_deploy_is_live_when_it_is_answered(travel):
    served = travel(admin=ADMIN)
    admin = Admin(served.host)
    client = served.connect()
    assert client.ask("once") == "v1 1 once"
    new = served.version("v2")
    answer = admin.deploy("traveller", new)
    assert answer.status == 200
    told = answer.json()
    assert told["version"] == hashlib.sha256(new).hexdigest()
    assert told["previous"] == hashlib.sha256(served.version("v1")).hexdigest()
    assert told["migrated"] == 1
    assert client.ask("once") == "v2 2 once"
    assert admin.states("traveller") == [
        (short(new), "live"), (short(served.version("v1")), "previous"),
    ]  # fmt: skip
    newest = admin.versions("traveller")[0]
    assert (newest["deployed_by"], newest["size"]) == ("operator", len(new))


def test_a_version_that_is_live_already_stays(travel):
    served = travel(admin=ADMIN)
    answer = Admin(served.host).deploy("traveller", served.version("v1")).json()
    assert answer["previous"] is None and answer["migrated"] == 0


def test_the_version_before_comes_back_with_the_state_of_now(travel):
    served = travel(admin=ADMIN)
    admin = Admin(served.host)
    client = served.connect()
    admin.deploy("traveller", served.version("v2"))
    assert client.ask("once") == "v2 1 once"
    assert admin.post("/v1/plugins/traveller/rollback").status == 200
    assert client.ask("once") == "v1 2 once"


def test_any_kept_version_comes_back_by_its_first_digits(travel):
    served = travel(admin=ADMIN)
    admin = Admin(served.host)
    client = served.connect()
    for version in ("v2", "v3", "v4"):
        assert admin.deploy("traveller", served.version(version)).status == 200
    wanted = short(served.version("v2"))
    assert admin.post("/v1/plugins/traveller/rollback", {"version": wanted[:8]}).status == 200
    assert client.ask("once") == "v2 1 once"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda good: good[:-100], "the upload is cut off or damaged"),
        (lambda good: b"", "the upload is empty"),
        (lambda good: b"<html>", "is not WebAssembly"),
    ],
)
def test_an_upload_that_is_not_a_component_is_refused_and_listed(travel, spoil, words):
    served = travel(admin=ADMIN)
    admin = Admin(served.host)
    spoilt = spoil(served.version("v2"))
    answer = admin.deploy("traveller", spoilt)
    assert answer.status == 422 and words in answer.json()["error"]
    newest = admin.versions("traveller")[0]
    assert (newest["version"][:12], newest["state"]) == (short(spoilt), "refused")
    assert words in newest["reason"]
    assert admin.post("/v1/plugins/traveller/rollback", {"version": short(spoilt)}).status == 404


def test_a_version_that_fails_too_often_is_listed_as_rolled_back(travel):
    rollback = {"window": "30s", "faults_per_thousand": 5, "min_events": 10, "min_clients": 1}
    served = travel(admin=ADMIN, table={"rollback": rollback})
    admin = Admin(served.host)
    bad = served.version("v2 fails-at=1")
    assert admin.deploy("traveller", bad).json()["in_rollback_window"]
    for _ in range(20):
        served.connect().send("once")
    eventually(lambda: (short(bad), "rolled-back") in admin.states("traveller"), "rolled back")
    assert admin.plugin("traveller")["rolled_back"] == 1
    again = admin.deploy("traveller", bad)
    assert again.status == 422 and "--force" in again.json()["error"]
    # `force` deploys the same bytes again.
    again = admin.ask("/v1/plugins/traveller/versions?force=true", "POST", bad)
    assert again.status == 200
    assert admin.states("traveller")[0] == (short(bad), "live")


def test_too_large_a_component_is_turned_away(admin):
    answer = admin.deploy("echo", bytes(2 << 20))
    assert answer.status == 413 and "admin.max_upload" in answer.json()["error"]


def test_an_upload_that_is_broken_off_leaves_nothing(travel):
    served = travel(admin=ADMIN)
    admin = Admin(served.host)
    before = admin.versions("traveller")
    folder = admin.token_file.parent / "traveller"
    files = sorted(folder.iterdir())
    for _ in range(10):
        with socket.create_connection((admin.address, admin.port)) as connection:
            connection.sendall(
                b"POST /v1/plugins/traveller/versions HTTP/1.1\r\nHost: localhost\r\n"
                + f"Authorization: Bearer {admin.token}\r\nContent-Length: 100000\r\n\r\n".encode()
                + served.version("v2")[:50000]
            )
    assert admin.get("/v1/status")
    assert admin.versions("traveller") == before
    assert sorted(folder.iterdir()) == files
    assert admin.deploy("traveller", served.version("v2")).status == 200


def test_deploys_in_parallel_are_put_in_order(travel):
    served = travel(admin=ADMIN, limits={"max_connections": 100})
    admin = Admin(served.host)
    client = served.connect()
    versions = [served.version(f"v{number}") for number in range(2, 6)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda version: admin.deploy("traveller", version), versions))
    assert [answer.status for answer in answers] == [200] * 4
    told = {answer.json()["version"][:12]: answer.json()["previous"][:12] for answer in answers}
    # Each version followed another, from the first to the live one.
    order, at = [], short(served.version("v1"))
    while later := [version for version, before in told.items() if before == at]:
        at = later[0]
        order.append(at)
    assert len(order) == 4
    assert admin.states("traveller")[0] == (order[-1], "live")
    assert admin.plugin("traveller")["deploys"] == 4
    assert client.ask("once").endswith(" 1 once")


def test_a_deploy_under_traffic_loses_nothing(travel):
    served = travel(admin=ADMIN)
    admin = Admin(served.host)
    clients = served.clients(8)
    done = threading.Event()

    def talk(client):
        count = 0
        while not done.is_set():
            count += 1
            assert client.ask("once").split()[1:] == [str(count), "once"]
        return count

    with ThreadPoolExecutor(len(clients)) as pool:
        talks = [pool.submit(talk, client) for client in clients]
        for number in range(2, 10):
            assert admin.deploy("traveller", served.version(f"v{number}")).status == 200
        done.set()
        assert all(talk.result(support.DEADLINE) > 0 for talk in talks)


def test_no_more_versions_are_kept_than_are_asked_for(travel):
    served = travel(admin=ADMIN, versions={"keep": 3})
    admin = Admin(served.host)
    for number in range(2, 9):
        assert admin.deploy("traveller", served.version(f"v{number}")).status == 200
    assert len(admin.versions("traveller")) == 3
    components = list((admin.token_file.parent / "traveller").glob("*.wasm"))
    assert len(components) == 3


# The state after a restart.


@pytest.fixture
def restarting(narrowboat, component, tmp_path):
    """A host of the guest `traveller` that restarts with the same configuration."""
    built = component("traveller")
    served = support.Travelling(built.read_bytes(), tmp_path / "traveller.wasm", {})
    served.put("v1")
    plugins = {"traveller": {"component": str(served.file)}}
    config = served.config = tmp_path / "narrowboat.toml"
    config.write_text(toml(support.configuration(component, plugins=plugins, admin=ADMIN)))

    def start(**options):
        served.host = Host(narrowboat.binary, tmp_path, config, **options)
        return served.host

    served.start = start
    return served


def answers(host):
    return host.connect("/traveller/").ask("once").split()[0]


def test_a_deployed_version_is_live_after_a_restart(restarting):
    with restarting.start() as host:
        assert Admin(host).deploy("traveller", restarting.version("v2")).status == 200
        assert host.stop() == 0
    with restarting.start() as host:
        assert answers(host) == "v2"
        assert Admin(host).states("traveller")[0] == (short(restarting.version("v2")), "live")


def test_the_later_one_of_a_changed_file_and_a_deploy_is_live(restarting):
    with restarting.start() as host:
        admin = Admin(host)
        live = lambda version: eventually(lambda: answers(host) == version, f"{version} live")
        admin.deploy("traveller", restarting.version("v2"))
        live("v2")
        restarting.put("v3")
        live("v3")
        admin.deploy("traveller", restarting.version("v4"))
        live("v4")


def test_a_file_that_is_touched_or_written_again_does_not_undo_a_deploy(restarting):
    with restarting.start() as host:
        admin = Admin(host)
        admin.deploy("traveller", restarting.version("v2"))
        for again in (lambda: os.utime(restarting.file), lambda: restarting.put("v1")):
            since = len(host.log())
            again()
            host.logged(f'file ignored.*live="{short(restarting.version("v2"))}"', since)
            assert answers(host) == "v2"
        # An operator may deploy these bytes explicitly.
        assert admin.deploy("traveller", restarting.version("v1")).status == 200
        assert answers(host) == "v1"


def test_a_configuration_that_is_read_again_does_not_undo_a_deploy(travel):
    """A reload checks every file again."""
    served = travel(admin=ADMIN, log="debug")
    admin = Admin(served.host)
    assert admin.deploy("traveller", served.version("v2")).status == 200
    since = len(served.host.log())
    os.utime(served.file)
    served.host.logged("file ignored: it has not changed", since)
    assert admin.post("/v1/reload").status == 200
    assert reload_during(served.host, 20).status == 200
    since = len(served.host.log())

    def is_told():
        os.utime(served.file)
        return "file ignored: it has not changed" in served.host.log()[since:]

    # The host does not notice a touch before it watches the file again.
    eventually(is_told, "a look at the file")
    assert served.connect().ask("once") == "v2 1 once"


def reread_with(host, change):
    """Changes the configuration, reloads it, and returns the response."""
    config = tomllib.loads(host.config.read_text())
    change(config)
    # Replace the file atomically, because the host also reloads it on its own.
    beside = host.config.with_suffix(".new")
    beside.write_text(toml(config))
    beside.rename(host.config)
    return Admin(host).post("/v1/reload")


def reload_during(host, number):
    """Changes the configuration so that the plugin is reloaded."""
    limits = {"memory": f"{number} MiB"}
    return reread_with(host, lambda config: config["plugins"]["traveller"].update(limits=limits))


def test_a_configuration_that_is_refused_has_changed_no_version(restarting):
    """Preparation has no side effects. The new version of the file is loaded, then a later tenant is invalid, and
    the records do not change."""
    restarting.config.write_text(restarting.config.read_text().replace('"events"', '"off"'))
    with restarting.start() as host:
        admin = Admin(host)
        assert admin.deploy("traveller", restarting.version("v2")).status == 200
        before = admin.versions("traveller")
        restarting.put("v3")
        token = {"name": "ci", "file": "there-is-none.token", "scopes": ["deploy"]}
        zeta = {"path": "/zeta", "tokens": [token]}

        def both(config):
            config["plugins"]["traveller"]["limits"] = {"memory": "20 MiB"}
            config["tenants"] = {"zeta": zeta}

        answer = reread_with(host, both)
        assert answer.status == 422 and "there-is-none.token" in answer.json()["error"]
        assert admin.versions("traveller") == before
        assert admin.plugin("traveller")["version"].startswith(short(restarting.version("v2")))
        assert answers(host) == "v2"
        # Without the tenant the reload succeeds, and the records show it.
        answer = reread_with(host, lambda config: config.pop("tenants"))
        assert answer.status == 200
        live = short(restarting.version("v3"))
        assert admin.states("traveller")[0] == (live, "live")
        assert admin.plugin("traveller")["version"].startswith(live)
        assert answers(host) == "v3"


def test_a_deploy_whose_upload_spans_a_reload_is_answered(restarting):
    with restarting.start() as host:
        admin, component = Admin(host), restarting.version("v2")
        connection = http.client.HTTPConnection(admin.address, admin.port, timeout=support.DEADLINE)
        connection.putrequest("POST", "/v1/plugins/traveller/versions")
        connection.putheader("Authorization", f"Bearer {admin.token}")
        connection.putheader("Content-Length", str(len(component)))
        connection.endheaders(component[:1000])
        eventually(lambda: Admin(host).plugin("traveller"), "an answer beside it")
        assert reload_during(host, 20).status == 200
        connection.send(component[1000:])
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        connection.close()
        assert answers(host) == "v2"
        assert admin.states("traveller")[0] == (short(component), "live")


def test_deploys_beside_reloads_are_all_answered_and_their_records_are_true(restarting):
    with restarting.start() as host, ThreadPoolExecutor() as pool:
        admin = Admin(host)
        for number in range(20, 26):
            component = restarting.version(f"v{number}")
            deploy = pool.submit(Admin(host).deploy, "traveller", component)
            assert reload_during(host, number).status == 200
            answer = deploy.result(support.DEADLINE)
            if answer.status != 200:
                assert answer.status == 503 and "replaced or removed this plugin" in answer.json()["error"]
            live = admin.plugin("traveller")["version"]
            newest = next(each for each in admin.versions("traveller") if each["state"] == "live")
            assert newest["version"].startswith(live)
            assert answer.status != 200 or live.startswith(short(component))


@pytest.mark.parametrize("ask", ["signal", "reload"])
def test_a_token_that_was_changed_counts_when_the_configuration_is_read_again(restarting, ask):
    with restarting.start() as host:
        admin = Admin(host)
        old, new = admin.token, "another token of the host"
        admin.token_file.write_text(new + "\n")
        assert admin.ask("/v1/status").status == 200
        if ask == "signal":
            host.send_signal(signal.SIGHUP)
        else:
            assert admin.post("/v1/reload").status == 200
        eventually(lambda: admin.ask("/v1/status", token=new).status == 200, "the new token")
        assert admin.ask("/v1/status", token=old).status == 401
        # An unreadable token file changes nothing.
        admin.token_file.write_text("")
        admin.token = new
        assert admin.post("/v1/reload").status == 422
        assert admin.ask("/v1/status").status == 200


def test_a_version_whose_consumers_cannot_all_move_is_refused(travel):
    served = travel(isolation="shared", admin=ADMIN)
    admin = Admin(served.host)
    clients = served.clients(16)
    for number in range(2, 6):
        # At random, every second consumer cannot be restored. The sample of the trial may be one of them.
        bad = served.version(f"v{number} unread-every=2")
        answer = admin.deploy("traveller", bad)
        assert answer.status == 422
        assert admin.states("traveller")[0] == (short(bad), "refused")
    assert admin.plugin("traveller")["version"].startswith(short(served.version("v1")))
    assert {client.ask("hello").split()[0] for client in clients} == {"v1"}


def test_a_file_that_changed_since_is_newer_than_what_was_deployed(restarting):
    with restarting.start() as host:
        assert Admin(host).deploy("traveller", restarting.version("v2")).status == 200
        assert host.stop() == 0
    restarting.put("v3")
    with restarting.start() as host:
        assert answers(host) == "v3"


def test_a_host_that_is_killed_in_a_deploy_comes_back_with_the_version_before(restarting):
    with restarting.start() as host:
        admin = Admin(host)
        assert admin.deploy("traveller", restarting.version("v2")).status == 200
        component = restarting.version("v3")
        connection = http.client.HTTPConnection(admin.address, admin.port)
        headers = {"Authorization": f"Bearer {admin.token}"}
        connection.request("POST", "/v1/plugins/traveller/versions", component, headers)
        host.send_signal(signal.SIGKILL)
        host.exit_code()
        connection.close()
    with restarting.start() as host:
        # If the deploy had finished, the version is live.
        live = answers(host)
        assert live in ("v2", "v3")
        assert Admin(host).states("traveller")[0][0] == short(restarting.version(live))


def test_a_kept_version_that_is_damaged_is_told_and_the_file_served(restarting):
    with restarting.start() as host:
        admin = Admin(host)
        assert admin.deploy("traveller", restarting.version("v2")).status == 200
        folder = admin.token_file.parent / "traveller"
        assert host.stop() == 0
    file = folder / f"{hashlib.sha256(restarting.version('v2')).hexdigest()}.wasm"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with restarting.start() as host:
        assert answers(host) == "v1"
        assert "missing or damaged" in host.log()


def test_two_hosts_do_not_share_a_folder(restarting, narrowboat, tmp_path):
    with restarting.start():
        second = narrowboat("serve", "--config", tmp_path / "narrowboat.toml", "--listen", "127.0.0.1:0")
        assert second.returncode == 1 and "in use by another host" in second.stderr


@contextmanager
def full(folder):
    """Context manager for a folder that later has no space: a small file system, or, without the right to mount one,
    folders in place of the files."""
    folder.mkdir(mode=0o700)
    small = ["mount", "-t", "tmpfs", "-o", "size=400k,mode=700", "tmpfs", folder]
    if subprocess.run(small, capture_output=True).returncode == 0:
        try:
            yield lambda components: None
        finally:
            subprocess.run(["umount", folder], check=True)
    else:
        digests = lambda components: [hashlib.sha256(each).hexdigest() for each in components]
        names = lambda components: [f"{digest}.wasm" for digest in digests(components)]
        yield lambda components: [(folder / "traveller" / name).mkdir() for name in names(components)]


def test_a_full_disk_refuses_a_deploy_and_changes_nothing(narrowboat, component, tmp_path):
    served = support.Travelling(component("traveller").read_bytes(), tmp_path / "traveller.wasm", {})
    served.put("v1")
    file, folder = tmp_path / "narrowboat.toml", tmp_path / "versions"
    plugins = {"traveller": {"component": str(served.file)}}
    versions = {"folder": str(folder)}
    config = support.configuration(component, plugins=plugins, admin=ADMIN, versions=versions)
    file.write_text(toml(config))
    with full(folder) as fill:
        with Host(narrowboat.binary, tmp_path, file) as host:
            admin = Admin(host)
            components = [served.version(f"v{number}") for number in range(2, 6)]
            fill(components)
            answers = [admin.deploy("traveller", component) for component in components]
            refused = next(answer for answer in answers if answer.status == 422)
            assert "cannot be kept" in refused.json()["error"]
            live = admin.states("traveller")[0][0]
            assert admin.plugin("traveller")["version"].startswith(live)
            assert host.connect("/traveller/").ask("once")
            assert host.stop() == 0
        with Host(narrowboat.binary, tmp_path, file) as host:
            assert Admin(host).plugin("traveller")["version"].startswith(live)


# Connections, messages, logs, draining.


def test_connections_are_listed_and_one_is_closed(admin):
    clients = [admin.host.connect("/commander/") for _ in range(3)]
    channels = [client.ask("channel") for client in clients]
    listed = admin.get("/v1/connections?plugin=commander")
    assert listed["total"] == 3
    assert [each["channel"] for each in listed["connections"]] == channels[::-1]
    first = listed["connections"][0]
    assert first["path"] == "/commander/" and first["client"].startswith("127.0.0.1:")
    assert len(admin.get("/v1/connections?limit=1")["connections"]) == 1
    closed = admin.post(f"/v1/connections/{channels[1]}/close", {"code": 4001, "reason": "bye"})
    assert closed.status == 204
    assert clients[1].ended() == (4001, "bye")
    assert clients[0].ask("channel") == channels[0]


def test_a_message_is_published_to_a_group_and_a_channel(admin):
    client = admin.host.connect("/commander/")
    channel = client.ask("channel")
    client.ask("add news")
    message = {"type": "commander.text", "text": "hello"}
    for to in ({"group": "news"}, {"channel": channel}):
        assert admin.post("/v1/publish", to | {"message": message}, token="caller").status == 200
        assert client.recv() == "message: hello"


def test_the_log_is_told_and_followed(admin):
    connection = http.client.HTTPConnection(admin.address, admin.port, timeout=support.DEADLINE)
    headers = {"Authorization": f"Bearer {admin.token}"}
    connection.request("GET", "/v1/logs?plugin=commander&follow=true&lines=0", headers=headers)
    lines = connection.getresponse()
    client = admin.host.connect("/commander/")
    channel = client.ask("channel")
    client.close_socket()
    # Connections of earlier tests may still be closing.
    told = map(json.loads, iter(lines.readline, b""))
    line = next(line for line in told if line["channel"] == channel)
    assert line["message"].startswith(f"{channel} ended with")
    assert line["from_guest"] and line["plugin"] == "commander" and line["channel"] == channel
    assert line["version"] == admin.plugin("commander")["version"][:12]
    last = admin.ask("/v1/logs?plugin=commander&lines=5").body
    assert line in map(json.loads, last.splitlines())
    assert len(admin.ask("/v1/logs?plugin=commander&lines=1").body.splitlines()) == 1
    connection.close()


def test_draining_refuses_and_closes_evenly(serving):
    with serving("commander", admin=ADMIN) as host:
        admin = Admin(host)
        clients = [host.connect("/commander/") for _ in range(20)]
        answer = admin.post("/v1/drain", {"duration": "2s"})
        assert (answer.status, answer.json()) == (202, {"total": 20, "remaining": 20, "seconds_remaining": 2})
        assert admin.ask("/readyz").body == b"draining\n"
        turned_away = host.tcp()
        turned_away.request("/commander/")
        response = turned_away.response()
        assert response.status == 503 and response.header("retry-after")
        seen = set()
        while left := admin.get("/v1/status")["draining"]["remaining"]:
            seen.add(left)
        # The connections do not all close at once.
        assert len(seen) > 5
        assert {client.ended() for client in clients} == {(1012, "server is draining")}
        assert host.stop() == 0
