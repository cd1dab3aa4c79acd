"""The commands that use the admin API of a running host."""

import json
import os
import re
import signal
import socket
import subprocess
import threading

import pytest

from admin import ADMIN, Admin
from support import DEADLINE, eventually, short, toml

ROLLBACK = {"window": "30s", "faults_per_thousand": 5, "min_events": 10, "min_clients": 1}


@pytest.fixture
def operator(travel, narrowboat, tmp_path):
    """A host of the guest `traveller`, and a function that runs commands against it."""

    def start(**settings):
        served = travel(admin=ADMIN, **settings)
        served.admin = Admin(served.host)

        def run(command, *arguments, **options):
            return narrowboat(command, *arguments, *served.admin.arguments, **options)

        def put(plan):
            file = tmp_path / "new.wasm"
            file.write_bytes(served.version(plan))
            return file

        served.run, served.file_of = run, put
        return served

    return start


def test_a_component_is_deployed(operator):
    served = operator()
    client = served.connect()
    result = served.run("deploy", "traveller", served.file_of("v2"))
    assert result.returncode == 0
    new, old = short(served.version("v2")), short(served.version("v1"))
    assert re.match(rf"traveller has version {new} after {old}, prepared in \d+ ms; 1 consumers", result.stdout)
    assert client.ask("hello") == "v2 1 hello"


def test_waiting_ends_when_the_version_has_stood_its_trial(operator):
    served = operator(table={"rollback": ROLLBACK | {"window": "1s"}})
    result = served.run("deploy", "traveller", served.file_of("v2"), "--wait")
    assert result.returncode == 0 and "passed its rollback window" in result.stderr


def test_waiting_ends_with_4_when_the_version_is_taken_back(operator):
    served = operator(table={"rollback": ROLLBACK})
    file = served.file_of("v2 fails-at=1")
    results = []
    deploy = lambda: results.append(served.run("deploy", "traveller", file, "--wait"))
    thread = threading.Thread(target=deploy)
    thread.start()
    served.host.logged("version is live")
    for _ in range(20):
        served.connect().send("hello")
    thread.join(DEADLINE)
    assert results[0].returncode == 4
    assert "was rolled back: " in results[0].stderr
    assert served.run("deploy", "traveller", file).returncode == 3
    assert served.run("deploy", "traveller", file, "--force").returncode == 0


def test_a_component_that_is_not_taken_is_3(operator):
    served = operator()
    served.connect().ask("hello")
    result = served.run("deploy", "traveller", served.file_of("v2 load-traps"))
    assert result.returncode == 3 and "the trial failed" in result.stderr


def test_too_large_a_component_is_told_before_it_is_sent(serving, narrowboat, tmp_path):
    (tmp_path / "large.wasm").write_bytes(bytes(8 << 20))
    with serving("echo", admin=ADMIN | {"max_upload": "1 MiB"}) as host:
        for plugin, code, words in [("echo", 2, "admin.max_upload"), ("ecko", 5, 'mean "echo"')]:
            result = narrowboat("deploy", plugin, tmp_path / "large.wasm", *Admin(host).arguments)
            assert (result.returncode, words in result.stderr) == (code, True), result.stderr


def test_a_missing_plugin_or_version_ends_with_exit_code_5(operator):
    served = operator()
    result = served.run("deploy", "travellr", served.file_of("v2"))
    assert result.returncode == 5 and 'did you mean "traveller"?' in result.stderr
    assert served.run("rollback", "traveller", "00000000").returncode == 5
    for command in ("logs", "connections"):
        result = served.run(command, "travellr")
        assert result.returncode == 5 and 'did you mean "traveller"?' in result.stderr


def test_a_wrong_token_is_6(operator, narrowboat, tmp_path):
    served = operator()
    (tmp_path / "token").write_text("wrong")
    (tmp_path / "token").chmod(0o600)
    result = narrowboat("status", "--admin", served.admin.url, "--token-file", tmp_path / "token")
    assert result.returncode == 6 and "does not know this token" in result.stderr


