"""State moves to another version as one graph of objects."""

import pickle

import pytest
from instance import Failed, move, start

CHAT = """
from channels.generic.websocket import WebsocketConsumer
{head}

class Chat(WebsocketConsumer):
{body}
    def receive(self, text_data=None, bytes_data=None):
        exec(text_data, globals(), {{"self": self}})
"""


def chat(body="    pass", head=""):
    return CHAT.format(body=body, head=head)


def swap(old, *commands, new=None, check=(), clients=1, mode="MOVE"):
    """Runs commands of clients on the old version, moves, and runs checks on the new one."""
    instance = start(old)
    connected = [instance.connect(f"specific.a!{number}") for number in range(clients)]
    for number, command in enumerate(commands):
        connected[number % clients].send(command)
    new_instance, moved = move(connected, new or old, mode)
    for line in check:
        moved[0].send(f"assert {line}, {line!r}")
    return new_instance, moved


def test_attributes_of_a_consumer_move():
    swap(chat(), "self.name, self.seen = 'ann', {1, 2}", check=["self.name == 'ann'", "self.seen == {1, 2}"])


def test_a_constant_of_the_new_source_wins():
    swap(chat(head="V = 1"), "pass", new=chat(head="V = 2"), check=["V == 2"])


def test_a_global_that_running_code_has_changed_moves():
    swap(chat(head="COUNT = 0"), "global COUNT; COUNT = 5", new=chat(head="COUNT = 1"), check=["COUNT == 5"])


def test_a_list_that_running_code_has_changed_moves_and_another_one_does_not():
    head = "A = [1]\nB = [1]"
    new = "A = [9]\nB = [9]"
    swap(chat(head=head), "A.append(2)", new=chat(head=new), check=["A == [1, 2]", "B == [9]"])


def test_an_attribute_that_init_adds_has_its_default():
    new = chat("    def __init__(self):\n        super().__init__()\n        self.count = 7\n")
    swap(chat(), "self.name = 'ann'", new=new, check=["self.count == 7", "self.name == 'ann'"])


def test_an_attribute_that_the_class_adds_has_its_default():
    swap(chat(), "pass", new=chat("    count = 7\n"), check=["self.count == 7"])


def test_an_attribute_that_the_new_class_lacks_stays():
    swap(chat("    old = 1\n"), "self.old = 2", new=chat(), check=["self.old == 2"])


def test_migrate_renames_an_attribute():
    migrate = "    def migrate(self, old):\n        old['nick'] = old.pop('name')\n        return old\n"
    swap(chat(), "self.name = 'ann'", new=chat(migrate), check=["self.nick == 'ann'", "not hasattr(self, 'name')"])


def test_migrate_may_change_the_dictionary_and_return_nothing():
    migrate = "    def migrate(self, old):\n        self.nick = old.pop('name')\n"
    swap(chat(), "self.name = 'ann'", new=chat(migrate), check=["self.nick == 'ann'", "not hasattr(self, 'name')"])


def test_restored_runs_when_the_connection_is_there():
    restored = "    def restored(self):\n        self.send(text_data='welcome back')\n"
    instance, moved = swap(chat(), "pass", new=chat(restored))
    assert instance.take_effects() == [("send", moved[0].name, "welcome back")]


def test_an_exception_in_restored_refuses_the_move():
    with pytest.raises(Failed, match=r"ZeroDivisionError.*\(consumers.py:7 in restored\)"):
        swap(chat(), "pass", new=chat("    def restored(self):\n        1 / 0\n"))


def test_a_group_that_the_new_class_adds_is_joined():
    instance, moved = swap(chat(), "self.n = 1", new=chat("    groups = ['news']\n"))
    assert instance.take_effects() == [("group_add", "news", moved[0].name)]
    assert moved[0].user.groups == ["news"]


CLIENTS = "CLIENTS, NAMES, ROOMS = set(), {}, []"


def test_a_set_of_consumers_has_the_same_consumers():
    command = "CLIENTS.add(self); NAMES[self.channel_name] = self"
    checks = [
        "len(CLIENTS) == 3",
        "self in CLIENTS",
        "NAMES[self.channel_name] is self",
        "set(NAMES.values()) == CLIENTS",
    ]
    swap(chat(head=CLIENTS), command, command, command, clients=3, check=checks)


