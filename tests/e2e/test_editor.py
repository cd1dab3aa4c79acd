"""The requests of the demo page's editor: who may send them, what they reach, and what becomes of a save."""

import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from playground import JAVASCRIPT, PYTHON, playing
from support import Raw, eventually

ACTIONS = ["files", "read", "save", "changes"]

UPPER = "text_data.upper()"


@pytest.fixture(scope="module")
def shared(narrowboat, tmp_path_factory):
    with playing(narrowboat, tmp_path_factory.mktemp("playground")) as playground:
        yield playground


@pytest.fixture
def playground(shared):
    """A host whose plugins have their first text again after the test."""
    texts = {name: shared.read(*name) for name in (("python", "consumers.py"), ("javascript", "consumers.js"))}
    yield shared
    for (plugin, path), read in texts.items():
        shared.result(read["text"], plugin=plugin, path=path)


def changed(playground):
    """The text of the plugin in Python, with another answer."""
    text = playground.read()["text"]
    assert "{text_data}" in text
    return text.replace("{text_data}", "{" + UPPER + "}")


# The requests that may edit.


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    "headers",
    [
        {"Narrowboat_Token": None},
        {"Narrowboat_Token": "x" * 43},
        {"Origin": None},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost"},
        {"X_Forwarded_For": "192.0.2.1"},
        {"Forwarded": "for=192.0.2.1"},
        {"Via": "1.1 proxy"},
        {"X_Forwarded_Proto": "https"},
        {"CF_Connecting_IP": "192.0.2.1"},
    ],
    ids=lambda headers: "-".join(f"{name}={value}" for name, value in headers.items()),
)
def test_a_request_of_another_page_is_refused(shared, action, headers):
    assert shared.post(action, **headers)[0] == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost:1", "127.0.0.1.evil.example", "192.0.2.1"])
def test_a_request_that_names_another_host_is_refused(shared, host):
    own_port = f"{host}:{shared.host.port}" if host in ("evil.example", "192.0.2.1") else host
    assert shared.post("files", Host=own_port, Origin=f"http://{own_port}")[0] == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "192.0.2.1", "0.0.0.0"])
def test_the_page_under_another_name_has_no_token(shared, host):
    page = shared.page(Host=f"{host}:{shared.host.port}")
    assert "Narrowboat" in page and "narrowboat-token" not in page


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_page_under_a_loopback_name_may_edit(shared, host):
    own = f"{host}:{shared.host.port}"
    assert shared.token in shared.page(Host=own)
    assert shared.post("files", Host=own, Origin=f"http://{own}")[0] == 200


def test_the_page_through_a_proxy_has_no_token(shared):
    assert shared.token not in shared.page(**{"X-Forwarded-For": "192.0.2.1"})


def test_a_request_of_http_1_0_has_no_token(shared):
    # Proxies send it, and browsers do not.
    host = f"Host: 127.0.0.1:{shared.host.port}\r\n\r\n"
    for version, has_token in [("1.1", True), ("1.0", False)]:
        raw = Raw(shared.host.port)
        raw.socket.sendall(f"GET / HTTP/{version}\r\n{host}".encode())
        assert (shared.token.encode() in raw.response().body) == has_token


def test_no_other_file_of_the_page_has_the_token(shared):
    for path in ("/demo/page.js", "/demo/plugins.json"):
        assert shared.token.encode() not in shared.request("GET", path)[1]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_another_method_is_not_for_the_editor(shared, method):
    headers = {"Origin": shared.origin, "Narrowboat-Token": shared.token}
    assert shared.request(method, "/demo/source/files", headers=headers)[0] == 404


def test_each_start_has_another_token(shared, narrowboat, tmp_path):
    with playing(narrowboat, tmp_path) as other:
        assert other.token != shared.token
        assert other.post("files", Narrowboat_Token=shared.token)[0] == 403


@pytest.mark.parametrize("config", [{"proxy": {"trusted": ["127.0.0.1"]}}, {"demo": False}], ids=["proxy", "no-page"])
def test_a_host_behind_a_proxy_or_without_the_page_has_no_editor(narrowboat, tmp_path, config):
    with playing(narrowboat, tmp_path, **config) as playground:
        assert playground.token is None
        assert playground.request("POST", "/demo/source/files", b"{}", {"Origin": playground.origin})[0] == 404


def test_a_host_that_serves_has_no_editor(serve, tmp_path):
    host = serve("echo", demo=True)
    raw = host.tcp()
    raw.request("/", headers={"Host": f"127.0.0.1:{host.port}"})
    assert b"narrowboat-token" not in raw.response().body
    for action in ACTIONS:
        raw = host.tcp()
        raw.request(f"/demo/source/{action}", "POST", {"Host": f"127.0.0.1:{host.port}", "Content-Length": "0"})
        assert raw.response().status == 404


# The files that a request reaches.


