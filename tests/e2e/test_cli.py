"""The command line: help, exit codes, and messages about wrong configurations and components."""

import hashlib
import re
import resource
import socket
import subprocess

import pytest

from support import DEADLINE, Host

# Headers of WebAssembly binaries.
MODULE = b"\0asm\x01\0\0\0"
COMPONENT = b"\0asm\x0d\0\x01\0"


@pytest.fixture
def configured(narrowboat, component, tmp_path):
    """Runs `serve` with an invalid configuration."""

    def run(text, **files):
        (tmp_path / "echo.wasm").write_bytes(component("echo").read_bytes())
        for name, content in files.items():
            (tmp_path / f"{name}.wasm").write_bytes(content)
        (tmp_path / "wrong.toml").write_text(text)
        arguments = ["serve", "--config", "wrong.toml", "--listen", "127.0.0.1:0"]
        try:
            return narrowboat(*arguments, cwd=tmp_path, timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            pytest.fail("the host serves with it")

    return run


@pytest.fixture
def crate(root, tmp_path):
    """Creates a guest crate outside the workspace."""

    def make(manifest='name = "made"', kind='crate-type = ["cdylib"]', code=""):
        folder = tmp_path / "made"
        (folder / "src").mkdir(parents=True)
        if manifest is not None:
            (folder / "plugin.toml").write_text(manifest)
        package = '[package]\nname = "made"\nversion = "0.1.0"\nedition = "2024"\n'
        (folder / "Cargo.toml").write_text(f"{package}[lib]\n{kind}\n[workspace]\n")
        (folder / "src/lib.rs").write_text(code)
        return folder

    return make


# Help and usage.


@pytest.mark.parametrize(
    ("command", "example"),
    [
        ([], "narrowboat plugin build plugins/echo"),
        (["serve"], "narrowboat serve --listen 127.0.0.1:0"),
        (["dev"], "narrowboat dev chat"),
        (["plugin", "build"], "narrowboat plugin build plugins/echo"),
        (["plugin", "inspect"], "narrowboat plugin inspect "),
        (["plugin", "keygen"], "narrowboat plugin keygen release"),
        (["plugin", "sign"], "narrowboat plugin sign chat.wasm --key release.pem"),
    ],
)
def test_help_has_examples(narrowboat, command, example):
    result = narrowboat(*command, "--help")
    assert result.returncode == 0
    assert re.search(r"(?m)^Examples?:", result.stdout) and example in result.stdout


def test_help_tells_the_exit_codes(narrowboat):
    assert "0 success, 1 a failure at run time, 2 wrong usage" in narrowboat("--help").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["sail"],
        ["serve", "--speed", "4"],
        ["serve", "--listen", "nowhere"],
        ["dev", "here", "there"],
        ["dev", "here", "--config", "there.toml"],
        ["plugin"],
        ["plugin", "build"],
        ["plugin", "inspect"],
        ["plugin", "keygen"],
        ["plugin", "sign"],
        ["plugin", "sign", "chat.wasm"],
    ],
)
def test_wrong_usage_is_2_and_says_what_is_right(narrowboat, arguments):
    result = narrowboat(*arguments)
    assert result.returncode == 2
    assert "Usage: narrowboat" in result.stderr or "--help" in result.stderr


# Configurations: the error has the line, the key and the correct form.

ECHO = '[plugins.echo]\ncomponent = "echo.wasm"\n'
DESK = '[[workers]]\nchannel = "desk"\n'

