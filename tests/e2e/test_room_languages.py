"""Rooms of source plugins: their module's variables are the state, and versions change under rooms that sleep."""

import signal
from contextlib import ExitStack

import pytest

from admin import ADMIN, Admin
from javascript_plugin import JavaScriptPlugin
from python_plugin import PythonPlugin
from support import UPGRADE, eventually

PYTHON = """
from channels.generic.websocket import WebsocketConsumer

VERSION = "v1"
adds = []

class Room(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        if text_data == "add":
            adds.append(text_data)
        if text_data == "fail":
            raise RuntimeError("asked to fail")
        self.send(f"{VERSION} {len(adds)}")
"""
JAVASCRIPT = """
import { Consumer } from "narrowboat";

const VERSION = "v1";
const adds = [];

export default class Room extends Consumer {
  receive(text) {
    if (text === "add") adds.push(text);
    if (text === "fail") throw new Error("asked to fail");
    this.send(`${VERSION} ${adds.length}`);
  }
}
"""
KINDS = {"python": (PythonPlugin, PYTHON), "javascript": (JavaScriptPlugin, JAVASCRIPT)}
ROUTES = [{"path": "/rooms/{room}/", "plugin": "chat"}]
ROOMS = {"room": "{room}", "room_idle": "200ms"}
# One error is too many for a version that is watched.
HASTY = {"faults_per_thousand": 1, "min_events": 1, "min_clients": 1, "clients_per_hundred": 0, "window": "1m"}


class RoomPlugin:
    """A source plugin with rooms, and the host that serves it."""

    def __init__(self, plugin):
        self.plugin, self.host = plugin, plugin.host

    def visit(self, room):
        return self.host.connect(f"/rooms/{room}/")

    def leave(self, visitor, room):
        """Closes a visitor, and waits until the room sleeps."""
        since = len(self.host.log())
        visitor.close()
        self.host.logged(f'a room sleeps .*room="{room}"', since)

    def status(self, room):
        raw = self.host.tcp()
        raw.request(f"/rooms/{room}/", headers=UPGRADE)
        return raw.response().status

    def swap(self, old, new):
        self.plugin.edit((f'"{old}"', f'"{new}"'))


@pytest.fixture(params=KINDS)
def rooms(request, serving_source, tmp_path):
    """Serves a plugin in a language at /rooms/ROOM/, with a store in a file. Each call is a host with the same store."""
    kind, source = KINDS[request.param]
    with ExitStack() as stack:

        def start(rollback=None, table=None, **manifest):
            table = (table or {}) | ({"rollback": rollback} if rollback else {})
            top = {"keyvalue": {"path": str(tmp_path / "keyvalue")}}
            settings = {"manifest": ROOMS | manifest, "table": table, "routes": ROUTES, "top": top, "log": "debug"}
            serving = serving_source(kind, source, isolation="room", **settings)
            return RoomPlugin(stack.enter_context(serving))

        yield start


ALARMS = {
    "python": (
        """
import time
from channels.generic.websocket import WebsocketConsumer
from narrowboat import everyone, restore_reason, room

alarms = []

class Room(WebsocketConsumer):
    def connect(self):
        self.accept()
        if self.scope["query_string"]:
            everyone().send("welcome")

    def receive(self, text_data=None, bytes_data=None):
        if text_data == "count":
            self.send(f"{len(everyone())} here, {len(alarms)} alarms, {alarms}")
        elif text_data == "say":
            self.send(str(everyone().without(self).send("said")))
        else:
            room.set_alarm(float(text_data))
            self.send(str(room.get_alarm() is not None).lower())

    @classmethod
    def alarm(cls):
        alarms.append(room.name())
        everyone().send(f"alarm {len(alarms)}")
"""
    ),
    "javascript": (
        """
import { Consumer, everyone, room } from "narrowboat";

const alarms = [];

export default class Room extends Consumer {
  connect(scope) {
    this.accept();
    if (scope.queryString) everyone().send("welcome");
  }

  receive(text) {
    if (text === "count") {
      this.send(`${everyone().size} here, ${alarms.length} alarms, ['${alarms.join("', '")}']`);
    } else if (text === "say") {
      this.send(String(everyone().without(this).send("said")));
    } else {
      room.setAlarm(1000 * Number(text));
      this.send(String(room.alarm instanceof Date));
    }
  }

  static alarm() {
    alarms.push(room.name);
    everyone().send(`alarm ${alarms.length}`);
  }
}
"""
    ),
}


@pytest.fixture(params=ALARMS)
def alarmed(request, serving_source, tmp_path):
    kind, _ = KINDS[request.param]
    top = {"keyvalue": {"path": str(tmp_path / "keyvalue")}}
    settings = {"manifest": ROOMS, "routes": ROUTES, "top": top, "log": "debug"}
    with serving_source(kind, ALARMS[request.param], isolation="room", **settings) as serving:
        yield RoomPlugin(serving)


