"""Versions that are refused with a reason. The live version continues without any effect."""

import re

import pytest

from support import counted, short


@pytest.fixture
def untouched(served):
    """A host whose clients must not notice anything."""
    clients = served.clients(3)
    before = [counted(client) for client in clients]
    yield served
    for client, told in zip(clients, before, strict=True):
        again = counted(client)
        assert (again["version"], again["count"], again["path"]) == ("v1", 2, [])
        assert (again["channel"], again["restarted"]) == (told["channel"], False)
    assert counted(served.connect())["version"] == "v1"


# Invalid files.


def another_contract(component):
    return re.sub(rb"(narrowboat:consumer/[a-z-]+)@0\.1\.0", rb"\1@0.2.0", component)


def an_unknown_function(component):
    return component.replace(b"group-discard", b"group-discord")


def an_unknown_interface(component):
    return component.replace(b"narrowboat:consumer/channel-layer@", b"narrowboat:consumer/channel-lawyr@")


def a_missing_export(component):
    return component.replace(b"save-module", b"save-muddle")


def another_world(component):
    return component.replace(b"narrowboat:consumer/websocket@", b"narrowboat:consumer/webrocket@")


def start_up_out_of_bounds(component):
    """Its data segment is out of bounds, so instantiation fails."""
    low, high = b"\x00\x41\x80\x80\xc0\x00\x0b", b"\x00\x41\xff\xff\xff\x07\x0b"
    assert low in component, "the guest's data begin elsewhere now"
    return component.replace(low, high, 1)


FILES = {
    "nothing": (lambda _: b"", r"is empty \(0 bytes\)"),
    "no WebAssembly": (lambda _: b"#!/bin/sh\n", "is not WebAssembly"),
    "a core module": (lambda _: b"\0asm\1\0\0\0", "is a core WebAssembly module"),
    "cut off": (lambda whole: whole[: len(whole) // 2], r"is cut off or damaged at byte \d+"),
    "damaged": (lambda whole: whole[:50_000] + bytes(999) + whole[50_999:], "damaged|compile"),
    "another contract": (
        another_contract,
        "built against narrowboat:consumer@0.2.0, but this host offers narrowboat:consumer@0.1.0",
    ),
    "an unknown function": (
        an_unknown_function,
        "imports group-discord of narrowboat:consumer/channel-layer@0.1.0.*"
        "the nearest it has is group-discard",
    ),
    "an unknown interface": (
        an_unknown_interface,
        "imports narrowboat:consumer/channel-lawyr@0.1.0.*"
        "the nearest it has is narrowboat:consumer/channel-layer@0.1.0",
    ),
    "a missing export": (a_missing_export, "is not of the world.*save-module"),
    "another world": (
        another_world,
        r"exports no consumer .*; it exports .*webrocket@0.1.0",
    ),
    "no start": (start_up_out_of_bounds, "the trial failed: cannot start: trap: .*out of bounds"),
}


@pytest.mark.parametrize("what", FILES)
def test_a_file_is_refused_that_is(untouched, what):
    spoil, said = FILES[what]
    why = untouched.refused(spoil(untouched.version("v2")))
    assert re.search(said, why), why


# Failures in the trial.

TRIALS = {
    "restore-fails": "restore: returned an error: v2 was told to fail at restore",
    "restore-traps": r"restore: trap: panic: v2 was told to trap at restore \(.*plan\.rs:\d+",
    "restore-loops": "restore: ran longer than its call_time of 100 ms",
    "load-fails": "load-module: returned an error: v2 was told to fail at load",
    "load-traps": r"load-module: trap: panic: v2 was told to trap at load \(.*plan\.rs:\d+",
    "load-loops": "load-module: ran longer than its call_time of 100 ms",
}


@pytest.mark.parametrize("plan", TRIALS)
def test_a_version_is_refused_that_fails_its_trial(untouched, plan):
    why = untouched.refuse(f"v2 {plan}")
    assert why.startswith("the trial failed: ")
    assert re.search(TRIALS[plan], why), why


def test_without_clients_a_version_that_cannot_restore_is_tried_as_it_starts(travel):
    served = travel()
    served.swap("v2 restore-fails")
    assert counted(served.connect())["version"] == "v2"


# Incompatible with the running version.


def test_another_isolation_is_refused(untouched, served):
    running = served.host.stdout()
    wanted = "shared" if "isolation connection" in running else "connection"
    why = untouched.refuse("v2", isolation=wanted)
    assert f'isolation = "{wanted}"' in why and "restart the host" in why


def test_a_manifest_that_says_what_nobody_knows_is_refused_in_one_line(untouched):
    why = untouched.refuse("v2", isolaton="shared")
    assert "manifest" in why and "isolaton" in why


def test_a_manifest_that_conflicts_with_the_configuration_is_refused(travel):
    served = travel(isolation="shared", table={"isolation": "shared"})
    client = served.connect()
    why = served.refuse("v2", isolation="connection")
    assert "traveller.isolation" in why and "may only narrow a manifest" in why
    assert counted(client)["version"] == "v1"


def test_a_refused_file_can_be_corrected(travel):
    served = travel()
    client = served.connect()
    served.refuse("v2 load-fails")
    served.swap("v2")
    assert counted(client)["path"] == ["v2"]


# Two changes at once.


def test_the_newest_of_several_concurrent_changes_goes_live(travel):
    served = travel()
    client = served.connect()
    names = [f"v{number}" for number in range(2, 12)]
    for name in names:
        served.put(name)
    served.host.logged(f'version is live .*version="{short(served.version(names[-1]))}"')
    told = counted(client)
    live = re.findall(r'version is live .*version="(\w+)"', served.host.log())
    lives = [name for name in names if short(served.version(name)) in live]
    assert told["path"] == lives
    assert len(lives) <= 3
    assert "WARN" not in served.host.log()
