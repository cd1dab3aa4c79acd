"""All operations of the key-value store, and the recipes of the book, in each language and with each backend."""

import json

import pytest

from redis_server import Redis
from support import eventually
from test_languages import connect, language, powerless, serve_powers  # noqa: F401

WRITERS, MESSAGES = 4, 5


@pytest.fixture(scope="module")
def redis():
    with Redis() as redis:
        yield redis


@pytest.fixture(scope="module", params=["memory", "file", "redis"])
def host(request, serve_powers, tmp_path_factory):  # noqa: F811
    """A host with each backend, which runs four instances of the guest."""
    table = {"backend": request.param}
    if request.param == "file":
        table["path"] = str(tmp_path_factory.mktemp("keyvalue"))
    if request.param == "redis":
        redis = request.getfixturevalue("redis")
        redis.ask("FLUSHALL")
        table["hosts"] = [redis.address]
    with serve_powers(top={"keyvalue": table}, table={"instances": WRITERS}) as host:
        yield host


@pytest.fixture
def client(host):
    return connect(host)


def milliseconds_left(client, key):
    left = client.ask(f"left {key}")
    assert left.isdigit(), left
    return int(left)


# Operations.


def test_a_value_is_set_if_the_key_has_the_expected_one(client):
    assert client.ask("swap pairs a old new") == "false"
    assert client.ask("swap pairs a - one") == "true"
    assert client.ask("swap pairs a - two") == "false"
    assert client.ask("swap pairs a one two") == "true"
    assert client.ask("get pairs a") == "= two"


def test_several_keys_are_read_and_deleted_at_once(client):
    for key in ("a", "b"):
        assert client.ask(f"set batch {key} {key}{key}") == "ok"
    assert client.ask("many batch b c a") == "= bb, none, = aa"
    assert client.ask("forget batch a c") == "ok"
    assert client.ask("many batch b a") == "= bb, none"


def test_a_batch_has_at_most_a_thousand_keys(client):
    assert client.ask("fill limits k 1000") == "ok"
    assert client.ask("fill limits k 1001") == "error: other"
    assert client.ask("many limits " + " ".join(["k0"] * 1001)) == "error: other"


def test_keys_with_a_prefix_are_listed(client):
    for key in ("user:b", "user:a", "users", "other"):
        assert client.ask(f"set names {key} x") == "ok"
    assert client.ask("prefix names user:") == "user:a user:b"
    assert client.ask("prefix names x") == ""
    assert client.ask("prefix names *") == ""


def test_keys_are_listed_in_pages(client):
    assert client.ask("fill pages k 500") == "ok"
    assert client.ask("set pages other x") == "ok"
    assert client.ask("count pages k 7") == "500"


def test_a_key_is_deleted_when_its_time_has_passed(client):
    assert client.ask("lend times a 300") == "ok"
    assert 0 < milliseconds_left(client, "times a") <= 300
    eventually(lambda: client.ask("left times a") == "none", "the end of the key")
    assert client.ask("get times a") == "none"
    assert client.ask("prefix times a") == ""


def test_the_time_of_a_key_changes(client):
    assert client.ask("lend times b 60000") == "ok"
    assert client.ask("keep times b") == "true"
    assert client.ask("left times b") == "unlimited"
    assert client.ask("keep times b 60000") == "true"
    assert milliseconds_left(client, "times b") <= 60_000
    assert client.ask("keep times missing 60000") == "false"


def test_set_removes_the_time_of_a_key_and_a_counter_keeps_it(client):
    assert client.ask("add times c 1") == "1"
    assert client.ask("keep times c 60000") == "true"
    assert client.ask("add times c 1") == "2"
    assert milliseconds_left(client, "times c") <= 60_000
    assert client.ask("swap times c 2 3") == "true"
    assert milliseconds_left(client, "times c") <= 60_000
    assert client.ask("set times c 4") == "ok"
    assert client.ask("left times c") == "unlimited"


@pytest.mark.parametrize("command", ["many", "forget", "fill", "swap", "lend", "keep", "left", "prefix", "count"])
def test_without_the_capability_every_operation_is_denied(powerless, command):  # noqa: F811
    assert connect(powerless).ask(f"{command} notes a 1") == "error: denied"


# Recipes.


def test_a_counter_of_many_writers_loses_nothing(host):
    writers = [connect(host) for _ in range(WRITERS)]
    for _ in range(MESSAGES):
        for writer in writers:
            writer.send("add recipe visits 1")
    answers = [int(answer) for writer in writers for answer in writer.take(MESSAGES)]
    assert sorted(answers) == list(range(1, WRITERS * MESSAGES + 1))


def test_a_room_keeps_every_message_of_many_writers(host):
    writers = [connect(host) for _ in range(WRITERS)]
    texts = {f"{number} from {name}" for name in range(WRITERS) for number in range(MESSAGES)}
    for number in range(MESSAGES):
        for name, writer in enumerate(writers):
            writer.send(f"say full {number} from {name}")
    assert all(writer.take(MESSAGES) == ["ok"] * MESSAGES for writer in writers)
    kept = json.loads(writers[0].ask("get messages full").removeprefix("= "))
    assert len(kept) == WRITERS * MESSAGES and set(kept) == texts


def test_a_room_keeps_the_last_20_messages(client):
    for number in range(23):
        assert client.ask(f"say long {number}") == "ok"
    kept = json.loads(client.ask("get messages long").removeprefix("= "))
    assert kept == [str(number) for number in range(3, 23)]


def test_a_limit_allows_some_requests_in_a_window(client):
    assert [client.ask("request ann 3 600") for _ in range(5)] == ["true"] * 3 + ["false"] * 2
    assert client.ask("request bob 3 600") == "true"
    eventually(lambda: client.ask("left requests ann") == "none", "the end of the window")
    assert client.ask("request ann 3 600") == "true"


def test_a_session_lives_on_while_it_is_used_and_ends(client):
    token = client.ask("login ann")
    assert client.ask(f"whois {token}") == "ann"
    assert client.ask("whois nonsense") == "nobody"
    eventually(lambda: client.ask(f"left sessions {token}") == "none", "the end of the session")
    assert client.ask(f"whois {token}") == "nobody"


def test_a_session_ends_with_a_logout(client):
    token = client.ask("login ann")
    assert client.ask(f"logout {token}") == "ok"
    assert client.ask(f"whois {token}") == "nobody"
