#!/usr/bin/env python3
"""build.py FOLDER OUT.wasm: builds the runtime of Python plugins.

FOLDER gets a virtual environment with the tools. OUT.wasm is the component. The script needs Python 3.10 or later with
the module venv, and the Python Package Index. It prints each step and how long it takes.

build.py --modules: prints the modules of the standard library that plugins can import.
"""

import argparse
import ast
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
WIT = HERE.parent.parent / "wit"
REQUIREMENTS = HERE / "requirements.txt"
WORLD = "python-runtime"


class BuildError(Exception):
    """A step of the build failed. The text says what to do."""


def main():
    """Builds the component, or prints the modules. Returns the status of the process."""
    arguments = parse_arguments()
    if arguments.modules:
        print("\n".join(list_modules()))
        return 0
    try:
        tool = install_tools(arguments.folder.resolve())
        build_component(tool, arguments.out.resolve())
    except BuildError as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 1
    return 0


def parse_arguments():
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, nargs="?", metavar="FOLDER")
    parser.add_argument("out", type=pathlib.Path, nargs="?", metavar="OUT.wasm")
    parser.add_argument("--modules", action="store_true")
    arguments = parser.parse_args()
    if not arguments.modules and arguments.out is None:
        parser.error("FOLDER and OUT.wasm are missing")
    return arguments


def list_modules():
    """Returns the modules that the runtime imports when it is built."""
    tree = ast.parse((HERE / "src/narrowboat_runtime/stdlib.py").read_text())
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return max(texts, key=len).split()


def install_tools(folder):
    """Creates the virtual environment, unless it is there with the same requirements. Returns componentize-py."""
    installed = folder / "requirements.txt"
    tool = folder / "bin" / "componentize-py"
    if tool.exists() and installed.exists() and installed.read_bytes() == REQUIREMENTS.read_bytes():
        return tool
    print(f"creating a virtual environment in {folder}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    run_step(
        [sys.executable, "-m", "venv", str(folder)],
        "the virtual environment cannot be created: install the module venv, on Debian with 'apt-get install python3-venv'",
    )
    print("installing the requirements", flush=True)
    run_step(
        [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "--require-hashes",
         "--requirement", str(REQUIREMENTS)],
        f"pip cannot install {REQUIREMENTS}: check that the Python Package Index can be reached",
    )  # fmt: skip
    shutil.copyfile(REQUIREMENTS, installed)
    return tool


def build_component(tool, out):
    """Writes the component."""
    started = time.monotonic()
    print(f"building {out}", flush=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="narrowboat-python-") as folder:
        # Without the byte code of other interpreters.
        source = pathlib.Path(folder) / "src"
        shutil.copytree(HERE / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
        write_time_zones(tool, source / "narrowboat_runtime" / "time_zone_data.py")
        # The world has to be a part of the package. componentize-py 0.25.1 cannot merge worlds with resources.
        wit = pathlib.Path(folder) / "wit"
        shutil.copytree(WIT, wit)
        shutil.copy(HERE / "wit" / f"{WORLD}.wit", wit)
        new = pathlib.Path(folder) / "runtime.wasm"
        run_step(
            [str(tool), "--quiet", "--wit-path", str(wit), "--world", WORLD, "componentize", "app",
             "--python-path", str(source), "--output", str(new)],
            "componentize-py failed: its message is above",
        )  # fmt: skip
        part = out.with_name(out.name + ".new")
        shutil.copyfile(new, part)
        os.replace(part, out)
    print(f"built {out}: {out.stat().st_size / 1e6:.1f} MB in {time.monotonic() - started:.0f} s", flush=True)


def write_time_zones(tool, path):
    """Writes a module with the data of the package tzdata."""
    folder = next(tool.parent.parent.glob("lib/*/site-packages/tzdata/zoneinfo"))
    names = (folder.parent / "zones").read_text().split()
    zones = {name: (folder / name).read_bytes() for name in sorted(names)}
    path.write_text(f'"""The time zones of the package tzdata."""\n\nZONES = {zones!r}\n')


def run_step(command, failure):
    """Runs a command. Raises BuildError with the text if it fails."""
    # componentize-py would add the packages of an active environment to the component.
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    try:
        status = subprocess.run(command, env=environment, check=False).returncode
    except OSError as error:
        raise BuildError(f"{command[0]} cannot be run: {error}") from None
    if status != 0:
        raise BuildError(failure)


if __name__ == "__main__":
    sys.exit(main())
