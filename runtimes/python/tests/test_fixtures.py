"""A test gets values of fixtures by the names of its parameters."""

import pytest
from scripted_host import failure_of, run_test, run_tests

HEADER = "from narrowboat.testing import fixture, parametrize\n"


def results_of(source, **files):
    return {name: outcome for name, (outcome, _) in run_tests(HEADER + source, **files).items()}


def test_a_fixture_may_be_any_kind_of_function():
    source = """
import asyncio
@fixture
def one(): return 1
@fixture
def two(): yield 2
@fixture
async def three():
    await asyncio.sleep(1)
    return 3
@fixture
async def four():
    await asyncio.sleep(1)
    yield 4
def test_it(one, two, three, four):
    assert [one, two, three, four] == [1, 2, 3, 4]
"""
    assert results_of(source) == {"test_it": "passed"}


def test_fixtures_that_need_each_other_start_once_and_end_in_the_reverse_order():
    source = """
events = []
@fixture
def inner():
    events.append("inner")
    yield
    events.append("inner ends")
@fixture
async def outer(inner):
    events.append("outer")
    yield
    events.append("outer ends")
def test_a(outer, inner):
    events.append("test")
def test_b():
    assert events == ["inner", "outer", "test", "outer ends", "inner ends"]
"""
    assert results_of(source) == {"test_a": "passed", "test_b": "passed"}


def test_a_fixture_ends_after_a_test_that_fails():
    source = """
events = []
@fixture
def client():
    yield
    events.append("end")
def test_a(client):
    assert False
def test_b():
    assert events == ["end"]
"""
    assert results_of(source) == {"test_a": "failed", "test_b": "passed"}


def test_a_fixture_of_each_test_need_not_be_named():
    source = """
events = []
@fixture(autouse=True)
def always(): events.append(1)
def test_it(): assert events == [1]
"""
    assert results_of(source) == {"test_it": "passed"}


def test_a_fixture_of_a_class_gets_its_object():
    source = """
class TestIt:
    @fixture
    def room(self):
        self.is_ready = True
        return "red"
    def test_a(self, room): assert self.is_ready and room == "red"
    def test_b(self): assert not hasattr(self, "is_ready")
"""
    assert results_of(source) == {"TestIt::test_a": "passed", "TestIt::test_b": "passed"}


def test_a_fixture_may_replace_one_of_conftest_and_use_it():
    conftest = HEADER + "@fixture\ndef room(): return 'red'\n@fixture\ndef seat(room): return room + ' 1'\n"
    source = "@fixture\ndef room(room): return room + ' room'\ndef test_it(seat): assert seat == 'red room 1'\n"
    assert results_of(source, **{"conftest.py": conftest}) == {"test_it": "passed"}


def test_a_conftest_counts_for_the_tests_below_its_folder():
    files = {
        "conftest.py": HEADER + "@fixture\ndef room(): return 'red'\n",
        "tests/conftest.py": HEADER + "@fixture\ndef seat(room): return room + ' 1'\n",
        "tests/test_seat.py": "def test_seat(seat): assert seat == 'red 1'\n",
    }
    assert results_of("def test_it(room): pass\n", **files) == {"test_it": "passed", "test_seat": "passed"}


def test_a_fixture_may_have_another_name():
    source = "@fixture(name='room')\ndef make_room(): return 'red'\ndef test_it(room): assert room == 'red'\n"
    assert results_of(source) == {"test_it": "passed"}


@pytest.mark.parametrize(
    "source, message",
    [
        ("@fixture\ndef client(): pass\ndef test_it(clinet): pass", "no fixture has this name: did you mean client?"),
        ("@fixture\ndef room(seat): pass\ndef test_it(room): pass", "the fixture room has the parameter seat"),
        ("@fixture\ndef room(): pass\ndef test_it(x): pass", "no fixture has this name; there are room"),
        ("@fixture\ndef a(b): pass\n@fixture\ndef b(a): pass\ndef test_it(a): pass", "need each other: a -> b -> a"),
        ("@fixture\ndef a():\n    yield\n    yield\ndef test_it(a): pass", "the fixture a yields more than once"),
        ("@fixture\ndef a():\n    return\n    yield\ndef test_it(a): pass", "the fixture a has ended without a yield"),
        ("@fixture\ndef a(): pass\ndef test_it(): a()", "a test does not call a fixture: name a as a parameter"),
    ],
)
def test_a_wrong_fixture_fails_the_test(source, message):
    failure = failure_of(HEADER + source)
    assert message in failure.message
    assert failure.path == "test_it.py" and failure.line > 1


def test_an_error_of_a_fixture_names_it():
    failure = failure_of(HEADER + "@fixture\ndef room():\n    {}['a']\ndef test_it(room): pass\n")
    assert failure.message == "KeyError: 'a'\n(in the fixture room)"
    assert (failure.line, failure.source) == (4, "{}['a']")


def test_an_error_at_the_end_of_a_fixture_fails_the_test():
    failure = failure_of(HEADER + "@fixture\ndef room():\n    yield\n    {}['a']\ndef test_it(room): pass\n")
    assert failure.message == "KeyError: 'a'\n(at the end of the fixture room)"


def test_the_trace_has_an_error_at_the_end_of_a_fixture_after_that_of_the_test():
    source = "@fixture\ndef room():\n    yield\n    {}['a']\ndef f(): {}['b']\ndef test_it(room): f()\n"
    failure = failure_of(HEADER + source)
    assert failure.message == "KeyError: 'b'"
    assert failure.trace.index("KeyError: 'b'") < failure.trace.index("KeyError: 'a'")


def test_a_scope_is_refused():
    source = HEADER + "def test_it():\n    fixture(scope='module')\n"
    assert 'a fixture cannot have the scope "module"' in failure_of(source).message


def test_parameters_make_a_test_run_for_each_value():
    source = """
@parametrize("n, text", [(1, "a"), (2, None)])
@parametrize("flag", [True, [0]], ids=["yes", "no"])
def test_it(n, text, flag):
    assert (n, text) in ((1, "a"), (2, None)) and flag
"""
    names = ["test_it[1-a-yes]", "test_it[1-a-no]", "test_it[2-None-yes]", "test_it[2-None-no]"]
    assert results_of(source) == dict.fromkeys(names, "passed")


def test_a_parameter_hides_a_fixture():
    source = "@fixture\ndef n(): return 0\n@parametrize('n', [5])\ndef test_it(n): assert n == 5\n"
    assert results_of(source) == {"test_it[5]": "passed"}


def test_a_wrong_number_of_values_is_an_error():
    source = HEADER + "def test_it():\n    parametrize('a, b', [(1, 2, 3)])\n"
    assert "parametrize has 2 names, a, b, and 3 values: (1, 2, 3)" in failure_of(source).message


def test_a_context_variable_of_a_fixture_reaches_the_test():
    source = """
import contextvars
ROOM = contextvars.ContextVar("room")
@fixture
async def room(): ROOM.set("red")
async def test_it(room): assert ROOM.get() == "red"
"""
    assert run_test(HEADER + source)[0] == "passed"


def test_a_test_may_have_mocks_and_fixtures():
    files = {"rooms.py": "def count(): return 1\ndef name(): return 'red'\n"}
    source = """
import rooms
from unittest.mock import patch
@fixture
def five(): return 5
@patch("rooms.name", lambda: "blue")
@patch("rooms.count")
def test_it(count, five):
    count.return_value = five
    assert (rooms.count(), rooms.name()) == (5, "blue")
"""
    assert results_of(source, **files) == {"test_it": "passed"}
