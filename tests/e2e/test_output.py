"""Standard output and standard error: a missing or stalled reader does not block a host, and commands end quietly."""

import os
import re
import socket
import subprocess
import threading
from contextlib import contextmanager, suppress
from signal import SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2

import pytest

import support
from admin import ADMIN, Admin
from support import Host, configuration, eventually, free_port, toml

# The exit code of a command whose reader has gone, as after SIGPIPE.
BROKEN_PIPE = 141


class Redirected(Host):
    """A host started by a shell with redirections, on a known port, because its output may be missing."""

    def __init__(self, binary, folder, config, redirections="", verb="serve", **options):
        self.port, self.verb = free_port(), verb
        super().__init__(binary, folder, config, port=self.port, **options)
        self._command = ["bash", "-c", f'exec "$@" {redirections}', "bash", *map(str, self._command)]

    def started(self):
        eventually(self._accepts, "listening", support.BUILD_DEADLINE)

    def _accepts(self):
        assert self._process.poll() is None, f"the host did not start:\n{self.log()}"
        try:
            socket.create_connection(("127.0.0.1", self.port), support.DEADLINE).close()
        except ConnectionRefusedError:
            return False
        return True


@pytest.fixture
def redirected(narrowboat, component, tmp_path):
    """Context manager that starts a host with redirections of a shell."""

    def start(redirections="", **options):
        config = tmp_path / "narrowboat.toml"
        config.write_text(toml(configuration(component, "echo", limits={"shutdown_grace": "1m"})))
        return Redirected(narrowboat.binary, tmp_path, config, redirections, **options)

    return start


REDIRECTIONS = {
    "stderr has no reader": "2> >(exec true)",
    "stderr is on a full disk": "2> /dev/full",
    "stderr is closed": "2>&-",
    "stdout has no reader": "> >(exec true)",
    "stdout is on a full disk": "> /dev/full",
    "stdout is closed": ">&-",
    "both have no reader": "> >(exec true) 2>&1",
}


@pytest.mark.parametrize("redirections", REDIRECTIONS.values(), ids=REDIRECTIONS)
@pytest.mark.parametrize("number", [SIGINT, SIGTERM], ids=["ctrl-c", "SIGTERM"])
def test_a_host_whose_output_is_not_taken_serves_and_closes_with_1001(redirected, redirections, number):
    with redirected(redirections, log="debug") as host:
        clients = [host.connect("/echo/") for _ in range(3)]
        assert clients[0].ask("hello") == "hello"
        assert host.stop(number) == 0
        assert {client.ended()[0] for client in clients} == {1001}


@contextmanager
def full_pipe():
    """A full pipe without a reader."""
    read, write = os.pipe()
    try:
        os.set_blocking(write, False)
        with suppress(BlockingIOError):
            while True:
                os.write(write, bytes(1 << 12))
        os.set_blocking(write, True)
        yield write
    finally:
        os.close(read)
        os.close(write)


@pytest.mark.parametrize("streams", [["stderr"], ["stdout"], ["stdout", "stderr"]], ids="+".join)
@pytest.mark.parametrize("number", [SIGINT, SIGTERM], ids=["ctrl-c", "SIGTERM"])
def test_a_host_whose_output_stalls_serves_and_closes_with_1001(redirected, streams, number):
    with full_pipe() as pipe, redirected(log="debug", **{stream: pipe for stream in streams}) as host:
        client = host.connect("/echo/")
        assert client.ask("hello") == "hello"
        assert host.stop(number) == 0
        assert client.ended()[0] == 1001


@pytest.mark.parametrize("redirections", ["2> >(exec true)", "> >(exec true) 2>&1"])
def test_a_developers_host_whose_output_is_not_taken_stops(redirected, redirections):
    with redirected(redirections, verb="dev") as host:
        client = host.connect("/echo/")
        assert host.stop() == 0
        assert client.ended()[0] == 1001


def test_a_host_that_cannot_start_ends_though_nobody_reads_why(narrowboat, tmp_path):
    for redirection in ("2> /dev/full", "2> >(exec true)"):
        command = ["bash", "-c", f'exec "$@" {redirection}', "bash", narrowboat.binary, "serve", "--config", "gone.toml"]
        assert subprocess.run(command, cwd=tmp_path, timeout=support.DEADLINE).returncode == 2


# A reader that stalls


@contextmanager
def stalled(serving):
    """Context manager for a host whose standard error is a full pipe that is not read. Also returns the read end."""
    read, write = os.pipe()
    try:
        limits = {"log_lines_per_second": 100_000, "handshake_timeout": "1s", "shutdown_grace": "1m"}
        with serving("misbehave", "echo", limits=limits, admin=ADMIN, process={"stderr": write}) as host:
            os.close(write)
            client = host.connect("/misbehave/")
            fill = lambda: client.ask("log " + "x" * 8_000) and dropped(host) > 0
            eventually(fill, "dropped lines", 60)
            yield host, read
    finally:
        os.close(read)


