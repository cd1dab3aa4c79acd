"""Isolated tenants on one host: which tenant a request belongs to, and that tenants cannot reach each other."""

import hashlib
import json
import re
import shutil
import signal

import pytest

import support
from admin import ADMIN, Admin
from redis_server import Redis, peer
from support import UPGRADE, eventually, toml, with_manifest

GOING_AWAY, RESTART = 1001, 1012


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def token(name, *scopes):
    return {"name": name, "sha256": sha256(f"token of {name}"), "scopes": list(scopes)}


def scope(client):
    return json.loads(client.ask("scope"))


def status_of(host, path, **headers):
    raw = host.tcp()
    raw.request(path, headers=UPGRADE | headers)
    return raw.response().status


WORLDS = {
    "acme": {"path": "/acme", "plugins": ["commander", "doorman"], "tokens": [token("acme", "admin")]},
    "bolt": {
        "hosts": ["bolt.example", ".bolt.example"],
        "plugins": ["commander", "doorman", "misbehave"],
        "tokens": [token("bolt", "deploy", "publish")],
    },
    "both": {"hosts": ["bolt.example"], "path": "/acme/", "plugins": ["doorman"]},
}


@pytest.fixture(scope="module")
def worlds(serving):
    """A host with the tenants of WORLDS, and with plugins of its own."""
    with serving("commander", "doorman", tenants=WORLDS, admin=ADMIN, log="debug") as host:
        yield host


@pytest.fixture(scope="module")
def admin(worlds):
    return Admin(worlds)


# The tenant of a request


def test_a_path_leads_to_a_tenant_and_routes_see_what_is_left_of_it(worlds):
    told = scope(worlds.connect("/acme/doorman/?x=y"))
    assert (told["path"], told["raw_path"]) == ("/doorman/", "/acme/doorman/")
    assert ["root_path", "/acme"] in told["attributes"]


def test_a_host_leads_to_a_tenant(worlds):
    for name in ["bolt.example", "BOLT.example", "chat.bolt.example"]:
        assert worlds.connect("/misbehave/", name=name).ask("ok") == "ok"
    assert status_of(worlds, "/misbehave/") == 404
    assert status_of(worlds, "/misbehave/", Host="bolt.example.evil.org") == 404


def test_a_tenant_that_matches_by_host_and_path_comes_first(worlds):
    assert ["root_path", "/acme"] in scope(worlds.connect("/acme/doorman/", name="bolt.example"))["attributes"]
    # This tenant has no commander. The tenants that match only the path or only the host do not apply.
    assert status_of(worlds, "/acme/commander/", Host="bolt.example") == 404


def test_a_path_of_no_tenant_belongs_to_the_host(worlds):
    told = scope(worlds.connect("/doorman/"))
    assert told["path"] == "/doorman/" and told["attributes"] == []


@pytest.mark.parametrize(
    "path",
    ["/acmes/doorman/", "//acme/doorman/", "/x/../acme/doorman/", "/./acme/doorman/", "/ACME/doorman/", "/acme"],
)
def test_a_path_that_only_looks_like_a_tenants_leads_nowhere(worlds, path):
    assert status_of(worlds, path) == 404


def test_an_escaped_path_is_the_path_that_it_stands_for(worlds):
    assert scope(worlds.connect("/%61cme%2fdoorman/"))["path"] == "/doorman/"


def test_a_tenants_host_needs_not_be_among_those_that_the_host_allows(serve):
    tenants = {"acme": {"hosts": ["acme.example"], "plugins": ["echo"]}}
    host = serve("echo", tenants=tenants, top={"allowed_hosts": ["boat.example"]})
    assert host.connect("/echo/", name="acme.example").ask("hello") == "hello"
    assert host.connect("/echo/", name="boat.example").ask("hello") == "hello"
    assert status_of(host, "/echo/", Host="other.example") == 400