WRONG = [
    ('lisen = "127.0.0.1:0"', 1, "lisen", "did you mean `listen`?"),
    ('listen = "localhost"', 1, "listen", "127.0.0.1:8000"),
    ("listen = 80", 1, "listen", "127.0.0.1:8000"),
    ("[limits]\nmax_conections = 5", 2, "limits.max_conections", "mean `max_connections`?"),
    ('[limits]\nmax_connections = "five"', 2, "limits.max_connections", 'string "five"'),
    ("[limits]\nmax_connections = 0", 2, "limits.max_connections", "must be 1 to"),
    ("[limits]\nmax_message = 0", 2, "limits.max_message", "more than 0"),
    ('[limits]\nmemory = "1 furlong"', 2, "limits.memory", '"64 KiB"'),
    ('[limits]\nmemory = "5 GiB"', 2, "limits.memory", "must be at most 4"),
    ("[limits]\nping_interval = 20", 2, "limits.ping_interval", '"10s"'),
    ('[limits]\n\nidle_timeout = "1s"', 3, "limits.idle_timeout", "longer than ping_interval (20s)"),
    ('[limits]\ncall_time = "0ms"', 2, "limits.call_time", "at least 1ms"),
    ("[plugins.echo]", 1, "plugins.echo", "`crate = "),
    (ECHO + 'crate = "echo"', 3, "plugins.echo", "keep one"),
    (ECHO + 'isolaton = "shared"', 3, "plugins.echo.isolaton", "mean `isolation`?"),
    (ECHO + 'isolation = "alone"', 3, "plugins.echo.isolation", "`connection`, `shared`, `room`"),
    (ECHO + 'isolation = "shared"', 3, "plugins.echo.isolation", "may only narrow"),
    (ECHO + "instances = 0", 3, "plugins.echo.instances", "1 to "),
    (ECHO + 'overflow = "drop"', 3, "plugins.echo.overflow", "`close`, `refuse`, `drop-oldest`"),
    (ECHO + 'limits.memory = "1 GiB"', 3, "plugins.echo.limits.memory", "limit of 64"),
    (ECHO + 'limits.call_time = "2h"', 3, "plugins.echo.limits.call_time", "limit of 100ms"),
    ('[plugins.Echo]\ncomponent = "echo.wasm"', 1, "plugins.Echo", "a-z, 0-9"),
    ('[plugins.echo]\ncomponent = "gone.wasm"', 2, "plugins.echo.component", "gone.wasm"),
    ('[plugins.echo]\ncrate = "gone"', 2, "plugins.echo.crate", "gone"),
    (ECHO + '[[routes]]\npath = "/"\nplugin = "ecko"', 5, "routes.plugin", 'mean "echo"?'),
    ('[[routes]]\npath = "/"\nplugin = "echo"', 3, "routes.plugin", "[plugins.echo]"),
    (ECHO + '[[routes]]\npath = "/"\nregex = "^/$"\nplugin = "echo"', 5, "routes", "not both"),
    (ECHO + '[[routes]]\nplugin = "echo"', 3, "routes", "`path = "),
    (ECHO + '[[routes]]\npath = "/"', 3, "routes", "`plugin`"),
    (ECHO + '[[routes]]\nregex = "^/("\nplugin = "echo"', 4, "routes.regex", "unclosed group"),
    (ECHO + '[[routes]]\npath = "echo"\nplugin = "echo"', 4, "routes.path", "must start with `/`"),
    (ECHO + '[[routes]]\npath = "/{a"\nplugin = "echo"', 4, "routes.path", "`{` without `}`"),
    (ECHO + '[[routes]]\npath = "/{1}/"\nplugin = "echo"', 4, "routes.path", "must start with a letter"),
    (ECHO + '[[routes]]\npath = "/{a}/{a}/"\nplugin = "echo"', 4, "routes.path", "duplicate"),
    (
        ECHO + '[[routes]]\npath = "/"\nplugin = "echo"\nmax_message = 0',
        6, "routes.max_message", "more than 0",
    ),
    (ECHO + DESK + 'plugin = "ecko"', 5, "workers.plugin", 'mean "echo"?'),
    (ECHO + DESK, 3, "workers", "`plugin`"),
    (ECHO + '[[workers]]\nplugin = "echo"', 3, "workers", "`channel`"),
    (ECHO + DESK + 'plugin = "echo"\ninstances = 0', 6, "workers.instances", "1 to "),
    (ECHO + DESK + 'plugin = "echo"\nevry = "5s"', 6, "workers.evry", "mean `every`?"),
    (ECHO + DESK + 'plugin = "echo"\nevery = 5', 6, "workers.every", '"10s"'),
    (ECHO + DESK + 'plugin = "echo"\nevery = "1ms"', 6, "workers.every", "at least 100ms"),
    (ECHO + DESK + 'plugin = "echo"\n' + DESK + 'plugin = "echo"', 7, "workers.channel", "has a worker already"),
    (ECHO + DESK + 'plugin = "echo"', 5, "workers.plugin", "is not a worker"),
    (ECHO + DESK.replace("desk", "a b") + 'plugin = "echo"', 4, "workers.channel", "' ' at byte 1"),
    (ECHO + DESK.replace("desk", "a!b") + 'plugin = "echo"', 4, "workers.channel", "belongs to one connection"),
    (
        '[layer]\nbackend = "redis-pubsub"\n' + ECHO + DESK + 'plugin = "echo"',
        7, "workers.plugin", 'a layer with backend = "redis"',
    ),
    ('[layer]\nbackend = "rabbit"', 2, "layer.backend", "`memory`"),
    ("[layer]\ncapacity = 0", 2, "layer.capacity", "at least 1"),
    ('[layer]\nexpiry = "soon"', 2, "layer.expiry", '"10s"'),
    ('[layer]\nexpiry = "0s"', 2, "layer.expiry", "at least"),
    ("[layer]\nmailbox_bytes = 0", 2, "layer.mailbox_bytes", "more than 0"),
    ("[layer]\nmax_message = 0", 2, "layer.max_message", "more than 0"),
    (
        '[layer]\nchannel_capacity = [{ pattern = "a*", capacity = 0 }]',
        2, "layer.channel_capacity", "at least 1",
    ),
    ("[limits", 1, "", "expected `]`"),
    ("\n\nlisten =", 3, "", "listen ="),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "key", "hint"), WRONG)