def test_an_object_that_globals_and_consumers_share_is_one_object():
    command = "room = ROOMS[0] if ROOMS else []; ROOMS[:] = [room]; self.room = room; room.append(self)"
    checks = ["self.room is ROOMS[0]", "len(self.room) == 2", "self.room[0] is self", "self.room[1].room is self.room"]
    swap(chat(head=CLIENTS), command, command, clients=2, check=checks)


def test_cycles_of_references_move():
    swap(
        chat(),
        "self.loop = [self]; self.loop.append(self.loop)",
        check=["self.loop[1] is self.loop", "self.loop[0] is self"],
    )


def test_an_alias_in_another_module_stays_the_same_object():
    def files(value):
        source = chat(head="from rooms import STATE, add\nimport rooms")
        return {
            "consumers.py": source,
            "rooms.py": f"STATE = {{}}\nV = {value}\ndef add(k, v, into=STATE):\n    into[k] = v\n",
        }

    checks = ["STATE == {'a': 1}", "rooms.STATE is STATE", "rooms.V == 2", "add('b', 2) or STATE['b'] == 2"]
    swap(files(1), "add('a', 1)", new=files(2), check=checks)


def test_an_unchanged_global_stays_that_of_the_new_source():
    old, new = chat(head="CONFIG = {'limit': [1]}"), chat(head="CONFIG = {'limit': [2]}")
    swap(
        old,
        "self.config, self.limit = CONFIG, CONFIG['limit']",
        new=new,
        check=["self.config is CONFIG", "self.limit is CONFIG['limit']", "self.limit == [2]"],
    )


def test_an_object_within_an_unchanged_global_stays_the_same_object():
    head = "class Room:\n    def __init__(self, name): self.name = name\nROOMS = {'a': Room('a'), 'b': Room('b')}"
    swap(chat(head=head), "self.room = ROOMS['a']", check=["self.room is ROOMS['a']", "self.room.name == 'a'"])


def test_an_object_that_the_new_version_lacks_moves_as_a_copy():
    head = "class Room:\n    pass\nROOMS = {'a': Room()}"
    new = "class Room:\n    pass\nROOMS = {}"
    swap(chat(head=head), "self.room = ROOMS['a']", new=chat(head=new), check=["type(self.room) is Room"])


def test_an_instance_that_is_a_global_keeps_its_identity():
    head = """
class Manager:
    def __init__(self):
        self.clients, self.limit = [], 1
MANAGER = Manager()
def count(manager=MANAGER):
    return len(manager.clients)
"""
    swap(
        chat(head=head),
        "MANAGER.clients.append(self)",
        check=["count() == 1", "MANAGER.clients == [self]", "MANAGER.limit == 1"],
    )


def test_attributes_of_classes_move():
    body = "    connected = []\n    total = 0\n"
    swap(
        chat(body),
        "Chat.connected.append(self); Chat.total += 1",
        check=["Chat.connected == [self]", "Chat.total == 1"],
    )


def test_a_global_that_running_code_has_added_moves():
    swap(chat(), "globals()['LATE'] = [1]", check=["LATE == [1]"])


def test_a_global_that_the_new_source_has_removed_is_dropped():
    instance, _ = swap(chat(head="OLD = []"), "OLD.append(1)", new=chat(), check=["'OLD' not in globals()"])
    assert any("this version has no consumers.OLD" in text for *_, text in instance.host.log)


def test_a_name_that_the_new_source_has_made_a_function_stays_a_function():
    swap(chat(head="X = 0"), "global X; X = 1", new=chat(head="def X(): return 5"), check=["X() == 5"])


def test_a_state_cannot_bind_names_outside_the_plugin():
    instance = start(chat(head="import os"))
    graph = pickle.dumps(([], [("os", ("sep",), "x"), ("consumers", ("os",), "x")], [], [], {}))
    instance.load_state(instance.types.Saved(1, pickle.dumps((([], [], [], [], []), graph))))
    client = instance.connect()
    client.send("assert os.sep == '/'")


VALUES = """
import array, collections, datetime, decimal, enum, fractions, ipaddress, itertools, pathlib, random, re, types, uuid, weakref, zoneinfo
from dataclasses import dataclass, field

class Colour(enum.Enum):
    RED = 1

class Flags(enum.Flag):
    A = 1
    B = 2

@dataclass
class Point:
    x: int
    tags: list = field(default_factory=list)

@dataclass(frozen=True, slots=True)
class Frozen:
    x: int

class Pair(collections.namedtuple("Pair", "a b")):
    pass

class Outer:
    class Inner:
        def __init__(self, n): self.n = n
        def __eq__(self, other): return self.n == other.n

class Own:
    def __init__(self, n): self.n = n
    def __getstate__(self): return [self.n]
    def __setstate__(self, state): self.n = state[0]
    def __eq__(self, other): return self.n == other.n

class Names(dict):
    pass

def helper():
    return 42
"""

