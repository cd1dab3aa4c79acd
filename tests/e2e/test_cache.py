"""The cache of compiled code. A restart does not compile, and a damaged cache does not stop a host."""

import os
import re
import resource
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

import support
from support import Host

SOMEONE_ELSE = 65534

# The maximum file size on a nearly full disk, in bytes. The code of any plugin is larger.
FULL = 64 * 1024

ECHO, OTHER, THIRD = "echo", "broadcast", "reply"


@pytest.fixture
def folder(tmp_path):
    """The cache folder of a test. No host has used it yet."""
    return tmp_path / "below" / "code"


@pytest.fixture
def start(serving, folder):
    """Starts a host, sends one message to its plugin, stops it, and returns its log."""

    def run(name=ECHO, size="512 MiB", **settings):
        cache = {"folder": str(folder), "size": size}
        with serving(name, log="debug", cache=cache, **settings) as host:
            assert host.connect(f"/{name}/").ask("hello")
            return host.log()

    return run


@pytest.fixture
def entry(start, folder):
    """The cache file of the echo plugin after a first start."""
    start()
    return only(folder.iterdir())


def compiled(log, name=ECHO):
    """Whether the host compiled the plugin, rather than load it from the cache."""
    words = rf"component (compiled|loaded from cache) plugin=\"{name}\" milliseconds=\d+"
    return only(re.findall(words, log)) == "compiled"


def warnings(log):
    return [line for line in log.splitlines() if " WARN " in line]


def only(found):
    (one,) = found
    return one


# Cache hits and misses.


def test_a_restart_does_not_compile(start):
    assert compiled(start())
    log = start()
    assert not compiled(log)
    assert warnings(log) == []


def test_code_from_the_cache_does_what_it_did(serving, folder):
    for _ in range(2):
        with serving(ECHO, OTHER, cache={"folder": str(folder)}) as host:
            assert host.connect("/echo/").ask("hello") == "hello"
            clients = [host.connect("/broadcast/") for _ in range(2)]
            clients[0].send("to all")
            assert [client.recv() for client in clients] == ["to all"] * 2


def test_the_folder_and_its_file_are_the_users_alone(folder, entry):
    assert folder.stat().st_mode & 0o777 == 0o700
    assert entry.stat().st_mode & 0o777 == 0o600


def test_other_bytes_of_a_plugin_are_compiled(start, entry, component, tmp_path):
    changed = tmp_path / "changed.wasm"
    # An empty custom section with the name `x`.
    changed.write_bytes(component(ECHO).read_bytes() + b"\x00\x02\x01x")
    assert compiled(start(plugins={ECHO: {"component": str(changed)}}))
    assert not compiled(start())


def test_the_code_does_not_depend_on_the_limit_of_memory(start, entry):
    assert not compiled(start(limits={"memory": "32 MiB"}))


def test_code_for_little_address_space_is_other_code(start, entry):
    size = 1 << 40
    bound = lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size))
    assert compiled(start(process={"preexec_fn": bound}))
    assert not compiled(start(process={"preexec_fn": bound}))
    assert not compiled(start())


def test_two_hosts_share_a_folder(serving, folder):
    settings = {"log": "debug", "cache": {"folder": str(folder)}}
    with serving(ECHO, **settings) as one, serving(ECHO, **settings) as other:
        assert compiled(one.log()) and not compiled(other.log())
        assert one.connect("/echo/").ask("one") == "one"
        assert other.connect("/echo/").ask("other") == "other"


def test_hosts_that_start_at_once_do_not_disturb_each_other(start, component):
    component(ECHO)
    with ThreadPoolExecutor(4) as pool:
        logs = list(pool.map(lambda _: start(), range(8)))
    assert [warnings(log) for log in logs] == [[]] * 8
    assert not compiled(start())


def test_a_size_of_nothing_turns_it_off(start, folder):
    assert compiled(start(size=0))
    assert compiled(start(size=0))
    assert not folder.exists()


def test_a_relative_folder_is_beside_the_configuration(narrowboat, component, tmp_path):
    config = tmp_path / "narrowboat.toml"
    settings = support.configuration(component, ECHO, cache={"folder": "code/"})
    config.write_text(support.toml(settings))
    with Host(narrowboat.binary, tmp_path, config):
        assert only((tmp_path / "code").iterdir()).suffix == ".code"