def test_a_wrong_configuration_is_2_with_file_line_key_and_what_is_right(
    configured, text, line, key, hint
):
    result = configured(text)
    assert result.returncode == 2
    assert re.search(rf"wrong\.toml:{line}:\d+: ", result.stderr), result.stderr
    # The error names an element of a list by its index: routes[0].plugin.
    told = re.sub(r"\[\d+\]", "", result.stderr)
    assert f": {key}" in told and hint in told


@pytest.mark.parametrize(
    "text", ["[layer]\ncapacity = -1", '[limits]\nmax_connections = "five"', ECHO + "component = 5"]
)
def test_a_type_is_named_as_people_name_it(configured, text):
    result = configured(text.replace('component = "echo.wasm"\n', ""))
    assert result.returncode == 2
    assert "usize" not in result.stderr and "path string" not in result.stderr


def test_a_configuration_that_is_missing_is_2_and_says_how_to_name_another(narrowboat, tmp_path):
    result = narrowboat("serve", cwd=tmp_path)
    assert result.returncode == 2
    assert "narrowboat.toml" in result.stderr and "--config" in result.stderr


def test_the_line_at_fault_is_shown(configured):
    assert "\n  max_conections = 5" in configured("[limits]\nmax_conections = 5").stderr


# Components.

# A component with an empty exported instance under an unknown name.
NAME = b"elsewhere:world/greeter"
OTHER_WORLD = (
    COMPONENT
    + b"\x05\x03\x01\x01\x00"
    + bytes([11, len(NAME) + 6, 1, 0, len(NAME)]) + NAME + b"\x05\x00\x00"
)  # fmt: skip

