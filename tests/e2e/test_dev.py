"""`narrowboat dev` rebuilds a changed crate while its plugin serves."""

import os
import signal
from pathlib import Path

import pytest

from develop import BROKEN, NAME, Dev
from source_plugin import SourcePlugin
from support import BUILD_DEADLINE, DEADLINE, eventually

def test_a_change_is_built_and_an_error_leaves_the_old_version_serving(develop, crate):
    host = develop().serves()
    client = host.connect("/")
    assert client.ask("hello") == "hello"
    first = crate.component.read_bytes()

    crate.lib.write_text(crate.original + BROKEN)
    assert "no_such_name" in host.complains(r"error\[E0425\].*\n(.*\n){3}")[0]
    host.complains(f"{NAME} is not built: .* the old version goes on serving")
    assert crate.component.read_bytes() == first
    assert client.ask("still here") == "still here"
    assert host.connect("/").ask("and new") == "and new"

    seen = len(host.stdout())
    crate.sends('"changed"')
    assert "the component is unchanged" not in host.says(rf"built {NAME} in \d+\.\d s.*\n", seen)[0]
    assert crate.component.read_bytes() != first


def test_an_open_socket_gets_what_was_built(develop, crate):
    host = develop().serves()
    client = host.connect("/")
    assert client.ask("hello") == "hello"
    seen = len(host.stdout())
    crate.sends('"changed"')
    host.says(f"built {NAME} in", seen)
    eventually(lambda: client.ask("hello") == "changed", "the new behaviour")


def test_a_first_build_that_fails_is_waited_for(develop, crate):
    crate.lib.write_text(BROKEN)
    host = develop().listens()
    host.complains(f"{NAME} is not built: .* waiting for its sources to change")
    assert "this plugin is not built yet" in host.refuses("/")
    crate.lib.write_text(crate.original)
    assert host.serves().connect("/").ask("hello") == "hello"


def test_a_manifest_that_is_wrong_is_waited_for(develop, crate):
    (crate.folder / "plugin.toml").write_text("nam = 1\n")
    host = develop()
    host.complains(f"(?s){NAME} is not built: .*plugin.toml: .*`nam`.*; waiting for its sources")
    (crate.folder / "plugin.toml").write_text(f'name = "{NAME}"\n')
    host.serves()
    (crate.folder / "Cargo.toml").write_text("[package]\nname = \n")
    host.complains(f"{NAME} is not built: .* the old version goes on serving")


def test_a_source_that_is_written_without_a_change_makes_no_new_component(develop, crate):
    host = develop().serves()
    before, seen = crate.component.stat(), len(host.stdout())
    crate.lib.write_text(crate.original)
    host.says(rf"built {NAME} in .*; the component is unchanged", seen)
    after = crate.component.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_crate_named_by_path_belongs_to_the_sources(develop, crate, tmp_path):
    words = tmp_path / "words"
    (words / "src").mkdir(parents=True)
    (words / "Cargo.toml").write_text('[package]\nname = "words"\nedition = "2024"\n')
    (words / "src/lib.rs").write_text('pub const WORD: &str = "one";\n')
    manifest = crate.folder / "Cargo.toml"
    host = develop().serves()
    assert str(words) not in host.says("watching .*")[0]

    seen = len(host.stdout())
    manifest.write_text(manifest.read_text() + f'words = {{ path = "{words}" }}\n')
    crate.sends("words::WORD")
    host.says(rf"built {NAME} in \d+\.\d s\n", seen)
    host.says(f"watching .*{words}", seen)
    before = crate.component.read_bytes()
    (words / "src/lib.rs").write_text('pub const WORD: &str = "two";\n')
    eventually(lambda: crate.component.read_bytes() != before, "a build", BUILD_DEADLINE)


def test_an_edit_during_a_build_leads_to_another(develop, crate):
    host = develop().serves()
    seen = len(host.stdout())
    crate.sends('"one"')
    host.says(f"building {NAME}", seen)
    crate.sends('"two"')
    eventually(lambda: b"two" in crate.component.read_bytes(), "the second", BUILD_DEADLINE)


def test_a_configuration_that_is_wrong_is_not_waited_with(narrowboat, tmp_path):
    (tmp_path / "narrowboat.toml").write_text("lisen = 1\n")
    result = narrowboat("dev", tmp_path, timeout=DEADLINE)
    assert result.returncode == 2 and "did you mean `listen`?" in result.stderr
    result = narrowboat("dev", "--config", tmp_path / "gone.toml", timeout=DEADLINE)
    assert result.returncode == 2 and "name another with --config FILE" in result.stderr


def test_without_a_configuration_the_error_names_the_commands_that_may_have_been_meant(narrowboat, tmp_path):
    (tmp_path / "chat/plugin").mkdir(parents=True)
    result = narrowboat("dev", cwd=tmp_path, timeout=DEADLINE)
    assert result.returncode == 2
    assert "`narrowboat dev DIR`" in result.stderr and "`narrowboat new NAME`" in result.stderr
    result = narrowboat("dev", tmp_path / "chat/plugin", timeout=DEADLINE)
    assert result.returncode == 2 and "`narrowboat new NAME` creates a folder" in result.stderr
    (tmp_path / "chat/narrowboat.toml").write_text("")
    result = narrowboat("dev", tmp_path / "chat/plugin", timeout=DEADLINE)
    assert result.returncode == 2 and f"did you mean `narrowboat dev {tmp_path}/chat`?" in result.stderr


def test_a_folder_that_is_named_as_a_component_is_refused_with_the_key_for_it(narrowboat, tmp_path):
    SourcePlugin(tmp_path / "chat")
    (tmp_path / "narrowboat.toml").write_text('[plugins.chat]\ncomponent = "chat"\n')
    result = narrowboat("dev", tmp_path, timeout=DEADLINE)
    assert result.returncode == 2 and f'is a folder; write `source = "{tmp_path}/chat"`' in result.stderr


def test_a_source_plugin_that_is_named_as_a_crate_is_reported_once(narrowboat, tmp_path):
    SourcePlugin(tmp_path / "chat")
    (tmp_path / "narrowboat.toml").write_text('[plugins.chat]\ncrate = "chat"\n\n[[routes]]\npath = "/"\nplugin = "chat"\n')
    with Dev(narrowboat.binary, tmp_path, tmp_path / "narrowboat.toml") as host:
        host.complains("chat is not built: .*use the folder as `source`")
        host.says("watching .*")
        assert host.log().count("chat is not built") == 1


def test_a_host_that_cannot_build_anything_ends(narrowboat, crate):
    without_cargo = {"PATH": "/nowhere", "HOME": str(crate.folder)}
    result = narrowboat("dev", crate.folder, "--listen", "127.0.0.1:0", env=without_cargo, timeout=DEADLINE)
    assert result.returncode == 1 and "cannot run cargo" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_a_build_ends_cargo_too(develop, crate, number):
    # A build script that runs until the end of the test.
    script = f"fn main() {{ std::thread::sleep(std::time::Duration::from_secs({BUILD_DEADLINE})) }}\n"
    (crate.folder / "build.rs").write_text(script)
    host = develop()
    children = eventually(lambda: at_work_in(crate.folder), "the build script", BUILD_DEADLINE)
    assert host.stop(number) == 0
    eventually(lambda: not any(map(is_running, children)), "the end of cargo")


def at_work_in(folder):
    """The running build script of a crate."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "cwd") == str(folder) and "build-script" in os.readlink(process / "exe"):
                found.append(int(process.name))
        except OSError:
            continue
    return found


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
