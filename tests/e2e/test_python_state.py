"""Source plugins in Python: state that survives a change of the source under open connections."""

import re
import threading

import pytest

from admin import ADMIN, Admin
from python_plugin import ASYNC, SYNC
from support import eventually

both_isolations = pytest.mark.parametrize("isolation", ["shared", "connection"])

# Answers with the value of an expression. `v1` is the name of the version.
EVALUATOR = SYNC + """
VERSION = "v1"

class Evaluator(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=repr(eval(text_data, globals(), {"self": self})))
"""
V2 = ('"v1"', '"v2"')


def evaluator(*lines, init=(), **options):
    """A source with further lines in the module, and lines in `connect`."""
    text = EVALUATOR.replace('"v1"\n', '"v1"\n' + "\n".join(lines) + "\n")
    body = "".join(f"        {line}\n" for line in [*init, "self.accept()"])
    return text.replace("    def receive", f"    def connect(self):\n{body}\n    def receive")


def value(client, expression):
    return eval(client.ask(expression))


def run(client, statement):
    """Runs a statement in the plugin."""
    client.ask(f"exec({statement!r}, globals(), {{'self': self}})")


# Consumers and modules.


@both_isolations
def test_the_attributes_of_a_consumer_move(python, isolation):
    plugin = python(evaluator(init=["self.count = 0", "self.names = []"]), isolation=isolation)
    clients = plugin.clients(2)
    for number, client in enumerate(clients):
        run(client, f"self.count += {number + 5}; self.names.append('ada')")
    plugin.edit(V2)
    assert [value(client, "VERSION, self.count, self.names") for client in clients] == [("v2", 5, ["ada"]), ("v2", 6, ["ada"])]


@both_isolations
def test_the_globals_that_code_has_changed_move(python, isolation):
    plugin = python(evaluator("COUNT = 0", "NAMES = []", "TABLE = {'a': [1]}"), isolation=isolation)
    client = plugin.connect()
    run(client, "global COUNT; COUNT += 1; NAMES.append('ada'); TABLE['a'].append(2); TABLE['b'] = {}")
    plugin.edit(V2)
    assert value(client, "VERSION, COUNT, NAMES, TABLE") == ("v2", 1, ["ada"], {"a": [1, 2], "b": {}})


@both_isolations
def test_a_global_that_only_the_source_changes_gets_its_new_value(python, isolation):
    plugin = python(evaluator("LIMIT = 1", "NAMES = ['old']", "TABLE = {'a': 1}", "COUNT = 0"), isolation=isolation)
    client = plugin.connect()
    run(client, "global COUNT; COUNT = 7")
    plugin.edit(V2, ("LIMIT = 1", "LIMIT = 2"), ("'old'", "'new'"), ("'a': 1", "'a': 2"), ("COUNT = 0", "COUNT = 100"))
    assert value(client, "LIMIT, NAMES, TABLE, COUNT") == (2, ["new"], {"a": 2}, 7)


@both_isolations
def test_the_attributes_of_a_class_move_if_code_has_changed_them(python, isolation):
    plugin = python(evaluator("class Counter:", "    count = 0", "    step = 1"), isolation=isolation)
    client = plugin.connect()
    run(client, "Counter.count += Counter.step")
    plugin.edit(V2, ("step = 1", "step = 10"))
    run(client, "Counter.count += Counter.step")
    assert value(client, "Counter.count") == 11


@both_isolations
def test_the_state_survives_many_swaps(python, isolation):
    plugin = python(evaluator("LOG = []", init=["self.log = []"]), isolation=isolation)
    client = plugin.connect()
    for number in range(2, 6):
        run(client, f"self.log.append({number}); LOG.append({number})")
        plugin.edit((f'"v{number - 1}"', f'"v{number}"'))
    assert value(client, "VERSION, self.log, LOG") == ("v5", [2, 3, 4, 5], [2, 3, 4, 5])


# Identity.

ROOMS = """
CLIENTS = []
MEMBERS = set()
BY_NAME = {}
ROOMS = {}
LATEST = None

class Room:
    def __init__(self, name):
        self.name, self.members, self.room = name, [], self
"""
ENTER = [
    "global LATEST",
    "name = self.scope['query_string'].decode()",
    "CLIENTS.append(self); MEMBERS.add(self); BY_NAME[name] = self; LATEST = self",
    "self.room = ROOMS.setdefault('lobby', Room('lobby'))",
    "self.room.members.append(self)",
    "self.me = self",
]


