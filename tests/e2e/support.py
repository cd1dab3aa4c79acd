"""A host as a process, a WebSocket client from another project, and a raw client that controls every byte."""

import hashlib
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

# The limit for every wait, in seconds. It is long enough for a busy machine.
DEADLINE = 20
BUILD_DEADLINE = 600

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0

# The example key of RFC 6455, section 1.3.
KEY = "dGhlIHNhbXBsZSBub25jZQ=="

# A panic of the host in its log, as text or as JSON. A line of a guest may tell of a panic of the guest.
HOST_PANIC = re.compile(r"^thread '.*' panicked at |\"target\":\"panic\"", re.MULTILINE)

UPGRADE = {
    "Host": "localhost",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


def eventually(condition, what="it", deadline=DEADLINE):
    """Waits until a condition is true, and returns its value."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"{what} did not happen within {deadline} s")


def free_port():
    """A free port outside the range from which the system assigns ports."""
    while True:
        port = random.randrange(20_000, 32_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def configuration(
    component,
    *names,
    plugins=None,
    routes=None,
    limits=None,
    layer=None,
    layers=None,
    cache=None,
    admin=None,
    workers=None,
    versions=None,
    traces=None,
    watch="events",
    demo=False,
    top=None,
    tls=None,
    tenants=None,
):
    """A configuration that serves each plugin at /NAME/.

    `names` are guests with default tables. `plugins` maps further names to their tables; `guest` in a table names the
    guest, if it is not the plugin's name. A plugin is granted all that it requests, unless its table has `grants`;
    `None` grants nothing. A plugin in `workers` has no route. `top` has further top-level keys.
    """
    tables = components(component, {name: {} for name in names} | (plugins or {}))
    if routes is None:
        routes = routes_to(tables, workers)
    others = {"limits": limits or {}, "layer": layer or {}, "cache": cache or {}}
    if workers is not None:
        others["workers"] = workers
    if versions is not None:
        others["versions"] = versions
    if layers is not None:
        others["layers"] = layers
    if traces is not None:
        others["traces"] = traces
    if admin is not None:
        others["admin"] = admin
    if tls is not None:
        others["tls"] = tls
    if tenants is not None:
        others["tenants"] = {name: tenant(component, **table) for name, table in tenants.items()}
    first = {"watch": watch, "demo": demo} | (top or {})
    return first | {"plugins": tables, "routes": routes} | others


def components(component, tables):
    """The plugin tables. By default each has the component of its guest and all grants. The value `None` omits the
    key."""
    def table_of(name, guest=None, **own):
        has_source = "component" in own or "source" in own
        built = {} if has_source else {"component": str(component(guest or name))}
        return built | {"grants": "all"} | own

    tables = {name: table_of(name, **table) for name, table in tables.items()}
    return {
        name: {key: value for key, value in table.items() if value is not None}
        for name, table in tables.items()
    }


def routes_to(tables, workers=None):
    """A route /NAME/ for each plugin that is not a worker."""
    bound = [worker["plugin"] for worker in workers or []]
    return [{"path": f"/{name}/", "plugin": name} for name in tables if name not in bound]


def tenant(component, plugins=(), routes=None, workers=None, **table):
    """The tables of a tenant that serves each plugin at /NAME/ below its own path."""
    if not isinstance(plugins, dict):
        plugins = {name: {} for name in plugins}
    tables = components(component, plugins)
    routes = routes_to(tables, workers) if routes is None else routes
    bound = {"workers": workers} if workers else {}
    return table | {"plugins": tables, "routes": routes} | bound


def toml(config):
    return "".join(f"{key} = {inline(value)}\n" for key, value in config.items())


def inline(value):
    match value:
        case dict():
            return "{" + ", ".join(f"{named(key)} = {inline(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(inline, value)) + "]"
        case _:
            return json.dumps(value)


def named(key):
    """A TOML key, quoted if necessary."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)


class Host:
    """A `narrowboat serve` process. Its output goes to files in a folder."""

    running = []
    verb = "serve"

    def __init__(self, binary, folder, config, log="info", port=0, environment=None, **options):
        self.config = config
        self._stdout, self._stderr = folder / "stdout", folder / "stderr"
        self._command = [binary, self.verb, "--config", config, "--listen", f"127.0.0.1:{port}"]
        self._options = options
        self._environment = os.environ | {"NARROWBOAT_LOG": log} | (environment or {})
        self._stopped = False

    def __enter__(self):
        with open(self._stdout, "w") as out, open(self._stderr, "w") as err:
            streams = {"stdout": out, "stderr": err}
            self._process = subprocess.Popen(
                self._command, env=self._environment, **streams | self._options
            )
        self.pid = self._process.pid
        try:
            self.started()
        except BaseException:
            self._process.kill()
            raise
        self.running.append(self)
        return self

    def started(self):
        """Waits until the host listens."""
        address = eventually(self._listening, "listening", BUILD_DEADLINE)
        self.port = int(address[1])

    def _listening(self):
        assert self._process.poll() is None, f"the host did not start:\n{self.log()}"
        return re.search(r"listening on wss?://127\.0\.0\.1:(\d+)", self.stdout())

    def __exit__(self, *_):
        self.running.remove(self)
        try:
            self.check()
        finally:
            self._process.kill()
            self._process.wait()

    def check(self):
        """Fails if the host panicked or ended unexpectedly."""
        log = self.log()
        assert not HOST_PANIC.search(log), log
        assert self._stopped or self._process.poll() is None, f"the host exited by itself:\n{log}"

    def stdout(self):
        self._wait_for_writers()
        return self._stdout.read_text()

    def log(self):
        self._wait_for_writers()
        return self._stderr.read_text()

    def _wait_for_writers(self):
        """Waits until the writer threads have written the output so far. They sleep when they are idle. The wait is
        short if the host logs continuously."""
        end = time.monotonic() + 2
        while self._is_writing() and time.monotonic() < end:
            time.sleep(0.001)

    def _is_writing(self):
        with suppress(OSError):
            for task in Path(f"/proc/{self.pid}/task").iterdir():
                with suppress(OSError):
                    name, state = (task / "stat").read_text().split("(", 1)[1].rsplit(") ", 1)
                    if name in ("stdout", "stderr") and state[0] != "S":
                        return True
        return False

    def logged(self, pattern, since=0, deadline=DEADLINE):
        """Waits for a line in the log that matches, and returns the match. Ignores the first `since` characters of
        the log."""
        what = f"{pattern!r} in the log"
        return eventually(lambda: re.search(pattern, self.log()[since:]), what, deadline)

    def silence(self, seconds):
        """Waits for some time and returns the log."""
        time.sleep(seconds)
        return self.log()

    def send_signal(self, number):
        self._stopped = True
        self._process.send_signal(number)

    def exit_code(self, deadline=DEADLINE):
        return self._process.wait(deadline)

    def stop(self, number=signal.SIGTERM):
        """Sends a signal and returns the exit code."""
        self.send_signal(number)
        return self.exit_code()

    def memory(self, field):
        """A field of the process's status, in bytes."""
        with open(f"/proc/{self.pid}/status") as status:
            return int(re.search(rf"{field}:\s+(\d+) kB", status.read())[1]) * 1024

    def rss(self):
        """The resident memory, in bytes."""
        return self.memory("VmRSS")

    def peak_rss(self):
        """The peak of the resident memory, in bytes."""
        return self.memory("VmHWM")

    def url(self, path="/"):
        return f"ws://127.0.0.1:{self.port}{path}"

    def connect(self, path, name="127.0.0.1", port=None, **options):
        """Opens a client of the package `websockets`, which closes at the end of the test. `name` is the requested
        host name, and `port` that of a proxy."""
        defaults = {"create_connection": Client, "legacy": True, "proxy": None, "max_size": None}
        if name != "127.0.0.1":
            defaults["sock"] = socket.create_connection(("127.0.0.1", self.port), DEADLINE)
        url = self.url(path).replace("127.0.0.1", name, 1)
        url = url.replace(str(self.port), str(port), 1) if port else url
        opened = partial(connect, url, **defaults | options)
        client = patiently(opened) if "ssl" in options else opened()
        CLIENTS.append(client)
        return client

    def tcp(self, receive_buffer=None):
        """Opens a TCP connection."""
        return Raw(self.port, receive_buffer)

    def raw(self, path, receive_buffer=None):
        """Opens a TCP connection and completes the handshake."""
        raw = self.tcp(receive_buffer)
        raw.request(path)
        answer = raw.response()
        assert answer.status == 101, answer
        return raw


def patiently(opened):
    """Opens a client over TLS. The library reads and writes in two threads. Before version 3.13, Python lets both
    into OpenSSL at once, so about one handshake in a thousand hangs. This socket lets one thread in at a time."""
    for _ in range(2):
        with suppress(TimeoutError):
            return opened(open_timeout=3)
    return opened()


def short(component):
    """The short hash of a component, as in the log."""
    return hashlib.sha256(component).hexdigest()[:12]


def with_manifest(component, text):
    """A component with another manifest. If a component has several, the last one counts."""
    name = b"narrowboat:manifest"
    content = leb128(len(name)) + name + text.encode()
    return component + b"\0" + leb128(len(content)) + content


def leb128(number):
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + leb128(rest) if rest else bytes([low])


class Travelling:
    """A host that serves the guest `traveller` at /traveller/, from a file that a test rewrites."""

    # The plan in the guest's code, which tests overwrite; see tests/guests/traveller/src/plan.rs.
    MARK, ROOM = b"narrowboat traveller plan:", 128

    def __init__(self, built, file, manifest):
        self._built, self._manifest, self.file = built, manifest, file
        self.host = None

    def version(self, plan, **manifest):
        """A component with this plan, and with further keys in its manifest."""
        start = self._built.index(self.MARK)
        words = (self.MARK + plan.encode()).ljust(self.ROOM)
        assert len(words) == self.ROOM, "the plan has no room"
        component = self._built[:start] + words + self._built[start + self.ROOM :]
        asks = {"groups": ["*"], "log": True}
        manifest = {"name": "traveller", "capabilities": asks} | self._manifest | manifest
        return with_manifest(component, toml(manifest))

    def write(self, component):
        """Replaces the component file atomically, by a rename, as a build does."""
        beside = self.file.with_suffix(".new")
        beside.write_bytes(component)
        beside.rename(self.file)

    def put(self, plan, **manifest):
        """Replaces the file by another version. Does not wait."""
        self.write(self.version(plan, **manifest))

    def swap(self, plan, **manifest):
        """Replaces the file by another version. Waits until it is live and all consumers have moved, and returns the
        log line."""
        return self.taken(self.version(plan, **manifest))

    def taken(self, component, write=None):
        """The same for any component and any way to write it."""
        since = len(self.host.log())
        (write or self.write)(component)
        return self.host.logged(rf'.*version is live .*version="{short(component)}".*', since)[0]

    def refuse(self, plan, **manifest):
        """Replaces the file by another version and returns the reason for its refusal."""
        return self.refused(self.version(plan, **manifest))

    def refused(self, component, write=None):
        since = len(self.host.log())
        (write or self.write)(component)
        return self.host.logged("deploy refused .*?error=(.*)", since)[1]

    def connect(self, **options):
        return self.host.connect("/traveller/", **options)

    def clients(self, count):
        return [self.connect() for _ in range(count)]


def counted(client):
    """The counts of a client's consumer in the guest `traveller`."""
    return json.loads(client.ask("count"))


CLIENTS = []


def leave():
    """Closes the clients that the test has left open."""
    while CLIENTS:
        with suppress(OSError):
            CLIENTS.pop().close_socket()


class Client(ClientConnection):
    """A client of the package `websockets`, with time limits."""

    def recv(self, timeout=DEADLINE, decode=None):
        return super().recv(timeout, decode)

    def ask(self, message):
        """Sends a message and returns the next one."""
        self.send(message)
        return self.recv()

    def take(self, count):
        return [self.recv() for _ in range(count)]

    def rest(self):
        """Returns all messages until the end, and the code and reason of the host's Close."""
        messages = []
        while True:
            try:
                messages.append(self.recv())
            except ConnectionClosed as closed:
                close = closed.rcvd
                return messages, (close.code, close.reason) if close else (1006, "")

    def ended(self):
        """Waits for the end and returns the host's code and reason. Fails if a message arrives."""
        messages, closure = self.rest()
        assert messages == []
        return closure

    def is_served(self):
        """Whether the host replies to a ping."""
        return self.ping().wait(DEADLINE)


class Response:
    """An HTTP response."""

    def __init__(self, head, body=b""):
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1])
        self.headers = [tuple(line.split(": ", 1)) for line in lines if line]
        self.body = body

    def header(self, name):
        """The values of a header, joined."""
        return ", ".join(value for key, value in self.headers if key.lower() == name.lower())

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body!r}"


