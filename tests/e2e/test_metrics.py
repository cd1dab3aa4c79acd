"""The text of /metrics, as independent readers parse it: Prometheus, promtool and the Python library."""

import math
import re

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as text_format

import prometheus
from admin import ADMIN, Admin
from redis_server import Redis
from support import eventually

OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"

# The `Accept` header of Prometheus 2.
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


def scrape(host, accept=None):
    answer = Admin(host).ask("/metrics", headers={"Accept": accept} if accept else None)
    assert answer.status == 200
    return answer


def families(host):
    """The OpenMetrics families by name."""
    return {family.name: family for family in open_metrics(scrape(host, PROMETHEUS).body.decode())}


@pytest.fixture(scope="module")
def host(serving):
    """A host that has values for every metric."""
    with Redis() as redis:
        layers = {"shared": {"backend": "redis", "hosts": [redis.address]}}
        plugins = {"commander": {"layer": "shared"}, "echo": {}, "misbehave": {}}
        with serving(plugins=plugins, layers=layers, limits={"call_time": "30ms"}, admin=ADMIN) as host:
            host.connect("/commander/").ask("group-send g hello")
            client = host.connect("/echo/")
            for _ in range(200):
                client.ask("hello")
            for _ in range(5):
                looping = host.connect("/misbehave/")
                looping.send("loop")
                assert looping.ended()[0] == 1011
            yield host


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (PROMETHEUS, OPEN_METRICS),
        ("application/openmetrics-text", OPEN_METRICS),
        ("text/plain;version=0.0.4", TEXT),
        ("*/*", TEXT),
        (None, TEXT),
    ],
)
def test_the_format_is_the_one_that_accept_names(host, accept, content_type):
    assert scrape(host, accept).headers["content-type"] == content_type


def samples(family):
    """The samples without timestamps: their names in the text format, labels and values."""
    return {(sample.name, *sorted(sample.labels.items())): sample.value for sample in family.samples}


def test_both_formats_are_taken_by_strict_parsers_and_say_the_same(host):
    families_of = families(host)
    text = {family.name: family for family in text_format(scrape(host).body.decode())}
    assert set(families_of) == set(text)
    for name, family in families_of.items():
        assert family.documentation == text[name].documentation and family.type == text[name].type
        assert set(samples(family)) == set(samples(text[name])), name


def test_promtool_finds_nothing_to_complain_of(host):
    assert prometheus.lint(scrape(host).body.decode()) == (0, "")


def test_each_family_with_a_unit_says_so(host):
    units = {family.name: family.unit for family in families(host).values() if family.unit}
    assert units["narrowboat_guest_call_duration_seconds"] == "seconds"
    assert units["narrowboat_guest_memory_bytes"] == "bytes"
    assert all(name.endswith(f"_{unit}") for name, unit in units.items())


# Histograms


def buckets(family, **labels):
    """The cumulative buckets of one histogram in a family."""
    fits = lambda sample: sample.name.endswith("_bucket") and labels.items() <= sample.labels.items()
    return [(float(sample.labels["le"]), sample.value) for sample in family.samples if fits(sample)]


def quantile(q, buckets):
    """PromQL's histogram_quantile, as documented."""
    if not buckets or not math.isinf(buckets[-1][0]):
        return math.nan
    rank = q * buckets[-1][1]
    index = next(index for index, (_, count) in enumerate(buckets) if count >= rank)
    if index == len(buckets) - 1:
        return buckets[-2][0]
    below, before = buckets[index - 1] if index else (0.0, 0)
    bound, count = buckets[index]
    return below + (bound - below) * (rank - before) / (count - before)


def test_every_histogram_ends_with_all_that_was_counted(host):
    histograms = [family for family in families(host).values() if family.type == "histogram"]
    assert {family.name for family in histograms} >= {
        "narrowboat_guest_call_duration_seconds",
        "narrowboat_layer_round_trip_duration_seconds",
    }
    for family in histograms:
        totals = [sample for sample in family.samples if sample.name.endswith("_count")]
        assert totals
        for total in totals:
            own = buckets(family, **total.labels)
            assert own[-1] == (math.inf, total.value)
            assert [count for _, count in own] == sorted(count for _, count in own)