@pytest.mark.parametrize("expression", [
    "self in CLIENTS and self in MEMBERS",
    "BY_NAME[self.scope['query_string'].decode()] is self",
    "len(CLIENTS) == len(MEMBERS) == len(BY_NAME) == 3",
    "self.room is ROOMS['lobby']",
    "self.room.room is self.room",
    "self.room.members == CLIENTS and all(a is b for a, b in zip(self.room.members, CLIENTS))",
    "{id(client.room) for client in CLIENTS} == {id(self.room)}",
    "self.me is self",
    "LATEST is CLIENTS[-1] is BY_NAME['c']",
    "len({client.channel_name for client in CLIENTS}) == 3",
    "type(self.room) is Room and type(self) is Evaluator",
])
def test_objects_that_consumers_and_the_module_share_stay_one_object(python, expression):
    plugin = python(evaluator(ROOMS, init=ENTER))
    clients = [plugin.connect(name) for name in "abc"]
    plugin.edit(V2)
    assert [value(client, f"VERSION, {expression}") for client in clients] == [("v2", True)] * 3


def test_a_list_of_clients_reaches_them_and_later_ones_after_a_swap(python):
    plugin = python(SYNC + """
CLIENTS = []

class Chat(WebsocketConsumer):
    def connect(self):
        CLIENTS.append(self)
        self.accept()

    def receive(self, text_data=None, bytes_data=None):
        for client in CLIENTS:
            client.send(text_data="v1 " + text_data)

    def disconnect(self, code):
        CLIENTS.remove(self)
""")
    clients = plugin.clients(3)
    plugin.edit(('"v1 "', '"v2 "'))
    clients.append(plugin.connect())
    clients[0].send("hello")
    assert [client.recv() for client in clients] == ["v2 hello"] * 4
    clients.pop(0).close()
    clients[0].send("two")
    assert [client.recv() for client in clients] == ["v2 two"] * 3


@both_isolations
def test_connections_stay_in_their_groups(python, isolation):
    plugin = python(ASYNC + """
class Chat(AsyncWebsocketConsumer):
    groups = ["everyone"]

    async def receive(self, text_data=None, bytes_data=None):
        await self.channel_layer.group_send("everyone", {"type": "said", "text": "v1 " + text_data})

    async def said(self, event):
        await self.send(text_data=event["text"])
""", isolation=isolation)
    first, second = plugin.clients(2)
    plugin.edit(('"v1 "', '"v2 "'))
    third = plugin.connect()
    third.send("hello")
    assert [client.recv() for client in (first, second, third)] == ["v2 hello"] * 3


# Other sources.


@both_isolations
def test_an_attribute_that_a_version_adds_has_its_default(python, isolation):
    plugin = python(evaluator(init=["self.name = 'ada'"]), isolation=isolation)
    client = plugin.connect()
    plugin.edit(V2, ("    def connect", "    topic = 'nothing'\n\n    def __init__(self):\n        super().__init__()\n        self.marks = []\n\n    def connect"))
    assert value(client, "self.name, self.topic, self.marks") == ("ada", "nothing", [])


@both_isolations
def test_a_method_migrate_renames_attributes(python, isolation):
    plugin = python(evaluator(init=["self.nick = 'ada'", "self.age = 36"]), isolation=isolation)
    client = plugin.connect()
    plugin.edit(V2, ("    def connect", "    def migrate(self, state):\n        state['name'] = state.pop('nick')\n        return state\n\n    def connect"), ("self.nick", "self.name"))
    assert value(client, "self.name, self.age, hasattr(self, 'nick')") == ("ada", 36, False)


@both_isolations
def test_a_name_that_a_version_removes_is_dropped(python, isolation):
    plugin = python(evaluator("OLD = []", "COUNT = 0"), isolation=isolation)
    client = plugin.connect()
    run(client, "global COUNT; COUNT = 3; OLD.append(1)")
    plugin.edit(V2, ("OLD = []\n", ""))
    assert value(client, "COUNT, 'OLD' in globals()") == (3, False)
    plugin.host.logged(r"this version has no consumers\.OLD.*: its value is dropped")


