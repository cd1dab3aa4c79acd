"""Runs one command for each text frame, and sends the result back. Any other frame is an echo."""

# The codec of host names. A component has no files, so it must import at its build what it needs later.
import encodings.idna  # noqa: F401
import json
import os
import random
import socket
import sys
import threading
import time
from typing import Self

from wit_world.exports import websocket as contract
from wit_world.imports.connections import Connection
from wit_world.imports.types import (
    Acceptance,
    Closure,
    Frame,
    Frame_Text,
    Handling,
    Saved,
    SaveMode,
    Scope,
)


class Consumer(contract.Consumer):
    def __init__(self, connection: Connection, received: int = 0):
        self.connection = connection
        self.received = received

    @classmethod
    def connect(cls, scope: Scope, connection: Connection) -> tuple[Self, contract.Decision]:
        return cls(connection), contract.Decision_Accept(Acceptance(None, []))

    def receive(self, frame: Frame) -> None:
        self.received += 1
        command = COMMANDS.get(frame.value) if isinstance(frame, Frame_Text) else None
        if frame == Frame_Text("count"):
            frame = Frame_Text(str(self.received))
        elif command is not None:
            frame = Frame_Text(str(command()))
        self.connection.send(frame)

    def handle(self, message: bytes) -> Handling:
        return Handling.UNKNOWN_TYPE

    def timer(self, id: int) -> None:
        pass

    def disconnect(self, closure: Closure) -> None:
        pass

    def snapshot(self, mode: SaveMode) -> contract.ConsumerState:
        return contract.ConsumerState_Saved(Saved(1, str(self.received).encode()))

    @classmethod
    def restore(cls, connection: Connection, saved: Saved | None) -> Self:
        return cls(connection, int(saved.state))


def print_lines():
    print("a line on stdout", flush=True)
    print("a line on stderr", file=sys.stderr, flush=True)
    return "printed"


def sleep():
    started = time.monotonic()
    time.sleep(0.05)
    return time.monotonic() - started


def environment():
    return json.dumps({"variables": dict(os.environ), "arguments": sys.argv})


def name_of_error(action):
    """Runs an action, and returns the name of its exception."""
    try:
        action()
    except Exception as error:
        return type(error).__name__
    return "no error"


COMMANDS = {
    "print": print_lines,
    "time": time.time,
    "random": lambda: f"{random.random()} {os.urandom(8).hex()}",
    "sleep": sleep,
    "env": environment,
    "open": lambda: name_of_error(lambda: open("/etc/passwd")),
    "write": lambda: name_of_error(lambda: open("/tmp/narrowboat", "w")),
    "list": lambda: name_of_error(lambda: os.listdir("/")),
    "connect": lambda: name_of_error(lambda: socket.create_connection(("127.0.0.1", 80), timeout=1)),
    "listen": lambda: name_of_error(lambda: socket.create_server(("127.0.0.1", 0))),
    "resolve": lambda: name_of_error(lambda: socket.getaddrinfo("localhost", 80)),
    "thread": lambda: name_of_error(threading.Thread(target=print).start),
    "input": lambda: repr(sys.stdin.read()),
    "exit": lambda: sys.exit(3),
    "exit at once": lambda: os._exit(3),
    "fail": lambda: {}["missing"],
}