def test_a_tenant_has_origins_of_its_own(serve):
    tenants = {"acme": {"path": "/acme", "plugins": ["echo"], "allowed_origins": ["https://acme.example"]}}
    host = serve("echo", tenants=tenants, top={"allowed_origins": ["https://boat.example"]})
    assert status_of(host, "/acme/echo/", Origin="https://acme.example") == 101
    assert status_of(host, "/acme/echo/", Origin="https://boat.example") == 403
    assert status_of(host, "/echo/", Origin="https://acme.example") == 403


# Names of another tenant's objects


def pair(host):
    """A member of the group `room` in each of two tenants and in the default tenant."""
    clients = [
        host.connect("/acme/commander/"),
        host.connect("/commander/", name="bolt.example"),
        host.connect("/commander/"),
    ]
    for client in clients:
        assert client.ask("add room") == "ok"
    return clients


def test_groups_of_one_name_do_not_meet(worlds):
    acme, bolt, own = pair(worlds)
    for sender, text in [(acme, "of acme"), (bolt, "of bolt"), (own, "of nobody")]:
        assert sender.ask(f"group-send room {text}") == "ok"
        assert sender.recv() == f"message: {text}"
    assert [client.ask(f"frame room {number}") for number, client in enumerate([acme, bolt, own])] == ["ok"] * 3
    assert [client.recv() for client in [acme, bolt, own]] == ["0", "1", "2"]


@pytest.mark.parametrize("guess", ["acme/room", "@acme@room", "room@acme", "asgi@acme@:group:room", "../acme/room", "acme!room"])
def test_no_name_of_a_group_leads_to_another_tenants(worlds, guess):
    acme, bolt, _ = pair(worlds)
    assert bolt.ask(f"group-send {guess} from bolt").startswith("error: ")
    assert acme.ask("group-send room still alone") == "ok"
    assert acme.recv() == "message: still alone"


def test_a_channel_of_another_tenant_takes_nothing_even_where_its_name_is_known(worlds):
    acme, bolt, own = pair(worlds)
    channel = acme.ask("channel")
    for stranger in [bolt, own]:
        assert stranger.ask(f"send {channel} from a stranger") == "ok"
        assert stranger.ask(f"add strangers {channel}") == "ok"
        assert stranger.ask("group-send strangers from a stranger") == "ok"
    assert acme.ask(f"send {channel} from itself") == "ok"
    assert acme.recv() == "message: from itself"


@pytest.fixture(scope="module")
def redis():
    with Redis() as redis:
        yield redis


@pytest.mark.parametrize("backend", ["redis", "redis-pubsub"])
def test_the_keys_of_a_tenant_in_redis_carry_its_name(serve, redis, backend):
    layer = {"backend": backend, "hosts": [redis.address]}
    tenants = {name: {"path": f"/{name}", "plugins": ["commander"]} for name in ["acme", "bolt"]}
    host = serve("commander", layer=layer, tenants=tenants)
    clients = [host.connect(f"{path}/commander/") for path in ["/acme", "/bolt", ""]]
    for client in clients:
        assert client.ask("add room") == "ok"
        assert client.ask("group-send room to mine") == "ok"
        assert client.recv() == "message: to mine"
        # A message from another tenant would have arrived first.
        assert "specific." in client.ask("channel")


def test_django_reaches_a_tenant_by_its_prefix_and_no_other(serve, redis):
    layer = {"backend": "redis", "hosts": [redis.address]}
    tenants = {name: {"path": f"/{name}", "plugins": ["commander"]} for name in ["acme", "bolt"]}
    host = serve("commander", layer=layer, tenants=tenants)
    acme, bolt = host.connect("/acme/commander/"), host.connect("/bolt/commander/")
    assert [client.ask("add hall") for client in [acme, bolt]] == ["ok", "ok"]

    with peer([redis], prefix="asgi@acme@") as django:
        django.group_send("hall", {"type": "commander.text", "text": "from django"})
    assert acme.recv() == "message: from django"
    assert bolt.ask("channel").startswith("specific.")