EXPRESSIONS = [
    "Colour.RED", "Flags.A | Flags.B", "Point(1, ['a'])", "Frozen(1)", "Pair(1, 2)", "Outer.Inner(3)", "Own(4)", "Names(a=1)",
    "collections.deque([1, 2], 5)", "collections.defaultdict(list, a=[1])", "collections.Counter('aab')",
    "collections.OrderedDict(b=1, a=2)", "datetime.datetime(2024, 1, 2, tzinfo=datetime.timezone.utc)",
    "datetime.timedelta(days=1)", "decimal.Decimal('1.5')", "fractions.Fraction(1, 3)", "uuid.UUID(int=5)", "b'bytes'",
    "bytearray(b'x')", "frozenset({1})", "range(3)", "1.5", "2 + 3j", "None", "re.compile('a+')", "helper", "Point",
    "pathlib.PurePosixPath('a/b')", "ipaddress.ip_address('10.0.0.1')", "array.array('i', [1, 2])",
    "types.SimpleNamespace(a=1)", "KeyError('x').args", "{1: {2: [3]}}", "(1, [2])", "'text'", "zoneinfo.ZoneInfo('UTC')",
]  # fmt: skip


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_value_moves(expression):
    source = chat(head=VALUES)
    swap(
        source,
        f"self.value = {expression}",
        check=[f"self.value == ({expression})", f"type(self.value) is type({expression})"],
    )


def test_a_global_container_of_each_kind_moves():
    head = (
        VALUES
        + "D = collections.deque(maxlen=3)\nM = collections.defaultdict(list)\nC = collections.Counter()\nO = collections.OrderedDict()\n"
    )
    command = "D.extend([1, 2, 3, 4]); M['a'].append(1); C.update('aa'); O['z'] = 1"
    checks = [
        "list(D) == [2, 3, 4] and D.maxlen == 3",
        "M['a'] == [1] and M['b'] == []",
        "C['a'] == 2",
        "dict(O) == {'z': 1}",
    ]
    swap(chat(head=head), command, check=checks)


def test_a_counter_of_itertools_goes_on():
    head = "import itertools\nIDS = itertools.count(1)"
    swap(chat(head=head), "next(IDS); next(IDS)", check=["next(IDS) == 3"])


def test_weak_collections_of_consumers_move():
    head = "import weakref\nSET, VALUES = weakref.WeakSet(), weakref.WeakValueDictionary()"
    swap(chat(head=head), "SET.add(self); VALUES['a'] = self", check=["self in SET", "VALUES['a'] is self"])


def test_bound_methods_and_functions_move():
    body = "    def hello(self):\n        return 'hello'\n"
    swap(
        chat(body, head=VALUES),
        "self.handlers = {'a': self.hello, 'b': helper}",
        check=["self.handlers['a']() == 'hello'", "self.handlers['b']() == 42"],
    )


def test_a_class_that_moved_to_another_module_is_found():
    room = "class Room:\n    pass\n"
    old = {"consumers.py": chat(head="from rooms import Room"), "rooms.py": room}
    new = {"consumers.py": chat(head="from halls import Room"), "halls.py": room}
    swap(old, "self.room = Room(); self.room.n = 1", new=new, check=["type(self.room) is Room", "self.room.n == 1"])


def test_a_class_that_is_gone_is_an_error_that_names_it():
    with pytest.raises(Failed, match="contains an object of consumers.Room, and this version has none with this name"):
        swap(chat(head="class Room:\n    pass"), "self.room = Room()", new=chat())


def test_a_class_with_several_candidates_is_an_error():
    old = {"consumers.py": chat(head="from a import Room"), "a.py": "class Room: pass"}
    new = {"consumers.py": chat(head="import b, c"), "b.py": "class Room: pass", "c.py": "class Room: pass"}
    with pytest.raises(Failed, match="this version has 2 with this name"):
        swap(old, "self.room = Room()", new=new)


@pytest.mark.parametrize(
    "command, text",
    [
        ("self.generator = (n for n in [])", "Chat.generator is a generator"),
        ("self.items = {'a': [lambda: 0]}", r"Chat.items\['a'\]\[0\] is a function"),
        ("self.point = Point(1); self.point.tags.append(iter([]).__iter__)", r"Chat.point.tags\[0\] is a"),
        ("ROOMS.append(n for n in [])", r"consumers.ROOMS\[0\] is a generator"),
    ],
)
def test_what_cannot_be_saved_is_an_error_that_names_it(command, text):
    with pytest.raises(Failed, match=text):
        swap(chat(head=VALUES + CLIENTS), command)