def test_a_file_that_is_missing_is_2_and_a_host_that_is_not_there_1(operator, narrowboat):
    served = operator()
    assert served.run("deploy", "traveller", "gone.wasm").returncode == 2
    arguments = ["--admin", "http://127.0.0.1:1", "--token-file", served.admin.token_file]
    result = narrowboat("status", *arguments)
    assert result.returncode == 1 and "does the host run?" in result.stderr


def test_the_configuration_says_where_and_with_what(narrowboat, tmp_path):
    config = tmp_path / "narrowboat.toml"
    config.write_text("")
    result = narrowboat("status", "--config", config)
    assert result.returncode == 2 and "no [admin] table" in result.stderr
    config.write_text(toml({"admin": {"listen": "127.0.0.1:1", "token_file": "token"}}))
    result = narrowboat("status", "--config", config)
    assert result.returncode == 6 and str(tmp_path / "token") in result.stderr
    (tmp_path / "token").write_text("secret")
    (tmp_path / "token").chmod(0o600)
    result = narrowboat("status", "--config", config)
    assert result.returncode == 1 and "http://127.0.0.1:1" in result.stderr


def test_a_version_comes_back(operator):
    served = operator()
    client = served.connect()
    served.run("deploy", "traveller", served.file_of("v2"))
    served.run("deploy", "traveller", served.file_of("v3"))
    assert served.run("rollback", "traveller").returncode == 0
    assert client.ask("hello") == "v2 1 hello"
    result = served.run("rollback", "traveller", short(served.version("v1")), "--json")
    assert json.loads(result.stdout)["migrated"] == 1
    assert client.ask("hello") == "v1 2 hello"


def test_versions_are_a_table_for_people_and_json_for_machines(operator):
    served = operator()
    served.run("deploy", "traveller", served.file_of("v2"))
    lines = served.run("versions", "traveller").stdout.splitlines()
    assert lines[0].split() == ["VERSION", "STATE", "DEPLOYED", "BY", "SIZE", "REASON"]
    assert re.match(rf"{short(served.version('v2'))}  live, in rollback window +\S+Z +operator +\d", lines[1])
    assert re.match(rf"{short(served.version('v1'))}  previous +\S+Z +file +\d", lines[2])
    versions = json.loads(served.run("versions", "traveller", "--json").stdout)
    assert [each["state"] for each in versions["versions"]] == ["live", "previous"]


def test_status_is_a_table_for_people_and_json_for_machines(operator):
    served = operator()
    served.connect().ask("hello")
    told = served.run("status").stdout
    assert re.match(r"up for \d+s, ready, 1 of 10000 connections\n", told)
    assert re.search(rf"(?m)^traveller +{short(served.version('v1'))} +connection +1 +2 +0 ", told)
    assert re.search(r"(?m)^default +yes +0 +0 +0$", told)
    status = json.loads(served.run("status", "--json").stdout)
    assert status["plugins"][0]["connections"] == 1


def test_connections_are_listed_and_closed(operator):
    served = operator()
    client = served.connect()
    listed = served.run("connections", "traveller").stdout.splitlines()
    assert listed[0].split() == ["CHANNEL", "PLUGIN", "CLIENT", "PATH", "AGE", "BUFFERED"]
    channel = listed[1].split()[0]
    assert served.run("connections", "--close", channel, "--code", "4000", "--reason", "bye").returncode == 0
    assert client.ended() == (4000, "bye")
    assert served.run("connections", "--close", channel).returncode in (0, 5)
    for _ in range(3):
        served.connect()
    assert "and 1 more" in served.run("connections", "--limit", "2").stdout
    assert json.loads(served.run("connections", "--json").stdout)["total"] == 3


def test_a_clients_path_steers_no_terminal(serving, narrowboat):
    routes = [{"regex": "(?s)^/.*$", "plugin": "echo"}]
    with serving("echo", routes=routes, admin=ADMIN) as host:
        host.connect("/%1b%5b2J%0aforged/")
        told = narrowboat("connections", *Admin(host).arguments).stdout
        assert "\x1b" not in told and "/\\u{1b}[2J\\nforged/" in told


