"""HTTP requests of plugins (`wasi:http`)."""

import json
import ssl

import pytest

from admin import ADMIN, Admin
from certificates import certificate, write
from http_server import listening
from support import configuration, eventually, short, toml, with_manifest


@pytest.fixture
def server():
    with listening() as server:
        yield server


def manifested(component, asks, **manifest):
    return with_manifest(component("caller").read_bytes(), toml({"name": "caller", "capabilities": asks} | manifest))


@pytest.fixture
def calling(serve, component, tmp_path):
    """Serves the guest `caller` at /caller/. Its manifest requests these destinations, and all are granted."""

    def start(http, private=True, requests=None, **settings):
        file = tmp_path / "caller.wasm"
        asks = {"http": http} | ({"private_addresses": True} if private else {})
        file.write_bytes(manifested(component, asks))
        plugins = {"caller": {"component": str(file)}}
        return serve(plugins=plugins, top={"http_client": requests or {}}, **settings)

    return start


@pytest.fixture
def caller(calling, server):
    """Connects to a `caller` that may reach the test's server. `requests` has keys of `[http_client]`."""

    def connect(requests=None, **settings):
        host = calling([f"http://localhost:{server.port}"], requests=requests, **settings)
        client = host.connect("/caller/")
        client.host, client.url = host, f"http://localhost:{server.port}"
        return client

    return connect


@pytest.fixture
def started(narrowboat, component, tmp_path):
    """Runs a host that should exit at once."""

    def run(asks, grants, requests=None):
        file, config = tmp_path / "guest.wasm", tmp_path / "narrowboat.toml"
        file.write_bytes(manifested(component, asks))
        plugins = {"caller": {"component": str(file), "grants": grants}}
        config.write_text(toml(configuration(component, plugins=plugins, top={"http_client": requests or {}})))
        return narrowboat("serve", "--config", config, "--listen", "127.0.0.1:0", timeout=30)

    return run


# Requests and responses.


def test_a_request_is_answered(caller, server):
    client = caller()
    assert client.ask(f"GET {client.url}/hello") == "200 hello"
    assert client.ask(f"GET {client.url}/nowhere") == "404 nothing"
    assert client.ask(f"len {client.url}/long?1000000") == "1000000"
    status, told = client.ask(f"send {client.url}/asked?a=b 100000").split(" ", 1)
    told = json.loads(told)
    assert (status, told["method"], told["body"], told["path"]) == ("200", "POST", 100000, "/asked?a=b")
    assert told["headers"]["host"] == f"localhost:{server.port}"
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        assert json.loads(client.ask(f"{method} {client.url}/asked")[4:])["method"] == method


def test_a_request_may_be_made_from_a_shared_instance_and_others_go_on(serve, component, tmp_path, server):
    file = tmp_path / "caller.wasm"
    asks = {"http": [f"http://localhost:{server.port}"], "private_addresses": True}
    file.write_bytes(manifested(component, asks, isolation="shared"))
    host = serve("echo", plugins={"caller": {"component": str(file)}})
    one, echo = host.connect("/caller/"), host.connect("/echo/")
    one.send(f"GET http://localhost:{server.port}/held")
    eventually(lambda: server.asked, "the request")
    assert echo.ask("hello") == "hello"
    assert one.is_served()
    server.released.set()
    assert one.recv() == "200 held"


def test_over_tls_the_server_has_to_be_who_it_says(calling, tmp_path):
    authority = certificate("authority")
    write(tmp_path, "authority", authority)
    write(tmp_path, "server", certificate("server", authority))
    write(tmp_path, "stranger", certificate("stranger", certificate("another authority")))
    process = {"environment": {"SSL_CERT_FILE": str(tmp_path / "authority.pem")}}
    answers = {}
    for name in ("server", "stranger"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / f"{name}.pem", tmp_path / f"{name}.key")
        with listening(context) as server:
            host = calling([f"https://127.0.0.1:{server.port}", f"https://localhost:{server.port}"], process=process)
            client = host.connect("/caller/")
            answers[name] = client.ask(f"GET https://127.0.0.1:{server.port}/hello")
            # Its certificate is for the address.
            assert client.ask(f"GET https://localhost:{server.port}/hello") == "error: ErrorCode::TlsProtocolError"
            assert "/hello" not in server.asked[1:]
    assert answers == {"server": "200 hello", "stranger": "error: ErrorCode::TlsProtocolError"}


# Destinations.


def test_another_host_is_refused(caller, server):
    client = caller()
    denied = "error: the manifest does not request this host"
    with listening() as other:
        for url in (
            f"http://localhost:{other.port}/hello",
            f"http://127.0.0.1:{server.port}/hello",
            f"https://localhost:{server.port}/hello",
            f"http://localhost.example:{server.port}/hello",
            "http://localhost/hello",
        ):
            assert client.ask(f"GET {url}") == denied, url
        assert client.ask(f"GET http://localhost:{other.port}@127.0.0.1:{server.port}/").startswith("error: ")
        assert client.ask("GET file:///etc/passwd").startswith("error: ")
        assert other.asked == []
    assert server.asked == []


