"""`run` runs one test on the clock of its host."""

import pytest
from scripted_host import ScriptedHost, failure_of, run_test, run_tests


def test_a_test_that_sleeps_advances_the_clock_of_the_host():
    host = ScriptedHost()
    source = """
        import asyncio
        async def test_it():
            await asyncio.sleep(3600)
    """
    assert run_test(source, host) == ("passed", None)
    assert host.requests == [{"op": "advance", "milliseconds": 3_600_000}]


def test_tasks_of_a_test_wake_in_the_order_of_their_times():
    host = ScriptedHost()
    source = """
        import asyncio
        async def note(found, seconds):
            await asyncio.sleep(seconds)
            found.append(seconds)
        async def test_it():
            found = []
            await asyncio.gather(*(note(found, seconds) for seconds in (3, 1, 2)))
            assert found == [1, 2, 3]
    """
    assert run_test(source, host)[0] == "passed"
    assert [request["milliseconds"] for request in host.requests] == [1000, 1000, 1000]


def test_advance_wakes_the_tasks_of_the_test():
    source = """
        import asyncio
        from narrowboat.testing import advance
        async def test_it():
            task = asyncio.create_task(asyncio.sleep(5))
            await asyncio.sleep(0)
            advance(5)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert task.done()
    """
    assert run_test(source)[0] == "passed"


def test_a_time_out_of_asyncio_needs_no_time():
    source = """
        import asyncio
        async def test_it():
            async with asyncio.timeout(1000):
                await asyncio.Event().wait()
    """
    failure = failure_of(source)
    assert (failure.message, failure.source) == ("TimeoutError", "async with asyncio.timeout(1000):")


def test_a_test_that_waits_for_ever_fails_at_its_line():
    source = """
        import asyncio
        async def helper():
            await asyncio.Event().wait()
        async def test_it():
            await helper()
    """
    failure = failure_of(source)
    assert failure.message == "the test waits for something that never comes"
    assert (failure.path, failure.line, failure.source) == ("test_it.py", 4, "await asyncio.Event().wait()")
    assert "line 6, in test_it" in failure.trace


def test_the_exceptions_of_a_group_are_part_of_the_message():
    source = """
        import asyncio
        async def bad():
            raise ValueError("oops")
        async def test_it():
            async with asyncio.TaskGroup() as group:
                group.create_task(bad())
    """
    failure = failure_of(source)
    lines = failure.message.split("\n")
    assert lines[0].startswith("ExceptionGroup: unhandled errors in a TaskGroup")
    assert lines[1:] == ["  ValueError: oops (test_it.py:4 in bad)"]
    assert "in bad" in failure.trace


def test_an_error_with_one_line_of_the_plugin_has_no_trace():
    assert failure_of("def test_it():\n    {}['a']\n").trace == ""


def test_an_error_with_a_cause_has_a_trace():
    source = """
        def test_it():
            try:
                {}["a"]
            except KeyError as error:
                raise ValueError from error
    """
    assert "KeyError: 'a'" in failure_of(source).trace


def test_a_task_that_repeats_does_not_hide_that_the_test_waits_for_ever():
    source = """
        import asyncio
        async def beat():
            while True:
                await asyncio.sleep(1)
        async def test_it():
            task = asyncio.create_task(beat())
            await asyncio.Event().wait()
    """
    failure = failure_of(source)
    assert failure.message == "the test has waited 20000 times for time, and still waits"
    assert failure.line == 8


def test_a_fixture_ends_after_a_test_that_waits_for_ever():
    source = """
        import asyncio
        from narrowboat.testing import fixture
        events = []
        @fixture
        async def client():
            yield
            await asyncio.sleep(1)
            events.append("end")
        async def test_a(client):
            await asyncio.Event().wait()
        def test_b():
            assert events == ["end"]
    """
    assert [outcome for outcome, _ in run_tests(source).values()] == ["failed", "passed"]


def test_a_test_that_catches_its_cancellation_fails():
    source = """
        import asyncio
        async def test_it():
            while True:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    pass
    """
    assert failure_of(source).message == "the test waits for something that never comes"


def test_a_task_that_a_test_leaves_behind_is_cancelled():
    source = """
        import asyncio
        events = []
        async def work():
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                events.append("cancelled")
                raise
        async def test_a():
            global task
            task = asyncio.create_task(work())
            await asyncio.sleep(0)
        def test_b():
            assert events == ["cancelled"]
    """
    assert [outcome for outcome, _ in run_tests(source).values()] == ["passed", "passed"]


def test_a_forgotten_await_fails_the_test():
    source = """
        from narrowboat.testing import Communicator
        async def test_it():
            client = Communicator("/")
            assert client.receive_nothing()
    """
    failure = failure_of(source)
    assert failure.message == (
        "coroutine 'Communicator.receive_nothing' was never awaited: write await in front of the call"
    )
    assert failure.line == 5


