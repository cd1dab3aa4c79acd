"""Handshakes whose consumer decides later. The guest `porter` performs the steps in its query string."""

import json
import select
import time
from contextlib import ExitStack
from urllib.parse import quote

import pytest

from admin import ADMIN, Admin
from redis_server import Redis
from support import CLOSE, TEXT, eventually, toml, with_manifest

ISOLATIONS = ["connection", "shared"]


def path(**steps):
    return "/porter/?" + "&".join(f"{name}={quote(value)}" for name, value in steps.items())


def plugin(isolation, **table):
    return {"plugins": {"porter": {"isolation": isolation} | table}}


def waiting(host, **steps):
    """A client whose handshake is undecided."""
    raw = host.tcp()
    raw.request(path(**steps))
    return raw


def opened(raw):
    answer = raw.response()
    assert answer.status == 101, answer
    return answer


def bystander(host):
    """A client with an open connection."""
    return host.connect(path(sooner=""))


def counts(client):
    return json.loads(client.ask("count"))


def wait_for_members(client, count):
    """Waits until the client's instance has this number of consumers."""
    eventually(lambda: counts(client)["alive"] == count, f"{count} consumers")


def another(component, description, isolation, **manifest):
    """Another version of the guest."""
    manifest |= {"name": "porter", "description": description, "isolation": isolation}
    manifest["capabilities"] = {"groups": ["porter.*"], "log": True}
    return with_manifest(component("porter").read_bytes(), toml(manifest))


def wait_for_connections(host, count):
    """Waits until the host has this number of connections, handshakes that wait included."""
    admin = Admin(host)
    eventually(lambda: admin.get("/v1/status")["connections"] == count, f"{count} connections")


def refusal(raw):
    answer = raw.response()
    return answer.status, answer.body.decode()


@pytest.fixture(params=ISOLATIONS)
def host(request, serve):
    return serve(admin=ADMIN, watch="off", **plugin(request.param))


@pytest.fixture
def shared(serve):
    return serve(admin=ADMIN, watch="off", **plugin("shared"))


# Who decides.


def test_a_timer_accepts(host):
    raw = waiting(host, now="wait=50", timer="accept")
    assert opened(raw).header("x-porter") == "welcome"
    raw.send_frame(TEXT, b"hello")
    assert raw.recv_frame() == (TEXT, b"hello")


@pytest.mark.parametrize("layer", ["memory", "redis"])
@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_message_of_a_group_accepts(serve, isolation, layer):
    with ExitStack() as stack:
        backend = {}
        if layer == "redis":
            redis = stack.enter_context(Redis())
            backend = {"layer": {"backend": "redis", "hosts": [redis.address]}}
        host = serve(**plugin(isolation), **backend)
        clients = [waiting(host, now="join=porter.door") for _ in range(3)]
        other = bystander(host)
        # The consumers join the group at some time after their requests.
        eventually(lambda: opens(other, clients), "the acceptance")
        for client in clients:
            opened(client)
            assert client.recv_frame() == (TEXT, b"welcome")


def opens(other, clients):
    """Tells the group to accept, and returns whether all clients have a response."""
    other.send("tell porter.door accept,send=welcome")
    readable, _, _ = select.select([client.socket for client in clients], [], [], 0.1)
    return len(readable) == len(clients)


def test_another_consumer_of_the_instance_decides(shared):
    other = bystander(shared)
    accepted, rejected = waiting(shared), None
    wait_for_members(other, 2)
    other.send("others accept,send=by-another")
    opened(accepted)
    assert accepted.recv_frame() == (TEXT, b"by-another")
    rejected = waiting(shared)
    wait_for_members(other, 3)
    other.send("others reject=409")
    assert refusal(rejected) == (409, "not today\n")
    accepted.send_frame(TEXT, b"still open")
    assert accepted.recv_frame() == (TEXT, b"still open")
    wait_for_members(other, 2)


def test_connect_itself_decides_before_it_answers_later(host):
    opened(waiting(host, now="accept"))
    assert refusal(waiting(host, now="reject=418")) == (418, "not today\n")


# The responses.


def test_a_rejection_has_the_status_the_headers_and_the_body(host):
    raw = waiting(host, now="wait=10", timer="reject=451")
    answer = raw.response()
    assert (answer.status, answer.body, answer.header("x-porter")) == (451, b"not today\n", "sorry")


def test_an_acceptance_selects_a_subprotocol(host):
    client = host.connect(path(now="wait=10", timer="accept=chat"), subprotocols=["soap", "chat"])
    assert client.subprotocol == "chat"


@pytest.mark.parametrize("steps", ["accept=chat", "accept-badly", "reject-badly"])
def test_an_invalid_response_is_500(host, steps):
    raw = waiting(host, now="wait=10", timer=steps)
    assert refusal(raw) == (500, "the consumer returned an invalid response\n")
    host.logged("the consumer returned an invalid response")