def test_an_address_that_is_not_public_is_refused_unless_it_is_granted(calling, server):
    client = calling([f"*:{server.port}"], private=False).connect("/caller/")
    # By name, and in every notation of this machine's address
    hosts = "localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0", "[::1]", "[::ffff:127.0.0.1]", "LOCALHOST."
    for host in hosts:
        assert client.ask(f"GET http://{host}:{server.port}/hello") == "error: the host has no public address", host
    assert server.asked == []


def test_a_redirect_is_not_followed_and_needs_another_request(caller, server):
    client = caller()
    with listening() as other:
        elsewhere = f"http://127.0.0.1:{other.port}/hello"
        assert client.ask(f"GET {client.url}/redirect?{elsewhere}") == "302 "
        assert client.ask(f"follow {client.url}/redirect?{elsewhere}") == "error: the manifest does not request this host"
        assert other.asked == []
    assert client.ask(f"follow {client.url}/redirect?{client.url}/hello") == "200 hello"


def test_the_method_and_url_of_a_request_are_bounded(caller, server):
    client = caller()
    assert client.ask(f"{'X' * 64} {client.url}/hello") != "200 hello"
    assert len(server.asked) <= 1
    for method, url in [("X" * 65, f"{client.url}/"), ("GET", f"http://{'x' * 400}/"), ("GET", f"{client.url}/{'x' * 20_000}")]:
        assert client.ask(f"{method} {url}").startswith("error: ")
    assert len(server.asked) <= 1
    assert client.ask(f"GET {client.url}/hello") == "200 hello"


def test_no_tunnel_is_made_and_no_header_is_sent_that_is_the_hosts(caller, server):
    client = caller()
    assert client.ask(f"CONNECT {client.url}/hello").startswith("error: ")
    for field in ("host", "connection", "transfer-encoding", "upgrade", "proxy-authorization"):
        assert client.ask(f"field {client.url}/hello {field} x").startswith("error: invalid header: "), field
    assert server.asked == []


def test_a_worker_makes_requests(calling, server):
    url = f"http://localhost:{server.port}"
    workers = [{"channel": "desk", "plugin": "caller"}]
    host = calling([url], workers=workers, routes=[], admin=ADMIN)
    message = {"type": "caller.errand", "text": f"GET {url}/hello"}
    assert Admin(host).ask("/v1/publish", "POST", {"channel": "desk", "message": message}).status == 200
    eventually(lambda: server.asked == ["/hello"], "the request")


# Time and size limits.


@pytest.mark.parametrize(
    "bound, path",
    [
        ({"first_byte_timeout": "300ms"}, "/held"),
        ({"between_bytes_timeout": "300ms"}, "/drip?60"),
        ({"total_timeout": "1s"}, "/drip?0.1"),
        ({"total_timeout": "1s"}, "/held"),
        ({"max_response": "1 MiB"}, "/endless"),
    ],
)
def test_a_server_that_is_slow_or_endless_is_left(caller, server, bound, path):
    # The other limits are longer than the test waits.
    others = dict.fromkeys(["first_byte_timeout", "between_bytes_timeout", "total_timeout"], "1m")
    client = caller(others | bound)
    answer = client.ask(f"len {client.url}{path}")
    assert answer == ("error: the body is too large" if "endless" in path else "error: the request timed out")
    if path in ("/drip?0.1", "/endless"):
        assert server.left.wait(10), "the connection is still there"
    assert client.ask(f"GET {client.url}/hello") == "200 hello"


@pytest.mark.parametrize("bound, asked", [("1m", 200), ("200ms", 60_000)])
def test_a_guest_may_ask_for_less_time_and_not_for_more(caller, server, bound, asked):
    client = caller({"first_byte_timeout": bound, "between_bytes_timeout": "1m", "total_timeout": "1m"})
    # The longer of the two time-outs exceeds the test's wait.
    assert client.ask(f"within {client.url}/held {asked}") == "error: the request timed out"


def test_bodies_have_bounds(caller, server):
    client = caller({"max_request": "64 KiB", "max_response": "64 KiB"})
    assert client.ask(f"send {client.url}/asked 65536").startswith("200 ")
    assert client.ask(f"send {client.url}/asked 65537") == "error: the body is too large"
    assert client.ask(f"len {client.url}/long?65536") == "65536"
    assert client.ask(f"len {client.url}/long?65537") == "error: the body is too large"


