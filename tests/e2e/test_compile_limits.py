"""A process of its own compiles each component, under limits, so that one tenant's components do not slow others."""

import os
import re
import signal
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from admin import ADMIN, Admin
from support import eventually
from test_limits import leb128, module, section
from test_load_limits import limit_of, variant

# The time for a deploy beside a component that takes long.
DEPLOY_DEADLINE = 180

# if local 0 { local 0 += 1 }: a branch, so that the compiler has much to analyse.
BRANCH = b"\x02\x40\x20\x00\x0d\x00\x20\x00\x41\x01\x6a\x21\x00\x0b"


def code(functions, branches):
    """The section of a component with a core module of so many functions, each with so many branches."""
    body = b"\0" + BRANCH * branches + b"\x0b"
    bodies = leb128(functions) + (leb128(len(body)) + body) * functions
    return module(
        section(1, b"\x01\x60\x01\x7f\0"),
        section(3, leb128(functions) + b"\0" * functions),
        section(10, bodies),
    )


@pytest.fixture(scope="session")
def slow(component):
    """A component that compiles for many seconds, function by function."""
    return component("echo").read_bytes() + code(600, 2_000)


@pytest.fixture(scope="session")
def wide(component):
    """A component with a function that takes much memory to compile."""
    return component("echo").read_bytes() + code(1, 400_000)


@pytest.fixture
def serve(serving, tmp_path):
    """Starts hosts with the tenants acme, which has these limits, and bolt."""

    def start(limits=None, **options):
        acme = {"path": "/acme", "plugins": ["echo"], "limits": limits or {}}
        bolt = {"path": "/bolt", "plugins": ["echo"]}
        versions = {"folder": str(tmp_path / "versions")}
        return serving(tenants={"acme": acme, "bolt": bolt}, admin=ADMIN, versions=versions, **options)

    return start


def deploy(host, tenant, component):
    path = f"/v1/plugins/echo/versions?tenant={tenant}"
    return Admin(host).ask(path, "POST", component, deadline=DEPLOY_DEADLINE)


class Background:
    """A deploy that runs meanwhile."""

    def __init__(self, host, tenant, component):
        self.answer = None
        self._arguments = host, tenant, component
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        # A host that is killed answers nothing.
        with suppress(OSError):
            self.answer = deploy(*self._arguments)

    def result(self):
        self._thread.join(DEPLOY_DEADLINE)
        return self.answer


def compilers(host):
    """The processes of a host that compile a component."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
            parent = re.search(r"^PPid:\s*(\d+)$", (folder / "status").read_text(), re.MULTILINE)[1]
            if b"compile-component" in arguments and int(parent) == host.pid:
                found.append(int(folder.name))
    return found


def compiler_of(host):
    [compiler] = eventually(lambda: compilers(host), "the compiler")
    return compiler


@pytest.mark.parametrize(
    ("kind", "limits", "value"),
    [("slow", {"compile_time": "1s"}, "1s"), ("wide", {"compile_memory": "128 MiB"}, "128.0 MiB")],
)
def test_a_component_beyond_a_limit_is_refused_and_the_live_version_serves_on(serve, component, request, kind, limits, value):
    [name] = limits
    with serve(limits) as host:
        client = host.connect("/acme/echo/")
        refused = deploy(host, "acme", request.getfixturevalue(kind))
        error = refused.json()["error"]
        assert refused.status == 422 and "acme/echo" in error, error
        assert f"more than the limit {name} allows ({value}, a limit of the tenant)" in error, error
        host.logged(f"{name} allows")
        assert limit_of(host, "acme", name)["reached"] == 1
        assert client.ask("still") == "still"
        assert deploy(host, "acme", variant(component("echo").read_bytes(), 1)).status == 200
        assert host.connect("/acme/echo/").ask("new") == "new"


def test_a_neighbour_deploys_while_a_tenants_component_compiles(serve, component, slow):
    with serve({"compile_time": "2s"}) as host:
        acme = Background(host, "acme", slow)
        compiler_of(host)
        assert deploy(host, "bolt", variant(component("echo").read_bytes(), 1)).status == 200
        assert acme.result().status == 422


def test_a_compiler_is_a_process_with_limits_and_without_the_hosts_environment_and_files(serve, slow):
    with serve({"compile_time": "7s", "compile_memory": "1 GiB"}, process={"environment": {"SECRET": "known"}}) as host:
        acme = Background(host, "acme", slow)
        folder = Path(f"/proc/{compiler_of(host)}")
        limit = eventually(lambda: re.search(r"Max cpu time +7 ", (folder / "limits").read_text()), "the limit of time")
        assert limit and re.search(rf"Max data size +{1 << 30} ", (folder / "limits").read_text())
        assert (folder / "environ").read_bytes() == b""
        assert sorted(int(file.name) for file in (folder / "fd").iterdir())[:3] == [0, 1, 2]
        assert not [file for file in (folder / "fd").iterdir() if "socket" in os.readlink(file)]
        assert (folder / "oom_score_adj").read_text().strip() == "1000"
        os.kill(int(folder.name), signal.SIGKILL)
        acme.result()


def test_no_compiler_outlives_its_host(serve, slow):
    with serve() as host:
        acme = Background(host, "acme", slow)
        compiler = compiler_of(host)
        host.stop(signal.SIGKILL)
        eventually(lambda: not Path(f"/proc/{compiler}").exists(), "the end of the compiler")
        acme.result()


def test_a_compiler_ends_with_its_host(serve, slow):
    with serve() as host:
        acme = Background(host, "acme", slow)
        compiler = compiler_of(host)
        host.stop()
        eventually(lambda: not Path(f"/proc/{compiler}").exists(), "the end of the compiler")
        acme.result()


@pytest.mark.parametrize(("number", "words"), [(signal.SIGKILL, "SIGKILL"), (signal.SIGABRT, "SIGABRT")])
def test_a_compiler_that_crashes_is_told_and_the_next_deploy_works(serve, component, slow, number, words):
    with serve() as host:
        client = host.connect("/acme/echo/")
        acme = Background(host, "acme", slow)
        os.kill(compiler_of(host), number)
        refused = acme.result()
        assert refused.status == 422 and words in refused.json()["error"], refused.body
        assert client.ask("still") == "still"
        assert deploy(host, "acme", variant(component("echo").read_bytes(), 1)).status == 200


def test_a_tenant_that_waits_for_the_same_bytes_compiles_them_if_the_first_one_fails(serve, component):
    same = component("echo").read_bytes() + code(60, 2_000)
    with serve() as host:
        acme = Background(host, "acme", same)
        compiler = compiler_of(host)
        bolt = Background(host, "bolt", same)
        os.kill(compiler, signal.SIGKILL)
        assert acme.result().status == 422
        assert bolt.result().status == 200, bolt.result().body
        assert host.connect("/bolt/echo/").ask("new") == "new"