def test_frames_that_are_sent_before_the_acceptance_follow_it_in_order(host):
    raw = waiting(host, now="send=one,wait=10", timer="send=two,accept,send=three")
    opened(raw)
    assert [raw.recv_frame() for _ in range(3)] == [(TEXT, b"one"), (TEXT, b"two"), (TEXT, b"three")]


@pytest.mark.parametrize("steps", ["accept,send=last,close=4001", "send=last,close=4001,accept"])
def test_a_close_follows_the_acceptance(host, steps):
    raw = waiting(host, now="wait=10", timer=steps)
    opened(raw)
    assert raw.recv_frame() == (TEXT, b"last")
    opcode, payload = raw.recv_frame()
    assert (opcode, payload[:2]) == (CLOSE, (4001).to_bytes(2, "big"))


def test_frames_of_the_client_wait_for_the_acceptance(host):
    raw = host.tcp()
    frame = b"\x81\x85\0\0\0\0early"
    raw.request(path(now="wait=50", timer="accept,send=first"), then=frame)
    opened(raw)
    assert [raw.recv_frame() for _ in range(2)] == [(TEXT, b"first"), (TEXT, b"early")]


# Only the first decision counts.


@pytest.mark.parametrize("steps", ["accept,reject=403,accept=other", "accept,wait=1,send=x"])
def test_a_second_decision_has_no_effect(host, steps):
    raw = waiting(host, now="wait=10", timer=steps)
    opened(raw)


def test_a_decision_about_an_accepted_connection_has_no_effect(host):
    client = host.connect(path(sooner="reject=403"))
    client.send("do reject=403,accept=other")
    assert client.ask("hello") == "hello"


def test_a_rejected_consumer_is_dropped_without_disconnect(shared):
    other = bystander(shared)
    assert refusal(waiting(shared, now="wait=10", timer="reject=403"))[0] == 403
    wait_for_members(other, 1)
    assert counts(other)["disconnects"] == []


# The end without a decision.


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_without_a_decision_the_client_gets_503_and_the_consumer_disconnect(serve, isolation):
    host = serve(limits={"handshake_timeout": "300ms"}, **plugin(isolation))
    raw = waiting(host)
    assert refusal(raw) == (503, "the handshake took too long; try again later\n")
    host.logged("disconnect with 1006")


def test_a_client_that_leaves_ends_the_wait(host):
    raw = waiting(host, now="send=hello")
    wait_for_connections(host, 1)
    raw.close_socket()
    host.logged("disconnect with 1006")


def test_many_abandoned_handshakes_leave_nothing_behind(shared):
    other = bystander(shared)
    for round in range(200):
        raw = waiting(shared, now="join=porter.door,wait=1", timer="wait=1")
        if round % 2:
            wait_for_members(other, 2)
        raw.reset()
    wait_for_members(other, 1)
    assert set(counts(other)["disconnects"]) == {1006}
    other.close()
    wait_for_connections(shared, 0)


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_client_that_leaves_during_a_call_on_a_guest_thread_ends_the_wait(serve, component, tmp_path, isolation):
    """The timer sets itself again, so that most clients leave during a call."""
    file = tmp_path / "porter.wasm"
    file.write_bytes(another(component, "on guest threads", isolation, execution="thread"))
    limits = {"log_lines_per_second": 10_000}
    host = serve(admin=ADMIN, watch="off", limits=limits, **plugin(isolation, component=str(file)))
    clients = [waiting(host, now="wait=0", timer="wait=0") for _ in range(50)]
    wait_for_connections(host, 50)
    for client in clients:
        client.reset()
    wait_for_connections(host, 0)
    eventually(lambda: host.log().count("disconnect with 1006") == 50, "the end of all consumers")


def test_an_acceptance_that_its_client_does_not_get_is_undone(shared):
    other = bystander(shared)
    for _ in range(100):
        raw = waiting(shared, now="wait=1", timer="accept")
        time.sleep(0.001)
        raw.reset()
    wait_for_members(other, 1)


@pytest.mark.parametrize("steps", ["panic", "spin", "fail"])
def test_a_fault_is_500(host, steps):
    raw = waiting(host, now="wait=10", timer=steps)
    assert refusal(raw) == (500, "the consumer failed\n")
    if steps == "fail":
        host.logged("disconnect with 1011")


def test_a_trap_of_another_consumer_ends_the_handshake_too(shared):
    other = bystander(shared)
    raw = waiting(shared)
    wait_for_members(other, 2)
    other.send("do panic")
    assert refusal(raw) == (500, "the consumer failed\n")
    assert other.ended()[0] == 1011


@pytest.mark.parametrize("steps, code", [("close=4001", 4001), ("blame", 4400)])
def test_a_close_without_an_acceptance_is_403(host, steps, code):
    raw = waiting(host, now="wait=10", timer=steps)
    assert refusal(raw) == (403, "closed before the handshake was accepted\n")
    host.logged(f"disconnect with {code}")


def test_the_stop_of_the_host_ends_the_wait(host):
    raw = waiting(host)
    wait_for_connections(host, 1)
    assert host.stop() == 0
    assert refusal(raw) == (503, "the host ended the handshake; try again later\n")
    assert "disconnect with 1001" in host.log()


