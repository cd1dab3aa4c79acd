"""The cache of the code that source plugins have: the machine code of their runtime, and the program of each bundle."""

import os
import re
import shutil
from functools import partial

import pytest

from javascript_plugin import JavaScriptPlugin

# In JavaScript, because its runtime compiles in seconds.
ECHO = '''import { Consumer } from "narrowboat";

export default class Echo extends Consumer {
  receive(message) {
    this.send(message);
  }
}
'''

KINDS = ["program", "runtime"]


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    return JavaScriptPlugin(tmp_path_factory.mktemp("plugin") / "chat", ECHO)


@pytest.fixture(scope="module")
def start_with(serving, plugin):
    """Starts a host with a cache, sends one message to each of its plugins, stops it, and returns its log."""

    def run(folder, *others):
        tables = {each.folder.name: each.table() for each in (plugin, *others)}
        with serving(plugins=tables, log="debug", cache={"folder": str(folder)}) as host:
            for name in tables:
                assert host.connect(f"/{name}/").ask("hello") == "hello"
            return host.log()

    return run


@pytest.fixture(scope="module")
def filled(start_with, tmp_path_factory):
    """A cache after a first start, which took long because the runtime was compiled."""
    folder = tmp_path_factory.mktemp("filled") / "code"
    start_with(folder)
    return folder


@pytest.fixture
def folder(filled, tmp_path):
    """A cache of the test, after a first start."""
    return shutil.copytree(filled, tmp_path / "code")


@pytest.fixture
def start(start_with, folder):
    return partial(start_with, folder)


def entries(folder, kind):
    return set(folder.glob(f"*.{kind}"))


def only(found):
    (one,) = found
    return one


def warnings(log):
    return [line for line in log.splitlines() if " WARN " in line]


def cut_off(file):
    os.truncate(file, file.stat().st_size // 2)


def emptied(file):
    os.truncate(file, 0)


def flipped(file):
    content = bytearray(file.read_bytes())
    content[-10] ^= 1
    file.write_bytes(content)


def extended(file):
    file.write_bytes(file.read_bytes() + b"\0")


def replaced(file):
    """Other bytes behind the right header, as somebody writes who does not know the digest."""
    content = file.read_bytes()
    file.write_bytes(content[:112] + b"\0" * (len(content) - 112))


def test_a_first_start_makes_an_entry_of_the_runtime_and_one_of_the_program(start, folder):
    assert [len(entries(folder, kind)) for kind in KINDS] == [1, 1]
    before = {file: file.stat().st_size for file in folder.iterdir()}
    assert warnings(start()) == []
    assert {file: file.stat().st_size for file in folder.iterdir()} == before


def test_plugins_share_the_entry_of_the_runtime(start, folder, tmp_path):
    start(JavaScriptPlugin(tmp_path / "other", ECHO + "\n// another one\n"))
    assert [len(entries(folder, kind)) for kind in KINDS] == [2, 1]


HARMS = [("program", harm) for harm in (cut_off, emptied, flipped, extended, replaced)]


# A runtime takes long to compile.
@pytest.mark.parametrize(("kind", "harm"), [*HARMS, ("runtime", flipped)])
def test_a_damaged_entry_is_told_and_replaced(start, folder, kind, harm):
    entry = only(entries(folder, kind))
    whole = entry.read_bytes()
    harm(entry)
    assert entry.name in only(warnings(start()))
    assert entry.stat().st_size == len(whole)
    assert warnings(start()) == []


def test_the_program_of_another_plugin_is_not_taken(start, folder, tmp_path):
    entry = only(entries(folder, "program"))
    start(JavaScriptPlugin(tmp_path / "other", ECHO.replace("this.send(message)", "this.send('hello')")))
    other = only(entries(folder, "program") - {entry})
    entry.write_bytes(other.read_bytes())
    assert re.search(rf"{entry.name} .*holds the code of another", only(warnings(start())))
    assert warnings(start()) == []


def test_the_code_of_a_component_is_not_taken_as_a_runtime(start, folder, serving):
    with serving("echo", cache={"folder": str(folder)}):
        component = only(entries(folder, "code"))
    entry = only(entries(folder, "runtime"))
    entry.write_bytes(component.read_bytes())
    assert entry.name in only(warnings(start()))


def test_a_program_that_others_can_write_is_replaced(start, folder):
    entry = only(entries(folder, "program"))
    entry.chmod(0o666)
    assert "chmod go-w" in only(warnings(start()))
    assert warnings(start()) == []