NOT_OURS = {
    "0 bytes": (lambda echo: b"", "is empty"),
    "cut in half": (lambda echo: echo[: len(echo) // 2], "cut off or damaged"),
    "cut in its head": (lambda echo: echo[:6], "cut off or damaged"),
    "damaged": (lambda echo: echo[:5000] + b"\xff" * 50 + echo[5050:], "damaged|not compile"),
    "a core module": (lambda echo: MODULE, "core WebAssembly module, not a component"),
    "an empty component": (lambda echo: COMPONENT, "exports no consumer"),
    "another world": (lambda echo: OTHER_WORLD, "exports no consumer.*elsewhere:world/greeter"),
    "a web page": (lambda echo: b"<!DOCTYPE html><html></html>", "is not WebAssembly"),
    "a program": (lambda echo: b"\x7fELF" + bytes(100), "is not WebAssembly"),
}


@pytest.mark.parametrize(("change", "said"), NOT_OURS.values(), ids=NOT_OURS)
def test_a_component_that_cannot_serve_is_2_with_plugin_file_and_reason(
    configured, component, change, said
):
    wrong = change(component("echo").read_bytes())
    result = configured('[plugins.chat]\ncomponent = "bad.wasm"', bad=wrong)
    assert result.returncode == 2
    assert '"chat"' in result.stderr and "bad.wasm" in result.stderr
    assert re.search(said, result.stderr)


def test_a_reason_is_told_once(configured):
    result = configured('[plugins.chat]\ncomponent = "bad.wasm"', bad=b"")
    assert result.stderr.count("is empty") == 1


@pytest.mark.parametrize("change", [b"", MODULE, b"<html>"])
def test_inspecting_what_is_no_component_is_1(narrowboat, tmp_path, change):
    (tmp_path / "bad.wasm").write_bytes(change)
    result = narrowboat("plugin", "inspect", tmp_path / "bad.wasm")
    assert result.returncode == 1
    assert "bad.wasm" in result.stderr


def test_inspect_prints_world_imports_exports_size_hash_and_manifest(narrowboat, component):
    file = component("broadcast")
    result = narrowboat("plugin", "inspect", file)
    assert result.returncode == 0
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    for line in (
        r"world +narrowboat:consumer/websocket-consumer",
        r" +narrowboat:consumer/batch-progress@",
        r" +wasi:logging/logging@",
        r" +narrowboat:consumer/connections@",
        r" +narrowboat:consumer/channel-layer@",
        r"exports +narrowboat:consumer/websocket@",
        r" +narrowboat:consumer/batches@",
        rf"size +{file.stat().st_size} bytes",
        rf"sha256 +{digest}",
        r" +isolation = \"shared\"",
    ):
        assert re.search(f"(?m)^{line}", result.stdout), line


def test_inspect_knows_a_worker(narrowboat, component):
    result = narrowboat("plugin", "inspect", component("clerk"))
    assert result.returncode == 0
    assert re.search(r"(?m)^world +narrowboat:consumer/worker-consumer$", result.stdout)
    assert "narrowboat:consumer/connections" not in result.stdout
    both = narrowboat("plugin", "inspect", component("office")).stdout
    assert "narrowboat:consumer/websocket-consumer" in both
    assert "narrowboat:consumer/worker-consumer" in both


def test_inspecting_a_component_of_another_world_says_so(narrowboat, tmp_path):
    (tmp_path / "other.wasm").write_bytes(OTHER_WORLD)
    result = narrowboat("plugin", "inspect", tmp_path / "other.wasm")
    assert result.returncode == 0
    assert "no consumer" in result.stdout and "elsewhere:world/greeter" in result.stdout


def test_inspecting_a_file_that_is_missing_is_1(narrowboat):
    result = narrowboat("plugin", "inspect", "gone.wasm")
    assert (result.returncode, "gone.wasm" in result.stderr) == (1, True)


# Building.


def test_building_prints_where_the_component_is_and_its_hash(narrowboat, root, tmp_path):
    file = tmp_path / "deep/down/echo.wasm"
    result = narrowboat("plugin", "build", root / "plugins/echo", "--out", file)
    assert result.returncode == 0
    assert str(file) in result.stdout
    assert hashlib.sha256(file.read_bytes()).hexdigest() in result.stdout


def test_building_twice_gives_the_same_bytes(narrowboat, root, component, tmp_path):
    file = tmp_path / "again.wasm"
    narrowboat("plugin", "build", root / "plugins/echo", "--out", file)
    assert file.read_bytes() == component("echo").read_bytes()


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (None, 'plugin.toml with at least `name = '),
        ("name = ", "plugin.toml"),
        ('name = "../up"', "a-z, 0-9"),
        ('description = "no name"', "`name`"),
        ('name = "made"\nisolaton = "shared"', "isolation"),
        ('name = "made"\n[limits]\nmemory = 0', "more than zero"),
    ],
)  # fmt: skip
def test_a_crate_with_a_wrong_manifest_is_2(narrowboat, crate, manifest, said):
    result = narrowboat("plugin", "build", crate(manifest))
    assert result.returncode == 2
    assert "plugin.toml" in result.stderr and said in result.stderr


def test_a_crate_that_does_not_compile_is_1_with_the_compilers_words(narrowboat, crate):
    result = narrowboat("plugin", "build", crate(code="fn main() { this is not Rust }"))
    assert result.returncode == 1
    assert "src/lib.rs:1:" in result.stderr and "could not build" in result.stderr


def test_a_crate_that_is_no_cdylib_is_1_and_told_what_it_needs(narrowboat, crate):
    result = narrowboat("plugin", "build", crate(kind=""))
    assert result.returncode == 1
    assert 'crate-type = ["cdylib"]' in result.stderr


def test_a_crate_that_exports_no_consumer_is_1(narrowboat, crate):
    result = narrowboat("plugin", "build", crate(code="#[unsafe(no_mangle)] fn nothing() {}"))
    assert result.returncode == 1
    assert "consumer" in result.stderr


def test_a_crate_of_another_world_is_1_and_told_what_it_exports(narrowboat, root):
    result = narrowboat("plugin", "build", root / "tests/guests" / "otherworld")
    assert result.returncode == 1
    assert result.stderr.count("exports no consumer") == 1
    assert "elsewhere:otherworld/greeter" in result.stderr


def test_a_folder_that_is_no_crate_is_not_built(narrowboat, tmp_path):
    (tmp_path / "plugin.toml").write_text('name = "made"')
    result = narrowboat("plugin", "build", tmp_path)
    assert result.returncode == 1
    assert "Cargo.toml" in result.stderr


# Serving.