def test_an_object_that_was_never_savable_is_a_part_of_the_program():
    head = "NEXT = iter([1, 2]).__next__\nGENERATOR = (n for n in [1])"
    swap(chat(head=head), "self.n = 1", check=["self.n == 1", "GENERATOR is not None"])


ASYNC = """
import asyncio
from channels.generic.websocket import AsyncWebsocketConsumer
{head}

class Chat(AsyncWebsocketConsumer):
{body}
    async def receive(self, text_data=None, bytes_data=None):
        code = compile(text_data, "x", "exec", flags=__import__("ast").PyCF_ALLOW_TOP_LEVEL_AWAIT)
        result = eval(code, globals(), {{"self": self, "asyncio": asyncio}})
        if result is not None:
            await result
"""


def async_chat(body="    pass", head=""):
    return ASYNC.format(body=body, head=head)


def test_idle_primitives_of_asyncio_move():
    command = (
        "self.lock, self.event, self.queue = asyncio.Lock(), asyncio.Event(), asyncio.Queue(5)\n"
        "self.event.set(); self.queue.put_nowait(1); self.semaphore = asyncio.Semaphore(3); await self.semaphore.acquire()\n"
        "self.condition = asyncio.Condition(); self.bounded = asyncio.BoundedSemaphore(2)\n"
        "import threading; self.thread_lock = threading.Lock()"
    )
    checks = [
        "not self.lock.locked()", "self.event.is_set()", "self.queue.get_nowait() == 1 and self.queue.maxsize == 5",
        "self.semaphore._value == 2", "not self.condition.locked()", "self.bounded._value == 2",
        "not self.thread_lock.locked()",
    ]  # fmt: skip
    swap(async_chat(), command, check=checks)


def test_a_task_that_has_ended_moves_with_its_result():
    command = "async def one(): return 1\nself.task = asyncio.create_task(one())"
    swap(async_chat(), command, check=["self.task.done() and self.task.result() == 1"])


def test_a_consumer_that_waits_delays_the_move():
    instance = start(async_chat())
    client = instance.connect()
    client.send("await asyncio.sleep(60)")
    assert instance.save("MOVE") == ("Busy", None)
    assert client.save("MOVE") == ("Busy", None)


def test_a_trial_saves_a_consumer_that_waits_and_lets_it_go_on():
    instance = start(async_chat())
    client = instance.connect()
    client.send(
        "self.n = 1; self.task = asyncio.create_task(asyncio.sleep(1)); await self.task; await self.send('late')"
    )
    case, saved = instance.save("TRIAL")
    assert case == "WithConsumers"
    new = start(async_chat())
    new.load_state(saved)
    moved = new.restore(client.name)
    assert moved.user.n == 1 and moved.user.task.cancelled()
    assert client.fire(1)[-1] == ("send", client.name, "late")


def test_a_forced_move_cancels_what_waits():
    body = """
    async def restored(self):
        self.task = asyncio.create_task(self.beat())

    async def beat(self):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
"""
    instance, moved = swap(
        async_chat(body), "self.task = asyncio.create_task(self.beat()); await self.beat()", mode="FORCED_MOVE"
    )
    assert moved[0].user.cancelled and not moved[0].user.task.done()
    assert ("set_timer", moved[0].name, 1, 60000) in instance.take_effects()


BEAT = """
    async def beat(self):
        await asyncio.sleep(60)
"""
RESTORED = """
    async def restored(self):
        pass
"""


@pytest.mark.parametrize("command, rest, lines", [
    (
        "self.task = asyncio.create_task(self.beat())",
        "",
        [("warn", "a move cancelled 2 tasks: Chat.beat (consumers.py:9) 2 times: start them again in restored()")],
    ),
    (
        "self.task = asyncio.create_task(self.beat())",
        RESTORED,
        [("info", "a move cancelled 2 tasks: Chat.beat (consumers.py:9) 2 times")],
    ),
    ("await self.beat()", "", [("warn", "a move cancelled 2 handlers: consumers.py:9 in beat 2 times")]),
    (
        "asyncio.get_running_loop().call_later(60, print)",
        "",
        [("warn", "a move cancelled 2 callbacks: print 2 times")],
    ),
])  # fmt: skip
def test_a_forced_move_logs_what_it_cancels(command, rest, lines):
    old = start(async_chat(BEAT + rest))
    for number in range(2):
        old.connect(f"specific.a!{number}").send(command)
    old.host.log.clear()
    old.save("FORCED_MOVE")
    assert [(level, text) for level, _, text in old.host.log] == lines


