"""Built-in names for the runtime and the standard library, which a plugin cannot replace.

A plugin that breaks `builtins.len` breaks its own modules. Its state can still be saved, so that another version can
take its place.
"""

import builtins
from importlib.machinery import SourceFileLoader

#: The built-in names of the modules that are imported while `install` is in force.
NAMES = dict(vars(builtins))

_exec_module = SourceFileLoader.exec_module


def install():
    """Gives each module that is imported from now on the private names."""
    SourceFileLoader.exec_module = _exec_with_private_names


def uninstall():
    """Ends `install`. The modules that have private names keep them."""
    SourceFileLoader.exec_module = _exec_module


def _exec_with_private_names(loader, module):
    module.__builtins__ = NAMES
    _exec_module(loader, module)