def test_a_guest_crate_is_built_and_served(narrowboat, root, tmp_path):
    folder = root / "plugins/echo"
    config = tmp_path / "narrowboat.toml"
    route = '[[routes]]\npath = "/"\nplugin = "mine"\n'
    config.write_text(f'[plugins.mine]\ncrate = "{folder}"\n{route}')
    with Host(narrowboat.binary, tmp_path, config) as host:
        assert host.connect("/").ask("hello") == "hello"


def test_starting_prints_plugins_routes_and_address(serve, component):
    host = serve("echo", plugins={"talk": {"guest": "broadcast"}})
    digest = hashlib.sha256(component("echo").read_bytes()).hexdigest()[:12]
    lines = host.stdout().splitlines()
    assert f"plugin echo  {digest}  isolation connection" in lines
    assert "route  /talk/ -> talk" in lines
    assert lines[-1] == f"listening on ws://127.0.0.1:{host.port}"


def test_an_address_in_use_is_1_and_named(configured, narrowboat, tmp_path):
    (tmp_path / "none.toml").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = narrowboat("serve", "--config", tmp_path / "none.toml", "--listen", address)
    assert result.returncode == 1
    assert f"cannot listen on {address}" in result.stderr


def test_an_address_that_was_just_left_can_be_used_again(serve, narrowboat, tmp_path):
    left = serve("echo")
    left.connect("/echo/").ask("hello")
    assert left.stop() == 0
    (tmp_path / "none.toml").write_text("")
    with Host(narrowboat.binary, tmp_path, tmp_path / "none.toml", port=left.port) as host:
        assert host.port == left.port


def test_too_low_a_file_limit_is_warned_of_with_its_remedy(narrowboat, tmp_path):
    (tmp_path / "none.toml").write_text("[limits]\nmax_connections = 1000")

    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))

    with Host(narrowboat.binary, tmp_path, tmp_path / "none.toml", preexec_fn=limit) as host:
        host.logged("RLIMIT_NOFILE.* is 256, .*max_connections = 1000 .*ulimit -n 1128")


def test_too_few_memory_mappings_are_warned_of_with_their_remedy(serve):
    with open("/proc/sys/vm/max_map_count") as setting:
        connections = int(setting.read()) // 4
    limits = {"max_connections": connections, "memory": "4 MiB"}
    host = serve(limits=limits)
    host.logged(f"vm.max_map_count .*max_connections = {connections} .*sysctl -w vm.max_map_count=")


def test_a_log_that_is_no_terminal_has_no_colours(serve):
    host = serve("reply")
    host.connect("/reply/").ask("hello")
    host.logged("got the text")
    assert "\x1b" not in host.log()


def test_the_logs_level_is_set_by_the_environment(serve):
    host = serve("reply", log="warn")
    host.connect("/reply/").ask("hello")
    assert host.stop() == 0
    assert "got the text" not in host.log()


# A client at a terminal.


def test_talk_sends_the_origin_that_it_is_given(narrowboat, serve):
    host = serve("echo", top={"allowed_origins": ["https://example.com"]})
    url = f"ws://127.0.0.1:{host.port}/echo/"
    for origin, code in [("https://example.com", 0), ("https://example.org", 1), ("a\nb", 2)]:
        result = narrowboat("talk", url, "--origin", origin, stdin=subprocess.DEVNULL)
        assert result.returncode == code, result.stderr


def talk(narrowboat, url, typed=""):
    return subprocess.run(
        [narrowboat.binary, "talk", url], input=typed, capture_output=True, text=True, timeout=DEADLINE
    )


def test_a_typed_line_comes_back_and_the_end_of_input_closes_the_connection(serving, narrowboat):
    with serving("echo") as host:
        result = talk(narrowboat, f"ws://127.0.0.1:{host.port}/echo/", "hello\n")
    assert result.returncode == 0, result.stderr
    assert "< hello" in result.stdout.splitlines()


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/", "127.0.0.1:8000", "wss://127.0.0.1/"])
def test_a_wrong_url_is_2_and_says_what_to_write(narrowboat, url):
    result = talk(narrowboat, url)
    assert result.returncode == 2 and "of the form ws://HOST:PORT/PATH" in result.stderr


def test_a_rejected_handshake_is_1_and_names_status_and_body(serving, narrowboat):
    with serving("echo") as host:
        result = talk(narrowboat, f"ws://127.0.0.1:{host.port}/nowhere/")
    assert result.returncode == 1
    assert re.search(r"the server responded with 404 Not Found: \S", result.stderr), result.stderr