@both_isolations
def test_an_object_finds_its_class_in_another_module(python, isolation):
    room = "class Room:\n    def __init__(self, name):\n        self.name = name\n"
    plugin = python(evaluator(room, "ROOM = Room('lobby')", init=["self.room = Room('own')"]), isolation=isolation)
    client = plugin.connect()
    run(client, "ROOM.name = 'hall'")
    text = plugin.edited(V2, (room, "from rooms import Room\n"))
    plugin.swap(text, files={"rooms.py": room})
    assert value(client, "VERSION, ROOM.name, self.room.name, Room.__module__") == ("v2", "hall", "own", "rooms")


@both_isolations
def test_the_class_of_the_consumer_may_have_another_name(python, isolation):
    plugin = python(evaluator(init=["self.name = 'ada'"]), isolation=isolation)
    client = plugin.connect()
    plugin.edit(V2, ("class Evaluator", "class Renamed"))
    assert value(client, "type(self).__name__, self.name") == ("Renamed", "ada")


# Types.

TYPES = """
import collections, dataclasses, datetime, decimal, enum, re, typing, uuid

class Colour(enum.Enum):
    RED = 1

@dataclasses.dataclass
class Point:
    x: int
    y: int = 0

class Pair(typing.NamedTuple):
    left: int
    right: int

class Slotted:
    __slots__ = ("x",)

    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return type(other) is Slotted and other.x == self.x
"""


@pytest.mark.parametrize("expression", [
    "Colour.RED",
    "Point(1, 2)",
    "[Point(1), Point(1)]",
    "Pair(1, 2)",
    "Slotted(3)",
    "collections.deque([1, 2], maxlen=2)",
    "collections.defaultdict(list, a=[1])",
    "collections.OrderedDict(a=1)",
    "collections.Counter('abca')",
    "datetime.datetime(2024, 5, 1, 12, tzinfo=datetime.UTC)",
    "datetime.timedelta(seconds=1.5)",
    "decimal.Decimal('0.10')",
    "uuid.UUID(int=7)",
    "frozenset({(1, 'a'), None})",
    "re.compile('a+')",
    "bytearray(b'abc')",
    "1 << 100",
    "float('inf')",
    "'\\ud800'",
])
def test_values_of_this_type_move(python, expression):
    plugin = python(evaluator(TYPES, "VALUE = None", init=["self.value = None"]))
    client = plugin.connect()
    run(client, f"global VALUE; VALUE = {expression}; self.value = {expression}")
    plugin.edit(V2)
    assert value(client, f"VERSION, VALUE == {expression} == self.value, type(VALUE) is type({expression})") == ("v2", True, True)


def test_a_member_of_an_enumeration_stays_the_member(python):
    plugin = python(evaluator(TYPES, init=["self.colour = Colour.RED"]))
    client = plugin.connect()
    plugin.edit(V2)
    assert value(client, "self.colour is Colour.RED") is True


def test_a_deque_and_a_defaultdict_go_on_as_before(python):
    plugin = python(evaluator(TYPES, "LATEST = collections.deque(maxlen=2)", "BY_ROOM = collections.defaultdict(set)"))
    client = plugin.connect()
    run(client, "LATEST.extend('abc'); BY_ROOM['a'].add(1)")
    plugin.edit(V2)
    run(client, "LATEST.append('d'); BY_ROOM['b'].add(2)")
    assert value(client, "list(LATEST), dict(BY_ROOM)") == (["c", "d"], {"a": {1}, "b": {2}})


# The method `restored`.


@both_isolations
@pytest.mark.parametrize("define, wait", [("", ""), ("async ", "await ")], ids=["sync", "async"])
def test_restored_runs_after_a_move(python, isolation, define, wait):
    base = "AsyncWebsocketConsumer" if define else "WebsocketConsumer"
    plugin = python(f"""
from channels.generic.websocket import {base}

class Greeter({base}):
    {define}def receive(self, text_data=None, bytes_data=None):
        {wait}self.send(text_data="v1")

    {define}def restored(self):
        {wait}self.send(text_data="restored in v1")
""", isolation=isolation)
    client = plugin.connect()
    plugin.edit(('"v1"', '"v2"'), ("in v1", "in v2"))
    assert client.recv() == "restored in v2"
    assert client.ask("version") == "v2"