def test_workers_of_one_channel_have_their_own_tenants_messages(serve):
    workers = [{"channel": "jobs", "plugin": "clerk"}]
    world = {"plugins": ["commander", "clerk"], "workers": workers}
    tenants = {name: world | {"path": f"/{name}"} for name in ["acme", "bolt"]}
    host = serve("echo", tenants=tenants)
    for name in tenants:
        client = host.connect(f"/{name}/commander/")
        for count in [1, 2]:
            assert client.ask(f"send jobs {client.ask('channel')} echo of {name}") == "ok"
            assert client.recv() == f"message: v1 {count} of {name}"


# Tokens of operators and tenants


def test_the_operator_sees_all_and_a_tenants_token_what_is_its_own(worlds, admin):
    clients = pair(worlds)
    everything = admin.ask("/v1/status").json()
    named = {(plugin["tenant"], plugin["name"]) for plugin in everything["plugins"]}
    assert ("default", "commander") in named and ("bolt", "misbehave") in named
    for answer in [
        admin.ask("/v1/status", token="token of acme"),
        admin.ask("/v1/status?tenant=acme"),
        admin.ask("/v1/status?tenant=acme", token="token of acme"),
    ]:
        own = answer.json()
        assert {plugin["tenant"] for plugin in own["plugins"]} == {"acme"}
        assert {layer["tenant"] for layer in own["layers"]} == {"acme"}
        assert own["connections"] == 1
    listed = admin.ask("/v1/connections", token="token of acme").json()
    assert [connection["tenant"] for connection in listed["connections"]] == ["acme"]
    assert len(clients) == 3


def test_figures_of_a_tenant_are_its_own(admin):
    text = admin.ask("/metrics").body.decode()
    assert 'tenant="acme",plugin="doorman"' in text and 'tenant="default",plugin="doorman"' in text
    own = admin.ask("/metrics", token="token of acme").body.decode()
    assert 'tenant="acme"' in own
    assert 'tenant="bolt"' not in own and 'tenant="default"' not in own and "\nnarrowboat_pool_memories " not in own


def test_the_log_of_a_tenant_is_its_own(worlds, admin):
    worlds.connect("/misbehave/", name="bolt.example").ask("log of bolt")
    lines = lambda token: [json.loads(line) for line in admin.ask("/v1/logs?lines=1000", token=token).body.splitlines()]
    eventually(lambda: any(line["message"].startswith("of bolt") for line in lines("token of bolt")))
    assert {line.get("tenant") for line in lines("token of bolt")} == {"bolt"}
    assert {line.get("tenant") for line in lines("token of acme")} <= {"acme"}
    assert any(line.get("tenant") == "bolt" and line["plugin"] == "misbehave" for line in lines(None))


ACROSS = [
    ("GET", "/v1/status"),
    ("GET", "/v1/connections"),
    ("GET", "/v1/logs"),
    ("GET", "/metrics"),
    ("GET", "/v1/plugins/doorman/versions"),
    ("POST", "/v1/plugins/doorman/rollback"),
    ("POST", "/v1/publish"),
]


@pytest.mark.parametrize("other", ["bolt", "default", "nobody"])
@pytest.mark.parametrize(("method", "path"), ACROSS)
def test_a_tenants_token_asks_nothing_of_another(admin, method, path, other):
    answer = admin.ask(f"{path}?tenant={other}", method, body={} if method == "POST" else None, token="token of acme")
    assert answer.status == 403 and "belongs to a tenant" in answer.json()["error"]


@pytest.mark.parametrize("path", ["/v1/drain", "/v1/reload"])
def test_a_token_of_a_tenant_does_not_allow_host_wide_commands(admin, path):
    answer = admin.ask(path, "POST", body={}, token="token of acme")
    assert answer.status == 403 and "belongs to a tenant" in answer.json()["error"]


def test_a_tenants_token_closes_its_own_connections_alone(worlds, admin):
    acme, bolt, own = pair(worlds)
    close = lambda client: admin.ask(
        f"/v1/connections/{client.ask('channel')}/close", "POST", body={"code": 4000}, token="token of acme"
    )
    assert close(bolt).status == 404 and close(own).status == 404
    assert close(acme).status == 204
    assert acme.ended()[0] == 4000
    assert bolt.ask("channel") and own.ask("channel")


