"""Secrets in files and variables: they change while the host runs, and no output of the host has them."""

import json
import re
import socket
import ssl
import time
from pathlib import Path

import jwt
import pytest

from admin import ADMIN, Admin
from certificates import certificate, write
from redis_server import Redis
from support import UPGRADE, eventually, free_port

# The time after which a changed secret is used.
LIVE_WITHIN = 2


def secret_file(path, text, mode=0o600):
    """Replaces a file with a secret, as a rotation does."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text)
    new.chmod(mode)
    new.rename(path)
    return {"file": str(path)}


def with_host(host):
    """The admin API of a host, with the host."""
    admin = Admin(host)
    admin.host = host
    return admin


def status(admin, token):
    return admin.ask("/v1/status", token=token).status


# Tokens


@pytest.fixture
def tokens(serve, tmp_path):
    """The admin API of a host with a token of the operator and one of the tenant `acme`, in files, and one in a
    variable."""
    secret_file(tmp_path / "ops", "the first token of ops")
    secret_file(tmp_path / "acme", "the first token of acme")
    listed = [
        {"name": "ops", "file": str(tmp_path / "ops"), "scopes": ["read"]},
        {"name": "variable", "env": "TOKEN_OF_A_TEST", "scopes": ["read"]},
    ]
    acme = {"path": "/acme", "tokens": [{"name": "acme", "file": str(tmp_path / "acme"), "scopes": ["read"]}]}
    process = {"environment": {"TOKEN_OF_A_TEST": "a token in a variable"}}
    return with_host(serve("echo", admin=ADMIN | {"tokens": listed}, tenants={"acme": acme}, process=process))


def test_a_token_comes_from_a_variable(tokens):
    assert status(tokens, "a token in a variable") == 200


@pytest.mark.parametrize("name", ["ops", "acme"])
def test_a_changed_file_of_a_token_replaces_the_token(tokens, tmp_path, name):
    assert status(tokens, f"the first token of {name}") == 200
    secret_file(tmp_path / name, f"the second token of {name}")
    eventually(lambda: status(tokens, f"the second token of {name}") == 200, "the new token", LIVE_WITHIN)
    assert status(tokens, f"the first token of {name}") == 401


def test_a_changed_file_of_the_operators_own_token_replaces_the_token(tokens):
    earlier = tokens.token
    secret_file(tokens.token_file, "the operator's next token")
    eventually(lambda: status(tokens, "the operator's next token") == 200, "the new token", LIVE_WITHIN)
    assert status(tokens, earlier) == 401
    tokens.token = "the operator's next token"


def test_a_file_of_a_token_that_cannot_be_used_leaves_the_token(tokens, tmp_path):
    secret_file(tmp_path / "ops", "readable by others", mode=0o644)
    tokens.host.logged("cannot reload tokens; they stay as they were.*can be read by other users")
    assert status(tokens, "the first token of ops") == 200
    assert "can be read by other users" in tokens.get("/v1/status")["secret_problems"][0]
    secret_file(tmp_path / "ops", "the second token of ops")
    eventually(lambda: tokens.get("/v1/status")["secret_problems"] == [], "no problem")


def test_a_token_that_can_be_guessed_replaces_no_token(tokens, tmp_path):
    secret_file(tmp_path / "ops", "short")
    tokens.host.logged("cannot reload tokens; they stay as they were.*the token in the file .*ops has fewer than 16 characters")
    assert status(tokens, "the first token of ops") == 200 and status(tokens, "short") == 401


def test_a_mode_that_is_put_right_is_noticed(tokens, tmp_path):
    secret_file(tmp_path / "ops", "the second token of ops", mode=0o644)
    tokens.host.logged("cannot reload tokens; they stay as they were.*can be read by other users")
    (tmp_path / "ops").chmod(0o600)
    eventually(lambda: status(tokens, "the second token of ops") == 200, "the new token")


def test_a_link_to_another_folder_replaces_a_token(tokens, tmp_path):
    """As Kubernetes does: the file is a link below `..data`, which is replaced as a whole."""
    for name in ["one", "two"]:
        (tmp_path / name).mkdir()
        secret_file(tmp_path / name / "ops", f"the token in folder {name}")
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "link").symlink_to("..data/ops")
    (tmp_path / "link").rename(tmp_path / "ops")
    eventually(lambda: status(tokens, "the token in folder one") == 200, "the token behind the link")
    (tmp_path / "..new").symlink_to("two")
    (tmp_path / "..new").rename(tmp_path / "..data")
    eventually(lambda: status(tokens, "the token in folder two") == 200, "the token behind the new link")


# Settings


@pytest.fixture
def settings(serve, tmp_path):
    """The admin API of a host whose plugins have settings, and whose tenant `acme` has settings of its own."""
    key = secret_file(tmp_path / "key", "hidden-key")
    config = {"greeting": "hello", "api": {"key": key, "url": "https://api.example"}, "list": [1, "a"]}
    acme = {
        "path": "/acme",
        "plugins": {"echo": {"config": {"mine": "yes"}}},
        "tokens": [{"name": "acme", "file": str(tmp_path / "acme"), "scopes": ["read"]}],
    }
    secret_file(tmp_path / "acme", "the only token of acme")
    plugins = {"echo": {"config": config}}
    return with_host(serve(plugins=plugins, tenants={"acme": acme}, admin=ADMIN, watch="off"))


def shown(admin, tenant="default", **options):
    plugins = admin.get("/v1/status", **options)["plugins"]
    return next(plugin["settings"] for plugin in plugins if plugin["tenant"] == tenant)


SHOWN = {"greeting": "hello", "api.key": "(secret)", "api.url": "https://api.example", "list": '[1,"a"]'}


def test_the_status_has_settings_without_secrets(settings, narrowboat):
    assert shown(settings) == SHOWN
    result = narrowboat("status", *settings.arguments)
    for key, value in SHOWN.items():
        pattern = rf"echo +{re.escape(key)} +{re.escape(value)}".replace('"', r'\\?"')
        assert re.search(pattern, result.stdout), result.stdout
    assert "hidden-key" not in result.stdout


def test_a_token_of_a_tenant_sees_settings_of_its_tenant_alone(settings):
    plugins = settings.get("/v1/status", token="the only token of acme")["plugins"]
    assert [plugin["settings"] for plugin in plugins] == [{"mine": "yes"}]
    assert settings.ask("/v1/status?tenant=default", token="the only token of acme").status == 403


def test_a_reload_changes_settings_and_no_connection_closes(settings):
    host = settings.host
    client, version = host.connect("/echo/"), settings.plugin("echo")["version"]
    text = host.config.read_text().replace('"hello"', '"changed"')
    host.config.write_text(text)
    assert settings.post("/v1/reload").json()["changed"] == ["default"]
    assert shown(settings) == SHOWN | {"greeting": "changed"}
    assert settings.plugin("echo")["version"] == version
    assert settings.plugin("echo")["deploys"] == 0
    assert client.ask("still here") == "still here"


def test_a_secret_that_cannot_be_read_any_more_is_in_the_log_and_in_the_status(settings, tmp_path, narrowboat):
    (tmp_path / "key").unlink()
    problem = "key cannot be read"
    eventually(lambda: any(problem in it for it in settings.get("/v1/status")["secret_problems"]), "the problem")
    settings.host.logged(f"its value from before stays .*{problem}")
    assert problem in narrowboat("status", *settings.arguments).stdout
    assert settings.get("/v1/status", token="the only token of acme")["secret_problems"] == []
    assert settings.post("/v1/reload").status == 200
    secret_file(tmp_path / "key", "hidden-key")
    settings.host.logged("secret can be read again .*key")
    assert settings.get("/v1/status")["secret_problems"] == []


@pytest.mark.parametrize(
    ("reference", "problem"),
    [('{ env = "NO_SUCH_VARIABLE" }', "NO_SUCH_VARIABLE is not set"), ('{ file = "none" }', "none cannot be read")],
)
def test_a_missing_secret_is_told_at_the_start(narrowboat, component, tmp_path, reference, problem):
    config = tmp_path / "narrowboat.toml"
    echo = component("echo")
    config.write_text(f'[plugins.echo]\ncomponent = "{echo}"\n[plugins.echo.config]\nkey = {reference}\n')
    result = narrowboat("serve", "--config", config)
    assert result.returncode == 2
    assert "narrowboat.toml:4:1: plugins.echo.config.key: " in result.stderr and problem in result.stderr


# Redis


def test_a_new_password_in_the_url_of_redis_is_used_for_the_next_connection(serve, tmp_path):
    with Redis() as redis:
        redis.ask("CONFIG", "SET", "requirepass", "first")
        url = lambda password: f"redis://:{password}@127.0.0.1:{redis.port}/0"
        reference = secret_file(tmp_path / "url", url("first"))
        layer = {"backend": "redis", "hosts": [reference]}
        host = serve("echo", layer=layer, admin=ADMIN)
        admin = Admin(host)
        connected = lambda: admin.get("/v1/status")["layers"][0]["connected"]
        eventually(connected, "the layer")
        client = host.connect("/echo/")
        redis.ask_after_login("first", "CONFIG", "SET", "requirepass", "second")
        secret_file(tmp_path / "url", url("second"))
        host.logged("secret has changed .*url", deadline=LIVE_WITHIN)
        redis.ask_after_login("second", "CLIENT", "KILL", "TYPE", "normal")
        eventually(connected, "the layer with the new password")
        assert client.is_served()


def test_a_url_of_redis_that_names_another_server_asks_for_a_reload(serve, tmp_path):
    with Redis() as redis:
        layer = {"backend": "redis", "hosts": [secret_file(tmp_path / "url", redis.address)]}
        host = serve("echo", layer=layer)
        secret_file(tmp_path / "url", "redis://127.0.0.1:1/0")
        host.logged("the URL of its Redis names another server; reload the configuration")


# Markers

MARKER = "hunter2"


class Markers:
    """Distinct secrets, which no output may have."""

    def __init__(self, folder):
        self.folder, self.values, self.environment = folder, [], {}

    def text(self, name):
        value = f"{MARKER}-{name}-{len(self.values)}-of-more-than-32-bytes"
        self.values.append(value)
        return value

    def file(self, name, text=None):
        return secret_file(self.folder / name, text or self.text(name))

    def variable(self, name, text=None):
        self.environment[name] = text or self.text(name)
        return {"env": name}

    def found(self, output):
        lines = [line for line in output.splitlines() if MARKER in line or any(it in line for it in self.values)]
        return lines[:5]


@pytest.fixture
def marked(serve, tmp_path):
    """A host with a marker in each key that may have a secret. `output` has all that it has written."""
    markers = Markers(tmp_path)
    write(tmp_path, "server", certificate("server"))
    key = (tmp_path / "server.key").read_text()
    # Each line of the key is a marker.
    markers.values += [line for line in key.splitlines() if not line.startswith("-")]
    tls = {"cert": str(tmp_path / "server.pem"), "key": markers.variable("TLS_KEY", key)}
    dead = free_port()
    with Redis() as redis:
        redis.ask("CONFIG", "SET", "requirepass", "right")
        host = f"127.0.0.1:{redis.port}"
        layers = {
            "inline": {"hosts": [f"redis://user:{markers.text('inline')}@{host}"]},
            "url": {"hosts": [markers.file("url", f"redis://:{markers.text('url')}@{host}")]},
            "address": {"hosts": [{"address": markers.variable("ADDRESS", f"redis://:{markers.text('address')}@{host}")}]},
            "password": {"hosts": [{"host": "127.0.0.1", "port": redis.port, "password": markers.file("password")}]},
            "sentinel": {
                "hosts": [
                    {
                        "sentinels": [["127.0.0.1", redis.port]],
                        "master_name": "m",
                        "password": markers.file("master"),
                        "sentinel_kwargs": {"password": markers.file("sentinel")},
                    }
                ]
            },
            "dead": {"hosts": [f"redis://:{markers.text('dead')}@127.0.0.1:{dead}"]},
        }
        keys = [markers.text("encryption"), markers.file("encryption"), markers.variable("ENCRYPTION")]
        for name, layer in layers.items():
            backend = "redis-pubsub" if name == "url" else "redis"
            layer |= {"backend": backend, "symmetric_encryption_keys": keys}
        config = {"file": markers.file("setting"), "deep": {"variable": markers.variable("SETTING")}}
        plugins = {name: {"guest": "echo", "layer": name, "config": config} for name in layers}
        scopes = ["admin"]
        operators = [
            {"name": "file", "file": markers.file("token")["file"], "scopes": scopes},
            {"name": "variable", "env": markers.variable("TOKEN")["env"], "scopes": scopes},
        ]
        acme = {
            "path": "/acme",
            "plugins": {"echo": {"config": {"own": markers.file("acme")}}},
            "tokens": [{"name": "acme", "file": markers.file("acme_token")["file"], "scopes": scopes}],
        }
        users = {
            "jwt": {"secret": markers.variable("JWT"), "algorithms": ["HS256"]},
            "webhook": {"url": markers.file("webhook", f"http://127.0.0.1:{dead}/who?key={markers.text('webhook')}")},
        }
        keyvalue = {"backend": "redis", "hosts": [markers.file("keyvalue", f"redis://:{markers.text('kv')}@{host}")]}
        served = serve(
            "echo",
            "keeper",
            plugins=plugins,
            layers=layers,
            tenants={"acme": acme},
            tls=tls,
            admin=ADMIN | {"tokens": operators},
            top={"users": users, "keyvalue": keyvalue},
            log="trace",
            process={"environment": markers.environment},
        )
        served.markers, served.admin = markers, Admin(served)
        yield served


def answers(admin, token):
    """Everything that the admin API answers to a token."""
    paths = [*admin.document._document["paths"], "/", "/page/page.js", "/page/plugin_card.js"]
    for path in paths:
        path = path.replace("{name}", "echo").replace("{plugin}", "echo").replace("{channel}", "x")
        if "logs" in path and "follow" in path:
            continue
        for method in ["GET", "POST"]:
            answer = admin.ask(path, method, {} if method == "POST" and "drain" not in path else None, token=token)
            yield f"{method} {path}: {answer.headers} {answer.body.decode(errors='replace')}"
    yield admin.ask("/v1/logs?lines=10000", token=token).body.decode(errors="replace")


def handshake(host, path, headers=None):
    """The response to a handshake over TLS."""
    trusting = ssl._create_unverified_context()
    with trusting.wrap_socket(socket.create_connection(("127.0.0.1", host.port), 20)) as tls:
        lines = "".join(f"{key}: {value}\r\n" for key, value in (UPGRADE | (headers or {})).items())
        tls.sendall(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        return tls.recv(4096).decode(errors="replace")


def test_no_output_has_a_secret(marked, narrowboat, tmp_path):
    markers, admin, outputs = marked.markers, marked.admin, []
    # Handshakes that ask the webhook, which does not answer, and with valid and invalid tokens.
    outputs += [handshake(marked, path) for path in ["/echo/", "/inline/", "/acme/echo/"]]
    marked.logged("users.webhook failed url=the address in the file .*webhook problem=")
    for secret in [markers.environment["JWT"], "another secret of more than 32 bytes, it is"]:
        token = jwt.encode({"sub": "ada", "exp": time.time() + 600}, secret, "HS256")
        paths = ["/keeper/", "/inline/", "/sentinel/"]
        outputs += [handshake(marked, path, {"Authorization": f"Bearer {token}"}) for path in paths]
    assert any("101 " in output for output in outputs)
    outputs += list(answers(admin, None))
    outputs += list(answers(admin, Path(tmp_path / "acme_token").read_text()))
    for command in [("status",), ("status", "--json"), ("connections",), ("plugin", "list"), ("reload",)]:
        result = narrowboat(*command, *admin.arguments)
        outputs.append(result.stdout + result.stderr)
    # Rotations, files that are gone, and files that do not fit.
    for name in ["setting", "url", "encryption", "webhook", "token", "acme", "keyvalue"]:
        secret_file(tmp_path / name, markers.text(f"rotated-{name}"))
    marked.logged("secret has changed .*setting")
    for name in ["setting", "url", "encryption", "webhook", "acme"]:
        (tmp_path / name).write_bytes(markers.text(name).encode() + b"\0\xff")
    marked.logged("its value from before stays .*setting")
    outputs.append(json.dumps(admin.get("/v1/status")))
    # Configurations with errors, on a reload and on a start.
    text = marked.config.read_text()
    for old, new in [("symmetric_encryption_keys = [", "symmetric_encryption_keys = [5, "), ("redis://", "radis://")]:
        assert old in text
        marked.config.write_text(text.replace(old, new))
        outputs.append(repr(admin.post("/v1/reload").body))
        result = narrowboat("serve", "--config", marked.config, env=markers.environment)
        assert result.returncode == 2
        outputs.append(result.stdout + result.stderr)
    marked.config.write_text(text)
    outputs += [marked.log(), marked.stdout()]
    assert "settings changed" in outputs[-2], "the log is one of the level trace"
    assert [line for output in outputs for line in markers.found(output)] == []