def test_quantiles_are_where_the_calls_were(host):
    calls = families(host)["narrowboat_guest_call_duration_seconds"]
    of = lambda plugin: buckets(calls, tenant="default", plugin=plugin)
    # Half of the looping calls exceed their limit, and none takes as long as the test waits.
    looping = of("misbehave")
    long = [(bound, count) for bound, count in looping if bound <= 0.01]
    assert looping[-1][1] - long[-1][1] >= 5
    assert 0.01 < quantile(0.99, looping) <= 1
    # The echo calls are short.
    echoing = of("echo")
    assert echoing[-1][1] >= 201
    assert 0 < quantile(0.5, echoing) < 0.01
    assert quantile(0.1, echoing) <= quantile(0.5, echoing) <= quantile(0.9, echoing)
    mean = next(
        sample.value for sample in calls.samples if sample.name.endswith("_sum") and sample.labels["plugin"] == "echo"
    ) / echoing[-1][1]
    assert 0 < mean <= quantile(1, echoing) or echoing[-2][1] < echoing[-1][1]


def test_prometheus_scrapes_and_computes_the_same_quantiles(host, tmp_path):
    admin = Admin(host)
    with prometheus.scraping(tmp_path, admin) as ask:
        up = lambda: [series["value"][1] for series in ask("up")] == ["1"]
        eventually(up, "a scrape that is taken", 60)
        for plugin in ("misbehave", "echo"):
            for q in (0.5, 0.99):
                labels = f'tenant="default",plugin="{plugin}"'
                expression = f"histogram_quantile({q}, narrowboat_guest_call_duration_seconds_bucket{{{labels}}})"
                told = float(ask(expression)[0]["value"][1])
                own = quantile(q, buckets(families(host)["narrowboat_guest_call_duration_seconds"], tenant="default", plugin=plugin))
                assert told == pytest.approx(own)


# Many tenants


def test_the_figures_of_a_thousand_tenants_parse(serving, figure):
    tenants = {f"t{number}": {"path": f"/t{number}", "plugins": ["echo"]} for number in range(1_000)}
    with serving(tenants=tenants, admin=ADMIN, log="warn") as host:
        assert host.connect("/t999/echo/").ask("hello") == "hello"
        connections = families(host)["narrowboat_connections"]
        values = {sample.labels["tenant"]: sample.value for sample in connections.samples}
        assert len(values) == 1_000 and values["t999"] == 1 and values["t1"] == 0
        text = scrape(host).body.decode()
        assert prometheus.lint(text) == (0, "")
        figure("bytes of /metrics with 1,000 tenants", len(text))


# Methods


PATHS = {
    "/healthz": {"GET", "HEAD"},
    "/readyz": {"GET", "HEAD"},
    "/metrics": {"GET", "HEAD"},
    "/openapi.json": {"GET", "HEAD"},
    "/": {"GET", "HEAD"},
    "/v1/status": {"GET", "HEAD"},
    "/v1/connections": {"GET", "HEAD"},
    "/v1/logs": {"GET", "HEAD"},
    "/v1/plugins/echo/versions": {"GET", "HEAD", "POST"},
    "/v1/plugins/echo/rollback": {"POST"},
    "/v1/plugins/echo/approve": {"POST"},
    "/v1/connections/x/close": {"POST"},
    "/v1/rooms": {"GET", "HEAD"},
    "/v1/plugins/echo/rooms/sleeping": {"GET", "HEAD"},
    "/v1/plugins/echo/rooms/red/close": {"POST"},
    "/v1/plugins/echo/rooms/red/reset": {"POST"},
    "/v1/publish": {"POST"},
    "/v1/drain": {"POST"},
    "/v1/reload": {"POST"},
    "/v1/keyvalue/entry": {"GET", "HEAD", "PUT", "DELETE"},
    "/v1/keyvalue/keys": {"GET", "HEAD"},
    "/v1/keyvalue/backup": {"GET", "HEAD"},
    "/v1/keyvalue/compact": {"POST"},
}


def test_all_paths_are_tried(host):
    document = Admin(host).get("/openapi.json")
    names = {"{plugin}": "echo", "{channel}": "x", "{room}": "red"}
    documented = {re.sub(r"\{\w+\}", lambda name: names[name[0]], path) for path in document["paths"]}
    assert documented <= set(PATHS)


METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}


@pytest.mark.parametrize(
    ("method", "path"), [(method, path) for path in PATHS for method in sorted(METHODS - PATHS[path] - {"HEAD"})]
)
def test_rfc_9110_15_5_6_another_method_is_405_with_those_there_are(host, method, path):
    answer = Admin(host).ask(path, method)
    assert answer.status == 405, answer.body
    assert set(re.split(r",\s*", answer.headers["allow"])) == PATHS[path]
    assert answer.json()["kind"] == "method-not-allowed"
