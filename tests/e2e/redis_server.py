"""Redis servers for tests, and layers of Django Channels on them."""

import asyncio
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer

from support import DEADLINE, eventually, free_port


def program(name):
    """The path of this program of Redis or Valkey."""
    found = shutil.which(f"redis-{name}") or shutil.which(f"valkey-{name}")
    assert found, f"there is no redis-{name}; .ci/redis.sh installs it"
    return found


def command(*words):
    """A command in RESP."""
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class Redis:
    """An in-memory server in its own folder. Tests can kill, pause and restart it."""

    def __init__(self, *options, kind="server", port=None):
        self.port = port or free_port()
        self._folder = tempfile.TemporaryDirectory()
        self._kind, self._options = kind, options
        self._process = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.kill()
        self._folder.cleanup()

    def start(self):
        config = Path(self._folder.name) / "redis.conf"
        lines = [f"port {self.port}", "bind 127.0.0.1", f"dir {self._folder.name}"]
        if self._kind == "server":
            lines += ['save ""', "appendonly no"]
        config.write_text("\n".join([*lines, *self._options, ""]))
        self._process = subprocess.Popen(
            [program(self._kind), config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        eventually(self._answers, "an answer of redis-server")

    def kill(self):
        if self._process:
            self._process.kill()
            self._process.wait()

    def pause(self):
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self._process.send_signal(signal.SIGCONT)

    def lose_folder(self):
        """Removes the folder, so that the server cannot save."""
        shutil.rmtree(self._folder.name)

    def _answers(self):
        try:
            return self.ask("PING").startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def ask(self, *words):
        """Sends one command and returns the raw reply. Replies must be short."""
        with socket.create_connection(("127.0.0.1", self.port), DEADLINE) as connection:
            connection.sendall(command(*words))
            return connection.recv(65536)

    def ask_after_login(self, password, *words):
        """The same after a login with a password."""
        with socket.create_connection(("127.0.0.1", self.port), DEADLINE) as connection:
            connection.sendall(command("AUTH", password))
            assert connection.recv(65536) == b"+OK\r\n"
            connection.sendall(command(*words))
            return connection.recv(65536)

    @property
    def address(self):
        return f"redis://127.0.0.1:{self.port}/0"


class Peer:
    """A Django process on a layer: a synchronous wrapper for channels_redis."""

    def __init__(self, layer):
        self.layer = layer
        self._loop = asyncio.new_event_loop()

    def run(self, work):
        return self._loop.run_until_complete(asyncio.wait_for(work, DEADLINE))

    def __getattr__(self, name):
        method = getattr(self.layer, name)
        return lambda *arguments: self.run(method(*arguments))

    def receives_nothing(self, channel, within=0.3):
        """Whether no message arrives for some time."""

        async def wait():
            try:
                return await asyncio.wait_for(self.layer.receive(channel), within)
            except asyncio.TimeoutError:
                return None

        return self.run(wait()) is None

    def close(self):
        # For publish and subscribe, a flush in Channels closes its connections.
        pubsub = isinstance(self.layer, RedisPubSubChannelLayer)
        self.run(self.layer.flush() if pubsub else self.layer.close_pools())
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()


@contextmanager
def peer(servers, pubsub=False, **config):
    """Context manager for Channels on the same servers. The settings are those of CHANNEL_LAYERS."""
    kind = RedisPubSubChannelLayer if pubsub else RedisChannelLayer
    peer = Peer(kind(hosts=[server.address for server in servers], **config))
    try:
        yield peer
    finally:
        peer.close()
