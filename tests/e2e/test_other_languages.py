"""Components of other languages, built by their own tools with the default flags: they load, and what they use of WASI
answers as on a computer without files and without a network."""

import json
import time

import pytest

from support import with_manifest

# The folder of each component's manifest, below tests/guests.
MANIFESTS = {
    "python": ("foreign", "python"),
    "javascript": ("foreign", "javascript"),
    "c": ("foreign", "c"),
    "rust": ("wasi",),
}
ALL = [*MANIFESTS]
WITH_WASI = ["python", "c", "rust"]

# What the exception is called, or the error, by the command that meets it.
ERRORS = {
    "python": {
        "open": "FileNotFoundError",
        "write": "FileNotFoundError",
        "list": "FileNotFoundError",
        "thread": "RuntimeError",
    },
    "c": {
        "open": "No such file or directory",
        "write": "No such file or directory",
        "list": "No such file or directory",
    },
    "rust": {
        "open": "NotFound",
        "write": "NotFound",
        "list": "NotFound",
        "connect": "Unsupported",
        "listen": "Unsupported",
        "resolve": "Unsupported",
    },
}


@pytest.fixture(scope="module")
def host(serving, foreign, root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("components")
    plugins = {}
    for name, place in MANIFESTS.items():
        manifest = root.joinpath("tests", "guests", *place, "plugin.toml").read_text()
        file = folder / f"{name}.wasm"
        file.write_bytes(with_manifest(foreign(name).read_bytes(), manifest))
        plugins[name] = {"component": str(file)}
    with serving("echo", plugins=plugins) as host:
        yield host


@pytest.mark.parametrize("name", ALL)
def test_it_answers(host, name):
    client = host.connect(f"/{name}/")
    assert client.ask("héllo") == "héllo"
    assert client.ask(b"\0\xff") == b"\0\xff"


@pytest.mark.parametrize("name", ALL)
def test_each_connection_has_its_own_state(host, name):
    first, second = host.connect(f"/{name}/"), host.connect(f"/{name}/")
    first.ask("one more")
    assert (first.ask("count"), second.ask("count")) == ("2", "1")


@pytest.mark.parametrize("name", ALL)
def test_it_knows_the_time(host, name):
    assert abs(float(host.connect(f"/{name}/").ask("time")) - time.time()) < 10


# QuickJS seeds its generator when the component is built.
@pytest.mark.parametrize("name", WITH_WASI)
def test_each_connection_has_its_own_random_numbers(host, name):
    first, second = host.connect(f"/{name}/"), host.connect(f"/{name}/")
    assert first.ask("random") != second.ask("random")


@pytest.mark.parametrize("name", WITH_WASI)
def test_it_sleeps(host, name):
    assert 0.05 <= float(host.connect(f"/{name}/").ask("sleep")) < 0.1


@pytest.mark.parametrize("name", WITH_WASI)
def test_its_output_is_in_the_log(host, name):
    since = len(host.log())
    assert host.connect(f"/{name}/").ask("print") == "printed"
    host.logged("a line on stdout", since)
    host.logged("a line on stderr", since)


@pytest.mark.parametrize("name", WITH_WASI)
def test_it_sees_no_environment_variable_of_the_host(host, name):
    environment = host.connect(f"/{name}/").ask("env")
    assert "PATH" not in environment and "NARROWBOAT_LOG" not in environment


def test_python_sees_no_variable_at_all(host):
    assert json.loads(host.connect("/python/").ask("env"))["variables"] == {}


@pytest.mark.parametrize(
    ("name", "command", "error"),
    [(name, *error) for name, errors in ERRORS.items() for error in errors.items()],
)
def test_a_denied_operation_is_an_ordinary_error(host, name, command, error):
    client = host.connect(f"/{name}/")
    assert client.ask(command) == error
    assert client.ask("still here") == "still here"


@pytest.mark.parametrize("command", ["connect", "listen", "resolve"])
def test_the_network_is_an_exception_in_python(host, command):
    client = host.connect("/python/")
    assert client.ask(command) in ("gaierror", "OSError", "PermissionError")
    assert client.ask("still here") == "still here"


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("python", "exit"),
        ("python", "exit at once"),
        ("python", "fail"),
        ("javascript", "fail"),
        ("c", "exit"),
        ("c", "fail"),
        ("rust", "exit"),
        ("rust", "fail"),
    ],
)
def test_its_end_is_that_of_one_connection(host, name, way):
    other, client = host.connect(f"/{name}/"), host.connect(f"/{name}/")
    client.send(way)
    assert client.ended() == (1011, "consumer failed")
    assert other.ask("served") == "served"
    assert host.connect(f"/{name}/").ask("served") == "served"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("python", "KeyError: 'missing'"),
        ("javascript", "cannot read property 'missing' of null"),
        ("rust", "asked to panic"),
    ],
)
def test_the_log_says_why_it_ended(host, name, reason):
    since = len(host.log())
    client = host.connect(f"/{name}/")
    client.send("fail")
    client.ended()
    host.logged(reason, since)
