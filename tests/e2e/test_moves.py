"""Consumers that cannot move, and `on_failed_move`."""

import re

import pytest

import support
from support import counted

# The failure modes that a client can set, and the resulting text in the log.
AILMENTS = {
    "unsaved": "snapshot, in the old version: returned an error: this one cannot be saved",
    "unread": "restore: returned an error: this one cannot be read",
    "deadly": "restore: trap: ",
}

each_ailment = pytest.mark.parametrize("ailment", AILMENTS)
RESTART, CLOSE = {"on_failed_move": "restart"}, {"on_failed_move": "close"}


def with_an_ailing_one(served, ailment, healthy=4):
    clients = served.clients(healthy)
    ailing = served.connect()
    ailing.send(f"ail {ailment}")
    return clients, ailing, counted(ailing)["channel"]


def swap(served, ailment):
    """Swaps until a trial takes its sample from a healthy connection. Returns the name of the version and the log
    line."""
    for number in range(2, 100):
        component, since = served.version(f"v{number}"), len(served.host.log())
        served.write(component)
        end = served.host.logged(r".*(version is live|deploy refused).*", since)
        if end[1] == "version is live":
            return f"v{number}", end[0]
        assert re.search(AILMENTS[ailment], end[0]), end[0]
    raise AssertionError("every trial hit the one that ails")


@each_ailment
def test_it_stays_on_its_version_to_its_end(travel, ailment):
    served = travel()
    clients, ailing, _ = with_an_ailing_one(served, ailment)
    name, said = swap(served, ailment)
    assert " moved=4 " in said and " kept_old=1 " in said
    assert re.search(AILMENTS[ailment], said)
    assert [counted(client)["version"] for client in clients] == [name] * 4
    told = counted(ailing)
    assert (told["version"], told["count"], told["path"]) == ("v1", 3, [])


def test_one_that_stayed_moves_when_it_can(travel):
    served = travel()
    _, ailing, _ = with_an_ailing_one(served, "unread")
    swap(served, "unread")
    ailing.send("ail no-more")
    counted(ailing)
    served.swap("better")
    told = counted(ailing)
    assert (told["version"], told["count"], told["path"]) == ("better", 5, ["better"])


@each_ailment
def test_a_fresh_one_takes_its_place_and_is_told(travel, ailment):
    served = travel(table=RESTART)
    clients, ailing, channel = with_an_ailing_one(served, ailment)
    name, said = swap(served, ailment)
    assert " moved=4 " in said and " restarted=1 " in said
    assert ailing.recv() == "restarted"
    told = counted(ailing)
    assert (told["version"], told["count"], told["restarted"]) == (name, 1, True)
    assert told["channel"] == channel
    assert [counted(client)["count"] for client in clients] == [1] * 4


@each_ailment
def test_its_connection_is_closed(travel, ailment):
    served = travel(table=CLOSE)
    clients, ailing, _ = with_an_ailing_one(served, ailment)
    name, said = swap(served, ailment)
    assert " moved=4 " in said and " closed=1 " in said
    assert ailing.ended() == (1012, "state lost in an update")
    assert [counted(client)["version"] for client in clients] == [name] * 4


@pytest.mark.parametrize("policy", ["keep-old", "restart", "close"])
def test_a_consumer_that_traps_while_it_is_saved_is_handled_by_the_policy(travel, policy):
    served = travel("v1 snapshot-traps", table={"on_failed_move": policy})
    clients = served.clients(6)
    assert [counted(client)["count"] for client in clients] == [1] * 6
    served.swap("v2")
    if policy == "restart":
        assert [client.recv() for client in clients] == ["restarted"] * 6
    else:
        said = [client.ended() for client in clients]
        assert said == [(1012, "state lost in an update")] * 6
    assert counted(served.connect())["version"] == "v2"
    assert "its instance is lost" not in served.host.log()


# Consumers in a shared instance.


@each_ailment
def test_no_consumer_of_a_shared_instance_moves_then(travel, ailment):
    served = travel(isolation="shared")
    clients, ailing, channel = with_an_ailing_one(served, ailment)
    why = served.refuse("v2")
    assert re.search(AILMENTS[ailment], why), why
    told = [counted(client) for client in [*clients, ailing]]
    assert {(told["version"], told["clients"]) for told in told} == {("v1", 5)}
    assert told[-1]["count"] == 3 and told[-1]["channel"] == channel
    assert counted(served.connect())["version"] == "v1"


@pytest.mark.parametrize("ailment", ["unsaved", "unread"])
def test_a_fresh_shared_instance_takes_its_place(travel, ailment):
    served = travel(isolation="shared", table=RESTART)
    clients, ailing, _ = with_an_ailing_one(served, ailment)
    name, _ = swap(served, ailment)
    assert ailing.recv() == "restarted"
    told = counted(ailing)
    assert (told["version"], told["count"], told["clients"]) == (name, 1, 5)
    assert [counted(client)["version"] for client in clients] == [name] * 4


@pytest.mark.parametrize("ailment", ["unsaved", "unread"])
def test_the_connection_of_a_shared_instance_is_closed(travel, ailment):
    served = travel(isolation="shared", table=CLOSE)
    clients, ailing, _ = with_an_ailing_one(served, ailment)
    name, _ = swap(served, ailment)
    assert ailing.ended() == (1012, "state lost in an update")
    told = [counted(client) for client in clients]
    assert {(told["version"], told["clients"]) for told in told} == {(name, 4)}


@pytest.mark.parametrize("leave", [False, True], ids=["with clients", "without clients"])
def test_no_shared_instance_moves_if_one_cannot(travel, leave):
    served = travel(isolation="shared", table={"instances": 2})
    clients = served.clients(4)
    assert [counted(client)["total"] for client in clients] == [1, 1, 2, 2]
    assert counted(clients[1])["total"] == 3
    if leave:
        clients.pop(3).close()
        clients.pop(1).close()
        # `disconnect` runs before the next handshake.
        served.host.logged("disconnects with 1000[^$]*disconnects with 1000")
    # Only the second instance has this total.
    why = served.refuse("v2 unloadable=3")
    assert "load-module: returned an error: told not to take this total" in why
    clients += served.clients(2)
    assert {counted(client)["version"] for client in clients} == {"v1"}


def test_no_consumer_of_a_shared_instance_can_stay_on_the_old_version(narrowboat, component, tmp_path):
    plugins = {"broadcast": {"on_failed_move": "keep-old"}}
    config = tmp_path / "narrowboat.toml"
    config.write_text(support.toml(support.configuration(component, plugins=plugins)))
    result = narrowboat("serve", "--config", config)
    assert result.returncode == 2
    assert "plugins.broadcast.on_failed_move" in result.stderr
    assert '"restart" or "close"' in result.stderr


@pytest.mark.parametrize("policy", [None, "restart", "close"])
def test_a_shared_instance_that_dies_of_being_saved_ends_by_the_policy(travel, policy):
    table = {} if policy is None else {"on_failed_move": policy}
    served = travel("v1 snapshot-traps", isolation="shared", table=table)
    clients = served.clients(3)
    assert [counted(client)["count"] for client in clients] == [1] * 3
    assert "snapshot, in the old version: trap" in served.refuse("v2")
    if policy == "restart":
        assert [client.recv() for client in clients] == ["restarted"] * 3
        assert counted(clients[0])["clients"] == 3
    else:
        said = [client.ended() for client in clients]
        assert said == [(1012, "state lost in an update")] * 3
    assert counted(served.connect())["version"] == "v1"