def test_an_endless_loop_ends_with_a_failure():
    source = """
        def test_it():
            while True:
                pass
    """
    failure = failure_of(source)
    assert failure.message.startswith("CallTimeout: the test has used ")
    assert failure.message.endswith(" of the 10000 ms that a test may take")
    assert failure.line in (3, 4)


@pytest.mark.parametrize("statement", ["raise SystemExit('no')", "raise KeyboardInterrupt('no')"])
def test_an_exit_fails_the_test(statement):
    failure = failure_of(f"def test_it():\n    {statement}\n")
    assert failure.message.endswith(": no") and failure.line == 2


def test_an_error_is_at_the_innermost_line_of_the_plugin():
    failure = failure_of(
        "from rooms import f\ndef test_it():\n    f({})\n", **{"rooms.py": "def f(x):\n    return x['a']\n"}
    )
    assert (failure.message, failure.path, failure.line) == ("KeyError: 'a'", "rooms.py", 2)
    assert failure.source == "return x['a']"
    assert 'File "test_it.py", line 3, in test_it' in failure.trace


def test_an_error_in_a_package_is_at_the_line_of_the_test():
    failure = failure_of(
        "import lib\ndef test_it():\n    lib.f()\n", **{"vendor/lib.py": "def f():\n    raise ValueError\n"}
    )
    assert (failure.path, failure.line, failure.message) == ("test_it.py", 3, "ValueError")


def test_an_exception_whose_text_fails_is_described():
    source = """
        class Odd(Exception):
            def __str__(self): raise ValueError
        def test_it():
            raise Odd
    """
    assert failure_of(source).message == "Odd: (its text cannot be shown)"


def test_skip_skips_the_test():
    source = "from narrowboat.testing import skip\ndef test_it():\n    skip('no network')\n"
    assert run_test(source) == ("skipped", "no network")


def test_raises_expects_an_exception():
    source = """
        from narrowboat.testing import raises
        def test_it():
            with raises((KeyError, ValueError), match="o+ps") as caught:
                raise ValueError("ooops")
            assert caught.type is ValueError and caught.value.args == ("ooops",)
    """
    assert run_test(source)[0] == "passed"


@pytest.mark.parametrize(
    "statement, message",
    [
        ("pass", "the block did not raise ValueError"),
        ("raise KeyError('a')", "KeyError: 'a'"),
        ("raise ValueError('b')", "the text of ValueError does not match 'a': 'b'"),
    ],
)
def test_raises_fails_for_anything_else(statement, message):
    source = f"""
        from narrowboat.testing import raises
        def test_it():
            with raises(ValueError, match='a'):
                {statement}
    """
    assert failure_of(source).message == message


def test_a_synchronous_test_may_run_coroutines():
    source = """
        import asyncio
        from asgiref.sync import async_to_sync
        async def number(): return 3
        def test_it():
            assert async_to_sync(number)() == asyncio.run(number()) == 3
    """
    assert run_test(source)[0] == "passed"


def test_a_test_of_unittest_runs_between_its_methods():
    source = """
        import unittest
        class ChatTest(unittest.IsolatedAsyncioTestCase):
            def setUp(self): self.events = ["setUp"]
            async def asyncSetUp(self): self.events.append("asyncSetUp")
            async def test_it(self):
                self.addCleanup(lambda: self.assertEqual(self.events[-1], "tearDown"))
                self.assertEqual(self.events, ["setUp", "asyncSetUp"])
            def tearDown(self): self.events.append("tearDown")
            def test_skipped(self): self.skipTest("no")
            def test_failed(self): self.assertEqual(1, 2)
    """
    results = run_tests(source)
    assert results["ChatTest::test_it"] == ("passed", None)
    assert results["ChatTest::test_skipped"] == ("skipped", "no")
    assert results["ChatTest::test_failed"][1].message == "1 != 2"
    assert results["ChatTest::test_failed"][1].line == 11


def test_the_names_of_pytest_work():
    source = """
        import pytest
        @pytest.fixture
        def one(): return 1
        @pytest.mark.asyncio
        @pytest.mark.django_db(transaction=True)
        @pytest.mark.parametrize("n", [1])
        async def test_a(one, n): assert one == n
        @pytest.mark.skip(reason="no")
        def test_b(): pass
        @pytest.mark.skipif(True, reason="never")
        def test_c(): pass
        @pytest.mark.skip
        def test_d(): pass
        def test_e():
            with pytest.raises(KeyError): {}["a"]
            pytest.fail("end")
    """
    results = run_tests(source)
    assert [outcome for outcome, _ in results.values()] == ["passed", "skipped", "skipped", "skipped", "failed"]
    assert [results[name][1] for name in ("test_b", "test_c", "test_d")] == ["no", "never", ""]
    assert results["test_e"][1].message == "end"