def test_a_message_from_outside_is_for_the_tenant_of_its_token(worlds, admin):
    acme, bolt, own = pair(worlds)
    message = {"group": "room", "message": {"type": "commander.text", "text": "from outside"}}
    assert admin.ask("/v1/publish", "POST", body=message, token="token of bolt").status == 200
    assert bolt.recv() == "message: from outside"
    assert admin.ask("/v1/publish?tenant=acme", "POST", body=message).status == 200
    assert acme.recv() == "message: from outside"
    assert own.ask("channel").startswith("specific.")


def test_a_tenants_token_deploys_what_is_its_own(serving, component):
    echo = component("echo").read_bytes()
    other = with_manifest(echo, 'name = "echo"\nisolation = "connection"')
    tenants = {
        name: {"path": f"/{name}", "plugins": ["echo"], "tokens": [token(name, "deploy")]} for name in ["acme", "bolt"]
    }
    with serving("echo", tenants=tenants, admin=ADMIN) as host:
        admin = Admin(host)
        path = "/v1/plugins/echo/versions"
        deployed = admin.ask(path, "POST", body=other, token="token of acme")
        assert deployed.json()["version"] == hashlib.sha256(other).hexdigest()
        kept = lambda **options: [version["version"] for version in admin.ask(path, **options).json()["versions"]]
        assert len(kept(token="token of acme")) == 2
        assert kept(token="token of bolt") == kept() == [hashlib.sha256(echo).hexdigest()]


def test_the_command_line_names_a_tenant(worlds, admin, narrowboat):
    client = worlds.connect("/acme/commander/")
    told = narrowboat("connections", "--tenant", "acme", *admin.arguments)
    assert client.ask("channel") in told.stdout and "acme/commander" in told.stdout
    message = ["--group", "hall", "--type", "commander.text", "--json", '{"text": "hello"}']
    assert client.ask("add hall") == "ok"
    assert narrowboat("send", *message, "--tenant", "acme", *admin.arguments).returncode == 0
    assert client.recv() == "message: hello"
    assert narrowboat("status", "--tenant", "nobody", *admin.arguments).returncode == 5


# Tenants added, changed and removed while the host runs


class Changing:
    """A host whose configuration tests rewrite."""

    def __init__(self, serve, component, **settings):
        self._component, self._settings = component, {"log": "info", "admin": ADMIN} | settings
        self.host = serve(**self._settings)

    def write(self, **settings):
        self._settings |= settings
        rest = {key: value for key, value in self._settings.items() if key != "log"}
        beside = self.host.config.with_suffix(".new")
        beside.write_text(toml(support.configuration(self._component, **rest)))
        beside.rename(self.host.config)


def echo_at(*names):
    return {name: {"path": f"/{name}", "plugins": ["echo"]} for name in names}


@pytest.fixture
def changing(serve, component):
    return lambda **settings: Changing(serve, component, plugins={"echo": {}}, **settings)


def is_served(host, path):
    return status_of(host, path) == 101


def test_a_tenant_comes_and_goes_while_others_stay(changing):
    changed = changing(tenants=echo_at("acme"))
    host = changed.host
    own, acme = host.connect("/echo/"), host.connect("/acme/echo/")
    assert not is_served(host, "/bolt/echo/")
    changed.write(tenants=echo_at("acme", "bolt"))
    eventually(lambda: is_served(host, "/bolt/echo/"))
    host.logged('tenants reloaded added="bolt"')
    bolt = host.connect("/bolt/echo/")
    changed.write(tenants=echo_at("bolt"))
    assert acme.ended()[0] == GOING_AWAY
    assert not is_served(host, "/acme/echo/")
    for client in [own, bolt]:
        assert client.ask("still here") == "still here"