def test_the_text_files_of_each_source_plugin_are_listed(shared):
    status, plugins = shared.post("files")
    assert status == 200
    files = {plugin["plugin"]: plugin["files"] for plugin in plugins}
    assert files == {"python": ["consumers.py", "plugin.toml"], "javascript": ["consumers.js", "plugin.toml"]}
    assert {plugin["problem"] for plugin in plugins} == {None}


@pytest.mark.parametrize(
    "path", ["../secret", "/etc/passwd", "a/../../secret", "./consumers.py", "a//b", "", "consumers.py\0", ".."]
)
def test_a_path_that_leaves_the_folder_is_refused(shared, path):
    for action, more in [("read", {}), ("save", {"text": "x", "digest": "0" * 64})]:
        assert shared.post(action, {"plugin": "python", "path": path, **more})[0] == 400


def test_no_link_leads_out_of_the_folder(playground, tmp_path):
    secret = tmp_path / "secret.py"
    secret.write_text("secret")
    folder = playground.python.folder
    (folder / "link.py").symlink_to(secret)
    (folder / "linked").symlink_to(tmp_path)
    try:
        for path in ("link.py", "linked/secret.py"):
            file = {"plugin": "python", "path": path}
            assert playground.post("read", file)[0] == 415
            assert playground.post("save", file | {"text": "x", "digest": "0" * 64})[0] == 415
    finally:
        os.unlink(folder / "link.py")
        os.unlink(folder / "linked")
    assert secret.read_text() == "secret"


def test_a_file_that_is_not_there_is_not_created(playground):
    for path in ("new.py", "vendor/x.py", ".env"):
        status, _ = playground.post("save", {"plugin": "python", "path": path, "text": "x", "digest": "0" * 64})
        assert status == 404
        assert not (playground.python.folder / path).exists()


def test_an_unknown_plugin_is_not_found(shared):
    assert shared.post("read", {"plugin": "other", "path": "consumers.py"})[0] == 404


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", json.dumps({"plugin": "python", "path": 1}).encode()])
def test_a_body_that_is_not_a_request_is_refused(shared, body):
    assert shared.post("read", body)[0] == 400


def test_a_body_that_is_too_large_is_refused(shared):
    assert shared.post("read", b"x" * (3 * 1024 * 1024))[0] == 413


def test_a_text_that_is_too_large_is_not_saved(playground):
    before = playground.read()
    status, answer = playground.save("#" * (256 * 1024 + 1))
    assert status == 413 and "more than 256" in answer["error"]
    assert playground.read() == before


def test_a_body_without_end_is_not_waited_for_by_others(shared):
    raw = Raw(shared.host.port)
    headers = {"Host": f"127.0.0.1:{shared.host.port}", "Origin": shared.origin, "Narrowboat-Token": shared.token}
    raw.request("/demo/source/files", "POST", headers | {"Content-Length": "1000"}, b"{")
    assert shared.post("files")[0] == 200
    raw.socket.shutdown(socket.SHUT_WR)
    assert raw._reader.readline() in (b"", b"HTTP/1.1 400 Bad Request\r\n")


