"""Runs the runtime's source natively. Each Instance has copies of its modules, as each instance of the component."""

import builtins
import contextlib
import importlib
import linecache
import pathlib
import sys
import textwrap

HERE = pathlib.Path(__file__).resolve().parent
PATHS = [str(HERE / "fakes"), str(HERE.parent / "src")]
#: `conftest` is here too, because pytest has imported one.
PACKAGES = (
    "asgiref",
    "channels",
    "componentize_py_types",
    "conftest",
    "narrowboat",
    "narrowboat_runtime",
    "pytest",
    "wit_world",
)


class Problems(Exception):
    """The plugin does not compile. Its argument is the list of problems."""


class Failed(Exception):
    """An export returned an error. Its argument is the error of the contract."""


class Instance:
    """An instance of the runtime, with a host that records what it does."""

    def __init__(self):
        self._modules = {}
        with self.entered():
            self.host = importlib.import_module("wit_world").host
            self.types = importlib.import_module("wit_world.imports.narrowboat_consumer_types")
            self.wit = importlib.import_module("wit_world.imports.connections")
            self._files = importlib.import_module("wit_world.exports.runtime")
            exports = importlib.import_module("narrowboat_runtime.exports")
            self._consumer = importlib.import_module("narrowboat_runtime.connection_resource").Consumer
            log = importlib.import_module("narrowboat_runtime.log")
            self._output = log.LogStream(log.Level.INFO, "print", False), log.LogStream(log.Level.WARN, "stderr", True)
            self._websocket, self._worker, self._runtime = exports.Websocket(), exports.Worker(), exports.Runtime()
            self._tests, self._batches, self._alarms = exports.Tests(), exports.Batches(), exports.Alarms()
            self.events = importlib.import_module("wit_world.exports.batches")

    @contextlib.contextmanager
    def entered(self):
        """Puts the modules of this instance into place."""
        outside = {name: module for name, module in sys.modules.items() if _belongs(name) or name in self._modules}
        before = dict(sys.modules)
        meta_path, path, checks = list(sys.meta_path), list(sys.path), _take_checks()
        for name in outside:
            del sys.modules[name]
        linecache.clearcache()
        sys.modules.update(self._modules)
        sys.path[:0] = PATHS
        sys.meta_path[:0] = getattr(self, "_finders", [])
        vars(builtins).update(getattr(self, "_checks", {}))
        output = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = getattr(self, "_output", output)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = output
            self._finders = [finder for finder in sys.meta_path if finder not in meta_path]
            self._checks = _take_checks()
            own = {name for name in sys.modules if _belongs(name) or self._is_plugin(name)}
            self._modules = {name: sys.modules.pop(name) for name in own}
            sys.modules.update({name: module for name, module in before.items() if name in outside})
            sys.meta_path[:], sys.path[:] = meta_path, path
            vars(builtins).update(checks)

    @staticmethod
    def _is_plugin(name):
        loader = getattr(sys.modules[name], "__loader__", None)
        return type(loader).__name__ in ("PluginImporter", "NamespaceLoader")

    def call(self, function, *args):
        """Calls an export. Raises Failed with the error of the contract."""
        import time

        with self.entered():
            self.host.started = time.process_time()
            error = sys.modules["componentize_py_types"].Err
            try:
                return function(*args)
            except error as failed:
                raise Failed(failed.value) from failed

    def compile(self, files, consumer=None, worker=None):
        """Compiles files, whose texts may be indented. Raises Problems."""
        files = [self._files.File(path, _content(text)) for path, text in files.items()]
        try:
            return self.call(self._runtime.compile, files, self._files.Entries(consumer, worker))
        except Failed as failed:
            raise Problems(failed.args[0]) from None

    def load(self, code):
        """Loads a program. Raises Problems."""
        try:
            self.call(self._runtime.load, code)
        except Failed as failed:
            raise Problems(failed.args[0]) from None

    def collect(self, files):
        """Collects the tests of files, whose texts may be indented. Returns their names. Raises Problems."""
        files = [self._files.File(path, _content(text)) for path, text in files.items()]
        try:
            self.tests = self.call(self._tests.collect, files)
        except Failed as failed:
            raise Problems(failed.args[0]) from None
        return [test.name for test in self.tests]

    def run(self, name):
        """Runs a test. Returns "passed", "skipped" or "failed", and the value of the outcome."""
        outcome = self.call(self._tests.run, name)
        return type(outcome).__name__.partition("_")[2].lower(), getattr(outcome, "value", None)

    def connect(self, name="specific.a!1", **scope):
        """Connects a client. Returns a Client, whose `decision` is that of the consumer."""
        handle = self.wit.Connection(name, self.types.Scope(**scope))
        consumer, decision = self.call(self._consumer.connect, handle._scope, handle)
        return Client(self, consumer, decision, handle)

    def run_batch(self, events, length=None):
        """Runs events of clients in one call, of which the host lets `length` happen. Returns the results."""
        self.host.ended, self.host.batch_length = [], len(events) if length is None else length
        self.call(self._batches.run, [(client.consumer, event) for client, event in events])
        return self.host.ended

    def work(self, channel, message):
        """Gives the worker a message. Returns the handling."""
        return self.call(self._worker.handle, channel, self.pack(message)).name

    def alarm(self):
        """Brings the alarm of the room."""
        self.call(self._alarms.alarm)

    def pack(self, message):
        return self._modules["narrowboat_runtime.message_pack"].packb(message)

    def save(self, mode="MOVE"):
        """Saves the module. Returns the case of the contract and the state."""
        state = self.call(self._websocket.save_module, self.types.SaveMode[mode])
        return type(state).__name__.partition("_")[2], getattr(state, "value", None)

    def load_state(self, saved):
        """Restores the module."""
        self.call(self._websocket.load_module, self.types.Saved(saved.schema, saved.state))

    def restore(self, name, saved=None, **scope):
        """Restores a consumer."""
        handle = self.wit.Connection(name, self.types.Scope(**scope))
        saved = saved and self.types.Saved(saved.schema, saved.state)
        return Client(self, self.call(self._consumer.restore, handle, saved), None, handle)

    def take_effects(self):
        """Returns the effects since the last call."""
        effects, self.host.effects[:] = list(self.host.effects), []
        return effects

    def module(self, name):
        """Returns a module of the plugin."""
        return self._modules[name]


