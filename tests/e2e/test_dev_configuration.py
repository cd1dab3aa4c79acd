"""`narrowboat dev` takes changes of narrowboat.toml and of manifests while it serves."""

import re

import pytest

from develop import BROKEN, NAME, Crate, SourcePlugin
from support import BUILD_DEADLINE, eventually

OTHER = "dev-other"


@pytest.fixture
def other(root, tmp_path):
    """A second crate."""
    folder = tmp_path / "other"
    folder.mkdir()
    return Crate(root, folder, OTHER)


def handshake(host, path):
    """The response to a handshake."""
    raw = host.tcp()
    raw.request(path)
    return raw.response()


def serves_at(host, path):
    """Waits until a new connection to a path is served."""
    eventually(lambda: handshake(host, path).status == 101, f"an acceptance at {path}", BUILD_DEADLINE)


def test_the_page_answers_before_the_first_build(develop, crate):
    crate.config.write_text("demo = true\n" + crate.tables("/echo/"))
    crate.lib.write_text(BROKEN)
    host = develop().listens()
    assert host.says(r"page   http://127\.0\.0\.1:(\d+)/")[1] == str(host.port)
    raw = host.tcp()
    raw.request("/", headers={"Host": "localhost"})
    assert raw.response().status == 200
    assert "this plugin is not built yet; see the output of narrowboat dev" in host.refuses("/echo/")


def test_a_new_route_is_served_and_nothing_is_built(develop, crate):
    host = develop().serves()
    client, seen = host.connect("/"), len(host.stdout())
    crate.config.write_text(crate.tables("/") + f'[[routes]]\npath = "/more/"\nplugin = "{NAME}"\n')
    serves_at(host, "/more/")
    assert client.ask("hello") == "hello"
    assert "building" not in host.stdout()[seen:]


def test_a_new_crate_is_built_and_served(develop, crate, other):
    host = develop().serves()
    client, seen = host.connect("/"), len(host.stdout())
    crate.config.write_text(crate.tables("/") + other.tables("/other/"))
    host.says(f"watching .*{other.folder}", seen)
    serves_at(host, "/other/")
    assert client.ask("hello") == "hello"
    assert f"building {NAME}" not in host.stdout()[seen:]

    other.sends('"changed"')
    eventually(lambda: host.connect("/other/").ask("hello") == "changed", "the new code", BUILD_DEADLINE)


def test_a_source_plugin_below_the_folder_of_a_crate_changes_without_a_build(develop, crate):
    source_plugin = SourcePlugin(crate.folder, "source")
    crate.config.write_text(crate.tables("/") + source_plugin.tables("/source/"))
    host = develop().serves()
    host.says("watching .*plugins/source")
    client, seen = host.connect("/source/"), len(host.stdout())
    source_plugin.answers("'changed'")
    eventually(lambda: client.ask("hello") == "changed", "the new code")
    # A later change of the crate is built alone, so an earlier build would be seen.
    crate.sends('"changed"')
    host.says(f"built {NAME} in", seen)
    assert host.stdout()[seen:].count("building") == 1


def test_a_removed_crate_is_retired_and_built_again_when_it_comes_back(develop, crate, other):
    crate.config.write_text(crate.tables("/") + other.tables("/other/"))
    host = develop().serves(2)
    client, stays = host.connect("/other/"), host.connect("/")
    crate.config.write_text(crate.tables("/"))
    assert client.ended()[0] == 1001
    assert "no route" in host.refuses("/other/", 404)
    assert stays.ask("hello") == "hello"

    other.sends('"changed"')
    crate.config.write_text(crate.tables("/") + other.tables("/other/"))
    serves_at(host, "/other/")
    assert host.connect("/other/").ask("hello") == "changed"
    assert stays.ask("hello") == "hello"


def test_a_changed_limit_applies(develop, crate):
    host = develop().serves()
    client = host.connect("/")
    crate.config.write_text(crate.tables("/", limits="{ connections = 1 }"))
    eventually(lambda: b"limit of open connections" in handshake(host, "/").body, "the limit")
    assert client.ask("hello") == "hello"


def test_a_key_that_is_read_at_the_start_needs_a_restart(develop, crate):
    host = develop().serves()
    crate.config.write_text("demo = true\n" + crate.tables("/"))
    host.complains('changed keys are only read at start; restart the host to apply keys="demo"')


def test_a_wrong_configuration_is_reported_with_its_line_until_it_is_correct(develop, crate):
    host = develop().serves()
    client = host.connect("/")
    misspelt = NAME.replace("echo", "eco")
    crate.config.write_text(crate.tables("/") + f'[[routes]]\npath = "/more/"\nplugin = "{misspelt}"\n')
    host.complains(
        rf'it stays as it was error={crate.config}:8:\d+: routes.plugin: .*"{misspelt}"; did you mean "{NAME}"\?'
    )
    assert client.ask("hello") == "hello"
    crate.config.write_text(crate.tables("/") + f'[[routes]]\npath = "/more/"\nplugin = "{NAME}"\n')
    serves_at(host, "/more/")
    assert client.ask("and again") == "and again"


