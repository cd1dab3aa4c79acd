"""Runs the commands of the documents in order, beside real hosts, and compares their output."""

import os
import re
import shutil
import subprocess
import time
from contextlib import ExitStack

import pytest

from admin import Admin
from book import ROOT, blocks
from support import BUILD_DEADLINE, DEADLINE, Host, free_port, short, toml, with_manifest

# The parts of output that differ between runs: spaces in tables, versions, and numbers with units.
VARYING = re.compile(
    r"(…|\s+|\b(?=[a-f]*[0-9])[0-9a-f]{8,}\b|\d[\d.:TZ-]*(?: ?[KMG]iB\b| ?[mµ]?s\b|[hmd]\b)?)"
)

# Commands that run until they are stopped.
LASTING = re.compile(r"narrowboat (serve|dev)\b|\S*narrowboat talk |.* -f$")

# The time without output after which a running command fails, in seconds. It may compile a crate meanwhile.
SILENCE = 180

PAGES = []


def page(path):
    """Parametrizes a test with the commands of a page."""
    PAGES.append(path)
    return pytest.mark.parametrize("commands", [path], indirect=True)


def pattern(line):
    """A pattern for lines that differ from this one only in varying parts."""

    def varying(text):
        match text:
            case "…":
                return ".*"
            case _ if text.isspace():
                return r"\s+"
            case _ if re.fullmatch("[0-9a-f]{8,}", text):
                return "[0-9a-f]+"
            case _:
                return r"\d\S*( [KMG]iB| B| [mµ]?s)?"

    parts = VARYING.split(line)
    return "".join(varying(part) if index % 2 else re.escape(part) for index, part in enumerate(parts))


def missing(expected, printed):
    """The first expected line that was not printed after the line before it."""
    lines = iter(printed.splitlines())
    for line in expected:
        if not any(re.fullmatch(pattern(line) + r"\s*", found) for found in lines):
            return line
    return None


def split(block):
    """The commands of a block, each with its expected output."""
    code = block.code.replace("\\\n", "")
    if block.language == "sh":
        return [(line, []) for line in code.splitlines()]
    found = []
    for line in code.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line != "…":
            found[-1][1].append(line)
    return found


class Process:
    """A running command and its output."""

    def __init__(self, line, file, **options):
        self.file = file
        with open(file, "w") as output:
            command = ["sh", "-ec", f"exec {line}"]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, text=True, **options
            )

    @property
    def printed(self):
        return self.file.read_text()

    def has_ended(self):
        return self._process.poll() is not None

    def type(self, line):
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def prints(self, expected, since=0):
        """Waits until the command has printed these lines. The wait continues while there is output."""
        end, length = time.monotonic() + SILENCE, 0
        while (line := missing(expected, self.printed[since:])) is not None:
            if len(self.printed) > length:
                end, length = time.monotonic() + SILENCE, len(self.printed)
            over = self.has_ended() or time.monotonic() > end
            printed = self.printed[since:]
            assert not over or missing(expected, printed) is None, f"{line!r} is not in what was printed:\n{printed}"
            time.sleep(0.05)

    def converses(self, dialogue):
        """Types the input lines of a dialogue, and waits for the output lines."""
        since = len(self.printed)
        heard = []
        for line in dialogue:
            if line.startswith("< "):
                heard.append(line)
                self.prints(heard, since)
            else:
                self.type(line)

    def stop(self):
        self._process.stdin.close()
        self._process.terminate()
        self._process.wait(DEADLINE)