def test_logs_are_shown_and_followed(operator, narrowboat):
    served = operator()
    command = [narrowboat.binary, "logs", "traveller", "-f", *map(str, served.admin.arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as logs:
        served.admin.deploy("traveller", served.version("v2"))
        assert re.search(r"INFO traveller: version is live .* version=\w+", logs.stdout.readline())
        logs.kill()
    shown = served.run("logs", "traveller", "-n", "1").stdout
    assert "version is live" in shown
    assert json.loads(served.run("logs", "--json", "-n", "1").stdout)["plugin"] == "traveller"


def test_a_log_that_breaks_off_is_1(narrowboat, tmp_path):
    token = tmp_path / "token"
    token.write_text("a" * 64)
    token.chmod(0o600)
    line = b'{"one": "line"}\n'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            client, _ = server.accept()
            with client, client.makefile("rb") as request:
                while request.readline().strip():
                    pass
                client.sendall(head + b"%x\r\n%b\r\n" % (len(line), line))

        answering = threading.Thread(target=answer)
        answering.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        told = narrowboat("logs", "--follow", "--admin", url, "--token-file", token)
        answering.join()
    assert told.stdout == line.decode()
    assert told.returncode == 1
    assert "broke off" in told.stderr


def test_a_message_is_sent_through_the_host_where_its_layer_is_in_memory(serving, narrowboat):
    with serving("commander", admin=ADMIN) as host:
        client = host.connect("/commander/")
        client.ask("add news")
        sent = narrowboat(
            "send", "--group", "news", "--type", "commander.text", "--json", '{"text": "hello"}',
            *Admin(host).arguments,
        )  # fmt: skip
        assert (sent.returncode, sent.stdout) == (0, "sent to group news: 1 receiver\n"), sent.stderr
        assert client.recv() == "message: hello"
        gone = client.ask("channel")
        client.close_socket()
        eventually(lambda: published(host, {"channel": gone}) == 0, "the channel's end")
        assert published(host, {"group": "news"}) == 0


def published(host, to):
    """The number of receivers of a message."""
    answer = Admin(host).ask("/v1/publish", "POST", to | {"message": {"type": "commander.text"}})
    assert answer.status == 200
    return json.loads(answer.body)["receivers"]


def test_draining_tells_what_is_left_until_nothing_is(operator):
    served = operator()
    clients = served.clients(5)
    threads = [threading.Thread(target=client.rest) for client in clients]
    [thread.start() for thread in threads]
    result = served.run("drain", "--duration", "1s")
    assert result.returncode == 0
    assert "5 of 5 connections are left" in result.stderr
    assert result.stdout == "drained: no connection is left\n"
    [thread.join(DEADLINE) for thread in threads]
    assert served.host.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_name_the_commands(narrowboat, shell):
    result = narrowboat("completions", shell)
    assert result.returncode == 0 and "rollback" in result.stdout


def test_the_manual_page_has_every_command(narrowboat):
    page = narrowboat("reference", "man").stdout
    assert page.startswith(".ie") or page.startswith(".TH") or ".TH narrowboat" in page
    for command in ("serve", "deploy", "rollback", "approve", "versions", "status", "connections", "logs", "drain"):
        assert f"narrowboat\\-{command}" in page or f"narrowboat-{command}" in page, command


@pytest.mark.parametrize(
    "variable, value, problem",
    [
        ("NARROWBOAT_LOG", "inof", '"inof" is not a level; set error, warn, info, debug or trace'),
        ("NARROWBOAT_LOG", "", '"" is not a level'),
        ("NARROWBOAT_LOG_FORMAT", "xml", '"xml" is not a format; set json or text'),
    ],
)
def test_a_wrong_variable_of_the_log_is_an_error(narrowboat, tmp_path, variable, value, problem):
    (tmp_path / "narrowboat.toml").write_text("")
    result = narrowboat("serve", "--config", tmp_path / "narrowboat.toml", env=os.environ | {variable: value})
    assert result.returncode == 2
    assert f"{variable}: {problem}" in result.stderr


def test_lines_of_the_log_may_be_objects(serving):
    process = {"environment": {"NARROWBOAT_LOG_FORMAT": "json"}}
    with serving("commander", process=process) as host:
        host.connect("/commander/").close()
        host.logged('"channel":')
        lines = [json.loads(line) for line in host.log().splitlines()]
        assert any(line.get("plugin") == "commander" for line in lines)
