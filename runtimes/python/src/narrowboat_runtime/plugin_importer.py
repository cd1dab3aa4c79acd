"""Imports the modules of a plugin from its program."""

import builtins
import importlib.abc
import importlib.machinery
import marshal
import sys

from .program import RUNTIME_PACKAGES, VENDOR

_loads = marshal.loads


class PluginImporter(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds and loads modules from a program. Modules are found at the plugin's root first, and then in `vendor/`."""

    def __init__(self):
        self.program = None
        #: Called when an outermost import has ended.
        self.after_import = None
        self._depth = 0

    def find_spec(self, name, path=None, target=None):
        if self.program is None:
            return None
        module = self.program.modules.get(name)
        if module is None:
            return self._find_folder(name)
        spec = importlib.machinery.ModuleSpec(name, self, origin=module.path, is_package=module.is_package)
        spec.has_location = True
        if module.is_package:
            spec.submodule_search_locations = [module.path.rpartition("/")[0]]
        return spec

    def _find_folder(self, name):
        """Finds a folder without `__init__.py`, which is a namespace package."""
        if name not in self.program.folders:
            return None
        spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [name.replace(".", "/")]
        return spec

    def is_package(self, name):
        return self._module(name).is_package

    def get_filename(self, name):
        return self._module(name).path

    def get_source(self, name):
        return self.program.read_source(self._module(name).path)

    def get_code(self, name):
        module = self._module(name)
        if module.code is None:
            source = self.get_source(name)
            # Raises the SyntaxError that the compiler found.
            return compile(source, module.path, "exec", dont_inherit=True)
        return _loads(module.code)

    def _module(self, name):
        module = self.program.modules.get(name) if self.program is not None else None
        if module is None:
            raise ImportError(f"the plugin has no module {name!r}", name=name)
        return module

    def get_data(self, path):
        """Returns the bytes of a file of the plugin. Raises FileNotFoundError."""
        return self.program.read_file(path)

    def get_resource_reader(self, name):
        from .plugin_files import FolderReader

        if not self.is_package(name):
            return None
        return FolderReader(self.program, self._module(name).path.rpartition("/")[0])

    def exec_module(self, module):
        self._depth += 1
        # Not those of this module, which are private.
        module.__builtins__ = vars(builtins)
        try:
            exec(self.get_code(module.__name__), module.__dict__)
        finally:
            self._depth -= 1
        if self._depth == 0 and self.after_import is not None:
            self.after_import()


IMPORTER = PluginImporter()


def install(program):
    """Makes the modules of a program importable."""
    IMPORTER.program = program
    if IMPORTER not in sys.meta_path:
        sys.meta_path.insert(0, IMPORTER)


def is_plugin_file(filename):
    """Says whether a file name is that of a module of the plugin."""
    return IMPORTER.program is not None and filename in IMPORTER.program.sources


def is_plugin_module(name):
    """Says whether a module is one of the plugin."""
    return IMPORTER.program is not None and name in IMPORTER.program.modules


def was_plugin_module(name):
    """Says whether a module that this version lacks may have been one of another version."""
    return name.partition(".")[0] not in sys.stdlib_module_names and name.partition(".")[0] not in RUNTIME_PACKAGES


def module_names():
    """Returns the names of the plugin's modules."""
    return () if IMPORTER.program is None else tuple(IMPORTER.program.modules)


def own_module_names():
    """Returns the names of the plugin's modules without those of `vendor/`."""
    if IMPORTER.program is None:
        return ()
    modules = IMPORTER.program.modules
    return [name for name, module in modules.items() if not module.path.startswith(VENDOR)]