def test_the_line_of_a_forced_move_names_some_of_much_code():
    tasks = "".join(f"    async def beat{number}(self):\n        await asyncio.sleep(60)\n" for number in range(9))
    old = start(async_chat("\n" + tasks))
    old.connect().send("self.all = []\nfor n in range(9): self.all.append(asyncio.create_task(getattr(self, f'beat{n}')()))")
    old.host.log.clear()
    old.save("FORCED_MOVE")
    [(_, _, text)] = old.host.log
    assert text.startswith("a move cancelled 9 tasks: ") and text.count("consumers.py:") == 5 and ", others: " in text


def test_events_that_wait_behind_a_handler_are_handled_after_a_forced_move():
    instance = start(async_chat())
    client = instance.connect()
    client.send("await asyncio.sleep(60)")
    client.send("await self.send('second')")
    new, (moved,) = move([client], async_chat(), "FORCED_MOVE")
    assert new.take_effects() == [("set_timer", client.name, 1, 1)]
    assert moved.fire(1) == [("send", client.name, "second")]


def test_code_that_catches_its_cancellation_does_not_stop_a_forced_move():
    body = """
    async def stubborn(self):
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass
"""
    swap(async_chat(body), "self.n = 1; await self.stubborn()", mode="FORCED_MOVE", check=["self.n == 1"])


def test_a_snapshot_of_one_consumer_restores_it():
    instance = start(chat(head=CLIENTS))
    client = instance.connect()
    client.send("self.n, self.names = 1, NAMES; NAMES['a'] = self")
    case, saved = client.save()
    assert case == "Saved"
    new = start(chat(head=CLIENTS))
    moved = new.restore(client.name, saved)
    moved.send("assert self.n == 1 and self.names is NAMES and NAMES == {}")


def test_a_snapshot_of_one_consumer_may_follow_the_state_of_the_module():
    instance = start(chat(head=CLIENTS))
    first = instance.connect("specific.a!1")
    first.send("CLIENTS.add(self)")
    _, module = instance.save()
    second = instance.connect("specific.a!2")
    second.send("self.friend = next(iter(CLIENTS))")
    _, single = second.save()
    new = start(chat(head=CLIENTS))
    new.load_state(module)
    moved, late = new.restore(first.name), new.restore(second.name, single)
    assert late.user.friend is moved.user


def test_a_consumer_without_any_state_of_its_own_is_an_error():
    with pytest.raises(Failed, match="neither the state of the module nor a snapshot has this consumer"):
        start(chat()).restore("specific.a!1")


def test_without_changes_and_consumers_there_is_no_state():
    assert start(chat(head=CLIENTS)).save() == ("None_", None)


def test_values_that_a_plugin_set_in_the_scope_move():
    instance, moved = swap(chat(), "self.scope['room'] = 'red'; self.scope['session']['n'] = 1")
    moved[0].send(
        "assert self.scope['room'] == 'red' and self.scope['session'] == {'n': 1} and self.scope['type'] == 'websocket'"
    )


def test_a_consumer_that_has_ended_stays_an_object():
    instance = start(chat(head=CLIENTS))
    first, second = instance.connect("specific.a!1"), instance.connect("specific.a!2")
    first.send("self.n = 1; CLIENTS.add(self)")
    first.disconnect()
    new, (moved,) = move([second], chat(head=CLIENTS))
    moved.send("(gone,) = CLIENTS; assert gone.n == 1; gone.send('ignored')")
    assert new.take_effects() == []


def test_references_of_a_consumer_to_the_runtime_move():
    command = "import logging; self.log, self.layer, self.copy, self.user = logging.getLogger('x'), self.channel_layer, self.scope, self.scope['user']"
    checks = [
        "self.log.name == 'x'",
        "self.layer is self.channel_layer",
        "self.copy is self.scope",
        "self.user == self.scope['user']",
    ]
    swap(chat(), command, check=checks)


def test_a_lazily_imported_module_has_a_baseline_of_its_own():
    def files(value):
        return {"consumers.py": chat(), "late.py": f"V = {value}\nITEMS = []\n"}

    checks = ["__import__('late').V == 2", "__import__('late').ITEMS == [1]"]
    swap(files(1), "import late; late.ITEMS.append(1)", new=files(2), check=checks)