def test_a_word_or_a_signal_has_the_configuration_read_where_nobody_watches(changing, narrowboat):
    changed = changing(watch="off")
    host, admin = changed.host, Admin(changed.host)
    changed.write(tenants=echo_at("acme"))
    assert not is_served(host, "/acme/echo/")
    told = narrowboat("reload", *admin.arguments)
    assert told.stdout == "added: acme\n", told.stderr
    assert is_served(host, "/acme/echo/")
    unchanged = narrowboat("reload", *admin.arguments).stdout
    assert re.fullmatch(r"no changes since the last reload \S+ ago\n", unchanged), unchanged
    changed.write(tenants=echo_at("bolt"))
    host._process.send_signal(signal.SIGHUP)
    eventually(lambda: is_served(host, "/bolt/echo/"))
    assert not is_served(host, "/acme/echo/")


def test_a_reread_tells_since_when_nothing_has_changed_and_what_waits_for_a_restart(changing, narrowboat):
    changed = changing()
    host, admin = changed.host, Admin(changed.host)
    changed.write(tenants=echo_at("acme"), limits={"timers": 7})
    # The host has already reloaded the changed file.
    eventually(lambda: is_served(host, "/acme/echo/"))
    for _ in range(2):
        told = narrowboat("reload", *admin.arguments)
        assert told.stdout == "restart required: limits\n", told.stderr
    changed.write(tenants=echo_at("acme", "bolt"), limits={})
    eventually(lambda: is_served(host, "/bolt/echo/"))
    told = narrowboat("reload", *admin.arguments)
    assert re.fullmatch(r"no changes since the last reload \S+ ago\n", told.stdout), told.stdout


def test_a_plugin_of_a_tenant_may_be_named_as_the_log_names_it(changing, narrowboat):
    admin = Admin(changing(tenants=echo_at("acme")).host)
    told = narrowboat("versions", "acme/echo", *admin.arguments)
    assert (told.returncode, "live" in told.stdout) == (0, True), told.stderr
    for name in ["echo", "acme/echo"]:
        assert narrowboat("versions", name, "--tenant", "acme", *admin.arguments).stdout == told.stdout
    for command in (["versions", "bolt/echo"], ["connections", "bolt/echo"], ["rollback", "bolt/echo"]):
        other = narrowboat(*command, "--tenant", "acme", *admin.arguments)
        assert (other.returncode, "--tenant says acme" in other.stderr) == (2, True), other.stderr
    assert narrowboat("connections", "acme/echo", *admin.arguments).returncode == 0


def test_the_missing_file_of_a_token_is_told_with_the_key_that_names_it(narrowboat, component, tmp_path):
    of_tenant = {"acme": {"path": "/acme", "tokens": [{"name": "ci", "file": "gone.token", "scopes": ["read"]}]}}
    of_host = ADMIN | {"tokens": [{"name": "ci", "file": "gone.token", "scopes": ["read"]}]}
    for key, config in [
        ('tenants.acme.tokens, "ci"', support.configuration(component, "echo", tenants=of_tenant, admin=ADMIN)),
        ('admin.tokens, "ci"', support.configuration(component, "echo", admin=of_host)),
    ]:
        (tmp_path / "narrowboat.toml").write_text(toml(config))
        result = narrowboat("serve", "--listen", "127.0.0.1:0", cwd=tmp_path, timeout=60)
        assert result.returncode in (1, 2), result.stderr
        assert f"{key}: gone.token: No such file" in result.stderr, result.stderr
        assert "[admin] names it" not in result.stderr
    told = narrowboat("status", "--admin", "http://127.0.0.1:1", "--token-file", tmp_path / "none.token")
    assert f"--token-file: {tmp_path}/none.token" in told.stderr, told.stderr


def test_only_what_is_served_anew_closes(changing):
    tenants = echo_at("acme")
    tenants["acme"]["plugins"] = {"echo": {}, "reply": {}}
    changed = changing(tenants=tenants)
    host = changed.host
    echo, reply = host.connect("/acme/echo/"), host.connect("/acme/reply/")
    tenants["acme"]["plugins"]["reply"] = {"overflow": "refuse"}
    tenants["acme"]["routes"] = [{"path": "/x/", "plugin": "echo"}, {"path": "/reply/", "plugin": "reply"}]
    changed.write(tenants=tenants)
    assert reply.ended()[0] == RESTART
    assert host.connect("/acme/reply/").is_served()
    assert echo.ask("still here") == "still here"
    assert host.connect("/acme/x/").ask("hello") == "hello"
    assert not is_served(host, "/acme/echo/")


