"""`narrowboat test` on projects: the choice of plugins, their configuration, and the exit codes."""

import json

import pytest

CONSUMERS = """
from channels.generic.websocket import WebsocketConsumer

class Room(WebsocketConsumer):
    def connect(self):
        self.accept()
        self.send(text_data=self.scope["url_route"]["kwargs"]["room"])
"""

TESTS = """
from narrowboat.testing import Communicator

async def test_room():
    async with Communicator("/rooms/red/") as client:
        assert await client.receive_from() == "red"
"""

CONFIG = """
[plugins.rooms]
source = "plugins/rooms"
grants = "all"

[plugins.broken]
source = "plugins/broken"

[[routes]]
path = "/rooms/{room}/"
plugin = "rooms"

[[routes]]
path = "/broken/"
plugin = "broken"
"""


@pytest.fixture
def project(tmp_path):
    """A project with a plugin that has a test, and with one that has a syntax error."""
    for name, consumers, tests in [("rooms", CONSUMERS, TESTS), ("broken", "def x(:\n", TESTS)]:
        folder = tmp_path / "plugins" / name
        folder.mkdir(parents=True)
        (folder / "consumers.py").write_text(consumers)
        (folder / "test_rooms.py").write_text(tests)
        (folder / "plugin.toml").write_text(f'name = "{name}"\nruntime = "python"\n')
    (tmp_path / "narrowboat.toml").write_text(CONFIG)
    return tmp_path


def test_a_plugin_with_errors_does_not_keep_the_others_from_their_tests(narrowboat, project):
    done = narrowboat("test", project)
    assert done.returncode == 1
    assert "ok    test_rooms.py::test_room" in done.stdout and "1 passed" in done.stdout
    assert "plugin broken: " in done.stderr and "consumers.py:1:7: SyntaxError" in done.stderr


def test_errors_of_a_plugin_are_events_in_json(narrowboat, project):
    done = narrowboat("test", project, "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    (error,) = [event for event in events if event["event"] == "error"]
    assert error["plugin"] == "broken" and "SyntaxError" in error["message"]
    assert events[-1]["event"] == "summary"
    assert (events[-1]["passed"], events[-1]["failed"], events[-1]["errors"]) == (1, 0, 1)


def test_a_plugin_gets_the_routes_of_the_closest_configuration(narrowboat, project):
    done = narrowboat("test", project / "plugins/rooms")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_plugin_gets_its_configuration_without_the_secrets(narrowboat, project):
    config = project / "narrowboat.toml"
    table = '[plugins.rooms.config]\ngreeting = "hello"\nkey = { file = "missing" }\ntoken = { env = "MISSING" }\n'
    config.write_text(config.read_text() + table)
    tests = project / "plugins/rooms/test_rooms.py"
    check = "\nfrom narrowboat.testing import config\n\ndef test_config():\n    assert dict(config) == {'greeting': 'hello'}\n"
    tests.write_text(tests.read_text() + check)
    done = narrowboat("test", project / "plugins/rooms")
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_a_configuration_every_path_leads_to_the_plugin(narrowboat, project):
    (project / "narrowboat.toml").unlink()
    tests = project / "plugins/rooms/test_rooms.py"
    tests.write_text(tests.read_text().replace('"/rooms/red/"', '"/any/", url_route={"room": "red"}'))
    done = narrowboat("test", project / "plugins/rooms")
    assert done.returncode == 0, done.stdout + done.stderr


ROOMS = """
from channels.generic.websocket import WebsocketConsumer

texts = []

class Room(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        texts.append(text_data)
        self.send(text_data=f"{len(texts)} in {self.scope['url_route']['kwargs']['room']}")
"""

ROOM_TESTS = """
from narrowboat.testing import Communicator

async def test_rooms():
    async with Communicator("/rooms/red/") as red, Communicator("/rooms/red/") as other, Communicator("/blue") as blue:
        for number, client in enumerate([red, other], 1):
            await client.send_to(text_data="hello")
            assert await client.receive_from() == f"{number} in red"
        await blue.send_to(text_data="hello")
        assert await blue.receive_from() == "1 in blue"
"""


def test_without_a_configuration_the_last_segment_of_a_path_names_the_room(narrowboat, tmp_path):
    (tmp_path / "consumers.py").write_text(ROOMS)
    (tmp_path / "test_rooms.py").write_text(ROOM_TESTS)
    manifest = 'name = "rooms"\nruntime = "python"\nisolation = "room"\nroom = "{room}"\n'
    (tmp_path / "plugin.toml").write_text(manifest)
    result = narrowboat("test", tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_filter_without_a_match_is_wrong_usage(narrowboat, project):
    done = narrowboat("test", project / "plugins/rooms", "--filter", "blue")
    assert done.returncode == 2
    assert 'no test has "blue" in its name' in done.stderr


def test_a_folder_without_a_plugin_is_wrong_usage(narrowboat, tmp_path):
    done = narrowboat("test", tmp_path)
    assert done.returncode == 2
    assert "neither a plugin.toml nor a narrowboat.toml" in done.stderr


def test_a_host_does_not_get_the_tests_of_a_plugin(narrowboat, project, tmp_path):
    bundle = tmp_path / "rooms.narrowboat"
    assert narrowboat("plugin", "build", project / "plugins/rooms", "--out", bundle).returncode == 0
    assert b"consumers.py" in bundle.read_bytes() and b"test_rooms.py" not in bundle.read_bytes()