def test_a_drain_ends_the_wait(host):
    raw = waiting(host)
    admin = Admin(host)
    wait_for_connections(host, 1)
    assert admin.post("/v1/drain", {"duration": "0s"}).status == 202
    assert refusal(raw) == (503, "the host ended the handshake; try again later\n")
    host.logged("disconnect with 1012")


def test_a_plugin_that_is_retired_ends_the_wait(serve, component):
    host = serve(admin=ADMIN, **plugin("shared"))
    raw = waiting(host)
    wait_for_connections(host, 1)
    text = host.config.read_text()
    host.config.write_text(text.replace("porter = {", "other = {").replace('plugin = "porter"', 'plugin = "other"'))
    assert refusal(raw) == (503, "the host ended the handshake; try again later\n")
    host.logged("disconnect with 10")


def test_a_full_queue_ends_the_wait(serve):
    host = serve(limits={"outbound_queue": "1 KiB"}, **plugin("shared", overflow="close"))
    steps = ",".join(["send=" + "x" * 500] * 4)
    assert refusal(waiting(host, now="wait=10", timer=steps))[0] == 503
    host.logged("disconnect with 1013")


# Swaps.


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_consumer_moves_before_it_decides(serve, component, isolation):
    host = serve(admin=ADMIN, watch="off", **plugin(isolation))
    admin = Admin(host)
    raw = waiting(host, now="send=before,join=porter.door,wait=3000", timer="accept")
    wait_for_connections(host, 1)
    for name in ["two", "three"]:
        answer = admin.deploy("porter", another(component, name, isolation))
        assert (answer.status, answer.json()["migrated"]) == (200, 1), answer.body
    opened(raw)
    assert raw.recv_frame() == (TEXT, b"before")
    raw.send_frame(TEXT, b"count")
    told = json.loads(raw.recv_frame()[1])
    assert (told["restored"], told["disconnects"]) == (2, [])


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_consumer_that_waits_goes_back_with_its_version(serve, component, isolation):
    host = serve(admin=ADMIN, watch="off", **plugin(isolation, rollback={"window": "1m"}))
    admin = Admin(host)
    raw = waiting(host, now="wait=2000", timer="accept")
    wait_for_connections(host, 1)
    answer = admin.deploy("porter", another(component, "two", isolation))
    assert (answer.status, answer.json()["migrated"]) == (200, 1), answer.body
    assert admin.post("/v1/plugins/porter/rollback").status == 200
    opened(raw)
    raw.send_frame(TEXT, b"count")
    assert json.loads(raw.recv_frame()[1])["restored"] == 2


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_trap_rolls_a_consumer_back_that_waits(serve, component, isolation):
    """The timer panics in the new version and in the old one: so the second fault is the end."""
    host = serve(admin=ADMIN, watch="off", **plugin(isolation, rollback={"window": "1m"}))
    admin = Admin(host)
    raw = waiting(host, now="wait=1500", timer="panic")
    wait_for_connections(host, 1)
    assert admin.deploy("porter", another(component, "two", isolation)).status == 200
    assert refusal(raw) == (500, "the consumer failed\n")
    assert "rolled back" in host.log()


# `on_failed_move = "restart"`.


@pytest.fixture(params=ISOLATIONS)
def restarting(request, serve, component):
    """A host, and a function that swaps its version. The trial takes its sample from the first consumer."""
    isolation = request.param
    host = serve(admin=ADMIN, watch="off", **plugin(isolation, on_failed_move="restart"))
    first = bystander(host)

    def swap():
        answer = Admin(host).deploy("porter", another(component, "two", isolation))
        assert (answer.status, answer.json()["restarted"]) == (200, 1), answer.body
        assert counts(first)["restored"] == 1

    return host, swap


def test_the_fresh_consumer_of_an_open_connection_may_decide_later(restarting):
    host, swap = restarting
    client = host.connect(path(sooner="", unsaved="1", restarted="wait=10", timer="send=accepted,accept,reject=403"))
    swap()
    assert client.recv() == "accepted"
    assert client.ask("hello") == "hello"


def test_the_fresh_consumer_of_an_open_connection_is_accepted_before_it_decides(restarting):
    host, swap = restarting
    client = host.connect(path(sooner="", unsaved="1"))
    swap()
    assert client.ask("hello") == "hello"


@pytest.mark.parametrize("steps", [{"restarted": "reject=403"}, {"restarted": "wait=10", "timer": "reject=403"}])
def test_a_fresh_consumer_that_rejects_an_open_connection_closes_it(restarting, steps):
    host, swap = restarting
    client = host.connect(path(sooner="", unsaved="1", **steps))
    swap()
    assert client.ended() == (1008, "rejected after an update")
    host.logged("disconnect with 1008")


def test_the_fresh_consumer_of_a_handshake_decides_it(restarting):
    host, swap = restarting
    accepted = waiting(host, unsaved="1", restarted="accept,send=fresh")
    wait_for_connections(host, 2)
    swap()
    opened(accepted)
    assert accepted.recv_frame() == (TEXT, b"fresh")
