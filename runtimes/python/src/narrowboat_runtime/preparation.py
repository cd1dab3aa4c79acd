"""Prepares an instance before it compiles or loads a plugin."""

import os
import random
import sys

from . import deadline

#: Modules that only the build needs. A plugin may have modules with these names.
_BUILD_MODULES = ("app", "websocket")


def prepare():
    """Makes this instance differ from the one that was built, and hides the modules of the build."""
    for name in _BUILD_MODULES:
        sys.modules.pop(name, None)
    random.seed(os.urandom(32))
    deadline.arm()