def test_a_crate_that_is_built_while_the_configuration_is_wrong_is_served_after_its_correction(develop, crate):
    crate.lib.write_text(BROKEN)
    host = develop().listens()
    host.complains(f"{NAME} is not built")
    crate.config.write_text("lisen = 1\n")
    host.complains(r"narrowboat\.toml:1:.*`lisen`")
    crate.lib.write_text(crate.original)
    host.says(f"built {NAME} in")
    crate.config.write_text(crate.tables("/"))
    serves_at(host, "/")


def test_a_broken_crate_does_not_keep_the_others_from_being_served(develop, crate, other):
    crate.lib.write_text(BROKEN)
    crate.config.write_text(crate.tables("/") + other.tables("/other/"))
    host = develop().serves(1)
    assert host.connect("/other/").ask("hello") == "hello"
    host.complains(f"{NAME} is not built: .* waiting for its sources to change")
    assert "not built yet" in host.refuses("/")


@pytest.mark.parametrize("admin", ["", '[admin]\nlisten = "127.0.0.1:0"\n'], ids=["alone", "with admin"])
def test_a_requested_capability_is_granted_at_once_and_without_cargo(develop, crate, admin):
    crate.config.write_text(crate.tables("/", grants='"all"') + admin)
    host = develop().serves()
    client, seen = host.connect("/"), len(host.stdout())
    crate.requests('[capabilities]\ngroups = ["room.*"]')
    host.logged('version is live .*requested_by="file"')
    assert client.ask("hello") == "hello"
    assert "refused" not in host.log() and "approv" not in host.log()
    assert re.search(f"packed {NAME} with its changed plugin.toml\n$", host.stdout()[seen:])


def test_a_capability_that_is_not_granted_is_refused_until_the_configuration_grants_it(develop, crate):
    host = develop().serves()
    client = host.connect("/")
    crate.requests("[capabilities]\nlog = true")
    host.logged(r"refused.*narrowboat\.toml:1:.*log = true")
    assert client.ask("hello") == "hello"
    since = len(host.log())
    crate.config.write_text(crate.tables("/", grants="{ log = true }"))
    host.logged("plugin is ready", since)
    assert host.connect("/").ask("hello") == "hello"


@pytest.mark.parametrize("correct", ["the configuration", "the manifest"])
def test_a_crate_that_cannot_be_loaded_at_first_is_served_once_that_is_corrected(develop, crate, correct):
    crate.requests("[capabilities]\nlog = true")
    host = develop().listens()
    host.complains("it is not served .*capabilities that are not granted: ")
    assert "this plugin is not available now" in host.refuses("/")
    match correct:
        case "the configuration":
            crate.config.write_text(crate.tables("/", grants='"all"'))
        case "the manifest":
            crate.requests("")
    serves_at(host, "/")


def test_another_isolation_loads_the_plugin_again(develop, crate):
    host = develop().serves()
    client = host.connect("/")
    crate.requests('isolation = "shared"')
    host.logged('plugin is ready .*isolation="shared"')
    assert client.ended()[0] == 1012
    assert host.connect("/").ask("hello") == "hello"
    assert "refused" not in host.log()


def test_another_name_in_the_manifest_loads_the_plugin_again(develop, crate):
    host = develop().serves()
    since = len(host.log())
    crate.manifest.write_text('name = "dev-renamed"\n')
    host.logged("plugin is ready", since)
    seen = len(host.stdout())
    crate.sends('"changed"')
    host.says(f"built {NAME}", seen)
    eventually(lambda: host.connect("/").ask("hello") == "changed", "the new code")


def test_a_wrong_manifest_is_reported_with_its_line_and_the_old_version_serves(develop, crate):
    host = develop().serves()
    client, seen = host.connect("/"), len(host.stdout())
    crate.requests('isolaton = "shared"')
    host.complains(f"(?s){NAME} is not built: {crate.manifest}: .*line 2.*isolaton.*; the old version goes on serving")
    assert client.ask("hello") == "hello"
    crate.requests('description = "correct"')
    host.says(f"packed {NAME}", seen)


def test_a_crate_whose_code_reads_the_manifest_is_compiled(develop, crate):
    crate.original += 'pub const MANIFEST: &str = include_str!("../plugin.toml");\n'
    crate.sends("MANIFEST.to_owned()")
    host = develop().serves()
    client = host.connect("/")
    crate.requests('description = "the second"')
    eventually(lambda: "the second" in client.ask("hello"), "the manifest in the code", BUILD_DEADLINE)
