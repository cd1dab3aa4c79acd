"""Instances that start with much memory count towards `total_memory` as far as they have touched it. The guest `archive`
starts with 8 MiB of data."""

import resource

import pytest

from admin import ADMIN, Admin
from support import UPGRADE, eventually
from test_batches import replies, send_row

pytestmark = pytest.mark.alone

MIB = 1 << 20
LIMIT = 256 * MIB
ARCHIVE = {"archive": {"isolation": "connection"}}
CONNECTIONS = 1000
SIZE = 8
NO_MORE = (1013, "the plugin may use no more")


def used(host):
    """The bytes that count towards the `total_memory` of the host."""
    limits = Admin(host).ask("/v1/status").json()["limits"]
    return next(limit["used"] for limit in limits if limit["name"] == "total_memory")


def open_all(host, path):
    """The statuses of many handshakes, whose connections stay open."""
    def status():
        client = host.tcp()
        client.request(path, headers=UPGRADE)
        return client.response().status

    return [status() for _ in range(CONNECTIONS)]


@pytest.fixture
def archive(serve):
    return serve(plugins=ARCHIVE, limits={"total_memory": "256 MiB"}, admin=ADMIN)


def test_a_thousand_instances_that_touch_little_are_served(archive, figure):
    before = archive.rss()
    assert open_all(archive, "/archive/") == [101] * CONNECTIONS
    resident, counted = (archive.rss() - before) / CONNECTIONS / 1024, used(archive) / CONNECTIONS / 1024
    figure("an instance that starts with 9 MiB and touches little", f"{resident:.0f} KiB, counts {counted:.0f} KiB")
    # Their size together is 9 GiB.
    assert used(archive) <= LIMIT
    assert archive.connect("/archive/").ask("hello") == "hello"


def test_only_as_many_of_a_thousand_instances_are_served_as_have_room(archive):
    before = archive.rss()
    statuses = open_all(archive, f"/archive/?touch={SIZE}")
    most = LIMIT // (SIZE * MIB)
    assert set(statuses) == {101, 503} and most - 4 <= statuses.count(101) <= most
    assert used(archive) <= LIMIT
    # Each thread may have one call whose memory is not counted yet.
    assert archive.peak_rss() - before < LIMIT + 64 * MIB
    archive.logged("the limit total_memory is reached")


def test_an_event_of_a_row_that_touches_too_much_leaves_those_before_it_their_replies(serve):
    host = serve(plugins=ARCHIVE, limits={"total_memory": "6 MiB"}, admin=ADMIN)
    raw = host.raw("/archive/")
    send_row(raw, ["a", "b", f"touch {SIZE}", "c"])
    assert replies(raw) == (["a", "b"], NO_MORE)
    assert host.connect("/archive/").ask("alive") == "alive"


def test_the_memory_of_an_instance_is_free_when_it_has_ended(serve):
    limits = {"total_memory": "12 MiB"}
    host = serve(plugins=ARCHIVE, limits=limits, admin=ADMIN)
    for _ in range(5):
        client = host.connect("/archive/")
        assert client.ask(f"touch {SIZE}") == f"touch {SIZE}"
        assert used(host) > SIZE * MIB
        client.close()
        eventually(lambda: used(host) == 0)


def test_memory_counts_once_however_often_it_is_touched(archive):
    client = archive.connect("/archive/")
    client.ask("touch 4")
    counted = used(archive)
    assert 4 * MIB < counted < 5 * MIB
    for _ in range(100):
        client.ask("touch 4")
    assert used(archive) - counted < MIB


@pytest.mark.parametrize("command", ["touch", "keep"])
def test_an_instance_that_touches_more_than_is_left_ends_and_no_other(serve, command):
    limits = {"total_memory": "4 MiB"}
    plugins = {"archive": ARCHIVE["archive"] | {"limits": limits}}
    host = serve(plugins=plugins, limits={"call_time": "1m"}, admin=ADMIN)
    greedy, other = host.connect("/archive/"), host.connect("/archive/")
    greedy.send(f"{command} {SIZE}")
    assert greedy.ended() == NO_MORE
    host.logged("the consumer failed: the limit total_memory is reached")
    assert other.ask("touch 2") == "touch 2"
    metrics = Admin(host).ask("/metrics").body.decode()
    assert 'narrowboat_limits_reached_total{tenant="default",plugin="archive",limit="total_memory"} 1' in metrics


def test_instances_of_a_tenant_count_in_the_same_way(serve):
    tenants = {"acme": {"path": "/acme", "plugins": ARCHIVE, "limits": {"total_memory": "16 MiB"}}}
    host = serve(tenants=tenants)
    clients = [host.connect("/acme/archive/") for _ in range(20)]
    assert [client.ask("hello") for client in clients] == ["hello"] * 20
    clients[0].ask(f"touch {SIZE}")
    clients[1].send(f"touch {SIZE}")
    assert clients[1].ended() == NO_MORE
    assert clients[2].ask("hello") == "hello"


def test_consumers_of_a_shared_instance_end_with_it(serve):
    host = serve(plugins={"archive": {"isolation": "shared", "limits": {"total_memory": "4 MiB"}}})
    greedy, other = host.connect("/archive/"), host.connect("/archive/")
    greedy.send(f"touch {SIZE}")
    assert greedy.ended()[0] == other.ended()[0] == 1011
    host.logged("the consumer failed: the limit total_memory is reached")
    assert host.connect("/archive/").ask("hello") == "hello"


def test_without_a_pool_instances_count_in_the_same_way(serve):
    size = 64 << 30
    bound = lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size))
    host = serve(plugins=ARCHIVE, limits={"total_memory": "16 MiB"}, admin=ADMIN, process={"preexec_fn": bound})
    host.logged("no address space for a pool")
    clients = [host.connect("/archive/") for _ in range(20)]
    assert used(host) < 16 * MIB
    clients[0].ask(f"touch {SIZE}")
    clients[1].send(f"touch {SIZE}")
    assert clients[1].ended() == NO_MORE


def test_an_instance_of_a_source_plugin_counts_in_the_same_way(serve, source_plugin):
    host = serve(plugins={"echo": {"source": str(source_plugin.folder)}}, admin=ADMIN)
    assert host.connect("/echo/").ask("hello") == "hello"
    # The runtime starts with more than 20 MiB.
    assert 0 < used(host) < 12 * MIB