def test_a_state_of_another_form_is_an_error():
    instance = start(chat())
    saved = instance.types.Saved(99, b"")
    with pytest.raises(Failed, match="has the form 99"):
        instance.load_state(saved)


class Evil:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def hostile():
    import os
    import subprocess

    return [
        (os.system, "true"), (eval, "1"), (getattr, "a", "upper"), (subprocess.Popen, "true"), (exec, "1"), (open, "x"),
        (__import__, "os"),
    ]  # fmt: skip


@pytest.mark.parametrize("function, args", [(call[0], call[1:]) for call in hostile()])
def test_a_hostile_state_is_an_error_that_names_what_it_contains(function, args):
    instance = start(chat(head="import os"))
    saved = instance.types.Saved(1, pickle.dumps(Evil(function, *args)))
    with pytest.raises(
        Failed, match=f"contains .*{function.__name__}, which a snapshot may not contain|contains an object of"
    ):
        instance.load_state(saved)


def test_a_hostile_state_cannot_reach_a_module_through_the_plugin():
    instance = start(chat(head="import os"))
    saved = instance.types.Saved(1, b"\x80\x04\x8c\x09consumers\x8c\x09os.system\x93.")
    with pytest.raises(Failed, match="contains an object of consumers.os.system"):
        instance.load_state(saved)


def test_a_damaged_state_is_an_error():
    instance = start(chat())
    with pytest.raises(Failed):
        instance.load_state(instance.types.Saved(1, b"damaged"))


def test_a_thousand_consumers_move_quickly():
    import time

    instance = start(chat(head=CLIENTS))
    clients = [instance.connect(f"specific.a!{number}") for number in range(1000)]
    for client in clients:
        client.send("CLIENTS.add(self); self.name, self.count, self.tags = 'ann', 1, ['a']")
    started = time.perf_counter()
    _, saved = instance.save()
    took = time.perf_counter() - started
    print(f"saving took {took * 1e3:.1f} ms, {len(saved.state)} bytes")
    new = start(chat(head=CLIENTS))
    new.load_state(saved)
    moved = new.restore(clients[0].name)
    moved.send("assert len(CLIENTS) == 1000 and self in CLIENTS")


def test_events_that_waited_are_handled_in_order_if_a_forced_move_fails():
    instance = start(async_chat())
    client = instance.connect()
    client.send("await asyncio.sleep(60)")
    client.send("await self.send('second')")
    instance.save("FORCED_MOVE")
    instance.take_effects()
    assert [effect[2] for effect in client.send("await self.send('third')")] == ["second", "third"]


def test_a_plugin_that_has_replaced_pickle_is_saved(monkeypatch):
    # The instances of these tests share the standard library, so the test restores it.
    for name in ("Pickler", "dumps"):
        monkeypatch.setattr(pickle, name, getattr(pickle, name))
    swap(chat(head="import pickle"), "self.name = 'ann'; pickle.Pickler = pickle.dumps = None", check=["self.name == 'ann'"])


def test_a_consumer_that_cannot_be_saved_does_not_keep_the_others_and_the_globals():
    old = start(chat(head="COUNT = 0"))
    connected = [old.connect(f"specific.a!{number}") for number in range(2)]
    connected[0].send("self.call = lambda: 1; self.name = 'ada'")
    connected[1].send("global COUNT; COUNT = 3; self.name = 'bob'")
    _, saved = old.save("MOVE")
    new = start(chat(head="COUNT = 0"))
    new.load_state(saved)
    with pytest.raises(Failed, match="the version before could not save it: Chat.call is a function, which cannot be"):
        new.restore(connected[0].name)
    new.restore(connected[1].name).send("assert (COUNT, self.name) == (3, 'bob')")


def test_a_trial_asks_for_the_state_of_all_consumers():
    old = start(chat())
    old.connect().send("self.call = lambda: 1")
    with pytest.raises(Failed, match="Chat.call is a function, which cannot be saved"):
        old.save("TRIAL")


def test_a_global_that_cannot_be_saved_keeps_all_consumers_from_moving():
    old = start(chat(head="CALL = None"))
    old.connect().send("global CALL; CALL = (each for each in 'ab'); self.call = lambda: 1")
    with pytest.raises(Failed, match="consumers.CALL is a generator, which cannot be saved"):
        old.save("MOVE")
