"""The imports of WASI 0.2, which every component may have."""

import time

import pytest

from support import toml, with_manifest

GUEST = "wasi-imports"


@pytest.fixture
def asking(serve, component, tmp_path):
    """Serves the guest with these capabilities in its manifest."""

    def start(capabilities=None, settings=None, **manifest):
        file = tmp_path / "guest.wasm"
        manifest = {"name": GUEST, "capabilities": capabilities or {}} | manifest
        file.write_bytes(with_manifest(component(GUEST).read_bytes(), toml(manifest)))
        plugins = {GUEST: {"component": str(file), "grants": "all"}}
        return serve(plugins=plugins, **settings or {})

    return start


@pytest.fixture
def logging(asking):
    return asking({"log": True})


@pytest.fixture
def client(logging):
    return logging.connect(f"/{GUEST}/")


# The program.


def test_there_are_no_variables_and_arguments(client):
    assert client.ask("env") == "0 0 None"


def test_standard_input_is_closed(client):
    assert client.ask("stdin") == "closed"


def test_the_output_is_no_terminal(client):
    assert client.ask("terminal") == "false"


def test_lines_of_standard_output_go_to_the_log_at_info(logging, client):
    assert client.ask("stdout one|two|") == "ok"
    logging.logged(r"INFO .*one.*stdout")
    logging.logged(r"INFO .*two.*stdout")


def test_lines_of_standard_error_go_to_the_log_at_warn(logging, client):
    assert client.ask("stderr watch out|") == "ok"
    logging.logged(r"WARN .*watch out.*stderr")


def test_a_line_without_an_end_is_logged_at_the_end_of_the_call(logging, client):
    assert client.ask("stdout no end") == "ok"
    logging.logged(r"INFO .*no end.*stdout")


def test_the_output_of_connect_is_logged(logging, client):
    logging.logged(r"INFO .*connected.*stdout")


def test_without_the_capability_log_the_lines_are_dropped_with_one_warning(asking):
    host = asking()
    client = host.connect(f"/{GUEST}/")
    assert client.ask("stdout secret|secret|") == "ok"
    host.logged("log lines dropped .*the manifest does not request `log = true`")
    assert "secret" not in host.log()


def test_a_flood_of_lines_is_limited_by_the_rate_of_the_log(asking):
    host = asking({"log": True}, settings={"limits": {"log_lines_per_second": 10}})
    assert host.connect(f"/{GUEST}/").ask("flood 200000") == "ok"
    host.logged("log lines dropped .*the plugin logs more than its limit of lines per second")
    assert host.log().count("xxxx ") <= 60


def test_the_host_keeps_no_more_than_a_line_of_what_a_guest_writes(asking):
    host = asking(settings={"limits": {"call_time": "10s"}})
    before = host.peak_rss()
    assert host.connect(f"/{GUEST}/").ask("zeroes 2000") == "ok"
    assert host.peak_rss() - before < 64 << 20


@pytest.mark.parametrize("command", ["exit 0", "exit 1"])
def test_an_exit_ends_the_instance_and_its_connection(logging, client, command):
    client.send(command)
    assert client.ended()[0] == 1011
    logging.logged(f"the guest ended itself with the exit code {command[-1]}")
    assert logging.connect(f"/{GUEST}/").ask("env") == "0 0 None"


def test_standard_error_of_a_guest_before_a_trap_is_part_of_the_fault(asking):
    host = asking()
    client = host.connect(f"/{GUEST}/")
    client.send("stderr-exit Traceback: boom")
    assert client.ended()[0] == 1011
    host.logged("the consumer failed: trap: stderr: Traceback: boom: the guest ended itself")


# Time.


def test_a_guest_may_wait(client):
    started = time.monotonic()
    assert client.ask("sleep 200") == "slept"
    assert time.monotonic() - started >= 0.2


def test_a_wait_does_not_hold_up_other_connections(asking):
    host = asking(settings={"limits": {"wait_time": "30s"}})
    waiting = [host.connect(f"/{GUEST}/") for _ in range(40)]
    for client in waiting:
        client.send("sleep 2000")
    other = host.connect(f"/{GUEST}/")
    started = time.monotonic()
    assert other.ask("env") == "0 0 None"
    assert time.monotonic() - started < 2
    for client in waiting:
        assert client.recv() == "slept"


def test_a_wait_does_not_count_as_running_time(asking):
    host = asking(settings={"limits": {"call_time": "50ms", "wait_time": "5s"}})
    assert host.connect(f"/{GUEST}/").ask("sleep 500") == "slept"


def test_a_wait_without_an_end_is_stopped_by_wait_time(asking):
    host = asking(settings={"limits": {"wait_time": "300ms"}})
    client = host.connect(f"/{GUEST}/")
    client.send("sleep forever")
    assert client.ended()[0] == 1011
    host.logged("the waits of this call have taken longer than limits.wait_time")


def test_without_the_capability_the_clocks_are_coarse(asking):
    client = asking().connect(f"/{GUEST}/")
    step = 100_000_000
    assert int(client.ask("resolution")) == step
    assert int(client.ask("monotonic")) % step == 0
    seconds, nanoseconds = map(int, client.ask("wall").split())
    assert nanoseconds % step == 0 and abs(seconds - time.time()) < 60


def test_clocks_are_exact_with_the_capability(asking):
    client = asking({"clocks": True}).connect(f"/{GUEST}/")
    assert int(client.ask("resolution")) == 1
    assert any(int(client.ask("monotonic")) % 1_000_000 for _ in range(3))


# The system.


def test_random_numbers_differ_in_every_instance(logging):
    replies = {logging.connect(f"/{GUEST}/").ask("random") for _ in range(5)}
    assert len(replies) == 5


def test_there_are_no_folders(client):
    assert client.ask("folders") == "0"


@pytest.mark.parametrize("command", ["tcp", "udp"])
def test_sockets_are_refused(client, command):
    assert client.ask(command) == "error: access-denied"


@pytest.mark.parametrize("name", ["localhost", "example.com"])
def test_names_are_not_resolved(client, name):
    assert client.ask(f"resolve {name}") == "error: permanent-resolver-failure"


def test_keys_that_the_manifest_does_not_request_are_denied_and_the_log_says_what_to_add(asking):
    host = asking()
    client = host.connect(f"/{GUEST}/")
    assert client.ask("get key").startswith("error: ")
    host.logged('calls return an error.*interface="wasi:keyvalue" capability="keyvalue = true"')


def test_requests_that_the_manifest_does_not_request_are_denied_and_the_log_says_what_to_add(asking):
    host = asking()
    client = host.connect(f"/{GUEST}/")
    assert client.ask("fetch http://127.0.0.1:1/").startswith("error: ")
    host.logged('calls return an error.*interface="wasi:http" capability="http = ')


# Versions.


@pytest.mark.parametrize("version", ["0.2.0", "0.2.9"])
def test_every_0_2_version_is_accepted(serve, component, tmp_path, version):
    file = tmp_path / "other.wasm"
    bytes = component("oracle").read_bytes()
    file.write_bytes(bytes.replace(b"@0.2.0", f"@{version}".encode()))
    client = serve(plugins={"oracle": {"component": str(file)}}).connect("/oracle/")
    assert int(client.ask("now")) > 0