def test_a_shared_instance_ends_with_its_connections_when_its_plugin_is_served_anew(changing, figure):
    plugin = {"isolation": "shared", "instances": 2}
    acme = {"path": "/acme", "plugins": {"turnstile": plugin}, "limits": {"instances": 6}}
    changed = changing(tenants={"acme": acme})
    host, admin = changed.host, Admin(changed.host)

    def instances():
        tenants = admin.get("/v1/status")["tenants"]
        limits = next(tenant["limits"] for tenant in tenants if tenant["name"] == "acme")
        return next(limit["used"] for limit in limits if limit["name"] == "instances")

    sizes = []
    for number in range(10):
        clients = [host.connect("/acme/turnstile/") for _ in range(6)]
        assert clients[0].ask("?") == "6"
        assert instances() == 2
        if number % 2:
            [client.close() for client in clients]
        plugin["overflow"] = "close" if number % 2 else "refuse"
        changed.write(tenants={"acme": acme})
        if number % 2 == 0:
            assert [client.ended()[0] for client in clients] == [RESTART] * 6
        eventually(lambda: instances() == 0, "the end of the instances")
        sizes.append(host.rss())
    figure("memory after a shared plugin was served anew", [f"{size >> 20} MiB" for size in sizes])
    assert sizes[-1] - sizes[2] < 64 << 20, sizes
    assert "without `disconnect`" not in host.log()


def test_a_changed_token_counts_at_once(changing):
    tenants = echo_at("acme")
    tenants["acme"]["tokens"] = [token("first", "read")]
    changed = changing(tenants=tenants)
    admin = Admin(changed.host)
    ask = lambda name: admin.ask("/v1/status", token=f"token of {name}").status
    assert (ask("first"), ask("second")) == (200, 401)
    tenants["acme"]["tokens"] = [token("second", "read")]
    changed.write(tenants=tenants)
    eventually(lambda: ask("second") == 200)
    assert ask("first") == 401


def test_a_wrong_configuration_changes_nothing_and_is_told(changing):
    changed = changing(tenants=echo_at("acme"))
    host, since = changed.host, len(changed.host.log())
    client = host.connect("/acme/echo/")
    changed.write(tenants={"acme": {"plugins": ["echo"]}})
    host.logged("cannot reload the configuration.*tenants.acme: needs `hosts = ", since)
    assert client.ask("still here") == "still here" and is_served(host, "/acme/echo/")


def test_changed_keys_that_only_a_start_reads_are_named(changing):
    changed = changing(tenants=echo_at("acme"))
    changed.write(limits={"max_connections": 7}, tenants=echo_at("bolt"))
    changed.host.logged('changed keys are only read at start; restart the host to apply keys="limits"')
    eventually(lambda: is_served(changed.host, "/bolt/echo/"))


def test_a_tenant_whose_component_is_broken_keeps_nobody_from_being_served(changing, component, tmp_path):
    file = tmp_path / "echo.wasm"
    file.write_bytes(b"not WebAssembly")
    tenants = echo_at("acme", "bolt")
    tenants["acme"]["plugins"] = {"echo": {"component": str(file)}, "reply": {}}
    host = changing(tenants=tenants).host
    host.logged('it is not served .*plugin "acme/echo": .* is not WebAssembly')
    assert is_served(host, "/bolt/echo/") and is_served(host, "/acme/reply/")
    assert status_of(host, "/acme/echo/") == 503
    shutil.copy(component("echo"), file)
    eventually(lambda: is_served(host, "/acme/echo/"))


