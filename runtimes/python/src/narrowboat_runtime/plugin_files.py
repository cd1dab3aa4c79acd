"""The files of a plugin for `open`, `pathlib` and `importlib.resources`. They can be read and not written."""

import builtins
import io
import os

from importlib.resources.abc import TraversableResources

from . import plugin_importer, private_builtins
from .program import normalize

_NO_FILES = "a plugin has no files but its own, which it can only read: use narrowboat.keyvalue to store data"


def open_file(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
    """Opens a file of the plugin, as the built-in `open` does.

    Raises FileNotFoundError if the plugin has no such file, and PermissionError for any mode but reading.
    """
    path = os.fspath(file)
    if isinstance(path, bytes):
        path = path.decode()
    if any(letter in mode for letter in "wax+"):
        raise PermissionError(1, _NO_FILES, path)
    program = plugin_importer.IMPORTER.program
    if program is None or not program.has_file(path):
        raise FileNotFoundError(2, f"the plugin has no such file: {_NO_FILES}", path)
    raw = io.BytesIO(program.read_file(path))
    if "b" in mode:
        return raw
    return io.TextIOWrapper(raw, encoding or "utf-8", errors, newline)


def install():
    """Makes `open` read the files of the plugin."""
    builtins.open = io.open = private_builtins.NAMES["open"] = open_file


class PluginPath:
    """A file or a folder of the plugin, for `importlib.resources`."""

    def __init__(self, program, path):
        self._program = program
        self._path = path

    @property
    def name(self):
        return self._path.rpartition("/")[2]

    def is_file(self):
        return self._program.has_file(self._path)

    def is_dir(self):
        return any(True for _ in self._children())

    def iterdir(self):
        for name in dict.fromkeys(self._children()):
            yield self / name

    def _children(self):
        prefix = self._path + "/" if self._path else ""
        for path in (*self._program.sources, *self._program.files):
            if path.startswith(prefix):
                yield path[len(prefix) :].partition("/")[0]

    def joinpath(self, *names):
        return PluginPath(self._program, normalize("/".join((self._path, *map(str, names)))))

    def __truediv__(self, name):
        return self.joinpath(name)

    def open(self, mode="r", *args, **kwargs):
        return open_file(self._path, mode, *args, **kwargs)

    def read_bytes(self):
        return self._program.read_file(self._path)

    def read_text(self, encoding=None, errors=None):
        return self.read_bytes().decode(encoding or "utf-8", errors or "strict")

    def __str__(self):
        return self._path


class FolderReader(TraversableResources):
    """Reads the files of a package."""

    def __init__(self, program, folder):
        self._folder = PluginPath(program, folder)

    def files(self):
        return self._folder