class Client:
    """A connection as its client and the host see it."""

    def __init__(self, instance, consumer, decision, handle):
        self.instance, self.consumer, self.decision, self.handle = instance, consumer, decision, handle
        self.name = handle._name

    @property
    def user(self):
        """The plugin's consumer."""
        return self.consumer.user

    def send(self, data):
        """Sends a frame. Returns the effects."""
        self.instance.call(self.consumer.receive, self.make_frame(data))
        return self.instance.take_effects()

    def make_frame(self, data):
        types = self.instance.types
        return types.Frame_Text(data) if isinstance(data, str) else types.Frame_Binary(data)

    def handle_message(self, message):
        """Delivers a message of the channel layer. Returns the handling."""
        return self.instance.call(self.consumer.handle, self.instance.pack(message)).name

    def fire(self, timer):
        """Fires a timer of the host. Returns the effects."""
        self.instance.call(self.consumer.timer, timer)
        return self.instance.take_effects()

    def disconnect(self, code=1000, reason=""):
        """Ends the connection. Returns the effects."""
        self.instance.call(self.consumer.disconnect, self.instance.types.Closure(code, reason))
        return self.instance.take_effects()

    def save(self, mode="MOVE"):
        """Saves this consumer alone. Returns the case of the contract and the state."""
        state = self.instance.call(self.consumer.snapshot, self.instance.types.SaveMode[mode])
        return type(state).__name__.partition("_")[2], getattr(state, "value", None)


def start(files, consumer=None, worker=None):
    """Compiles files and returns an instance that has loaded them. A text stands for the file `consumers.py`."""
    if isinstance(files, str):
        files = {"consumers.py": files}
    program = Instance().compile(files, consumer, worker)
    instance = Instance()
    instance.load(program.code)
    return instance


def move(clients, new_files, mode="MOVE", **entries):
    """Moves all clients of an instance to a new version. Returns the new instance and its clients."""
    old = clients[0].instance
    case, saved = old.save(mode)
    assert case == "WithConsumers", case
    new = start(new_files, **entries)
    new.load_state(saved)
    return new, [new.restore(client.name) for client in clients]


def _take_checks():
    """Takes the names of the runtime out of the built-in names."""
    names = [name for name in vars(builtins) if name.startswith("__narrowboat_")]
    return {name: vars(builtins).pop(name) for name in names}


def _belongs(name):
    return name.partition(".")[0] in PACKAGES


def _content(text):
    return text if isinstance(text, bytes) else textwrap.dedent(text).encode()
