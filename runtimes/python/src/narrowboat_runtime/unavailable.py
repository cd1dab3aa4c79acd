"""Replaces what cannot work in a plugin by errors that say what to use."""

import asyncio
import concurrent.futures
import os
import socket
import subprocess
import threading
import time

from . import event_loop

_NO_THREADS = "threads are not available in a plugin: use asyncio.create_task"
_NO_WAITING = "no other thread can end this wait: threads are not available in a plugin, use asyncio"
_NO_SOCKETS = "sockets are not available in a plugin: use narrowboat.http"
_NO_PROCESSES = "processes are not available in a plugin: use asyncio.create_task, or a worker"


def install():
    """Installs the replacements."""
    threading.Thread.start = _raiser(RuntimeError, _NO_THREADS)
    threading.Condition.wait = _refuse_to_wait
    concurrent.futures.ThreadPoolExecutor.submit = _raiser(RuntimeError, _NO_THREADS)
    for name in ("socket", "create_connection", "create_server", "getaddrinfo", "gethostbyname", "socketpair"):
        if hasattr(socket, name):
            setattr(socket, name, _UnavailableSocket if name == "socket" else _raiser(OSError, _NO_SOCKETS))
    for name in ("Popen", "run", "call", "check_call", "check_output", "getoutput", "getstatusoutput"):
        setattr(subprocess, name, _UnavailableProcess if name == "Popen" else _raiser(OSError, _NO_PROCESSES))
    for name in ("system", "popen", "fork", "execv", "execve", "posix_spawn", "kill"):
        setattr(os, name, _raiser(OSError, _NO_PROCESSES))
    asyncio.run = event_loop.run_to_end
    for name in ("open_connection", "start_server", "open_unix_connection", "start_unix_server"):
        setattr(asyncio, name, _raiser(OSError, _NO_SOCKETS))
    for name in ("create_subprocess_exec", "create_subprocess_shell"):
        setattr(asyncio, name, _raiser(OSError, _NO_PROCESSES))
    asyncio.events.set_event_loop(event_loop.LOOP)


def _refuse_to_wait(condition, timeout=None):
    """Stands for `threading.Condition.wait`, with which events, queues and semaphores of threads wait."""
    if timeout is None:
        raise RuntimeError(_NO_WAITING)
    time.sleep(max(timeout, 0))
    return False


def _raiser(kind, text):
    def unavailable(*_, **__):
        raise kind(text)

    return unavailable


class _UnavailableSocket:
    """Stands for `socket.socket`, so that classes can still be derived from it."""

    def __init__(self, *_, **__):
        raise OSError(_NO_SOCKETS)


class _UnavailableProcess:
    """Stands for `subprocess.Popen`."""

    def __init__(self, *_, **__):
        raise OSError(_NO_PROCESSES)
