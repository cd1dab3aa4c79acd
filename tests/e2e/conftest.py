"""Fixtures: guests that are built once, hosts that are started and checked, and measurements for the end of the run."""

import os
import subprocess
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import support
from develop import Crate, Dev, SourcePlugin
from javascript_plugin import JavaScriptPlugin, TypeScriptPlugin
from python_plugin import PythonPlugin
from support import Host, Travelling

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session", autouse=True)
def caches(tmp_path_factory):
    """Gives the hosts of a run a shared cache of compiled code, separate from the user's. Processes of the same run
    share it too."""
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "caches"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("states")))
        yield folder


@pytest.fixture(scope="session")
def narrowboat(caches):
    """The program under test. Calling it runs the program with these arguments to its end."""
    binary = ROOT / os.environ.get("NARROWBOAT_BIN", "target/debug/narrowboat")
    assert binary.is_file(), f"{binary} is missing; build it with: cargo build -p narrowboat"

    def run(*arguments, cwd=ROOT, timeout=support.BUILD_DEADLINE, **options):
        command = [binary, *map(str, arguments)]
        return subprocess.run(
            command, cwd=cwd, timeout=timeout, text=True, capture_output=True, **options
        )

    run.binary = binary
    return run


@pytest.fixture(scope="session")
def component(narrowboat):
    """The component of a crate in plugins/ or tests/guests/, built on first use."""
    built = {}

    def build(name):
        if name not in built:
            folders = [ROOT / "plugins" / name, ROOT / "tests/guests" / name]
            folder = next(folder for folder in folders if folder.is_dir())
            file = ROOT / "target/e2e" / os.environ.get("PYTEST_XDIST_WORKER", "") / f"{name}.wasm"
            result = narrowboat("plugin", "build", folder, "--out", file)
            assert result.returncode == 0, result.stderr
            built[name] = file
        return built[name]

    return build


@pytest.fixture(scope="session")
def foreign():
    """The component of another language, which `.ci/foreign-guests.sh` builds."""

    def find(name):
        file = ROOT / "target/foreign" / f"{name}.wasm"
        assert file.is_file(), f"{file} is missing; build it with: .ci/foreign-guests.sh"
        return file

    return find


@pytest.fixture(scope="session")
def serving(narrowboat, component, tmp_path_factory):
    """Context manager that starts a host. `support.configuration` has the arguments; `process` has options for
    `subprocess.Popen`."""

    @contextmanager
    def start(*names, log="info", process=None, **settings):
        folder = tmp_path_factory.mktemp("host")
        config = folder / "narrowboat.toml"
        config.write_text(support.toml(support.configuration(component, *names, **settings)))
        with Host(narrowboat.binary, folder, config, log, **process or {}) as host:
            yield host

    return start


@pytest.fixture
def serve(serving):
    """Starts a host that stops at the end of the test."""
    with ExitStack() as stack:
        yield lambda *names, **settings: stack.enter_context(serving(*names, **settings))


@pytest.fixture(scope="session")
def travelling(serving, component, tmp_path_factory):
    """Context manager that serves the guest `traveller` with a plan. `manifest` has further keys of its manifest,
    and `table` those of its plugin table."""

    @contextmanager
    def start(plan="v1", isolation="connection", manifest=None, table=None, **settings):
        built = component("traveller")
        file = tmp_path_factory.mktemp("plugin") / "traveller.wasm"
        manifest = {"isolation": isolation} | (manifest or {})
        travelling = Travelling(built.read_bytes(), file, manifest)
        travelling.put(plan)
        plugins = {"traveller": {"component": str(file)} | (table or {})}
        plugins |= settings.pop("plugins", {})
        with serving(plugins=plugins, **settings) as host:
            travelling.host = host
            yield travelling

    return start


@pytest.fixture(scope="module", params=["connection", "shared"])
def served(travelling, request):
    """A host with the guest `traveller`, in each isolation, shared by the tests of a module."""
    with travelling(isolation=request.param) as served:
        yield served


@pytest.fixture
def travel(travelling):
    """Starts a host with the guest `traveller` that stops at the end of the test."""
    with ExitStack() as stack:
        yield lambda *plan, **settings: stack.enter_context(travelling(*plan, **settings))


@pytest.fixture
def crate(root, tmp_path):
    """A crate that `narrowboat dev` builds."""
    folder = tmp_path / "crate"
    folder.mkdir()
    return Crate(root, folder)


@pytest.fixture
def develop(narrowboat, crate, tmp_path):
    """Starts `narrowboat dev`."""
    with ExitStack() as stack:

        def start(**options):
            environment = {"CARGO_TARGET_DIR": str(crate.root / "target")}
            options = {"environment": environment} | options
            return stack.enter_context(Dev(narrowboat.binary, tmp_path, crate.config, **options))

        yield start


@pytest.fixture
def source_plugin(tmp_path):
    """A plugin in Python that `narrowboat dev` serves."""
    return SourcePlugin(tmp_path)


@pytest.fixture
def develop_source(narrowboat, source_plugin, tmp_path):
    """Starts `narrowboat dev` for plugins in Python."""
    with ExitStack() as stack:

        def start(**options):
            return stack.enter_context(Dev(narrowboat.binary, tmp_path, source_plugin.config, **options))

        yield start


@pytest.fixture(scope="session")
def serving_source(serving, tmp_path_factory):
    """Context manager that serves a source plugin of a kind with the text of its consumers, further files, and further
    keys of its manifest. `table` has further keys of its plugin table."""

    @contextmanager
    def start(kind, source, files=None, isolation=None, manifest=None, table=None, **settings):
        folder = tmp_path_factory.mktemp("plugin") / "chat"
        plugin = kind(folder, source, files, isolation=isolation, **manifest or {})
        plugins = {"chat": plugin.table(**table or {})} | settings.pop("plugins", {})
        with serving(plugins=plugins, **settings) as host:
            plugin.host = host
            yield plugin

    return start


@pytest.fixture(scope="session")
def serving_python(serving_source):
    """Context manager that serves a plugin in Python."""
    return lambda *source, **settings: serving_source(PythonPlugin, *source, **settings)


@pytest.fixture
def python(serving_source):
    """Starts a host with a plugin in Python that stops at the end of the test."""
    with ExitStack() as stack:
        yield lambda *source, **settings: stack.enter_context(serving_source(PythonPlugin, *source, **settings))


@pytest.fixture
def javascript(serving_source):
    """Starts a host with a plugin in JavaScript that stops at the end of the test."""
    with ExitStack() as stack:
        yield lambda *source, **settings: stack.enter_context(serving_source(JavaScriptPlugin, *source, **settings))


@pytest.fixture
def typescript(serving_source):
    """Starts a host with a plugin in TypeScript that stops at the end of the test."""
    with ExitStack() as stack:
        yield lambda *source, **settings: stack.enter_context(serving_source(TypeScriptPlugin, *source, **settings))


@pytest.fixture(autouse=True)
def tidy():
    """After each test, closes its clients and checks that every host is healthy."""
    yield
    support.leave()
    for host in Host.running:
        host.check()


@pytest.fixture
def figure(request):
    """Records a measurement that is printed at the end of the run."""
    return lambda what, value: request.node.user_properties.append((what, str(value)))


def pytest_terminal_summary(terminalreporter):
    # The reports come from the processes that ran the tests, so the measurements travel in them.
    for report in (report for reports in terminalreporter.stats.values() for report in reports):
        if getattr(report, "when", None) == "call":
            for what, value in report.user_properties:
                terminalreporter.write_line(f"{what}: {value}")
