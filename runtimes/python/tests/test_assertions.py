"""An assertion that fails says the values of its expression."""

import pytest
from scripted_host import failure_of, run_test


def message_of(statements):
    return failure_of("def test_it():\n" + "".join(f"    {line}\n" for line in statements.split("\n"))).message


@pytest.mark.parametrize(
    "statements, message",
    [
        ("assert 1 + 2 == 4", "assert 3 == 4"),
        ("x = 'a'\nassert x != 'a'", "assert 'a' != 'a'"),
        ("x = 5\nassert 1 < x < 3", "assert 1 < 5 < 3"),
        ("x = [1]\nassert 2 in x", "assert 2 in [1]"),
        ("x = None\nassert x", "assert None\n  where None = x"),
        ("x = 3\nassert not x", "assert not 3\n  where 3 = x"),
        ("x = ''\nassert x or x", "assert '' or ''\n  where '' = x\n  where '' = x"),
        ("x = 1\nassert not (x and 2)", "assert not (1 and 2)\n  where 1 = x"),
        ("x = (1, 2)\nassert len(x) == 3", "assert 2 == 3\n  where 2 = len((1, 2))"),
        ("x = 'ab'\nassert x.startswith('b')", "assert False\n  where False = 'ab'.startswith('b')"),
        ("assert isinstance(3, str)", "assert False\n  where False = isinstance(3, str)"),
        ("import math\nassert math.isclose(1, b=2)", "assert False\n  where False = math.isclose(1, b=2)"),
        ("x = {'a': {'b': 1}}\nassert x['a']['b'] == 2", "assert 1 == 2\n  where 1 = x['a']['b']"),
        ("assert [n for n in 'a'] == []", "assert ['a'] == []\n  only left: index 0: 'a'"),
        ("assert (lambda: 0)()", "assert 0\n  where 0 = (lambda: 0)()"),
        ("assert (y := 0)", "assert 0\n  where 0 = (y := 0)"),
    ],
)  # fmt: skip
def test_an_assertion_shows_its_values(statements, message):
    assert message_of(statements) == message


def test_the_message_of_an_assertion_comes_before_its_values():
    assert message_of("x = 1\nassert x == 2, f'number {x}'") == "number 1\nassert 1 == 2"


def test_an_expression_that_was_not_evaluated_has_its_source():
    assert message_of("x = 0\nassert x and x.y") == "assert 0 and x.y\n  where 0 = x"


def test_an_expression_is_evaluated_once():
    source = """
        calls = []
        def test_it():
            assert len([calls.append(1), calls.append(2)]) == 2 and not calls.append(3)
            assert calls == [1, 2, 3]
    """
    assert run_test(source)[0] == "passed"


def test_an_assertion_keeps_no_value_alive():
    source = """
        import weakref
        class Thing: pass
        def make(found):
            thing = Thing()
            found.append(weakref.ref(thing))
            return thing
        def test_it():
            found = []
            assert make(found)
            assert found[0]() is None
    """
    assert run_test(source)[0] == "passed"


def test_an_assertion_may_await():
    source = """
        async def number(): return 3
        async def test_it():
            assert await number() == 4
    """
    assert failure_of(source).message == "assert 3 == 4\n  where 3 = await number()"


def test_a_repr_that_fails_does_not_hide_the_assertion():
    source = """
        class Thing:
            def __repr__(self): raise ValueError
        def test_it():
            assert Thing() == 1
    """
    assert failure_of(source).message.startswith("assert <Thing, whose repr raises ValueError> == 1")


@pytest.mark.parametrize(
    "left, right, lines",
    [
        ({"a": 1, "b": 2}, {"a": 3, "c": 4}, ["at 'a': 1 and 3", "only left: 'b': 2", "only right: 'c': 4"]),
        ([1, 2], [1, 3, 4], ["at index 1: 2 and 3", "only right: index 2: 4"]),
        ({1, 2}, {2, 3}, ["only left: 1", "only right: 3"]),
        ("a\nb\n", "a\nc\n", ["--- left", "+++ right", "@@ -1,2 +1,2 @@", " a", "-b", "+c"]),
        ("x" * 70, "x" * 65, [f"at character 65: {'x' * 15!r} and {'x' * 10!r}"]),
    ],
)
def test_values_that_are_not_equal_show_how_they_differ(left, right, lines):
    message = message_of(f"left = {left!r}\nright = {right!r}\nassert left == right")
    assert [line.strip() for line in message.split("\n")[1:]] == [line.strip() for line in lines]


def test_the_lines_of_a_long_difference_are_cut():
    message = message_of("assert list(range(100)) == []")
    assert message.endswith("\n  ... and 80 more lines")


def test_a_long_value_is_cut():
    message = message_of("x = 'a' * 1000\nassert x is None")
    assert len(message) < 300 and "..." in message


def test_a_failure_is_at_the_line_of_its_assertion():
    failure = failure_of("def test_it():\n    x = 1\n    assert (\n        x\n        == 2\n    )\n")
    assert (failure.path, failure.line, failure.source) == ("test_it.py", 3, "assert (")


def test_a_trace_has_the_frames_between_the_test_and_its_assertion():
    failure = failure_of("def check(x):\n    assert x == 2\ndef test_it():\n    check(1)\n")
    assert failure.line == 2 and 'File "test_it.py", line 4, in test_it' in failure.trace


def test_an_assertion_in_the_test_itself_has_no_trace():
    assert failure_of("def test_it():\n    assert 1 == 2\n").trace == ""


def test_assertions_of_conftest_show_their_values():
    failure = failure_of(
        "def test_it(two): pass",
        **{"conftest.py": "from narrowboat.testing import fixture\n@fixture\ndef two():\n    assert 1 == 2\n"},
    )
    assert failure.message == "assert 1 == 2\n(in the fixture two)"
    assert (failure.path, failure.line) == ("conftest.py", 4)
