"""Source plugins as folders and as source bundles, without running them."""

import hashlib
import io
import os
import re
import stat
import subprocess
import tarfile

import pytest

from admin import ADMIN, Admin
from bundles import CODE, FILES, MANIFEST, archive, bundle, entry, source_folder
from signing import Signer
from support import DEADLINE, toml, with_manifest

MANIFEST_ENTRY = entry("plugin.toml", MANIFEST)
EXTRA = {**FILES, "extra.py": ""}


def sha256(bytes):
    return hashlib.sha256(bytes).hexdigest()


def tar_of(files, form):
    """The archive that Python makes of files."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=form) as tar:
        for path, text in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return written.getvalue()


@pytest.fixture
def start_fails(narrowboat, tmp_path):
    """Runs a host that must not start, with this table of the plugin `chat`, and returns its exit code and error."""

    def run(table, environment=None, **top):
        config = tmp_path / "narrowboat.toml"
        config.write_text(toml({"listen": "127.0.0.1:0"} | top | {"plugins": {"chat": table}}))
        result = narrowboat("serve", "--config", config, timeout=DEADLINE, env=environment)
        return result.returncode, result.stderr

    return run


# Bundles.


def test_the_program_packs_the_bytes_of_another_implementation(narrowboat, tmp_path):
    folder = source_folder(tmp_path / "chat", EXTRA)
    built = narrowboat("plugin", "build", folder, cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    packed = (tmp_path / "narrowboat/chat.narrowboat").read_bytes()
    assert packed == bundle(EXTRA)
    assert built.stdout.splitlines()[0] == "narrowboat/chat.narrowboat"
    assert f"sha256 {sha256(packed)}" in built.stdout


def test_tar_reads_a_bundle(narrowboat, tmp_path):
    folder = source_folder(tmp_path / "chat", {**FILES, f"{'p' * 90}/{'m' * 90}.py": "x = 1"})
    file = tmp_path / "chat.narrowboat"
    assert narrowboat("plugin", "build", folder, "--out", file).returncode == 0
    with tarfile.open(file) as tar:
        assert {member.name for member in tar} == {*FILES, f"{'p' * 90}/{'m' * 90}.py"}


def test_a_bundle_beside_its_sources_is_not_packed(narrowboat, tmp_path):
    folder = source_folder(tmp_path / "chat")
    first, second = (narrowboat("plugin", "build", ".", cwd=folder) for _ in range(2))
    assert first.stdout == second.stdout and second.returncode == 0


def test_inspect_shows_the_files_of_a_bundle(narrowboat, tmp_path):
    file = tmp_path / "chat.narrowboat"
    file.write_bytes(bundle(FILES | {"plugin.toml": MANIFEST + 'consumer = "chat:Chat"\n'}))
    shown = narrowboat("plugin", "inspect", file)
    assert shown.returncode == 0, shown.stderr
    for words in ("python", "consumer chat:Chat", f"chat.py      {len(CODE)} bytes", sha256(file.read_bytes())):
        assert words in shown.stdout
    file.write_bytes(file.read_bytes() + b"\0")
    shown = narrowboat("plugin", "inspect", file)
    assert shown.returncode == 1
    assert "chat.narrowboat is not a source bundle: it has bytes after its end" in shown.stderr


def test_inspect_says_who_finds_the_consumer_that_the_manifest_does_not_name(narrowboat, tmp_path):
    file = tmp_path / "chat.narrowboat"
    file.write_bytes(bundle(FILES))
    assert "entry points found by the host" in narrowboat("plugin", "inspect", file).stdout


@pytest.mark.parametrize("code, reason", [
    ("class Chat(:\n", r"chat\.py:1:12: SyntaxError: .*: `class Chat\(:`"),
    ("import no_such_module\n" + CODE, r"chat\.py:1: ModuleNotFoundError: .*: `import no_such_module`"),
    ("class Chat: pass\n", "the plugin defines no consumer: "),
])
def test_build_refuses_a_source_that_a_host_would_refuse(narrowboat, tmp_path, code, reason):
    folder = source_folder(tmp_path / "chat", FILES | {"chat.py": code})
    built = narrowboat("plugin", "build", folder, cwd=tmp_path)
    assert built.returncode == 2 and built.stdout == ""
    assert re.search(f'plugin "chat": {folder} has errors: {reason}', built.stderr), built.stderr
    assert not (tmp_path / "narrowboat").exists()


def test_build_checks_nothing_if_it_is_told_so(narrowboat, tmp_path):
    folder = source_folder(tmp_path / "chat", FILES | {"chat.py": "class Chat(:\n"})
    built = narrowboat("plugin", "build", folder, "--no-check", cwd=tmp_path)
    assert built.returncode == 0 and "narrowboat/chat.narrowboat" in built.stdout
    assert built.stderr == ""


ODD = {
    "a path that leaves the folder": (archive(entry("../x.py"), MANIFEST_ENTRY), "`..`"),
    "an absolute path": (archive(entry("/etc/passwd"), MANIFEST_ENTRY), "absolute"),
    "an empty part": (archive(entry("a//x.py"), MANIFEST_ENTRY), "empty part"),
    "a dot": (archive(entry("./x.py"), MANIFEST_ENTRY), "`.`"),
    "a backslash": (archive(entry("a\\x.py"), MANIFEST_ENTRY), r"the character '\\'"),
    "a line break": (archive(entry("a\nx.py"), MANIFEST_ENTRY), r"the character '\n'"),
    "a composed character": (archive(entry("\u00e9.py"), MANIFEST_ENTRY), "printable ASCII"),
    "a decomposed character": (archive(entry("e\u0301.py"), MANIFEST_ENTRY), "printable ASCII"),
    "bytes that are not UTF-8": (archive(entry(b"\xff.py"), MANIFEST_ENTRY), "printable ASCII"),
    "a path twice": (archive(MANIFEST_ENTRY, MANIFEST_ENTRY), "two files with the path"),
    "paths of one case": (archive(entry("A.py"), entry("a.py"), MANIFEST_ENTRY), "ignores case"),
    "folders of one case": (archive(entry("A/x"), entry("a/y"), MANIFEST_ENTRY), "ignores case"),
    "a file that is a folder": (archive(entry("a"), entry("a/x"), MANIFEST_ENTRY), "a file and a folder"),
    "another order": (archive(MANIFEST_ENTRY, entry("a.py")), "after a greater path"),
    "a symbolic link": (archive(entry("a", kind=b"2", link=b"/etc"), MANIFEST_ENTRY), "a symbolic link"),
    "a hard link": (archive(entry("a", kind=b"1", link=b"b"), MANIFEST_ENTRY), "a hard link"),
    "a folder": (archive(entry("a/", kind=b"5"), MANIFEST_ENTRY), "a folder at"),
    "no manifest": (archive(entry("chat.py")), "no plugin.toml"),
    "bytes after its end": (bundle(FILES) + bytes(512), "bytes after its end"),
    "half of its bytes": (bundle(FILES)[: len(bundle(FILES)) // 2], "is cut off"),
    "the form of GNU": (tar_of(FILES, tarfile.GNU_FORMAT), "than a canonical bundle"),
    "the form of pax": (tar_of({**FILES, "x" * 300: ""}, tarfile.PAX_FORMAT), "canonical bundle"),
    "no runtime": (bundle(FILES | {"plugin.toml": 'name = "chat"'}), "`runtime` is missing"),
    "an unknown runtime": (
        bundle(FILES | {"plugin.toml": 'name = "chat"\nruntime = "ruby"'}),
        "expected `python`",
    ),
}


@pytest.fixture(scope="module")
def echo(serving):
    with serving("echo", admin=ADMIN) as host:
        yield host


@pytest.mark.parametrize(("upload", "words"), ODD.values(), ids=ODD.keys())
def test_an_upload_that_is_not_canonical_is_refused(echo, upload, words):
    admin = Admin(echo)
    answer = admin.deploy("echo", upload)
    assert answer.status == 422
    assert words in answer.json()["error"]
    assert admin.versions("echo")[0]["state"] == "refused"
    assert echo.connect("/echo/").ask("the component stays") == "the component stays"


def test_a_component_with_a_runtime_is_refused(echo, component):
    odd = with_manifest(component("echo").read_bytes(), MANIFEST)
    answer = Admin(echo).deploy("echo", odd)
    assert answer.status == 422 and "`runtime` belongs to a source plugin" in answer.json()["error"]


# Folders.


def test_a_link_in_a_folder_is_refused(narrowboat, start_fails, tmp_path):
    folder = source_folder(tmp_path / "chat")
    (folder / "secrets.py").symlink_to("/etc/hostname")
    built = narrowboat("plugin", "build", folder, cwd=tmp_path)
    assert built.returncode == 2 and "chat/secrets.py is a symbolic link" in built.stderr
    code, error = start_fails({"source": "chat"})
    assert code != 0 and 'plugin "chat"' in error and "chat/secrets.py is a symbolic link" in error


def test_a_hundred_megabytes_of_source_are_refused(narrowboat, start_fails, echo, tmp_path):
    folder = source_folder(tmp_path / "chat")
    with (folder / "model.bin").open("wb") as model:
        model.truncate(100 << 20)
    words = "chat makes a bundle of more than 64.0 MiB", "model.bin with 100.0 MiB"
    built = narrowboat("plugin", "build", folder, cwd=tmp_path)
    assert built.returncode == 2 and all(word in built.stderr for word in words)
    code, error = start_fails({"source": "chat"})
    assert code != 0 and all(word in error for word in words)
    deployed = narrowboat("deploy", "echo", folder, *Admin(echo).arguments)
    assert deployed.returncode == 2 and all(word in deployed.stderr for word in words)
    built = narrowboat("plugin", "build", folder, "--max-size", "128 MiB", cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    # An instance with the default limits cannot hold the file.
    assert re.fullmatch("the source was not checked: .*beyond end of memory.*\n", built.stderr), built.stderr


def test_the_limit_of_the_configuration_counts(start_fails, tmp_path):
    source_folder(tmp_path / "chat", {**FILES, "large.py": "#" * 5_000})
    code, error = start_fails({"source": "chat"}, limits={"max_component": 4_000})
    assert code != 0 and "large.py with 4.9 KiB" in error


def test_a_folder_that_does_not_exist_is_refused_with_its_line(start_fails):
    code, error = start_fails({"source": "chat"})
    assert code == 2 and "narrowboat.toml:" in error
    assert "plugins.chat.source: there is no folder" in error


def test_the_error_of_a_manifest_has_its_file_and_line(narrowboat, tmp_path):
    folder = source_folder(tmp_path / "chat", FILES | {"plugin.toml": MANIFEST + 'consumer = "chat"\n'})
    built = narrowboat("plugin", "build", folder, cwd=tmp_path)
    assert built.returncode == 2
    assert "chat/plugin.toml" in built.stderr and "line 3" in built.stderr and "module:Class" in built.stderr


def test_a_folder_that_could_not_be_packed_is_tried_again_once_it_changes(serve, tmp_path):
    folder = source_folder(tmp_path / "chat/rooms").parent
    plugins = {"chat": {"source": str(folder)}}
    host = serve("echo", tenants={"acme": {"path": "/acme", "plugins": plugins}})
    host.logged('it is not served .*plugin "acme/chat": .*chat/plugin.toml')
    source_folder(folder)
    (folder / "rooms/link.py").symlink_to("chat.py")
    host.logged('it is not served .*plugin "acme/chat": .*rooms/link.py is a symbolic link')


# Signatures and pins.


def test_a_source_folder_is_refused_where_signatures_are_required(start_fails, tmp_path):
    source_folder(tmp_path / "chat")
    signer = Signer(tmp_path, "release")
    code, error = start_fails({"source": "chat"}, signatures={"keys": [signer.public.name]})
    assert code == 2 and "plugins.chat.source: is packed by the host" in error


def test_a_bundle_is_parsed_only_after_its_signature_was_checked(serve, component, tmp_path):
    signer = Signer(tmp_path, "release")
    file = tmp_path / "echo.wasm"
    file.write_bytes(component("echo").read_bytes())
    signer.sign(file)
    top = {"signatures": {"keys": [str(signer.public)]}}
    host = serve(plugins={"echo": {"component": str(file)}}, admin=ADMIN, top=top)
    admin, odd = Admin(host), ODD["a symbolic link"][0]
    unsigned = admin.deploy("echo", odd)
    assert unsigned.status == 422 and "is not signed" in unsigned.json()["error"]
    other = admin.deploy("echo", odd, headers=signer.header(bundle(FILES)))
    assert other.status == 422 and "is not signed by any of" in other.json()["error"]
    signed = admin.deploy("echo", odd, headers=signer.header(odd))
    assert signed.status == 422 and "a symbolic link" in signed.json()["error"]


def test_a_bundle_is_signed_and_checked_as_a_component_is(narrowboat, tmp_path):
    signer, file = Signer(tmp_path, "release"), tmp_path / "chat.narrowboat"
    file.write_bytes(bundle(FILES))
    signed = narrowboat("plugin", "sign", file, "--key", signer.private)
    assert signed.stdout.strip() == f"{file}.sig"
    assert narrowboat("plugin", "inspect", file, "--key", signer.public).returncode == 0
    file.write_bytes(bundle(EXTRA))
    assert narrowboat("plugin", "inspect", file, "--key", signer.public).returncode == 1


def test_a_bundle_with_another_hash_than_the_pins_is_refused(serve, component, narrowboat, tmp_path):
    echo, pinned = component("echo").read_bytes(), ODD["no manifest"][0]
    host = serve(plugins={"echo": {"sha256": [sha256(echo), sha256(pinned)]}}, admin=ADMIN)
    admin = Admin(host)
    answer = admin.deploy("echo", pinned)
    assert answer.status == 422 and "no plugin.toml" in answer.json()["error"]
    folder = source_folder(tmp_path / "chat")
    deployed = narrowboat("deploy", "echo", folder, *admin.arguments)
    assert deployed.returncode == 3
    assert f"plugins.echo.sha256: does not list {sha256(bundle(FILES))}" in deployed.stderr


# Packages.

INSTALLER = """#!/bin/sh
case "$*" in *--help*) echo wasm32-pyodide2024; exit;; esac
echo "$@" >> {log}
while [ "$1" != --target ]; do shift; done
mkdir -p "$2/six-1.16.0.dist-info" && echo installed > "$2/six.py"
echo uv > "$2/six-1.16.0.dist-info/INSTALLER"; echo > "$2/six-1.16.0.dist-info/METADATA"
{more}
"""


@pytest.fixture
def installer(tmp_path):
    """Writes a program `uv` and returns an environment that has it and no other installer. `more` is further work of
    the program, which logs its runs to `uv.log`."""

    def write(more=""):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        program = folder / "uv"
        program.write_text(INSTALLER.format(log=tmp_path / "uv.log", more=more))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        for tool in ("mkdir", "sh"):
            if not (folder / tool).exists():
                (folder / tool).symlink_to(subprocess.check_output(["which", tool], text=True).strip())
        return os.environ | {"PATH": str(folder)}

    return write


def required(folder):
    return source_folder(folder, {**FILES, "requirements.txt": "six==1.16.0\n"})


def test_required_packages_are_installed_once_into_vendor(narrowboat, installer, tmp_path):
    folder, environment = required(tmp_path / "chat"), installer()
    for _ in range(2):
        built = narrowboat("plugin", "build", folder, cwd=tmp_path, env=environment)
        assert built.returncode == 0, built.stderr
    with tarfile.open(tmp_path / "narrowboat/chat.narrowboat") as tar:
        packed = {name for name in tar.getnames() if name.startswith("vendor/")}
    assert packed == {"vendor/six.py", "vendor/six-1.16.0.dist-info/METADATA"}
    assert len((tmp_path / "uv.log").read_text().splitlines()) == 1
    (folder / "requirements.txt").write_text("six==1.16\n")
    assert narrowboat("plugin", "build", folder, cwd=tmp_path, env=environment).returncode == 0
    assert len((tmp_path / "uv.log").read_text().splitlines()) == 2
    assert len([*(folder / ".narrowboat/packages").iterdir()]) == 1


def test_a_folder_vendor_needs_no_installer(narrowboat, tmp_path):
    folder = required(tmp_path / "chat")
    source_folder(folder, {"vendor/six.py": ""})
    environment = os.environ | {"PATH": ""}
    built = narrowboat("plugin", "build", folder, cwd=tmp_path, env=environment)
    assert built.returncode == 0, built.stderr


def test_without_an_installer_the_error_names_the_folder_vendor(narrowboat, tmp_path):
    environment = os.environ | {"PATH": ""}
    built = narrowboat("plugin", "build", required(tmp_path / "chat"), cwd=tmp_path, env=environment)
    assert built.returncode == 2
    assert "neither `uv` nor `python3 -m pip`" in built.stderr and "the folder vendor" in built.stderr


def test_a_package_with_a_native_extension_is_refused(narrowboat, installer, tmp_path):
    environment = installer(more='echo > "$2/_fast.cpython-314.so"')
    built = narrowboat("plugin", "build", required(tmp_path / "chat"), cwd=tmp_path, env=environment)
    assert built.returncode == 2
    assert "_fast.cpython-314.so is a native extension" in built.stderr


def test_packages_of_a_failed_installation_are_not_used(narrowboat, installer, tmp_path):
    folder = required(tmp_path / "chat")
    environment = installer(more="echo no such package >&2; exit 1")
    built = narrowboat("plugin", "build", folder, cwd=tmp_path, env=environment)
    assert built.returncode == 2
    assert "no such package" in built.stderr and "uv could not install" in built.stderr
    assert not [*(folder / ".narrowboat/packages").iterdir()]


def test_serve_runs_no_installer(start_fails, installer, tmp_path):
    required(tmp_path / "chat")
    code, error = start_fails({"source": "chat"}, environment=installer())
    assert code != 0 and "are not installed; run `narrowboat plugin build" in error
    assert not (tmp_path / "uv.log").exists()
