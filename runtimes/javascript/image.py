#!/usr/bin/env python3
"""Builds the WebAssembly module of the JavaScript runtime, for the program that carries it.

    image.py --cache FOLDER

It writes FOLDER/javascript-INPUTS.wasm, where INPUTS is a digest of everything that the module is made from. It does
nothing if that file exists. FOLDER gets the tools too: the C compiler that compiles QuickJS. The last line of its output
is the path of the module."""

import argparse
import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SDK = ROOT / "guest-sdk"
REQUIREMENTS = HERE / "requirements.txt"
TARGET = "wasm32-unknown-unknown"

#: The C compiler of Zig takes other names of targets than clang.
COMPILER = """#!{python}
import os, sys
arguments = [argument for argument in sys.argv[1:] if not argument.startswith("--target=")]
command = [sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-freestanding", "-fno-sanitize=undefined"]
os.execv(sys.executable, command + arguments)
"""

ARCHIVER = """#!{python}
import os, sys
os.execv(sys.executable, [sys.executable, "-m", "ziglang", "ar", *sys.argv[1:]])
"""


class BuildError(Exception):
    """A step of the build failed. The text says what to do."""


def input_files():
    """The files that the module is made from, in a fixed order."""
    folders = (HERE / "src", HERE / "js", SDK / "src")
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    files += [HERE / "Cargo.toml", HERE / "Cargo.lock", REQUIREMENTS, SDK / "Cargo.toml", Path(__file__).resolve()]
    return sorted(files)


def digest_of_inputs():
    digest = hashlib.sha256()
    for file in input_files():
        content = file.read_bytes()
        digest.update(f"{file.relative_to(ROOT)}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def locked(folder):
    """Holds the folder for one build at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "javascript-lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install_tools(folder):
    """Creates the virtual environment with the C compiler, unless it is there with the same requirements."""
    installed = folder / "requirements.txt"
    if installed.exists() and installed.read_bytes() == REQUIREMENTS.read_bytes():
        return
    shutil.rmtree(folder, ignore_errors=True)
    run_step(
        [sys.executable, "-m", "venv", str(folder)],
        "the virtual environment cannot be created: install the module venv, on Debian with 'apt-get install python3-venv'",
    )
    run_step(
        [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "--require-hashes",
         "--requirement", str(REQUIREMENTS)],
        f"pip cannot install {REQUIREMENTS}: check that the Python Package Index can be reached",
    )  # fmt: skip
    for name, text in (("zig-cc", COMPILER), ("zig-ar", ARCHIVER)):
        script = folder / "bin" / name
        script.write_text(text.format(python=folder / "bin" / "python"))
        script.chmod(0o755)
    shutil.copyfile(REQUIREMENTS, installed)


def rust_environment(cache):
    """The variables with which cargo finds a standard library for the target, as `narrowboat plugin build` does."""
    if has_target("rustc"):
        return {}
    sysroot = Path(os.environ.get("NARROWBOAT_WASM_SYSROOT", cache.parent / "wasm-sysroot"))
    if (sysroot / "lib/rustlib" / TARGET).is_dir():
        prefix = f"CARGO_TARGET_{TARGET.replace('-', '_').upper()}"
        compiler = (sysroot / "rustc").read_text().strip()
        return {"RUSTC": compiler, f"{prefix}_RUSTFLAGS": f"--sysroot {sysroot}", f"{prefix}_LINKER": find_linker()}
    if shutil.which("rustup"):
        subprocess.run(["rustup", "target", "add", TARGET], check=False, stdout=sys.stderr)
        if has_target("rustc"):
            return {}
    raise BuildError(f"the Rust target {TARGET} is missing: run 'rustup target add {TARGET}', or 'make wasm-target' on Debian")


def has_target(compiler):
    """Says whether a compiler has the standard library of the target."""
    folder = rustc_output(compiler, "--print", "target-libdir", "--target", TARGET)
    return folder is not None and any(Path(folder).glob("libstd-*.rlib"))


def find_linker():
    """The linker of the active compiler, which the compiler of the sysroot may lack, or else that of the system."""
    folder = rustc_output("rustc", "--print", "target-libdir")
    beside = Path(folder).parent / "bin/rust-lld" if folder else None
    return str(beside) if beside and beside.is_file() else "wasm-ld"


def rustc_output(compiler, *arguments):
    try:
        done = subprocess.run([compiler, *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def build_module(tools):
    """Builds the module, and returns its path."""
    target_dir = tools / "target"
    run_step(
        [os.environ.get("CARGO", "cargo"), "build", "--quiet", "--release", "--locked", "--target", TARGET,
         "--manifest-path", str(HERE / "Cargo.toml"), "--target-dir", str(target_dir)],
        "cargo cannot build the JavaScript runtime: its message is above",
        build_environment(tools),
    )  # fmt: skip
    return target_dir / TARGET / "release" / "narrowboat_javascript.wasm"


def build_environment(tools):
    """The environment of cargo, without the variables that a build script of another crate gets."""
    kept = ("CARGO", "CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_HTTP_CAINFO", "CARGO_HTTP_PROXY")
    foreign = ("CARGO", "RUSTFLAGS", "RUSTC", "TARGET", "HOST", "OPT_LEVEL", "DEBUG", "PROFILE", "NUM_JOBS", "OUT_DIR", "CC_", "CFLAGS")
    environment = {
        name: value
        for name, value in os.environ.items()
        if name in kept or name.startswith("CARGO_REGISTRIES") or not name.startswith(foreign)
    }
    suffix = TARGET.replace("-", "_")
    return environment | rust_environment(tools.parent) | {
        f"CC_{suffix}": str(tools / "bin" / "zig-cc"),
        f"AR_{suffix}": str(tools / "bin" / "zig-ar"),
        "ZIG_GLOBAL_CACHE_DIR": str(tools / "zig-cache"),
        "ZIG_LOCAL_CACHE_DIR": str(tools / "zig-cache"),
    }


def run_step(command, failure, environment=None):
    """Runs a command. Raises BuildError with the text if it fails."""
    try:
        status = subprocess.run(command, env=environment, check=False, stdout=sys.stderr).returncode
    except OSError as error:
        raise BuildError(f"{command[0]} cannot be run: {error}") from None
    if status != 0:
        raise BuildError(failure)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--cache", type=Path, required=True, help="the folder for the tools and the module")
    cache = arguments.parse_args().cache.resolve()
    image = cache / f"javascript-{digest_of_inputs()}.wasm"
    with locked(cache):
        if not image.exists():
            tools = cache / "javascript-tools"
            install_tools(tools)
            new = image.with_suffix(".new")
            shutil.copyfile(build_module(tools), new)
            new.rename(image)
    print(image)


if __name__ == "__main__":
    try:
        main()
    except BuildError as error:
        sys.exit(f"image.py: {error}")
