"""The systemd unit and the container file."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from admin import Admin
from support import BUILD_DEADLINE, Host, toml

EXECUTABLE = Path(sys.executable).parent


def run(*command, **options):
    return subprocess.run(command, text=True, capture_output=True, timeout=BUILD_DEADLINE, **options)


# The unit.


def test_systemd_takes_the_unit(root, narrowboat, tmp_path):
    unit = (root / "contrib/narrowboat.service").read_text()
    here = unit.replace("/usr/local/bin/narrowboat", str(narrowboat.binary)).replace("man:narrowboat(1)", "https://localhost/")
    (tmp_path / "narrowboat.service").write_text(here)
    checked = run("systemd-analyze", "verify", "--man=no", tmp_path / "narrowboat.service")
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_units_command_is_one_of_the_programs(root, narrowboat):
    unit = (root / "contrib/narrowboat.service").read_text()
    command = re.search(r"(?m)^ExecStart=(.*)$", unit)[1].split()
    assert narrowboat(command[1], "--help").returncode == 0


# The container file.


def test_the_container_file_has_no_lint(root):
    linted = run(EXECUTABLE / "hadolint", "--no-color", root / "Containerfile")
    assert (linted.returncode, linted.stdout) == (0, "")


class Image:
    """Runs the steps of a container file in folders, without a container."""

    def __init__(self, root, folder, environment):
        self._root, self._folder, self._stages = root, folder, {}
        self.environment, self.entrypoint, self.command = environment, [], []

    def path(self, path, stage=None):
        base = self._stages[stage] if stage else self._base
        return base / self._workdir.lstrip("/") / path if not path.startswith("/") else base / path[1:]

    def build(self, file):
        text = re.sub(r"\\\n", " ", file.read_text())
        for line in text.splitlines():
            if line.strip() and not line.startswith("#"):
                word, rest = line.split(maxsplit=1)
                getattr(self, word.lower())(rest)

    def __getattr__(self, word):
        if word in ("user", "volume", "expose", "stopsignal"):
            return lambda rest: None
        raise AttributeError(word)

    # `from` is a Python keyword, so FROM is renamed.
    def stage(self, rest):
        name = rest.split(" AS ")[-1]
        self._base, self._workdir = self._folder / re.sub(r"\W", "-", name), "/"
        self._base.mkdir()
        self._stages[name] = self._base

    def arg(self, rest):
        name, default = rest.split("=")
        self.environment.setdefault(name, default)

    def env(self, rest):
        self.environment |= dict(pair.split("=", 1) for pair in shlex.split(rest))

    def workdir(self, rest):
        self._workdir = rest
        self.path(".").mkdir(parents=True, exist_ok=True)

    def copy(self, rest):
        *options, source, target = rest.split()
        if options:
            stage = options[0].removeprefix("--from=")
            self.path(target).parent.mkdir(parents=True, exist_ok=True)
            made = self._stages[stage] / source.lstrip("/")
            # A file that the stage did not create comes from its base image. This machine stands in for that image.
            shutil.copy(made if made.exists() else source, self.path(target))
            return
        # The build context. It is a link, so that cargo finds what it has built in this tree.
        context = self.path(target)
        context.rmdir()
        context.symlink_to(self._root)

    def run(self, rest):
        # Map absolute paths of the image to the folder of this stage.
        rest = re.sub(r"(?<=\s)/(?=\w)", f"{self._base}/", rest)
        done = run("sh", "-ec", rest, cwd=self.path("."), env=os.environ | self.environment)
        assert done.returncode == 0, done.stderr

    def entrypoint_(self, rest):
        self.entrypoint = json.loads(rest)

    def cmd(self, rest):
        self.command = json.loads(rest)


@pytest.fixture(scope="module")
def image(root, tmp_path_factory):
    """The image, built from the sources of this tree. It reuses the target folder of this run."""
    environment = {"PROFILE": "dev", "CARGO_TARGET_DIR": str(root / "target")}
    image = Image(root, tmp_path_factory.mktemp("image"), environment)
    text = (root / "Containerfile").read_text()
    file = tmp_path_factory.mktemp("file") / "Containerfile"
    file.write_text(re.sub(r"(?m)^FROM ", "STAGE ", re.sub(r"(?m)^ENTRYPOINT ", "ENTRYPOINT_ ", text)))
    image.build(file)
    return image


def test_the_images_program_serves(image, component, tmp_path):
    (tmp_path / "narrowboat.toml").write_text(
        toml(
            {
                "plugins": {"echo": {"component": str(component("echo"))}},
                "routes": [{"path": "/echo/", "plugin": "echo"}],
                "admin": {"listen": "127.0.0.1:0"},
            }
        )
    )
    program = image.path(f"/usr/local/bin/{image.entrypoint[0]}")
    assert program.is_file()
    environment = image.environment | {
        name: str(tmp_path / name.lower()) for name in ("STATE_DIRECTORY", "XDG_CACHE_HOME")
    }
    arguments = [*image.command[:-1], "127.0.0.1:0"]
    assert arguments[:2] == ["serve", "--listen"]
    with Host(program, tmp_path, tmp_path / "narrowboat.toml", environment=environment) as host:
        assert host.connect("/echo/").ask("hello") == "hello"
        assert Admin(host).token_file == tmp_path / "state_directory/admin.token"
