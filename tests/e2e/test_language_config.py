"""The configuration of a plugin, in each language."""

import pytest

from support import eventually
from test_languages import connect, language, serve_powers  # noqa: F401


@pytest.fixture(scope="module")
def secret(tmp_path_factory):
    """A file with a secret that a host reads."""
    file = tmp_path_factory.mktemp("secret") / "key"
    file.write_text("hunter1\n")
    return file


@pytest.fixture(scope="module")
def host(serve_powers, secret):  # noqa: F811
    config = {
        "greeting": "héllo",
        "limit": 41,
        "debug": True,
        "smtp": {"host": "mail.example"},
        "api_key": {"file": str(secret)},
        "word": "nonsense",
    }
    with serve_powers(table={"config": config}) as host:
        yield host


@pytest.fixture
def client(host):
    return connect(host)


def test_a_plugin_reads_its_configuration(client, secret):
    assert client.ask("config greeting") == "= héllo"
    assert client.ask("config limit") == "= 41"
    assert client.ask("config debug") == "= true"
    assert client.ask("config smtp.host") == "= mail.example"
    eventually(lambda: client.ask("config api_key") == f"= {secret.read_text().strip()}")
    assert client.ask("config smtp") == "none"
    assert client.ask("config other") == "none"


def test_a_plugin_lists_the_keys_of_its_configuration(client):
    assert client.ask("configs") == "api_key debug greeting limit smtp.host word"


def test_a_value_is_parsed(client):
    assert client.ask("number limit") == "42"
    assert client.ask("number other") == "none"


def test_an_error_of_parsing_names_the_key_and_not_the_value(client):
    error = client.ask("number word")
    assert error.startswith("error: ") and "word" in error and "nonsense" not in error


def test_without_a_configuration_there_are_no_keys(serve_powers):  # noqa: F811
    with serve_powers() as host:
        client = connect(host)
        assert (client.ask("configs"), client.ask("config greeting")) == ("", "none")


def test_an_open_connection_reads_a_rotated_secret_at_its_next_call(client, secret):
    for value in ("hunter2", "hunter3"):
        secret.write_text(f"{value}\n")
        eventually(lambda: client.ask("config api_key") == f"= {value}", "the new secret")


def test_consumers_are_told_of_a_change(client, secret):
    # A change of an earlier test may be told now, so the last message is that of the last change.
    for number in range(3):
        before = int(client.ask("told"))
        secret.write_text(f"told{number}\n")
        eventually(lambda: client.ask("config api_key") == f"= told{number}", "the new secret")
        eventually(lambda: int(client.ask("told")) > before, "the message")


def test_a_change_of_the_configuration_is_live_under_open_connections(host, client):
    host.config.write_text(host.config.read_text().replace("mail.example", "other.example"))
    eventually(lambda: client.ask("config smtp.host") == "= other.example", "the new host")
