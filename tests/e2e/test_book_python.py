"""The plugins in Python that the book shows beside those in Rust do what their pages say."""

import pytest

from book import ROOT, blocks
from http_server import listening
from source_plugin import SourcePlugin


def code(page, marker):
    """The block of Python of a page that contains a text."""
    [found] = [block.code for block in blocks(ROOT / f"docs/how-to/{page}.md") if block.language == "python" and marker in block.code]
    return found


@pytest.fixture
def plugin(serve, tmp_path):
    """Serves source code as a plugin with these capabilities. `config` has further keys of the configuration."""

    def start(source, capabilities=None, config=None, **manifest):
        plugin = SourcePlugin(tmp_path / "plugins/python", source, capabilities=capabilities or {}, **manifest)
        routes = [{"path": "/python/", "plugin": "python"}]
        plugin.host = serve(plugins={"python": plugin.table | {"grants": "all"}}, routes=routes, **(config or {}))
        return plugin

    return start


def test_a_bucket_counts_visits(plugin):
    visits = plugin(code("store-data", "class Visits"), {"keyvalue": True})
    assert [visits.connect().recv() for _ in range(2)] == ["visit 1", "visit 2"]


def test_a_consumer_sends_a_request(plugin):
    with listening() as server:
        address = f"http://127.0.0.1:{server.port}"
        source = code("send-http-requests", "class Weather").replace("https://api.example.com/weather", f"{address}/hello")
        weather = plugin(source, {"http": [address], "private_addresses": True})
        assert weather.connect().ask("how is the weather?") == "hello"


def test_a_consumer_rejects_a_client_without_a_user(plugin):
    raw = plugin(code("authenticate-users", "class Chat")).host.tcp()
    raw.request("/python/")
    assert raw.response().status == 403


def test_a_worker_answers_a_consumer(plugin):
    source = "\n".join(code("write-a-worker", name) for name in ("class Sums", "class Client"))
    entries = {"consumer": "consumers:Client", "worker": "consumers:Sums"}
    workers = {"workers": [{"channel": "sums", "plugin": "python"}]}
    sums = plugin(source, {"channels": ["sums"]}, workers, **entries)
    assert sums.connect().ask("add") == "6"
