"""`narrowboat new`: a folder that the next command serves."""

import json
import os
import re
import shutil
import subprocess
import tomllib

import pytest

from develop import Dev

# The templates, each with a path, a text for it, and the reply.
TEMPLATES = {
    "echo": ("/{name}/", "hello", "hello"),
    "chat": ("/{name}/red/", "hello", "hello"),
    "room": ("/{name}/red/", "hello", "hello"),
    "worker": ("/{name}/", "one two three", "3 words"),
}


@pytest.mark.parametrize("language", ["rust", "python", "javascript", "typescript"])
@pytest.mark.parametrize("template", TEMPLATES)
def test_a_new_plugin_is_served_by_the_next_command(narrowboat, root, tmp_path, template, language):
    name = f"new-{template}"
    folder = tmp_path / name
    created = narrowboat("new", folder, "--lang", language, "--template", template)
    assert created.returncode == 0, created.stderr
    assert f"narrowboat dev {folder}" in created.stdout
    if language == "rust":
        # The same dependencies, so that they are built already.
        shutil.copy(root / "Cargo.lock", folder)
    environment = {"CARGO_TARGET_DIR": str(root / "target")}
    path, text, reply = TEMPLATES[template]
    with Dev(narrowboat.binary, tmp_path, folder / "narrowboat.toml", environment=environment) as host:
        ready = host.serves() if language == "rust" else host.listens()
        assert ready.connect(path.format(name=name)).ask(text) == reply


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_tests_of_a_new_plugin_in_rust_pass(narrowboat, root, tmp_path, template):
    folder = tmp_path / f"new-{template}"
    assert narrowboat("new", folder, "--lang", "rust", "--template", template).returncode == 0
    # The same dependencies, so that they are built already.
    shutil.copy(root / "Cargo.lock", folder)
    environment = {**os.environ, "CARGO_TARGET_DIR": str(root / "target")}
    tests = subprocess.run(["cargo", "test", "--lib"], cwd=folder, env=environment, capture_output=True, text=True)
    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert re.search(r"test result: ok\. [1-9]", tests.stdout), tests.stdout


@pytest.mark.parametrize("language", ["javascript", "typescript"])
@pytest.mark.parametrize("template", TEMPLATES)
def test_the_tests_of_a_new_plugin_in_javascript_pass(narrowboat, tmp_path, template, language):
    folder = tmp_path / f"new-{template}"
    assert narrowboat("new", folder, "--lang", language, "--template", template).returncode == 0
    tests = narrowboat("test", folder)
    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert re.search(r"[1-9]\d* passed, 0 failed", tests.stdout), tests.stdout


@pytest.mark.parametrize("template", ["chat", "room", "worker"])
def test_a_new_plugin_in_python_ignores_binary_frames(narrowboat, tmp_path, template):
    name = f"new-{template}"
    assert narrowboat("new", tmp_path / name, "--template", template).returncode == 0
    path, text, reply = TEMPLATES[template]
    with Dev(narrowboat.binary, tmp_path, tmp_path / name / "narrowboat.toml") as host:
        client = host.listens().connect(path.format(name=name))
        client.send(b"binary")
        assert client.ask(text) == reply


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_output_of_a_new_python_plugin_is_in_the_log(narrowboat, tmp_path, template):
    name = f"new-{template}"
    assert narrowboat("new", tmp_path / name, "--template", template).returncode == 0
    code = tmp_path / name / "plugin/consumers.py"
    code.write_text(f'{code.read_text()}\nprint("here I am")\n')
    with Dev(narrowboat.binary, tmp_path, tmp_path / name / "narrowboat.toml") as host:
        host.listens().connect(TEMPLATES[template][0].format(name=name))
        host.complains("here I am")


def test_the_plugin_is_an_echo_in_python_unless_another_is_named(narrowboat, tmp_path):
    for folder, *options in [("one", "--lang", "python", "--template", "echo"), ("one-more",)]:
        assert narrowboat("new", tmp_path / folder, *options).returncode == 0
    code = [(tmp_path / folder / "plugin/consumers.py").read_text() for folder in ("one", "one-more")]
    assert code[0] == code[1]


@pytest.mark.parametrize(("language", "settings"), [("typescript", "tsconfig.json"), ("javascript", "jsconfig.json")])
@pytest.mark.parametrize("template", TEMPLATES)
def test_the_types_of_a_new_plugin_are_right(narrowboat, root, tmp_path, template, language, settings):
    assert narrowboat("new", tmp_path / "chat", "--lang", language, "--template", template).returncode == 0
    compiler = root / "target/typescript/node_modules/.bin/tsc"
    checked = subprocess.run([compiler, "--noEmit", "--project", tmp_path / "chat" / settings], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


def test_the_stubs_of_python_are_part_of_the_folder(narrowboat, tmp_path):
    assert narrowboat("new", tmp_path / "chat").returncode == 0
    settings = json.loads((tmp_path / "chat/pyrightconfig.json").read_text())
    stubs = tmp_path / "chat" / settings["stubPath"]
    assert "class WebsocketConsumer" in (stubs / "channels/generic/websocket.pyi").read_text()


def test_the_sdk_of_rust_is_part_of_the_folder(narrowboat, tmp_path):
    assert narrowboat("new", tmp_path / "chat", "--lang", "rust").returncode == 0
    manifest = tomllib.loads((tmp_path / "chat/Cargo.toml").read_text())
    sdk = tmp_path / "chat" / manifest["dependencies"]["narrowboat-guest"]["path"]
    assert tomllib.loads((sdk / "Cargo.toml").read_text())["package"]["name"] == "narrowboat-guest"


def test_an_empty_folder_may_exist(narrowboat, tmp_path):
    (tmp_path / "chat").mkdir()
    assert narrowboat("new", tmp_path / "chat").returncode == 0


def test_a_folder_with_files_is_left_alone(narrowboat, tmp_path):
    (tmp_path / "chat").mkdir()
    (tmp_path / "chat/notes.txt").write_text("mine")
    refused = narrowboat("new", tmp_path / "chat")
    assert (refused.returncode, refused.stderr) == (2, f"narrowboat: {tmp_path}/chat exists and is not empty\n")
    assert [file.name for file in (tmp_path / "chat").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("name", ["Chat", "1chat", "chat room", "a" * 65])
def test_a_name_that_no_plugin_may_have_is_refused(narrowboat, tmp_path, name):
    refused = narrowboat("new", tmp_path / name)
    assert refused.returncode == 2
    assert "cannot be the name of a plugin: a name has 1 to 64 of a-z" in refused.stderr
    assert not any(tmp_path.iterdir())
