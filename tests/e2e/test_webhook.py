"""Authentication by a web site: a Django session, and sites that respond wrongly or not at all."""

import http.client
import json
import os
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from certificates import certificate, write
from redis_server import free_port
from support import UPGRADE, configuration, eventually, toml


def told(host, **headers):
    return json.loads(host.connect("/doorman/", additional_headers=headers).ask("scope"))["user"]


def answer(host, **headers):
    raw = host.tcp()
    raw.request("/doorman/", headers=UPGRADE | headers)
    return raw.response()


class Site:
    """A Django site, used as by a browser."""

    def __init__(self, port):
        self.port = port

    def post(self, path, body="", cookie=""):
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie}
        connection.request("POST", path, body, headers)
        answered = connection.getresponse()
        answered.read()
        connection.close()
        return answered


@pytest.fixture(scope="module")
def site(root, tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("site"), free_port()
    log = folder / "log"
    command = [sys.executable, "-m", "uvicorn", "--port", str(port), "django_users:application"]
    environment = os.environ | {"DATABASE": str(folder / "db.sqlite3")}
    with open(log, "w") as out:
        process = subprocess.Popen(command, cwd=root / "tests/peers", env=environment, stdout=out, stderr=out)
    try:
        eventually(lambda: "running on" in log.read_text() or process.poll() is not None, "uvicorn", 30)
        assert process.poll() is None, log.read_text()
        yield Site(port)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def beside(serving, site):
    webhook = {"url": f"http://127.0.0.1:{site.port}/who/"}
    with serving("doorman", top={"users": {"webhook": webhook}}) as host:
        yield host


def test_consumers_know_the_user_who_has_logged_in_at_the_site(beside, site):
    assert told(beside) is None
    assert site.post("/login/", "name=ada&password=wrong").status == 403
    answered = site.post("/login/", "name=ada&password=lovelace")
    cookie = answered.getheader("Set-Cookie").split(";")[0]
    assert json.loads(told(beside, Cookie=cookie)) == {"sub": "1", "name": "ada"}
    assert told(beside, Cookie="sessionid=forged") is None
    assert site.post("/logout/", cookie=cookie).status == 204
    assert told(beside, Cookie=cookie) is None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.heard.append(dict(self.headers))
        status, body = self.server.answer(self)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def answering(answer, tls=None):
    """Context manager for a site with these responses. It records the requests."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.answer, server.heard = answer, []
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}/who"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def asking(url, required=False, **webhook):
    return {"users": {"required": required, "webhook": {"url": url} | webhook}}


def test_the_site_gets_the_headers_that_are_named_and_no_other(serve):
    with answering(lambda _: (204, b"")) as site:
        host = serve("doorman", top=asking(site.url, headers=["Cookie", "X-Key"]))
        told(host, **{"Cookie": "a=b", "X-Key": "k", "X-Other": "o"})
        [heard] = site.heard
        lower = {name.lower(): value for name, value in heard.items()}
        assert (lower["cookie"], lower["x-key"], lower["x-forwarded-for"]) == ("a=b", "k", "127.0.0.1")
        assert "x-other" not in lower


@pytest.mark.parametrize(("signer", "status"), [("authority", 101), ("stranger", 503)])
def test_over_tls_the_site_has_to_be_who_it_says(serve, tmp_path, signer, status):
    signers = {name: certificate(name) for name in ["authority", "stranger"]}
    write(tmp_path, "authority", signers["authority"])
    write(tmp_path, "site", certificate("site", signers[signer]))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "site.pem", tmp_path / "site.key")
    (tmp_path / "nobody").mkdir()
    environment = {"SSL_CERT_FILE": str(tmp_path / "authority.pem"), "SSL_CERT_DIR": str(tmp_path / "nobody")}
    process = {"environment": environment}
    with answering(lambda _: (200, b'{"sub": "1"}'), tls) as site:
        host = serve("doorman", top=asking(site.url, headers=["Cookie"]), process=process)
        assert answer(host, Cookie="a=b").status == status
        assert len(site.heard) == (1 if status == 101 else 0)


def test_a_host_that_trusts_no_authority_does_not_start_to_ask_over_tls(narrowboat, component, tmp_path):
    (tmp_path / "narrowboat.toml").write_text(toml(configuration(component, "doorman", top=asking("https://example.com/"))))
    (tmp_path / "nothing.pem").touch()
    (tmp_path / "nobody").mkdir()
    environment = {"SSL_CERT_FILE": str(tmp_path / "nothing.pem"), "SSL_CERT_DIR": str(tmp_path / "nobody")}
    result = narrowboat("serve", "--listen", "127.0.0.1:0", cwd=tmp_path, timeout=30, env=os.environ | environment)
    assert result.returncode == 2
    assert "users.webhook.url: the system has no root certificates" in result.stderr


@pytest.mark.parametrize("status", [401, 403])
def test_the_site_may_turn_somebody_away(serve, status):
    with answering(lambda _: (status, b"no")) as site:
        assert answer(serve("doorman", top=asking(site.url))).status == status


def test_an_anonymous_client_is_answered_401_if_users_are_required(serve):
    with answering(lambda _: (204, b"")) as site:
        assert answer(serve("doorman", top=asking(site.url, required=True))).status == 401


@pytest.mark.parametrize(
    "answered", [(200, b"no json"), (200, b"[1]"), (200, b'{"a": "' + b"x" * 70_000 + b'"}'), (500, b""), (302, b"")]
)
def test_an_answer_that_means_nothing_is_503_and_told(serve, answered):
    with answering(lambda _: answered) as site:
        host = serve("doorman", top=asking(site.url))
        assert answer(host).status == 503
        host.logged("users.webhook failed url=http://127")


def test_a_site_that_does_not_answer_is_503_in_time(serve):
    done = threading.Event()
    with answering(lambda _: done.wait(10) and (204, b"") or (204, b"")) as site:
        host = serve("doorman", top=asking(site.url, timeout="200ms"))
        assert answer(host).status == 503
        done.set()


def test_a_site_that_is_away_is_503(serve):
    host = serve("doorman", top=asking(f"http://127.0.0.1:{free_port()}/"))
    refused = answer(host)
    assert (refused.status, refused.header("retry-after")) == (503, "1")


@pytest.mark.parametrize(
    ("users", "hint"),
    [("[users]\n", "needs [users.jwt], [users.webhook] or both"), ('[users.webhook]\nurl = "who"\n', "must be an address")],
)
def test_a_wrong_table_is_told_at_the_start(narrowboat, tmp_path, users, hint):
    config = tmp_path / "narrowboat.toml"
    config.write_text(users)
    result = narrowboat("serve", "--config", config)
    assert result.returncode == 2
    assert hint in result.stderr, result.stderr