def test_header_fields_have_bounds(caller, server):
    client = caller({"max_headers": 20})
    assert client.ask(f"fields {client.url}/hello 10") == "200 hello"
    assert client.ask(f"fields {client.url}/hello 30").startswith("error: ")
    assert client.ask(f"GET {client.url}/fields?10") == "200 many"
    assert client.ask(f"GET {client.url}/fields?30").startswith("error: ")


def test_a_call_makes_no_more_than_so_many_requests(caller, server):
    client = caller({"max_requests_per_call": 3})
    assert client.ask(f"many {client.url}/hello 3") == "ok"
    assert client.ask(f"many {client.url}/hello 4") == "error: ErrorCode::ConnectionLimitReached"
    assert server.asked == ["/hello"] * 6


def test_so_many_requests_are_open_at_a_time(caller, server):
    client = caller(limits={"http_requests": 1}, admin=ADMIN)
    other = client.host.connect("/caller/")
    client.send(f"GET {client.url}/held")
    eventually(lambda: server.asked, "a request")
    assert other.ask(f"GET {client.url}/hello") == "error: ErrorCode::ConnectionLimitReached"
    assert 'limit="http_requests"} 1\n' in Admin(client.host).ask("/metrics").body.decode()
    server.released.set()
    assert client.recv() == "200 held"
    eventually(lambda: other.ask(f"GET {client.url}/hello") == "200 hello", "a connection that is free again")


def test_a_guest_that_waits_for_what_never_comes_is_stopped(caller, server):
    client = caller(limits={"wait_time": "500ms"})
    client.send("stuck it is")
    assert client.ended()[0] == 1011
    client.host.logged("the waits of this call have taken longer than limits.wait_time")


def test_a_call_that_waits_for_a_server_blocks_no_guest_thread(serve, component, tmp_path, server):
    caller, slow = tmp_path / "caller.wasm", tmp_path / "echo.wasm"
    asks = {"http": [f"http://localhost:{server.port}"], "private_addresses": True}
    caller.write_bytes(manifested(component, asks))
    slow.write_bytes(with_manifest(component("echo").read_bytes(), toml({"name": "echo", "execution": "thread"})))
    plugins = {"caller": {"component": str(caller)}, "echo": {"component": str(slow)}}
    host = serve(plugins=plugins, limits={"guest_threads": 1, "call_time": "50ms"})
    waiting, echo = [host.connect("/caller/") for _ in range(20)], host.connect("/echo/")
    for client in waiting:
        client.send(f"GET http://localhost:{server.port}/held")
    # All calls wait at once. None is stopped after `call_time`, because waiting does not count.
    eventually(lambda: len(server.asked) == 20, "twenty requests")
    for _ in range(20):
        assert echo.ask("hello") == "hello"
    server.released.set()
    assert [client.recv() for client in waiting] == ["200 held"] * 20


def test_a_host_that_stops_does_not_wait_for_a_server(caller, server):
    client = caller(limits={"shutdown_grace": "500ms"})
    client.send(f"GET {client.url}/held")
    eventually(lambda: server.asked, "a request")
    assert client.host.stop() == 0


# Permission.


def test_hosts_that_are_not_granted_are_named(started):
    asks = {"http": ["https://api.example.com", "https://a.example.org"], "private_addresses": True}
    result = started(asks, {"http": ["https://.example.org"]})
    assert result.returncode == 2
    assert 'not granted: http "https://api.example.com", private_addresses;' in result.stderr
    line = '`http = ["https://.example.org", "https://api.example.com"]`, `private_addresses = true`'
    assert line in result.stderr


@pytest.mark.parametrize("requests", [{"max_requests_per_call": -1}, {"max_headers": 0}, {"total_timeout": "0s"}, {"max_request": "0 B"}])
def test_a_wrong_table_is_told(started, requests):
    result = started({"http": ["*"]}, "all", requests)
    assert result.returncode == 2
    assert f"http_client.{next(iter(requests))}" in result.stderr


@pytest.mark.parametrize("isolation", ["connection", "shared"])
def test_a_trial_sends_nothing_and_neither_does_whoever_saves(serve, component, tmp_path, server, isolation):
    file = tmp_path / "caller.wasm"
    asks = {"http": [f"http://localhost:{server.port}"], "private_addresses": True}

    def version(description):
        return manifested(component, asks, isolation=isolation, description=description)

    file.write_bytes(version("one"))
    host = serve(plugins={"caller": {"component": str(file)}})
    client = host.connect("/caller/")
    assert client.ask(f"home http://localhost:{server.port}") == "ok"
    beside = file.with_suffix(".new")
    beside.write_bytes(version("two"))
    beside.rename(file)
    host.logged(f'version is live .*version="{short(version("two"))}"')
    # Once in the trial, once in the move
    eventually(lambda: client.ask("restored") == "sent", "a consumer that has moved")
    assert server.asked == ["/restore"]