def dropped(host, stream="stderr"):
    text = Admin(host).ask("/metrics").body.decode()
    return int(re.search(rf'narrowboat_output_lines_dropped_total{{stream="{stream}"}} (\d+)', text)[1])


def test_a_log_that_is_not_read_blocks_no_thread(serving):
    with stalled(serving) as (host, _):
        # Each trap logs a line on a thread that serves sockets.
        for _ in range(8):
            assert host.connect("/misbehave/").ask("ok") == "ok"
            trapped = host.connect("/misbehave/")
            trapped.send("trap")
            assert trapped.ended()[0] == 1011
        late = host.tcp()
        late.send(b"GET /echo/ HTTP/1.1\r\n")
        assert late.recv_frame() is None
        client = host.connect("/echo/")
        assert client.ask("hello") == "hello"
        assert host.stop() == 0
        assert client.ended()[0] == 1001


def test_a_log_that_is_read_again_says_how_many_lines_were_dropped(serving):
    with stalled(serving) as (host, read):
        text = bytearray()
        told = re.compile(rb"dropped lines of the log stream=\"stderr\" count=(\d+)")
        ended = threading.Event()

        def reads():
            while part := os.read(read, 1 << 16):
                text.extend(part)
            ended.set()

        reader = threading.Thread(target=reads)
        reader.start()
        eventually(lambda: told.search(text), "the line that says so")
        lines = dropped(host)
        assert host.stop() == 0
        reader.join(support.DEADLINE)
        assert ended.is_set()
        assert sum(int(count) for count in told.findall(text)) == lines


def test_lines_that_a_full_disk_does_not_take_are_counted(serving):
    with open("/dev/full", "wb") as full:
        with serving("reply", admin=ADMIN, process={"stderr": full}) as host:
            before = dropped(host)
            host.connect("/reply/").ask("hello")
            eventually(lambda: dropped(host) > before, "one more")
            assert dropped(host, "stdout") == 0


# Signals


def test_signals_without_a_meaning_are_logged_and_ignored(serve):
    host = serve("echo")
    client = host.connect("/echo/")
    for number, name in [(SIGUSR1, "SIGUSR1"), (SIGUSR2, "SIGUSR2")]:
        os.kill(host.pid, number)
        host.logged(f'signal ignored.* signal="?{name}')
    assert client.ask("hello") == "hello"
    assert host.stop() == 0


def test_a_host_that_starts_is_ended_by_sigterm_alone(narrowboat, root, tmp_path):
    gate, cargo = tmp_path / "gate", tmp_path / "cargo"
    os.mkfifo(gate)
    # A build that runs until the end of the test.
    cargo.write_text(f"#!/bin/sh\nexec cat {gate}\n")
    cargo.chmod(0o755)
    config = tmp_path / "narrowboat.toml"
    config.write_text(toml({"plugins": {"echo": {"crate": str(root / "plugins/echo")}}}))
    with open(tmp_path / "log", "w") as log:
        command = [narrowboat.binary, "serve", "--config", config, "--listen", "127.0.0.1:0"]
        environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        writer = eventually(lambda: opened_to_write(gate), "the build")
        for number in (SIGHUP, SIGUSR1, SIGUSR2):
            process.send_signal(number)
        eventually(lambda: 'signal="SIGUSR2"' in (tmp_path / "log").read_text(), "the line that says so")
        process.send_signal(SIGTERM)
        assert process.wait(support.DEADLINE) == 0
        os.close(writer)
    finally:
        process.kill()
        process.wait()


def opened_to_write(fifo):
    """Opens the write end of a pipe that has a reader."""
    with suppress(OSError):
        return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)


def test_sighup_has_the_configuration_read_anew(serve):
    host = serve("echo")
    config = host.config.read_text()
    host.config.write_text("wrong")
    os.kill(host.pid, SIGHUP)
    host.logged("cannot reload the configuration")
    host.config.write_text(config)
    assert host.connect("/echo/").ask("hello") == "hello"


def test_a_further_sigterm_does_not_cut_the_grace_short(serve):
    host = serve("echo", limits={"shutdown_grace": "5m", "close_timeout": "5m"})
    waited_for = host.raw("/echo/")
    host.send_signal(SIGTERM)
    opcode, payload = waited_for.recv_frame()
    host.send_signal(SIGTERM)
    waited_for.send_frame(opcode, payload)
    waited_for.close_socket()
    assert host.exit_code() == 0


# Commands that print and end


@pytest.fixture(scope="module")
def operated(serving):
    with serving("echo", "group", admin=ADMIN) as host:
        # Make the host log a line.
        os.kill(host.pid, SIGUSR1)
        host.logged("SIGUSR1")
        yield Admin(host)