# State that cannot move.

@pytest.mark.parametrize("line, name, kind", [
    ("self.lines = (line for line in 'abc')", "Evaluator.lines", "generator"),
    ("self.call = lambda: 1", "Evaluator.call", "function"),
    ("self.names = {'a': [1, (x for x in 'b')]}", r"Evaluator.names\['a'\]\[1\]", "generator"),
    ("global STREAM; STREAM = (line for line in 'abc')", "consumers.STREAM", "generator"),
])
def test_state_that_cannot_be_saved_refuses_the_move_with_its_name(python, line, name, kind):
    plugin = python(evaluator("STREAM = None", init=["self.name = 'ada'"]))
    client, other = plugin.clients(2)
    run(client, line)
    reason = plugin.refuse(plugin.edited(V2))
    assert f"{name} is a {kind}, which cannot be saved".replace("\\", "") in reason
    assert 'set on_failed_move of the plugin to "restart" or "close"' in reason
    assert [value(each, "VERSION, self.name") for each in (client, other)] == [("v1", "ada")] * 2
    assert value(plugin.connect(), "VERSION") == "v1"


def test_the_version_goes_live_after_the_connection_that_cannot_be_saved_has_closed(python):
    plugin = python(evaluator())
    client, other = plugin.clients(2)
    run(client, "self.call = lambda: 1")
    plugin.refuse(plugin.edited(V2))
    client.close()
    plugin.edit(('"v2"', '"v3"'))
    assert value(other, "VERSION") == "v3"


@pytest.mark.parametrize("policy, count", [("restart", "restarted=1"), ("close", "closed=1")])
def test_a_consumer_that_cannot_be_saved_ends_by_the_policy_and_the_others_move(python, policy, count):
    plugin = python(evaluator("COUNT = 0", init=["self.name = 'ada'"]), table={"on_failed_move": policy})
    client, *others = plugin.clients(3)
    run(client, "self.call = lambda: 1")
    run(others[0], "global COUNT; COUNT = 7; self.name = 'bob'")
    line = plugin.edit(V2)
    assert " moved=2 " in line and count in line
    plugin.host.logged("trial without the state of .*Evaluator.call is a function, which cannot be saved")
    assert [value(each, "VERSION, self.name, COUNT") for each in others] == [("v2", "bob", 7), ("v2", "ada", 7)]
    if policy == "restart":
        assert value(client, "VERSION, self.name, hasattr(self, 'call')") == ("v2", "ada", False)
    else:
        assert client.ended() == (1012, "state lost in an update")


@pytest.mark.parametrize("policy, count", [("restart", "restarted=2"), ("close", "closed=2")])
def test_all_consumers_end_by_the_policy_if_the_module_cannot_be_saved(python, policy, count):
    plugin = python(evaluator("STREAM = None"), table={"on_failed_move": policy})
    clients = plugin.clients(2)
    run(clients[0], "global STREAM; STREAM = (line for line in 'abc')")
    line = plugin.edit(V2)
    assert " moved=0 " in line and count in line
    if policy == "restart":
        assert [value(client, "VERSION, STREAM") for client in clients] == [("v2", None)] * 2
    else:
        assert [client.ended() for client in clients] == [(1012, "state lost in an update")] * 2
    assert value(plugin.connect(), "VERSION, STREAM") == ("v2", None)


def test_only_the_consumer_that_cannot_be_saved_stays_with_isolation_connection(python):
    plugin = python(evaluator(init=["self.name = 'ada'"]), isolation="connection")
    client, *others = plugin.clients(4)
    run(client, "self.lines = (line for line in 'abc')")
    plugin.edit(V2)
    plugin.host.logged("Evaluator.lines is a generator, which cannot be saved")
    assert value(client, "VERSION, next(self.lines)") == ("v1", "a")
    assert [value(each, "VERSION, self.name") for each in others] == [("v2", "ada")] * 3