def test_an_alarm_wakes_a_room_in_each_language(alarmed):
    visitor = alarmed.visit("red")
    assert visitor.ask("1") == "true"
    alarmed.leave(visitor, "red")
    alarmed.host.logged('a room sleeps .*room="red"', len(alarmed.host.log()))
    visitor = alarmed.visit("red")
    assert visitor.ask("count") == "1 here, 1 alarms, ['red']"
    assert visitor.ask("0.01") == "true"
    assert visitor.recv() == "alarm 2"


def test_everyone_is_in_the_room_in_each_language(alarmed):
    red, other, blue = alarmed.visit("red"), alarmed.visit("red"), alarmed.visit("blue")
    assert blue.ask("say") == "0"
    assert red.ask("say") == "1"
    assert other.recv() == "said"


def test_a_consumer_that_has_accepted_in_connect_is_one_of_everyone(alarmed):
    first = alarmed.visit("red")
    second = alarmed.host.connect("/rooms/red/?welcome")
    assert (first.recv(), second.recv()) == ("welcome", "welcome")


def test_variables_of_modules_are_the_state_of_a_room(rooms):
    served = rooms()
    red, other, blue = served.visit("red"), served.visit("red"), served.visit("blue")
    assert [red.ask("add"), other.ask("add"), blue.ask("add")] == ["v1 1", "v1 2", "v1 1"]
    other.close()
    served.leave(red, "red")
    assert served.visit("red").ask("add") == "v1 3"


def test_a_room_wakes_in_another_host_process(rooms):
    served = rooms(room_idle="1h", room_save="100ms")
    assert served.visit("red").ask("add") == "v1 1"
    served.host.logged("a room is saved")
    # The save may have begun before the event.
    served.host.silence(0.5)
    served.host.stop(signal.SIGKILL)
    assert rooms().visit("red").ask("add") == "v1 2"


def test_a_room_that_sleeps_gets_the_live_version_when_it_wakes(rooms):
    served = rooms()
    visitor = served.visit("red")
    assert visitor.ask("add") == "v1 1"
    served.leave(visitor, "red")
    served.swap("v1", "v2")
    assert served.visit("red").ask("add") == "v2 2"


def roll_back(served):
    """Lets the live version fail."""
    served.visit("other").send("fail")
    served.host.logged("version rolled back")


def test_a_version_that_was_rolled_back_leaves_no_state_to_the_one_before(rooms):
    served = rooms(rollback=HASTY)
    visitor = served.visit("red")
    assert visitor.ask("add") == "v1 1"
    served.swap("v1", "v2")
    assert visitor.ask("add") == "v2 2"
    served.leave(visitor, "red")
    roll_back(served)
    assert served.visit("red").ask("get") == "v1 1"
    served.host.logged("a room goes back to the state before a version that was rolled back")


def test_a_room_of_a_version_that_was_rolled_back_waits_for_a_newer_one(rooms):
    served = rooms(rollback=HASTY)
    served.swap("v1", "v2")
    visitor = served.visit("red")
    assert visitor.ask("add") == "v2 1"
    served.leave(visitor, "red")
    roll_back(served)
    assert served.status("red") == 503
    served.host.logged("its room cannot be opened: the newer version")
    assert served.visit("blue").ask("get") == "v1 0"
    served.swap("v2", "v3")
    assert served.visit("red").ask("add") == "v3 2"


def test_a_room_that_is_awake_goes_back_with_its_visitors(rooms):
    served = rooms(rollback=HASTY)
    visitor = served.visit("red")
    assert visitor.ask("add") == "v1 1"
    served.swap("v1", "v2")
    assert visitor.ask("add") == "v2 2"
    roll_back(served)
    assert eventually(lambda: visitor.ask("get") == "v1 1")


def test_a_room_that_woke_on_a_version_that_is_rolled_back_begins_again_with_the_state_before(rooms):
    served = rooms(rollback=HASTY)
    visitor = served.visit("red")
    assert visitor.ask("add") == "v1 1"
    served.leave(visitor, "red")
    served.swap("v1", "v2")
    visitor, other = served.visit("red"), served.visit("red")
    assert [visitor.ask("add"), other.ask("add")] == ["v2 2", "v2 3"]
    roll_back(served)
    assert visitor.rest() == other.rest() == ([], (1012, "room restarted"))
    assert served.visit("red").ask("get") == "v1 1"


def test_a_room_in_a_language_loses_no_event_that_it_has_answered(rooms):
    served = rooms(room_idle="1h", room_save="event")
    first, second = served.visit("red"), served.visit("red")
    assert [first.ask("add"), second.ask("add")] == ["v1 1", "v1 2"]
    served.host.stop(signal.SIGKILL)
    assert rooms().visit("red").ask("add") == "v1 3"



# Plugins that keep a set of their clients.