@pytest.fixture
def signed(narrowboat, component, tmp_path):
    """A component and a signing key."""
    file = tmp_path / "echo.wasm"
    file.write_bytes(component("echo").read_bytes())
    assert narrowboat("plugin", "keygen", tmp_path / "key").returncode == 0
    return file, tmp_path / "key.pem"


ASKING = [
    ["status"],
    ["status", "--json"],
    ["versions", "echo"],
    ["connections"],
    ["connections", "--json"],
    ["logs"],
    ["reload"],
    ["drain", "--duration", "1ms"],
]

PRINTING = [
    ["--help"],
    ["--version"],
    ["serve", "--help"],
    ["completions", "bash"],
    ["reference", "man"],
    ["reference", "limits"],
    ["reference", "metrics"],
]


def unread_by_anybody(binary, arguments):
    """Runs a command whose output has no reader."""
    read, write = os.pipe()
    os.close(read)
    command = [binary, *map(str, arguments)]
    try:
        return subprocess.run(
            command, stdout=write, stderr=subprocess.PIPE, text=True, timeout=support.BUILD_DEADLINE
        )
    finally:
        os.close(write)


def ends_quietly(binary, arguments):
    result = unread_by_anybody(binary, arguments)
    assert (result.returncode, result.stderr) == (BROKEN_PIPE, "")


def fails_loudly(binary, arguments):
    """Runs a command whose output goes to a full disk."""
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [binary, *map(str, arguments)], stdout=full, stderr=subprocess.PIPE, text=True, timeout=support.DEADLINE
        )
    assert result.returncode == 1
    assert re.fullmatch(r"narrowboat: standard output: No space left on device.*\n", result.stderr), result.stderr


unread = pytest.mark.parametrize("ends", [ends_quietly, fails_loudly], ids=["nobody-reads", "full-disk"])


@unread
@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_a_command_whose_output_is_not_taken_ends(narrowboat, arguments, ends):
    ends(narrowboat.binary, arguments)


@unread
@pytest.mark.parametrize("arguments", ASKING, ids=" ".join)
def test_a_command_that_asks_a_host_and_whose_output_is_not_taken_ends(narrowboat, operated, arguments, ends):
    ends(narrowboat.binary, [*arguments, *operated.arguments])


@unread
def test_a_command_for_components_whose_output_is_not_taken_ends(narrowboat, root, signed, tmp_path, ends):
    file, key = signed
    ends(narrowboat.binary, ["plugin", "inspect", file])
    ends(narrowboat.binary, ["plugin", "sign", file, "--key", key])
    assert file.with_suffix(".wasm.sig").exists()
    ends(narrowboat.binary, ["plugin", "inspect", file, "--key", tmp_path / "key.pub"])
    ends(narrowboat.binary, ["plugin", "keygen", tmp_path / "other"])


def test_a_deploy_whose_output_is_not_read_is_done(narrowboat, serving, component, tmp_path):
    file = tmp_path / "new.wasm"
    file.write_bytes(support.with_manifest(component("echo").read_bytes(), 'name = "echo"\ndescription = "another"'))
    with serving("echo", admin=ADMIN) as host:
        admin = Admin(host)
        result = unread_by_anybody(narrowboat.binary, ["deploy", "echo", file, *admin.arguments])
        assert result.returncode == BROKEN_PIPE and re.fullmatch("uploading .*\n", result.stderr)
        assert admin.plugin("echo")["version"][:12] == support.short(file.read_bytes())


def test_a_build_whose_output_is_not_read_is_done(narrowboat, root, tmp_path):
    file = tmp_path / "built.wasm"
    result = unread_by_anybody(narrowboat.binary, ["plugin", "build", root / "plugins/echo", "--out", file])
    assert result.returncode == BROKEN_PIPE and "panicked" not in result.stderr
    assert file.exists()


def test_the_first_line_of_status_may_be_all_that_is_read(narrowboat, operated):
    command = ["bash", "-c", '"$@" | head -1', "bash", narrowboat.binary, "status", *map(str, operated.arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=support.DEADLINE)
    assert result.returncode == 0 and result.stderr == ""
    assert re.fullmatch(r"up for .*\n", result.stdout)


def test_a_command_that_fails_has_its_exit_code_though_nobody_reads_why(narrowboat, tmp_path):
    read, write = os.pipe()
    os.close(read)
    for arguments, code in [(["status"], 2), (["sail"], 2), (["plugin", "inspect", "gone.wasm"], 1)]:
        command = [narrowboat.binary, *arguments]
        assert subprocess.run(command, cwd=tmp_path, stderr=write, timeout=support.DEADLINE).returncode == code
    os.close(write)