class Commands:
    """The commands of a page, run in order as in one shell. Every command must be run."""

    def __init__(self, path, folder, program, stack):
        self.folder, self._stack = folder, stack
        self.page = ROOT / path
        self.left = [block for block in blocks(self.page) if block.is_to_run]
        self._cwd = folder
        self._environment = os.environ | {
            "PATH": f"{folder / 'bin'}:{program.parent}:{os.environ['PATH']}",
            "CARGO_TARGET_DIR": str(ROOT / "target"),
        }
        # Replacements for texts of the page. A request with a token has to succeed.
        self.here = {"/home/you/narrowboat": str(ROOT), "curl -sS -H": "curl -sS --fail-with-body -H"}
        self.lasting = []

    def code(self, language, index=0):
        """The code of one of the page's blocks in a language."""
        return [block for block in blocks(self.page) if block.language == language][index].code

    def write(self, file, text):
        file = self.folder / file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    def at(self, host, admin=None):
        """Directs commands and requests to this host."""
        self.here["127.0.0.1:8000"] = f"127.0.0.1:{host.port}"
        if admin:
            self.here["127.0.0.1:8001"] = f"127.0.0.1:{admin.port}"
            self.here["admin.token"] = str(admin.token_file)
            self._environment |= {"NARROWBOAT_ADMIN": admin.url, "NARROWBOAT_TOKEN_FILE": str(admin.token_file)}

    def take(self):
        """Returns the next block, which the test runs itself."""
        return self.left.pop(0)

    def run(self, before=None, last=None):
        """Runs the next block and returns the output of its commands. `before` maps a prefix of a command to an
        action that precedes it. The command with the prefix `last` runs last."""
        commands = split(self.take())
        if last:
            commands.sort(key=lambda command: command[0].startswith(last))
        printed = []
        for line, expected in commands:
            for beginning, action in (before or {}).items():
                if line.startswith(beginning):
                    action()
            printed.append(self.command(line, expected))
        return printed

    def _replaced(self, line):
        for there, here in self.here.items():
            line = line.replace(there, here)
        return line

    def command(self, line, expected=()):
        """Runs a command. It must print the expected lines, and succeed unless an error is expected."""
        expected = [self._replaced(line) for line in expected]
        if LASTING.match(line):
            process = self.start(line)
            process.prints(expected or ["…"])
            return process.printed
        state = self.folder / "state"
        done = subprocess.run(
            ["sh", "-eac", f"{self._replaced(line)}\n{{ pwd; env -0; }} >{state}"],
            cwd=self._cwd, env=self._environment, timeout=BUILD_DEADLINE,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert done.returncode == 0, (line, done.stdout)
        lacking = missing(expected, done.stdout)
        assert lacking is None, f"{line} did not print {lacking!r}:\n{done.stdout}"
        self._cwd, environment = state.read_text().split("\n", 1)
        self._environment = dict(pair.split("=", 1) for pair in environment.split("\0") if pair)
        return done.stdout

    def start(self, line):
        """Starts a command that runs until the end of the test."""
        if re.match(r"narrowboat (serve|dev)\b", line) and "--listen" not in line:
            self.here["127.0.0.1:8000"] = f"127.0.0.1:{free_port()}"
            line += " --listen 127.0.0.1:8000"
        file = self.folder / f"output-{len(self.lasting)}"
        process = Process(self._replaced(line), file, cwd=self._cwd, env=self._environment)
        self.lasting.append(process)
        self._stack.callback(process.stop)
        return process


@pytest.fixture
def commands(request, narrowboat, tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    with ExitStack() as stack:
        commands = Commands(request.param, folder, narrowboat.binary, stack)
        yield commands
    left = [block.place for block in commands.left]
    assert not left, f"not run, and not marked as `not run`: {left}"


@pytest.fixture
def chat(component):
    """Makes versions of a chat room that differ in their manifests."""

    def version(description="", **capabilities):
        capabilities = {"groups": ["chat_*"]} | capabilities
        manifest = {"name": "chat", "description": description, "capabilities": capabilities}
        return with_manifest(component("group").read_bytes(), toml(manifest))

    return version


@pytest.fixture
def site(commands, narrowboat, chat):
    """Starts a host with the plugin `chat` in the folder of the commands. The file `chat.wasm` has another version
    to deploy. `settings` has further keys of the configuration."""
    with ExitStack() as stack:

        def start(admin=None, **settings):
            # Only one host runs in this folder at a time.
            stack.close()
            commands.write("chat.wasm", chat())
            commands.write("live.wasm", chat("the first"))
            plugin = {"component": "live.wasm", "grants": "all", "rollback": {"window": "1s"}}
            config = {
                "plugins": {"chat": plugin},
                "routes": [{"path": "/chat/{room}/", "plugin": "chat"}],
                "admin": {"listen": "127.0.0.1:0", "token_file": "admin.token"} | (admin or {}),
            }
            file = commands.write("narrowboat.toml", toml(config | settings))
            host = stack.enter_context(Host(narrowboat.binary, commands.folder, file))
            admin = Admin(host)
            commands.at(host, admin)
            return host, admin

        yield start


def crate(commands, folder, lib, manifest='name = "chat"\n'):
    """Writes a plugin's crate, as in the tutorial."""
    tutorial = next(block.code for block in blocks(ROOT / "docs/tutorial/first-plugin.md") if block.info == "toml")
    commands.write(f"{folder}/Cargo.toml", cargo(tutorial))
    commands.write(f"{folder}/plugin.toml", manifest)
    # The same dependencies as in the workspace, so they are already built.
    shutil.copy(ROOT / "Cargo.lock", commands.folder / folder)
    return commands.write(f"{folder}/src/lib.rs", lib)


def cargo(text):
    """The tutorial's Cargo.toml with the path of the SDK in this repository."""
    there = '"../narrowboat/guest-sdk"'
    assert there in text
    return text.replace(there, f'"{ROOT}/guest-sdk"')


ROOM = (ROOT / "plugins/group/src/lib.rs").read_text()
MANIFEST = 'name = "chat"\n[capabilities]\ngroups = ["chat_*"]\n'


@page("README.md")
def test_readme(commands, serve):
    plugins = {"group": {"component": None, "source": str(ROOT / "plugins/python/group")}}
    commands.at(serve(plugins=plugins, routes=[{"path": "/python/group/{room}/", "plugin": "group"}]))
    (commands.folder / "target").symlink_to(ROOT / "target")
    talk = commands.start(commands.take().code.strip())
    talk.converses(["hello", "< hello"])


@page("docs/how-to/write-a-plugin-in-another-language.md")
def test_a_plugin_in_another_language(commands, foreign):
    tools = foreign("python").parent / "venv-python"
    commands.here["python3 -m venv venv"] = f"ln -s {tools} venv"
    commands.here["../narrowboat/wit"] = str(ROOT / "wit")
    for index, file in enumerate(["app.py", "websocket.py"]):
        commands.write(file, commands.code("python", index))
    for index, file in enumerate(["plugin.toml", "narrowboat.toml"]):
        commands.write(file, commands.code("toml", index))
    for _ in ("build", "pack", "serve"):
        commands.run()
    [(line, dialogue)] = split(commands.take())
    talk = commands.start(line)
    talk.prints(dialogue[:1])
    talk.converses(dialogue[1:])


@page("docs/tutorial/first-plugin.md")
def test_first_plugin(commands, serve):
    commands.at(serve("echo"))
    clone = commands.folder / "narrowboat"
    clone.mkdir()
    (clone / "target").symlink_to(ROOT / "target")
    commands.command("cd narrowboat")
    commands.start(commands.take().code.strip()).converses(["hello", "< hello"])
    commands.run()
    commands.run()

    toml_blocks = iter([commands.code("toml", index) for index in range(5)])
    rust_blocks = iter([commands.code("rust", index) for index in range(4)])
    texts = iter([commands.code("text", index).splitlines() for index in range(3)])
    commands.write("chat/Cargo.toml", cargo(next(toml_blocks)))
    shutil.copy(ROOT / "Cargo.lock", commands.folder / "chat")
    commands.write("chat/plugin.toml", next(toml_blocks))
    lib = commands.write("chat/src/lib.rs", next(rust_blocks))
    commands.write("chat/narrowboat.toml", next(toml_blocks))

    commands.run()
    dev = commands.lasting[-1]
    [(line, dialogue)] = split(commands.take())
    talk = commands.start(line)
    talk.prints(dialogue[:1])
    talk.converses(dialogue[1:])

    since = len(dev.printed)
    lib.write_text(next(rust_blocks))
    dev.prints(next(texts), since)
    talk.converses(next(texts))

    since = len(dev.printed)
    lines = lib.read_text().splitlines(keepends=True)
    place = next(index for index, line in enumerate(lines) if "{text}" in line)
    lines[place] = next(rust_blocks)
    assert commands.take().code == lines[place]
    lib.write_text("".join(lines))
    dev.prints(['… version is live plugin="chat" version="1234567890ab" …'], since)
    talk.converses(next(texts))

    for file, line in [("narrowboat.toml", "… plugin is ready …"), ("plugin.toml", "packed chat …")]:
        since = len(dev.printed)
        commands.write(f"chat/{file}", next(toml_blocks))
        dev.prints([line], since)
    since = len(dev.printed)
    lib.write_text(next(rust_blocks))
    dev.prints(["built chat in 2.9 s", '… version is live plugin="chat" version="1234567890ab" …'], since)
    line = commands.take().code.strip()
    one, other = commands.start(line), commands.start(line)
    for talk in (one, other):
        talk.prints(["connected; …"])
    one.type("hello")
    for talk in (one, other):
        talk.prints(["< hello"])


@page("docs/how-to/deploy-and-roll-back.md")
def test_deploy_and_roll_back(commands, site, chat):
    crate(commands, "plugins/chat", ROOM, MANIFEST)
    host, admin = site()
    commands.run()
    commands.write("chat.wasm", chat())
    clients = [host.connect("/chat/red/") for _ in range(3)]
    commands.run()
    assert admin.deploy("chat", chat("the third")).status < 300
    commands.here["9b1c07aa"] = short(chat("the first"))[:8]
    commands.run()
    commands.run()
    assert clients[0].is_served()


@page("docs/how-to/deploy-over-http.md")
def test_deploy_over_http(commands, site, chat):
    commands.write("ci.token", "a" * 64).chmod(0o600)
    commands.write("bin/ssh", "#!/bin/sh\n# Another machine is not there.\n").chmod(0o755)
    host, admin = site(admin={"tokens": [{"name": "ci", "file": "ci.token", "scopes": ["admin"]}]})
    client = host.connect("/chat/red/")
    client.ask("hello")
    commands.run()
    commands.run()
    waiting = chat(groups=["chat_*", "admin.*"], random=True)
    assert admin.deploy("chat", waiting, token="a" * 64).status == 409
    commands.here |= {"c07d15e2": short(waiting)[:8], "4f2a9c1e": short(chat("the first"))[:8]}
    commands.run(before={"narrowboat rollback chat 4": lambda: admin.deploy("chat", chat("the third"))})
    channel = admin.get("/v1/connections?plugin=chat")["connections"][0]["channel"]
    commands.here["specific.4f2a…!9c1e…"] = channel
    commands.run()
    assert client.rest()[1] == (4000, "bye")


@page("docs/how-to/develop-with-live-reload.md")
def test_develop_with_live_reload(commands):
    crate(commands, "plugins/chat", ROOM, MANIFEST)
    commands.write("narrowboat.toml", commands.code("toml"))
    commands.run()


@page("docs/how-to/host-several-tenants.md")
def test_host_several_tenants(commands, site, chat):
    tenant = {"acme": {"path": "/acme", "plugins": {"chat": {"component": "acme.wasm", "grants": "all"}}}}
    commands.write("acme.wasm", chat("the tenant's"))
    site(tenants=tenant)
    commands.run()
    file = commands.folder / "narrowboat.toml"
    site(watch="off")
    file.write_text(file.read_text() + toml({"tenants": tenant, "limits": {"max_connections": 10}}))
    commands.run()


@page("docs/how-to/monitor.md")
def test_monitor(commands, site):
    site()
    commands.run()


@page("docs/how-to/route-requests.md")
def test_route_requests(commands, serve, chat):
    commands.write("chat.wasm", chat())
    commands.write("lobby.wasm", chat())
    text = commands.code("toml")
    plugins, first, second = (part.strip() for part in text.split("[[routes]]"))
    commands.write("narrowboat.toml", text.replace("component", 'grants = "all"\ncomponent'))
    commands.run()
    routes = f"[[routes]]\n{second}\n\n[[routes]]\n{first}\n"
    commands.write("narrowboat.toml", f"{plugins}\n\n{routes}")
    commands.run()
    commands.at(serve("group", routes=[{"path": "/chat/{room}/", "plugin": "group"}]))
    commands.run()


@page("docs/how-to/run-beside-django.md")
def test_run_beside_django(commands, site):
    host, _ = site()
    clients = [host.connect("/chat/red/") for _ in range(2)]
    commands.run()
    assert [client.recv() for client in clients] == ["hello", "hello"]


@page("docs/how-to/run-in-production.md")
def test_run_in_production(commands, site, narrowboat, chat):
    host, admin = site()
    client = host.connect("/chat/red/")
    waiting = chat(random=True)
    commands.here["4f2a9c1e"] = short(waiting)[:8]
    asked = [line.split()[1] for line, _ in split(commands.left[0])]
    commands.run(
        before={"narrowboat approve": lambda: admin.deploy("chat", waiting)},
        # The command ends when the drain has ended.
        last="narrowboat drain",
    )
    assert client.recv() == "hello"
    program = narrowboat("--help").stdout.split("Commands:")[1].split("Options:")[0]
    known = set(re.findall(r"(?m)^  ([a-z]+) ", program)) - {"new", "serve", "dev", "test", "plugin", "help", "talk"}  # They do not use a host; `talk` needs a person.
    assert known == set(asked)
    # The host is draining, so it is not ready.
    assert commands.run()[-1] == "draining\n"


@page("docs/how-to/shut-down-and-drain.md")
def test_shut_down_and_drain(commands, site):
    host, _ = site()
    for _ in range(12):
        host.connect("/chat/red/")
    commands.here["5m"] = "3s"
    commands.run()


@page("docs/how-to/sign-components.md")
def test_sign_components(commands, site, chat):
    commands.write("chat.wasm", chat())
    commands.run()
    commands.run()
    commands.write("live.wasm", chat("the first"))
    commands.command("narrowboat plugin sign live.wasm --key release.pem")
    _, admin = site(signatures={"keys": ["release.pub"]})
    commands.command("TOKEN=$(cat admin.token)")
    [printed] = commands.run()
    assert short(chat()) in printed
    assert admin.get("/v1/plugins/chat/versions")["versions"][0]["version"].startswith(short(chat()))


@page("docs/how-to/move-from-channels.md")
def test_move_from_channels(commands):
    commands.write("plugins/chat/consumers.py", commands.code("python"))
    commands.write("plugins/chat/plugin.toml", commands.code("toml", 0))
    commands.write("narrowboat.toml", commands.code("toml", 1))
    commands.run()
    [(line, dialogue)] = split(commands.take())
    talk = commands.start(line)
    talk.prints(dialogue[:1])
    talk.converses(dialogue[1:])


# The language of the tests on the page, their file, and the page and the file of the plugin that they test.
TESTED = [
    ("python", "test_consumers.py", "write-a-plugin-in-python.md", "consumers.py"),
    ("typescript", "consumers.test.ts", "write-a-plugin-in-javascript.md", "consumers.ts"),
]


@page("docs/how-to/test-a-plugin.md")
def test_test_a_plugin(commands):
    for language, tests, plugin, code in TESTED:
        shutil.rmtree(commands.folder / "plugins", ignore_errors=True)
        there = [block for block in blocks(ROOT / "docs/how-to" / plugin) if block.language in ("python", "typescript", "toml")]
        for file, block in zip([f"plugins/chat/{code}", "plugins/chat/plugin.toml", "narrowboat.toml"], there):
            commands.write(file, block.code)
        commands.write(f"plugins/chat/{tests}", commands.code(language))
        commands.run()


@page("docs/how-to/write-a-plugin-in-python.md")
def test_write_a_plugin_in_python(commands):
    code = commands.code("python", 0)
    commands.write("plugins/chat/consumers.py", code)
    commands.write("plugins/chat/plugin.toml", commands.code("toml", 0))
    commands.write("narrowboat.toml", commands.code("toml", 1))
    commands.run()
    [(line, dialogue)] = split(commands.take())
    talk = commands.start(line)
    talk.prints(dialogue[:1])
    talk.converses(dialogue[1:])
    changed = commands.code("python", 1).strip()
    old = [line for line in code.splitlines() if "self.send" in line][-1].strip()
    commands.write("plugins/chat/consumers.py", code.replace(old, changed))
    commands.lasting[0].prints(["…version is live…"])
    talk.converses(["hello", "< HELLO"])
    heartbeat = next(block.code for block in blocks(commands.page) if "def beat" in block.code)
    commands.write("plugins/chat/consumers.py", heartbeat.replace("sleep(20)", "sleep(0.2)"))
    talk.prints(["< heartbeat"])


@page("docs/how-to/write-a-plugin-in-javascript.md")
def test_write_a_plugin_in_javascript(commands):
    code = commands.code("typescript", 0)
    commands.write("plugins/chat/consumers.ts", code)
    commands.write("plugins/chat/plugin.toml", commands.code("toml", 0))
    commands.write("narrowboat.toml", commands.code("toml", 1))
    commands.run()
    [(line, dialogue)] = split(commands.take())
    talk = commands.start(line)
    talk.prints(dialogue[:1])
    talk.converses(dialogue[1:])
    commands.write("plugins/chat/consumers.ts", code.replace("this.send(text);", commands.code("typescript", 1).strip()))
    commands.lasting[0].prints(["…version is live…"])
    talk.converses(["hello", "< HELLO"])


@page("docs/how-to/write-a-worker.md")
def test_write_a_worker(commands, serve, component):
    crate(commands, ".", commands.code("rust"), commands.code("toml", 2))
    commands.run()
    commands.write("narrowboat.toml", commands.code("toml", 3))
    commands.run()
    workers = [{"channel": "sums", "plugin": "sums"}]
    plugins = {"sums": {"guest": "echo", "component": str(commands.folder / "sums.wasm")}}
    host = serve(plugins=plugins, workers=workers, admin={"listen": "127.0.0.1:0"})
    commands.at(host, Admin(host))
    commands.run()


@page("docs/reference/configuration.md")
def test_configuration(commands, chat):
    commands.write("chat.wasm", chat())
    text = '[plugins.chat]\ncomponent = "chat.wasm"\n\n[[routes]]\npath = "/chat/{room}/"\nplugin = "chat"\n'
    commands.write("narrowboat.toml", text.replace("\n\n", '\ngrants = "all"\n\n'))
    commands.here |= {"/etc/narrowboat": str(commands.folder), "127.0.0.1:9000": "127.0.0.1:0"}
    started = commands.start(commands.take().code.strip())
    started.prints(["listening on ws://127.0.0.1:9000"])
    commands.write("narrowboat.toml", text.replace('plugin = "chat"', 'plugin = "caht"'))
    commands.run()
