#!/usr/bin/env python3
"""Builds the component of the Python runtime, compressed, for the program that carries it.

    image.py --cache FOLDER

It writes FOLDER/python-INPUTS.wasm.gz, where INPUTS is a digest of everything that the component is made from. It does
nothing if that file exists. FOLDER gets the tools too. The last line of its output has the SHA-256 of the component and
the path of the file."""

import argparse
import contextlib
import fcntl
import gzip
import hashlib
import io
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import build

ROOT = build.HERE.parent.parent


def input_files():
    """The files that the component is made from, in a fixed order."""
    files = [file for folder in (build.HERE, build.WIT) for file in folder.rglob("*") if file.is_file()]
    is_input = lambda file: not {"__pycache__", "tests", "stubs"} & set(file.parts)
    return sorted(filter(is_input, files))


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
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def compress(content):
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9, mtime=0) as file:
        file.write(content)
    return packed.getvalue()


def write_image(cache, image, digest):
    """Builds the component. Writes the digest last, so that it stands for a complete image."""
    with TemporaryDirectory(dir=cache) as folder:
        component, new = Path(folder) / "python.wasm", Path(folder) / "new"
        with contextlib.redirect_stdout(sys.stderr):
            build.build_component(build.install_tools(cache / "python-tools"), component)
        content = component.read_bytes()
        for file, data in ((image, compress(content)), (digest, hashlib.sha256(content).hexdigest().encode())):
            new.write_bytes(data)
            new.rename(file)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--cache", type=Path, required=True, help="the folder for the tools and the component")
    cache = arguments.parse_args().cache.resolve()
    image = cache / f"python-{digest_of_inputs()}.wasm.gz"
    digest = image.with_suffix(".sha256")
    with locked(cache):
        if not digest.exists():
            write_image(cache, image, digest)
    print(f"{digest.read_text()}  {image}")


if __name__ == "__main__":
    try:
        main()
    except build.BuildError as error:
        sys.exit(f"image.py: {error}")
