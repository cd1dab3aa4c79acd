"""Loads a program into this instance."""

import gc
import os
import random
import sys

from . import deadline, discovery, instance, plugin_importer
from .problems import ProblemsFound, describe_problem, make_problem
from .program import Program
from .state import baseline

#: Modules that only the build needs. A plugin may have modules with these names.
_BUILD_MODULES = ("app", "websocket")


def load(code):
    """Runs the modules of the entry classes. Raises ProblemsFound."""
    prepare()
    try:
        program = Program.parse(code)
    except ValueError as error:
        raise ProblemsFound([make_problem(str(error))]) from None
    plugin_importer.install(program)
    try:
        consumer = program.consumer and discovery.load_entry(program.consumer, "consumer")
        worker = program.worker and discovery.load_entry(program.worker, "worker")
    except BaseException as error:
        raise ProblemsFound([describe_problem(error, program)]) from None
    instance.set_classes(consumer or None, worker or None)
    baseline.take()
    plugin_importer.IMPORTER.after_import = baseline.take
    gc.freeze()


def prepare():
    """Makes this instance differ from the one that was built, and hides the modules of the build."""
    for name in _BUILD_MODULES:
        sys.modules.pop(name, None)
    random.seed(os.urandom(32))
    deadline.arm()