def frame(opcode, payload=b"", fin=True, reserved=0, masked=True, length=None):
    """The bytes of a frame. `reserved` has the three reserved bits; `length` overrides the length in the header."""
    size = len(payload) if length is None else length
    head = bytes([fin << 7 | reserved << 4 | opcode])
    mask = masked << 7
    if size < 126:
        head += bytes([mask | size])
    elif size < 1 << 16:
        head += struct.pack(">BH", mask | 126, size)
    else:
        head += struct.pack(">BQ", mask | 127, size)
    if not masked:
        return head + payload
    key = b"\x37\xfa\x21\x3d"
    stream = (key * (len(payload) // 4 + 1))[: len(payload)]
    bits = int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")
    return head + key + bits.to_bytes(len(payload), "big")


def close_frame(code, reason=b""):
    return frame(CLOSE, struct.pack(">H", code) + reason)


class Raw:
    """A client that controls every byte."""

    def __init__(self, port, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = self.socket.makefile("rb")
        CLIENTS.append(self)

    def close_socket(self):
        self._reader.close()
        self.socket.close()

    def reset(self):
        """Ends the connection with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_socket()

    def send(self, data):
        self.socket.sendall(data)

    def send_frame(self, opcode, payload=b"", **options):
        self.send(frame(opcode, payload, **options))

    def request(self, path="/", method="GET", headers=UPGRADE, then=b""):
        """Sends a request. `then` follows in the same packet."""
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {headers[name]}" for name in headers)]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + then)

    def response(self):
        """The response to a request. For a 101 only the head."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self._reader.readline()
            assert line, f"the connection ended in the head of an answer: {head}"
            head += line
        answer = Response(head)
        if answer.status != 101:
            answer.body = self._reader.read(int(answer.header("content-length") or 0))
        return answer

    def recv_frame(self):
        """The next frame as opcode and payload, or `None` at the end of the stream."""
        try:
            head = self._reader.read(2)
        except ConnectionResetError:
            return None
        if len(head) < 2:
            return None
        assert head[0] & 0x70 == 0 and head[1] & 0x80 == 0, "reserved bits or a mask"
        size = head[1]
        if size == 126:
            (size,) = struct.unpack(">H", self._reader.read(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", self._reader.read(8))
        return head[0] & 0x0F, self._reader.read(size)

    def frames(self):
        """All frames until the end of the stream."""
        return list(iter(self.recv_frame, None))

    def ended(self):
        """Waits for the end of the stream and returns the code and reason of the Close. Fails if another frame
        arrives."""
        frames = self.frames()
        assert [opcode for opcode, _ in frames] in ([], [CLOSE]), frames
        return closure(frames[0][1]) if frames else (1006, "")


def closure(payload):
    """The code and reason in the payload of a Close frame."""
    if not payload:
        return 1005, ""
    return int.from_bytes(payload[:2], "big"), payload[2:].decode()
