"""A program: what `compile` makes of a plugin's files, and `load` loads."""

import marshal
import zlib
from collections import namedtuple

#: The folder of the packages that a plugin brings along.
VENDOR = "vendor/"

#: The packages that belong to the runtime. A plugin's file cannot replace them.
RUNTIME_PACKAGES = frozenset(
    ("asgiref", "channels", "componentize_py_types", "narrowboat", "narrowboat_runtime", "pytest", "wit_world")
)

#: The version of the form of a program.
FORM = 1

#: A module: the path of its file, whether it is a package, and its marshalled code. The code is None if the file has an
#: error and no module that was compiled imports it.
ProgramModule = namedtuple("ProgramModule", ("path", "is_package", "code"))


class Program:
    """The modules, the files and the entry classes of a plugin."""

    __slots__ = ("modules", "folders", "sources", "files", "consumer", "worker")

    def __init__(self, modules, sources, files, consumer=None, worker=None):
        #: The modules by name.
        self.modules = modules
        #: The names of folders with modules but without `__init__.py`.
        self.folders = _find_folders(modules)
        #: The compressed text of each module by its path.
        self.sources = sources
        #: The compressed bytes of each other file by its path.
        self.files = files
        #: The class of the consumer as `module:Class`, or None.
        self.consumer = consumer
        #: The class of the worker as `module:Class`, or None.
        self.worker = worker

    def dump(self):
        """Returns the program as bytes."""
        modules = {name: tuple(module) for name, module in self.modules.items()}
        return marshal.dumps((FORM, modules, self.sources, self.files, self.consumer, self.worker))

    @classmethod
    def parse(cls, raw):
        """Reads the bytes of a program. Raises ValueError if another version of the runtime made them."""
        try:
            form, modules, sources, files, consumer, worker = marshal.loads(raw)
        except (EOFError, TypeError, ValueError) as error:
            raise ValueError(f"the program is damaged: {error}") from None
        if form != FORM:
            raise ValueError(
                f"the program has the form {form}, and this runtime reads the form {FORM}: compile it again"
            )
        modules = {name: ProgramModule(*module) for name, module in modules.items()}
        return cls(modules, sources, files, consumer, worker)

    def read_source(self, path):
        """Returns the text of a module. Raises FileNotFoundError."""
        return decompress(self._stored(self.sources, path)).decode()

    def read_file(self, path):
        """Returns the bytes of a file. Raises FileNotFoundError."""
        path = normalize(path)
        return decompress(self._stored(self.sources if path in self.sources else self.files, path))

    def has_file(self, path):
        """Says whether the plugin has a file with this path."""
        path = normalize(path)
        return path in self.sources or path in self.files

    @staticmethod
    def _stored(table, path):
        if path not in table:
            raise FileNotFoundError(2, "the plugin has no such file", path)
        return table[path]


def normalize(path):
    """Returns the path relative to the plugin's folder, without `.` and `..`."""
    parts = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def compress(raw):
    """Compresses the bytes of a file."""
    return zlib.compress(raw, 6)


def decompress(raw):
    """Undoes `compress`."""
    return zlib.decompress(raw)


def _find_folders(modules):
    folders = set()
    for name in modules:
        while "." in name:
            name = name.rpartition(".")[0]
            if name not in modules:
                folders.add(name)
    return folders
