"""What happens once, when the runtime is built: modules are imported, because there are no files at run time."""

import gc
import importlib
import pkgutil
import sys

from . import json_depth, log, plugin_files, private_builtins, time_zones, unavailable
from .stdlib import MODULES

#: How many allocations start a collection. A step makes few cycles, and a collection looks at all objects of a plugin.
_GC_THRESHOLD = 20_000

#: How deep calls of Python may be nested. Calls that go through C, such as those of `__repr__`, use 1.9 MiB of the
#: WebAssembly stack at this depth, so the host has to offer 2 MiB. With 512 KiB the limit would have to be 200.
_RECURSION_LIMIT = 1_000

#: The packages whose modules a plugin or the runtime imports while it runs.
_PACKAGES = ("asgiref", "channels", "importlib.resources", "narrowboat", "narrowboat_runtime")


def prepare():
    """Prepares the interpreter whose memory becomes the component."""
    log.install()
    for name in MODULES:
        importlib.import_module(name)
    for package in _PACKAGES:
        import_package(package)
    importlib.import_module("pytest")
    unavailable.install()
    plugin_files.install()
    json_depth.install()
    time_zones.install()


def import_package(name):
    """Imports a package and all of its modules."""
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        importlib.import_module(module.name)


def finish():
    """Sets the limits, and takes the objects of the runtime out of later collections."""
    private_builtins.uninstall()
    sys.setrecursionlimit(_RECURSION_LIMIT)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD, 20, 20)
