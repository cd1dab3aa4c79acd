"""`collect` finds the tests of a plugin, and the problems of their files."""

import pytest
from instance import Instance, Problems

ECHO = "from channels.generic.websocket import WebsocketConsumer\nclass Echo(WebsocketConsumer):\n    pass\n"


def collect(files):
    return Instance().collect({"consumers.py": ECHO, **files})


def problems(files):
    with pytest.raises(Problems) as found:
        collect(files)
    return found.value.args[0]


def test_tests_come_in_the_order_of_their_files_and_lines():
    files = {
        "test_b.py": "class TestRoom:\n    def test_z(self): pass\n    def test_a(self): pass\ndef test_c(): pass\n",
        "rooms/test_a.py": "import asyncio\n@staticmethod\ndef helper(): pass\nasync def test_x(): pass\n",
    }
    instance = Instance()
    names = instance.collect(files)
    assert names == [
        "rooms/test_a.py::test_x",
        "test_b.py::TestRoom::test_z",
        "test_b.py::TestRoom::test_a",
        "test_b.py::test_c",
    ]
    assert [(test.path, test.line) for test in instance.tests][:2] == [("rooms/test_a.py", 4), ("test_b.py", 2)]


def test_only_functions_of_files_of_tests_are_tests():
    assert collect({"test.py": "def test_x(): pass\n", "test_a.py": "test_y = 1\ndef check(): pass\n"}) == []


def test_tests_of_packages_are_left_out():
    assert collect({"vendor/lib/test_lib.py": "def test_x(): pass\n"}) == []


def test_a_method_of_a_base_class_is_a_test():
    files = {
        "base.py": "class Base:\n    def test_x(self): pass\n    @staticmethod\n    def test_y(): pass\n",
        "test_a.py": "from base import Base\nclass TestA(Base): pass\n",
    }
    assert collect(files) == ["test_a.py::TestA::test_x", "test_a.py::TestA::test_y"]


def test_a_test_imports_the_modules_of_the_plugin():
    instance = Instance()
    (name,) = instance.collect(
        {"consumers.py": ECHO, "tests/test_a.py": "from consumers import Echo\ndef test_x(): assert Echo\n"}
    )
    assert instance.run(name) == ("passed", None)


def test_a_syntax_error_is_a_problem_at_its_place():
    (problem,) = problems({"test_a.py": "def test_x():\n    assert (\n"})
    assert (problem.path, problem.line, problem.source) == ("test_a.py", 2, "    assert (")
    assert problem.message.startswith("SyntaxError: ")


def test_all_files_of_tests_that_cannot_be_imported_are_problems():
    found = problems(
        {"test_a.py": "import nothing\n", "test_b.py": "x = 1\nx.y\n", "test_c.py": "def test_x(): pass\n"}
    )
    assert [(problem.path, problem.line, problem.source) for problem in found] == [
        ("test_a.py", 1, "import nothing"),
        ("test_b.py", 2, "x.y"),
    ]


def test_a_conftest_that_cannot_be_imported_is_a_problem():
    (problem,) = problems({"conftest.py": "x.y\n", "test_a.py": "def test_x(): pass\n"})
    assert (problem.path, problem.line) == ("conftest.py", 1)


def test_a_file_of_tests_needs_the_name_of_a_module():
    (problem,) = problems({"test_a-b.py": "def test_x(): pass\n"})
    assert problem.path == "test_a-b.py" and "letters, digits and underscores" in problem.message


def test_a_class_of_tests_with_a_constructor_is_a_problem():
    (problem,) = problems({"test_a.py": "class TestA:\n    def __init__(self, x): pass\n    def test_x(self): pass\n"})
    assert "the class TestA of tests has __init__: use a fixture" in problem.message


def test_an_assertion_outside_a_test_shows_its_values():
    (problem,) = problems({"test_a.py": "x = 1\nassert x == 2\n"})
    assert (problem.line, problem.message) == (2, "AssertionError: assert 1 == 2")