@both_isolations
@pytest.mark.parametrize("old, new, reason", [
    ("    def connect", "    def migrate(self, state):\n        raise LookupError('no nick')\n\n    def connect", r"LookupError: no nick \(consumers\.py:\d+ in migrate\)"),
    ("    def connect", "    def restored(self):\n        raise LookupError('not ready')\n\n    def connect", r"LookupError: not ready \(consumers\.py:\d+ in restored\)"),
    ("class Room", "class Hall", r"the state contains an object of consumers\.Room, and this version has none with this name"),
], ids=["migrate", "restored", "class"])
def test_a_version_that_cannot_restore_the_state_is_refused(python, isolation, old, new, reason):
    plugin = python(evaluator("class Room:", "    pass", init=["self.room = globals().get('Room', int)()"]), isolation=isolation)
    client = plugin.connect()
    refusal = plugin.refuse(plugin.edited(V2, (old, new)))
    assert re.search(reason, refusal), refusal
    assert value(client, "VERSION, type(self.room).__name__") == ("v1", "Room")
    assert value(plugin.connect(), "VERSION") == "v1"


# Sources that do not load.


@both_isolations
@pytest.mark.parametrize("connected", [True, False], ids=["connected", "alone"])
@pytest.mark.parametrize("line, reason", [
    ("def broken(:", "SyntaxError: "),
    ("import missing_module", "ModuleNotFoundError: No module named 'missing_module'"),
    ("1 / 0", "ZeroDivisionError: division by zero"),
])
def test_a_source_that_does_not_load_never_goes_live(python, isolation, connected, line, reason):
    plugin = python(evaluator(), isolation=isolation)
    client = plugin.connect() if connected else None
    broken = plugin.edited(V2, ("VERSION =", f"{line}\nVERSION ="))
    number = broken.splitlines().index(line) + 1
    refusal = plugin.refuse(broken)
    assert f"consumers.py:{number}:" in refusal and reason in refusal
    assert value(client or plugin.connect(), "VERSION") == "v1"
    plugin.swap(broken.replace(line, ""))
    assert value(client or plugin.connect(), "VERSION") == "v2"


# Code that waits.

SLEEPER = ASYNC + """
class Sleeper(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        if text_data != "version":
            try:
                await self.send(text_data="asleep")
                await asyncio.sleep(float(text_data))
                await self.send(text_data="awake in v1")
            except asyncio.CancelledError:
                self.end = "cancelled in v1"
                raise
        else:
            await self.send(text_data="v1 " + getattr(self, "end", ""))
"""
SLEEPER_2 = [("in v1", "in v2"), ('"v1 "', '"v2 "')]


@both_isolations
def test_a_coroutine_that_waits_delays_the_move_until_it_ends(python, isolation):
    plugin = python(SLEEPER, isolation=isolation, table={"move_wait": "1m"})
    client = plugin.connect()
    assert client.ask("1") == "asleep"
    plugin.edit(*SLEEPER_2)
    assert client.take(1) == ["awake in v1"]
    assert client.ask("version") == "v2 "


HEARTBEAT = ASYNC + """
class News(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept()
        self.heart = asyncio.create_task(self.beat())

    async def beat(self):
        await asyncio.sleep(60)

    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data="v1")
"""


@both_isolations
def test_a_move_logs_the_tasks_that_it_cancels(python, isolation):
    plugin = python(HEARTBEAT, isolation=isolation, table={"move_wait": "200ms"})
    client = plugin.connect()
    assert "busy_instances=1" in plugin.edit(V2)
    plugin.host.logged(r"WARN .*a move cancelled 1 task: News.beat \(consumers.py:10\): start it again in restored\(\)")
    assert client.ask("version") == "v2"


@both_isolations
def test_a_coroutine_that_waits_longer_than_move_wait_is_cancelled(python, isolation):
    plugin = python(SLEEPER, isolation=isolation, table={"move_wait": "200ms"})
    client = plugin.connect()
    assert client.ask("3600") == "asleep"
    plugin.edit(*SLEEPER_2)
    assert client.ask("version") == "v2 cancelled in v1"


@both_isolations
def test_messages_that_wait_for_a_cancelled_handler_are_handled_in_the_new_version(python, isolation):
    plugin = python(SLEEPER, isolation=isolation, table={"move_wait": "200ms"})
    client = plugin.connect()
    assert client.ask("3600") == "asleep"
    for _ in range(3):
        client.send("version")
    plugin.edit(*SLEEPER_2)
    assert client.take(3) == ["v2 cancelled in v1"] * 3