def test_the_folder_is_the_users_unless_the_configuration_names_one(serving, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with serving(ECHO):
        assert only((tmp_path / "narrowboat").iterdir()).suffix == ".code"


def test_without_any_folder_everything_is_compiled(serving, component, monkeypatch):
    component(ECHO)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME", raising=False)
    with serving(ECHO, log="debug") as host:
        assert compiled(host.log())
        assert warnings(host.log()) == []


# Damaged entries.


def cut_off(file):
    os.truncate(file, file.stat().st_size // 2)


def emptied(file):
    os.truncate(file, 0)


def flipped(file):
    content = bytearray(file.read_bytes())
    content[-1000] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("harm", [cut_off, emptied, flipped])
def test_a_damaged_file_is_told_and_replaced(start, entry, harm):
    whole = entry.stat().st_size
    harm(entry)
    log = start()
    assert compiled(log)
    assert entry.name in only(warnings(log))
    assert entry.stat().st_size == whole
    assert not compiled(start())


def test_the_code_of_another_plugin_is_not_taken(start, entry, folder):
    start(OTHER)
    other = only(set(folder.iterdir()) - {entry})
    entry.write_bytes(other.read_bytes())
    log = start()
    assert compiled(log)
    assert "holds the code of another plugin" in only(warnings(log))
    assert not compiled(start())


def test_a_folder_that_is_gone_is_made_again(start, entry, folder):
    entry.unlink()
    folder.rmdir()
    assert compiled(start())
    assert not compiled(start())


# Files that other users can write.


def given_away(path):
    os.chown(path, SOMEONE_ELSE, SOMEONE_ELSE)
    return f"belongs to the user {SOMEONE_ELSE}"


def writable_by_the_group(path):
    path.chmod(0o770)
    return "chmod go-w"


def writable_by_others(path):
    path.chmod(0o702)
    return "chmod go-w"


def behind_a_link(path):
    moved = path.rename(path.with_suffix(".moved"))
    path.symlink_to(moved)
    return "symbolic link"


HARMS = [given_away, writable_by_the_group, writable_by_others, behind_a_link]


@pytest.mark.parametrize("harm", HARMS)
def test_a_folder_that_others_have_a_hand_in_is_not_used(start, entry, folder, harm):
    if harm is given_away and os.geteuid() != 0:
        pytest.skip("needs root to give a folder away")
    words = harm(folder)
    before = entry.stat()
    log = start()
    assert compiled(log)
    warning = only(warnings(log))
    assert str(folder) in warning and words in warning and "cache.folder" in warning
    assert entry.stat() == before


@pytest.mark.parametrize("harm", HARMS)
def test_a_file_that_others_have_a_hand_in_is_replaced(start, entry, harm):
    if harm is given_away and os.geteuid() != 0:
        pytest.skip("needs root to give a file away")
    words = harm(entry)
    log = start()
    assert compiled(log)
    warning = only(warnings(log))
    assert str(entry) in warning and words.partition("; ")[0] in warning
    assert not compiled(start())


# Folders that cannot be used.


def test_a_folder_that_cannot_be_made_is_told_once(serving):
    with serving(ECHO, OTHER, log="debug", cache={"folder": "/proc/narrowboat"}) as host:
        log = host.log()
        assert compiled(log, ECHO) and compiled(log, OTHER)
        assert "/proc/narrowboat" in only(warnings(log))
        assert host.connect("/echo/").ask("hello") == "hello"


def test_a_file_in_place_of_the_folder_is_told_once(serving, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    with serving(ECHO, OTHER, log="debug", cache={"folder": str(file)}) as host:
        assert "not a folder" in only(warnings(host.log()))
        assert host.connect("/echo/").ask("hello") == "hello"
    assert file.read_text() == "mine"


def test_a_full_disk_is_told_once_and_nothing_is_left(serving, folder):
    def full():
        # A write beyond the limit fails, as on a full disk.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (FULL, FULL))

    options = {"log": "debug", "cache": {"folder": str(folder)}, "process": {"preexec_fn": full}}
    with serving(ECHO, OTHER, **options) as host:
        log = host.log()
        assert compiled(log, ECHO) and compiled(log, OTHER)
        assert str(folder) in only(warnings(log))
        assert host.connect("/echo/").ask("hello") == "hello"
    assert list(folder.iterdir()) == []


# The size limit.


def test_the_least_recently_used_code_is_evicted(start, entry, folder):
    start(OTHER)
    other = only(set(folder.iterdir()) - {entry})
    start(THIRD)
    third = only(set(folder.iterdir()) - {entry, other})
    bound = sum(file.stat().st_size for file in folder.iterdir()) - 1
    third.unlink()
    # Written first, but used last.
    assert not compiled(start())
    assert compiled(start(THIRD, size=bound), THIRD)
    assert set(folder.iterdir()) == {entry, third}


def test_a_smaller_bound_holds_from_the_start(start, entry, folder):
    start(OTHER)
    start(OTHER, size=max(file.stat().st_size for file in folder.iterdir()))
    assert not entry.exists()


def test_code_over_the_bound_is_not_kept(start, folder):
    for _ in range(2):
        log = start(size="1 KiB")
        assert compiled(log)
        assert warnings(log) == []
    assert list(folder.iterdir()) == []


def test_leftovers_of_a_host_that_was_killed_are_removed_after_an_hour(start, entry, folder):
    old, young = (folder / f".{digit * 16}.unfinished" for digit in "ab")
    for file, age in (old, 3601), (young, 0):
        file.write_bytes(b"half of it")
        file.chmod(0o600)
        used = file.stat().st_mtime - age
        os.utime(file, (used, used))
    start()
    assert not old.exists() and young.exists()


def test_foreign_files_in_the_folder_are_left_alone(start, entry, folder):
    foreign = folder / "thesis.code"
    foreign.write_text("years of work")
    start(size=1)
    assert foreign.exists() and not entry.exists()
