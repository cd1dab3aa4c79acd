"""The traces of a host, as a collector receives them."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

import support
from admin import ADMIN, Admin
from support import short, toml


class Collector:
    """Receives OTLP over HTTP and stores the spans."""

    def __init__(self):
        spans = self.spans = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                request = json.loads(self.rfile.read(int(self.headers["content-length"])))
                for resource in request["resourceSpans"]:
                    for scope in resource["scopeSpans"]:
                        spans.extend(scope["spans"])
                body = b"{}"
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server.server_port}/v1/traces"

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def named(self, name):
        found = [span for span in self.spans if span["name"] == name]
        for span in found:
            span["attributes"] = {
                each["key"]: next(iter(each["value"].values())) for each in span["attributes"]
            } if isinstance(span["attributes"], list) else span["attributes"]
        return found


@pytest.fixture
def collector():
    collector = Collector()
    yield collector
    collector.close()


def test_handshake_frame_hop_and_swap_are_traced(travel, collector):
    traces = {"endpoint": collector.endpoint, "sample_ratio": 1.0}
    served = travel(admin=ADMIN, traces=traces, plugins={"commander": {}})
    sender, receiver = (served.host.connect("/commander/") for _ in range(2))
    receiver.ask("add news")
    sender.ask("group-send news hello")
    assert receiver.recv() == "message: hello"
    served.connect().ask("once")
    Admin(served.host).deploy("traveller", served.version("v2"))
    assert served.host.stop() == 0
    # The host sends the remaining spans when it stops.
    assert {span["attributes"]["path"] for span in collector.named("handshake")} == {
        "/commander/", "/traveller/",
    }  # fmt: skip
    [sent] = [span for span in collector.named("layer group send") if span["attributes"]["to"] == "news"]
    asked = {span["spanId"]: span for span in collector.named("receive")}
    assert asked[sent["parentSpanId"]]["attributes"]["plugin"] == "commander"
    assert [span["attributes"]["kind"] for span in collector.named("handle")] == ["commander.text"]
    new = short(served.version("v2"))
    [swap] = [span for span in collector.named("swap") if span["attributes"]["version"] == new]
    children = [span["name"] for span in collector.spans if span.get("parentSpanId") == swap["spanId"]]
    assert sorted(children) == ["move", "prepare"]


def test_a_part_of_all_traces_may_be_sent(serving, collector):
    with serving("echo", traces={"endpoint": collector.endpoint, "sample_ratio": 0.1}) as host:
        client = host.connect("/echo/")
        for _ in range(300):
            client.ask("hello")
        assert host.stop() == 0
    assert 0 < len(collector.named("receive")) < 100


def test_a_collector_that_is_not_there_costs_no_client_anything(serving):
    traces = {"endpoint": "http://127.0.0.1:1/v1/traces", "sample_ratio": 1.0}
    with serving("echo", traces=traces) as host:
        client = host.connect("/echo/")
        for _ in range(100):
            assert client.ask("hello") == "hello"
        assert host.stop() == 0


def test_without_a_word_nothing_is_traced(serving, collector):
    with serving("echo") as host:
        host.connect("/echo/").ask("hello")
        assert "opentelemetry" not in host.log()
        assert host.stop() == 0
    assert collector.spans == []


@pytest.mark.parametrize(
    ("table", "key", "words"),
    [
        ({"endpoint": "collector"}, "traces.endpoint", "http://localhost:4318/v1/traces"),
        ({"endpoint": "ftp://x"}, "traces.endpoint", "http://localhost:4318/v1/traces"),
        ({"endpoint": "http://x", "sample_ratio": 0.0}, "traces.sample_ratio", "remove [traces]"),
        ({"endpoint": "http://x", "sample_ratio": 2.0}, "traces.sample_ratio", "at most 1"),
        ({}, "traces", "`endpoint`"),
    ],
)
def test_a_wrong_table_is_told(narrowboat, component, tmp_path, table, key, words):
    config = support.configuration(component, "echo", traces=table)
    (tmp_path / "narrowboat.toml").write_text(toml(config))
    result = narrowboat("serve", cwd=tmp_path)
    assert result.returncode == 2
    assert key in result.stderr and words in result.stderr