@both_isolations
def test_a_background_loop_does_not_keep_the_old_version(python, isolation):
    plugin = python(ASYNC + """
class Beater(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept()
        self.start()

    async def restored(self):
        self.start()

    def start(self):
        self.beating = asyncio.create_task(self.beat())

    async def beat(self):
        while True:
            await asyncio.sleep(0.02)
            await self.send(text_data="v1")
""", isolation=isolation, table={"move_wait": "200ms"})
    client = plugin.connect()
    assert client.recv() == "v1"
    plugin.edit(('"v1"', '"v2"'))
    eventually(lambda: client.recv() == "v2", "a beat of the new version")
    assert client.take(3) == ["v2"] * 3


# Traffic during a swap.


@both_isolations
def test_no_message_of_a_burst_is_lost_or_handled_twice(python, isolation):
    plugin = python(SYNC + """
VERSION = 1

class Counter(WebsocketConsumer):
    count = 0

    def receive(self, text_data=None, bytes_data=None):
        self.count += 1
        self.send(text_data=f"{text_data} {self.count} {VERSION}")
""", isolation=isolation)
    clients, count = plugin.clients(4), 1_000
    answers = [[] for _ in clients]

    def talk(client, received):
        for number in range(count):
            client.send(str(number))
            received.append(client.recv())

    threads = [threading.Thread(target=talk, args=pair) for pair in zip(clients, answers)]
    for thread in threads:
        thread.start()
    for version in (2, 3):
        plugin.edit((f"VERSION = {version - 1}", f"VERSION = {version}"))
    for thread in threads:
        thread.join()
    for received in answers:
        assert [answer.split()[:2] for answer in received] == [[str(number), str(number + 1)] for number in range(count)]
        versions = [int(answer.split()[2]) for answer in received]
        assert versions == sorted(versions)
    assert clients[0].ask("end").split()[2] == "3"


# Rollbacks.


@both_isolations
def test_an_operator_brings_the_old_version_and_its_state_back(python, narrowboat, isolation):
    plugin = python(evaluator("NAMES = []", init=["self.name = 'first'"]), isolation=isolation, admin=ADMIN)
    first = plugin.connect()
    run(first, "NAMES.append('one')")
    plugin.edit(V2)
    later = plugin.connect()
    run(later, "self.name = 'later'")
    result = narrowboat("rollback", "chat", *Admin(plugin.host).arguments)
    assert result.returncode == 0, result.stderr
    assert value(first, "VERSION, self.name, NAMES[:1]") == ("v1", "first", ["one"])
    assert value(later, "VERSION, self.name") == ("v1", "later")


FEW = {"window": "1m", "faults_per_thousand": 5, "min_events": 5, "min_clients": 1, "clients_per_hundred": 0}


@both_isolations
def test_a_version_that_fails_is_rolled_back_with_the_state_that_it_was_given(python, isolation):
    plugin = python(evaluator("NAMES = []", init=["self.count = 1"]), isolation=isolation, table={"rollback": FEW})
    client, other = plugin.clients(2)
    run(client, "self.count = 7; NAMES.append('one')")
    plugin.edit(V2)
    later = plugin.connect()
    run(later, "self.count = 3")
    run(client, "self.count = 100; NAMES.append('two')")
    for _ in range(3):
        value(other, "1")
    failing = plugin.connect()
    failing.send("1 / 0")
    plugin.host.logged(r"version rolled back.*faults=\d+")
    assert value(client, "VERSION, self.count, NAMES") == ("v1", 7, ["one"])
    assert value(later, "VERSION, self.count") == ("v1", 3)
    assert value(other, "VERSION, self.count") == ("v1", 1)


def test_a_fixed_version_goes_live_after_a_rollback(python):
    plugin = python(evaluator(init=["self.count = 1"]), table={"rollback": FEW})
    client = plugin.connect()
    run(client, "self.count = 7")
    plugin.edit(V2)
    for _ in range(5):
        failing = plugin.connect()
        failing.send("1 / 0")
    plugin.host.logged(r"version rolled back.*faults=\d+")
    plugin.edit(('"v2"', '"v3"'))
    assert value(client, "VERSION, self.count") == ("v3", 7)