def test_a_tenant_whose_component_is_not_there_yet_is_served_once_it_is(changing, component, tmp_path):
    file = tmp_path / "echo.wasm"
    tenants = echo_at("acme")
    tenants["acme"]["plugins"] = {"echo": {"component": str(file)}}
    host = changing(tenants=tenants).host
    assert status_of(host, "/acme/echo/") == 503
    shutil.copy(component("echo"), file)
    eventually(lambda: is_served(host, "/acme/echo/"))


def test_a_version_of_a_tenant_comes_back_with_the_tenant(changing, component):
    tenants = echo_at("acme")
    changed = changing(tenants=tenants)
    admin = Admin(changed.host)
    other = with_manifest(component("echo").read_bytes(), 'name = "echo"\nisolation = "connection"')
    assert admin.ask("/v1/plugins/echo/versions?tenant=acme", "POST", body=other).status == 200
    changed.write(tenants={})
    eventually(lambda: not is_served(changed.host, "/acme/echo/"))
    changed.write(tenants=tenants)
    eventually(lambda: is_served(changed.host, "/acme/echo/"))
    live = admin.ask("/v1/plugins/echo/versions?tenant=acme").json()["versions"][0]
    assert (live["version"], live["state"]) == (hashlib.sha256(other).hexdigest(), "live")
    assert admin.ask("/v1/status?tenant=acme").json()["plugins"][0]["version"] == live["version"]


# Invalid tenants


@pytest.mark.parametrize(
    ("tenants", "words"),
    [
        ({"../acme": {"path": "/acme"}}, "1 to 64 characters of a-z"),
        ({"a/b": {"path": "/acme"}}, "1 to 64 characters of a-z"),
        ({"Acme": {"path": "/acme"}}, "1 to 64 characters of a-z"),
        ({"a" * 65: {"path": "/acme"}}, "1 to 64 characters of a-z"),
        ({"": {"path": "/acme"}}, "1 to 64 characters of a-z"),
        ({"default": {"path": "/acme"}}, "at the top of the file"),
        ({"acme": {}}, "tenants.acme: needs `hosts"),
        ({"acme": {"path": "acme"}}, 'such as "/acme"'),
        ({"acme": {"path": "/"}}, 'such as "/acme"'),
        ({"acme": {"path": "/a/../b"}}, 'such as "/acme"'),
        ({"acme": {"hosts": []}}, "tenants.acme.hosts: an empty list"),
        ({"acme": {"hosts": ["https://acme.example"]}}, "tenants.acme.hosts"),
        ({"acme": {"path": "/a"}, "bolt": {"path": "/a/"}}, "tenants.bolt: has a host and a path in common"),
        ({"acme": {"hosts": ["a.example"]}, "bolt": {"hosts": ["a.example"]}}, "in common with the tenant acme"),
        ({"acme": {"path": "/a", "plugins": {"../x": {"guest": "echo"}}}}, "tenants.acme.plugins.../x: the name of a plugin"),
        ({"acme": {"path": "/a", "plugins": {"echo": {"layer": "x"}}}}, "tenants.acme.plugins.echo.layer: there is no layer"),
        ({"acme": {"path": "/a", "routes": [{"path": "/x/", "plugin": "commander"}]}}, "tenants.acme.routes.plugin: there is no plugin"),
        ({"acme": {"path": "/a", "tokens": [token("x", "read")]}}, "tenants.acme.tokens: tokens need the admin API"),
        ({"acme": {"path": "/a", "listen": "127.0.0.1:1"}}, "tenants.acme.listen: unknown key `listen`"),
        ({"acme": {"path": "/a", "routes": [{"path": "/x/:y/", "plugin": "commander"}]}}, "tenants.acme.routes.path: a segment"),
    ],
)
def test_a_wrong_tenant_is_told_with_its_key(narrowboat, component, tmp_path, tenants, words):
    config = support.configuration(component, "commander", tenants=tenants)
    (tmp_path / "narrowboat.toml").write_text(toml(config))
    result = narrowboat("serve", "--listen", "127.0.0.1:0", cwd=tmp_path, timeout=60)
    assert result.returncode == 2 and words in result.stderr, result.stderr
