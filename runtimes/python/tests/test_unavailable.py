"""What cannot work in a plugin says so."""

import subprocess
import sys

import pytest
from instance import PATHS

COMMANDS = [
    (
        "import threading; threading.Thread(target=print).start()",
        "RuntimeError: threads are not available in a plugin: use asyncio.create_task",
    ),
    (
        "from concurrent.futures import ThreadPoolExecutor; ThreadPoolExecutor(1).submit(print)",
        "RuntimeError: threads are not available",
    ),
    ("import threading; threading.Event().wait()", "RuntimeError: no other thread can end this wait"),
    ("import queue; queue.Queue().get()", "RuntimeError: no other thread can end this wait"),
    ("import socket; socket.socket()", "OSError: sockets are not available in a plugin: use narrowboat.http"),
    ("import socket; socket.create_connection(('a', 1))", "OSError: sockets are not available"),
    ("import subprocess; subprocess.run(['ls'])", "OSError: processes are not available in a plugin"),
    ("import subprocess; subprocess.Popen(['ls'])", "OSError: processes are not available"),
    ("import os; os.system('ls')", "OSError: processes are not available"),
    ("open('x', 'w')", "PermissionError: [Errno 1] a plugin has no files but its own"),
    ("open('x')", "FileNotFoundError: [Errno 2] the plugin has no such file"),
    ("import pathlib; pathlib.Path('x').read_text()", "FileNotFoundError: [Errno 2] the plugin has no such file"),
    ("import asyncio; asyncio.run(asyncio.open_connection('a', 1))", "OSError: sockets are not available"),
]


@pytest.mark.parametrize("command, text", COMMANDS)
def test_it_says_what_to_use(command, text):
    script = f"import sys; sys.path[:0] = {PATHS!r}\nfrom narrowboat_runtime import plugin_files, unavailable\n"
    script += f"import traceback, asyncio, threading, socket, subprocess, os, pathlib\nunavailable.install(); plugin_files.install()\ntry:\n    {command}\n"
    script += "except BaseException as e:\n    print(type(e).__name__ + ': ' + str(e))\n"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert text in told.stdout, told.stdout + told.stderr


def test_asyncio_run_runs_within_the_step():
    script = f"import sys; sys.path[:0] = {PATHS!r}\nfrom narrowboat_runtime import unavailable\nunavailable.install()\nimport asyncio\n"
    script += "async def f():\n    await asyncio.sleep(0)\n    return 5\nprint(asyncio.run(f()))\n"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "5\n"


def test_all_modules_of_the_list_exist_or_are_new():
    from importlib.util import find_spec

    from instance import HERE

    sys.path.insert(0, str(HERE.parent))
    import build

    modules = build.list_modules()
    assert len(modules) > 100 and all(find_spec(name) for name in modules)
