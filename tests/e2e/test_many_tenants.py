"""Many tenants with the same component: they share its code, and the operator's interface answers shortly."""

import gzip
import re
import shutil

import pytest

from admin import ADMIN, Admin
from test_tenants import status_of

COUNT = 200

# What the status and the metrics of an idle tenant may take, so that those of 1,000 tenants take less than 2 MB.
BYTES_PER_TENANT = 1_900


@pytest.fixture(scope="module")
def files(component, tmp_path_factory):
    """Files with the same bytes, of which every second tenant has one of its own."""
    folder = tmp_path_factory.mktemp("components")

    def file(number):
        if number % 2:
            return component("echo")
        return shutil.copy(component("echo"), folder / f"{number}.wasm")

    return file


@pytest.fixture(scope="module")
def host(serving, files):
    def tenant(number):
        return {"path": f"/t{number}", "plugins": {"echo": {"component": str(files(number))}}}

    with serving(tenants={f"t{number}": tenant(number) for number in range(COUNT)}, admin=ADMIN, log="warn") as host:
        yield host


def metrics(host, **headers):
    return Admin(host).ask("/metrics", headers=headers or None)


def values(text, name, **labels):
    """The values of the samples of a metric with these labels."""
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    samples = re.findall(rf"^narrowboat_{name}(?:{{(.*)}})? (\S+)$", text, re.MULTILINE)
    return [float(value) for found, value in samples if all(label in found for label in wanted)]


def test_tenants_with_the_same_bytes_share_one_component(host):
    assert values(metrics(host).body.decode(), "components") == [1]


@pytest.mark.parametrize("number", [0, 1, COUNT - 1])
def test_each_tenant_is_served(host, number):
    assert host.connect(f"/t{number}/echo/").ask("hello") == "hello"


def test_the_status_has_each_tenant_and_is_short(host):
    answer = Admin(host).ask("/v1/status")
    status = answer.json()
    assert {plugin["tenant"] for plugin in status["plugins"]} >= {f"t{number}" for number in range(COUNT)}
    assert len({plugin["version"] for plugin in status["plugins"]}) == 1
    assert len(answer.body) < COUNT * BYTES_PER_TENANT


def test_the_metrics_have_each_tenant_and_are_short(host):
    text = metrics(host).body.decode()
    assert len(values(text, "connections")) == COUNT
    assert len(text) < COUNT * BYTES_PER_TENANT


def test_a_plugin_has_all_its_metrics_from_its_first_handshake_on(host):
    counts = lambda: values(metrics(host).body.decode(), "connections_closed_total", tenant="t7")
    assert counts() == []
    client = host.connect("/t7/echo/")
    assert counts() and set(counts()) == {0}
    client.close()


def test_metrics_are_compressed_for_a_client_that_takes_gzip(host):
    answer = metrics(host, **{"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip" and "accept-encoding" in answer.headers["vary"]
    text = gzip.decompress(answer.body).decode()
    assert len(values(text, "connections")) == COUNT
    assert len(answer.body) * 5 < len(text)


def test_a_pin_refuses_a_component_that_another_tenant_runs(serving, component):
    pinned = {"echo": {"component": str(component("echo")), "sha256": ["0" * 64]}}
    tenants = {"acme": {"path": "/acme", "plugins": ["echo"]}, "bolt": {"path": "/bolt", "plugins": pinned}}
    with serving(tenants=tenants, admin=ADMIN) as host:
        assert host.connect("/acme/echo/").ask("hello") == "hello"
        assert status_of(host, "/bolt/echo/") == 503
        assert values(metrics(host).body.decode(), "components") == [1]