CLIENTS = {
    "python": """
from channels.generic.websocket import WebsocketConsumer

clients = set()

class Room(WebsocketConsumer):
    def connect(self):
        clients.add(self)
        self.accept()

    def disconnect(self, code):
        clients.discard(self)

    def receive(self, text_data=None, bytes_data=None):
        for client in clients:
            client.send(f"{len(clients)}")
""",
    "javascript": """
import { Consumer } from "narrowboat";

const clients = new Set();

export default class Room extends Consumer {
  connect() {
    clients.add(this);
    this.accept();
  }

  disconnect() {
    clients.delete(this);
  }

  receive() {
    for (const client of clients) client.send(`${clients.size}`);
  }
}
""",
}


@pytest.mark.parametrize("language", CLIENTS)
def test_a_room_that_wakes_after_a_failure_has_none_of_its_earlier_clients(serving_source, tmp_path, language):
    kind, top = KINDS[language][0], {"keyvalue": {"path": str(tmp_path / "keyvalue")}}
    manifest = {"room": "{room}", "room_save": "event"}
    with ExitStack() as stack:

        def start():
            settings = {"isolation": "room", "manifest": manifest, "routes": ROUTES, "top": top}
            return RoomPlugin(stack.enter_context(serving_source(kind, CLIENTS[language], **settings)))

        served = start()
        first, second = served.visit("red"), served.visit("red")
        first.send("hello")
        assert (first.recv(), second.recv()) == ("2", "2")
        served.host.stop(signal.SIGKILL)
        assert start().visit("red").ask("hello") == "1"


# A version that cannot load the state of a room: it lacks the class of an object.


class Itemized(RoomPlugin):
    """A plugin in Python whose rooms have objects of a class that a version may lack."""

    SOURCE = PYTHON.replace("adds = []", "adds = []\n\nclass Item:\n    pass\n").replace(
        "adds.append(text_data)", "adds.append(text_data)\n        if text_data == 'item':\n            adds.append(Item())"
    )

    def fill(self):
        """Lets the room `a`, whose state any version can load, and the room `z` sleep."""
        for room, text in [("a", "add"), ("z", "item")]:
            visitor = self.visit(room)
            assert visitor.ask(text) == "v1 1"
            self.leave(visitor, room)

    def swap_without_items(self):
        self.plugin.edit(('"v1"', '"v2"'), ("class Item:", "class Other:"), ("Item()", "Other()"))


@pytest.fixture
def itemized(serving_source, tmp_path):
    with ExitStack() as stack:

        def start(**table):
            top = {"keyvalue": {"path": str(tmp_path / "keyvalue")}}
            settings = {"manifest": ROOMS, "table": table, "routes": ROUTES, "top": top, "log": "debug", "admin": ADMIN}
            serving = serving_source(PythonPlugin, Itemized.SOURCE, isolation="room", **settings)
            return Itemized(stack.enter_context(serving))

        yield start


def test_a_trial_restores_the_state_of_a_room_that_sleeps(itemized):
    served = itemized()
    visitor = served.visit("z")
    assert visitor.ask("item") == "v1 1"
    served.leave(visitor, "z")
    since = len(served.host.log())
    served.plugin.put(served.plugin.edited(("class Item:", "class Other:"), ("Item()", "Other()")))
    assert "Item" in served.host.logged("deploy refused .*?error=(.*)", since)[1]
    assert served.visit("z").ask("get") == "v1 1"


def test_a_room_that_cannot_move_when_it_wakes_stays_on_the_version_that_saved_it(itemized):
    served = itemized(rollback={"window": "1m"})
    served.fill()
    served.swap_without_items()
    assert (served.visit("a").ask("get"), served.visit("z").ask("get")) == ("v2 1", "v1 1")
    served.host.logged('a room stays on the version that saved it .*room="z"')


def test_a_room_that_cannot_move_when_it_wakes_begins_without_state_if_the_operator_says_so(itemized):
    served = itemized(on_failed_move="restart")
    served.fill()
    served.swap_without_items()
    assert (served.visit("a").ask("get"), served.visit("z").ask("get")) == ("v2 1", "v2 0")
    served.host.logged('a room begins without its state .*room="z"')


def test_a_room_that_cannot_move_when_it_wakes_keeps_its_state_for_a_later_version(itemized):
    served = itemized(on_failed_move="close")
    served.fill()
    served.swap_without_items()
    assert (served.visit("a").ask("get"), served.status("z")) == ("v2 1", 500)
    served.plugin.edit(('"v2"', '"v3"'), ("class Other:", "class Item:"), ("Other()", "Item()"))
    assert served.visit("z").ask("get") == "v3 1"


def test_an_operator_resets_a_room_that_cannot_wake(itemized, narrowboat):
    served = itemized(on_failed_move="close")
    served.fill()
    served.swap_without_items()
    assert served.status("z") == 500
    result = narrowboat("rooms", "chat", "--reset", "z", *Admin(served.host).arguments)
    assert result.returncode == 0, result.stderr
    assert served.visit("z").ask("get") == "v2 0"