def test_a_body_in_chunks_is_read(shared):
    raw = Raw(shared.host.port)
    headers = {"Host": f"127.0.0.1:{shared.host.port}", "Origin": shared.origin, "Narrowboat-Token": shared.token}
    raw.request("/demo/source/files", "POST", headers | {"Transfer-Encoding": "chunked"}, b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n")
    assert raw.response().status == 200


# The outcome of a save.


def test_open_connections_answer_with_the_saved_code_and_keep_their_state(playground):
    client = playground.host.connect("/python/red/")
    assert client.ask("hello") == "first 1 hello"
    result = playground.result(changed(playground))
    assert (result["outcome"], result["moved"], result["not_moved"]) == ("live", 1, 0)
    assert client.ask("hello") == "first 2 HELLO"
    assert playground.python.folder.joinpath("consumers.py").read_text() == playground.read()["text"]


def test_the_same_is_true_of_a_plugin_in_javascript(playground):
    client = playground.host.connect("/javascript/")
    assert client.ask("hello") == "first 1 hello"
    file = {"plugin": "javascript", "path": "consumers.js"}
    text = playground.read(**file)["text"].replace("${data}", "${data.toUpperCase()}")
    assert playground.result(text, **file)["outcome"] == "live"
    assert client.ask("hello") == "first 2 HELLO"


def test_an_error_has_its_place_and_the_old_version_goes_on(playground):
    client = playground.host.connect("/python/red/")
    assert client.ask("hello") == "first 1 hello"
    text = playground.read()["text"]
    result = playground.result(text + "\ndef broken(:\n")
    assert result["outcome"] == "refused"
    (problem,) = result["problems"]
    assert (problem["path"], problem["line"]) == ("consumers.py", text.count("\n") + 2)
    assert "SyntaxError" in problem["message"]
    assert client.ask("hello") == "first 2 hello"


def test_a_refused_version_is_refused_once(playground):
    since = len(playground.host.log())
    playground.result(playground.read()["text"] + "\ndef broken(:\n")
    # The watcher has reported the broken text by the time that it reports another one.
    playground.change(PYTHON.replace("first", "other"))
    playground.host.logged("version is live", since)
    assert playground.host.log()[since:].count("deploy refused") == 1


def test_an_error_in_the_manifest_has_its_place(playground):
    file = {"plugin": "python", "path": "plugin.toml"}
    text = playground.read(**file)["text"]
    result = playground.result(text + "\nnonsense = 1\n", **file)
    assert result["outcome"] == "refused"
    assert (result["problems"][0]["path"], result["problems"][0]["line"]) == ("plugin.toml", text.count("\n") + 2)
    assert "nonsense" in result["problems"][0]["message"]
    assert playground.result(text, **file)["outcome"] == "unchanged"


def test_a_saved_text_that_is_live_already_changes_nothing(playground):
    assert playground.result(playground.read()["text"])["outcome"] == "unchanged"


def test_another_isolation_loads_the_plugin_again(playground):
    file = {"plugin": "python", "path": "plugin.toml"}
    text = playground.read(**file)["text"]
    client = playground.host.connect("/python/red/")
    client.ask("hello")
    assert playground.result('isolation = "connection"\n' + text, **file)["outcome"] == "reloading"
    assert client.ended()[0] == 1012
    assert playground.result(text, **file)["outcome"] == "reloading"
    live = lambda: json.loads(playground.request("GET", "/demo/plugins.json")[1])[0]["isolation"]
    eventually(lambda: live() == "shared", "the first isolation")


def test_a_file_that_another_program_has_changed_is_not_overwritten(playground):
    read = playground.read()
    playground.change(PYTHON.replace("first", "of another program"))
    status, answer = playground.save(read["text"], digest=read["digest"])
    assert status == 409
    assert answer["digest"] == playground.read()["digest"] != read["digest"]
    assert "of another program" in playground.read()["text"]


def test_one_of_two_concurrent_saves_is_refused(playground):
    read = playground.read()
    texts = [f"{read['text']}# {number}\n" for number in range(8)]
    with ThreadPoolExecutor(len(texts)) as pool:
        answers = list(pool.map(lambda text: playground.save(text, digest=read["digest"]), texts))
    statuses = [status for status, _ in answers]
    assert sorted(statuses) == [200] + [409] * (len(texts) - 1)
    assert playground.read()["text"] == texts[statuses.index(200)]


def test_a_read_only_file_is_not_saved(playground):
    file = playground.python.folder / "consumers.py"
    before = file.read_text()
    file.chmod(0o444)
    try:
        status, answer = playground.save(changed(playground))
    finally:
        file.chmod(0o644)
    assert status == 403 and "read-only" in answer["error"]
    assert file.read_text() == before


def test_the_text_of_the_first_read_is_kept_for_a_reset(playground):
    first = playground.read()
    playground.result(changed(playground))
    assert playground.read()["original"] == first["original"] == first["text"]


# The events since the last request.


def test_faults_and_printed_lines_are_told_with_their_place(playground):
    text = playground.read()["text"]
    line = text.count("\n") + 1
    playground.result(text + "        print('seen', text_data)\n        {}['missing']\n")
    last = playground.post("changes", {"after": None})[1]["last"]
    playground.host.connect("/python/red/").ask("hello")

    def fault():
        lines = playground.post("changes", {"after": last})[1]["lines"]
        return [line["message"] for line in lines if "the consumer failed" in line["message"]] and lines

    lines = eventually(fault, "the fault")
    assert any(it["from_guest"] and it["message"].startswith("seen hello") for it in lines)
    (failed,) = (it for it in lines if not it["from_guest"])
    assert f"KeyError: 'missing' (consumers.py:{line + 1} in receive)" in failed["message"]
    assert (failed["plugin"], failed["level"]) == ("python", "WARN")


def test_the_digest_of_the_shown_file_is_told(playground):
    file = {"plugin": "python", "path": "consumers.py"}
    digest = lambda: playground.post("changes", {"after": None, "file": file})[1]["digest"]
    before = digest()
    playground.change(PYTHON.replace("first", "changed"))
    assert before != digest() == playground.read()["digest"]


def test_a_file_of_a_plugin_that_is_gone_has_no_digest(shared):
    status, answer = shared.post("changes", {"after": None, "file": {"plugin": "gone", "path": "consumers.py"}})
    assert status == 200 and answer["digest"] is None


def test_a_plugin_that_could_not_be_loaded_is_corrected_in_the_editor(narrowboat, tmp_path):
    broken = PYTHON + "\n        def broken(:\n"
    with playing(narrowboat, tmp_path, sources=(broken, JAVASCRIPT)) as playground:
        problems = {plugin["plugin"]: plugin["problem"] for plugin in playground.post("files")[1]}
        assert "SyntaxError" in problems["python"] and problems["javascript"] is None
        text = playground.read()["text"]
        assert playground.result(text.partition("    def broken")[0])["outcome"] == "working"
        playground.host.serves(plugins=1)
        assert playground.host.connect("/python/red/").ask("hello") == "first 1 hello"
