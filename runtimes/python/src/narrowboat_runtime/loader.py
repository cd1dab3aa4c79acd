"""Loads a program into this instance."""

import gc

from . import deadline, discovery, instance, plugin_importer, preparation
from .problems import ProblemsFound, describe_problem, make_problem
from .program import Program
from .state import baseline


def load(code):
    """Runs the modules of the entry classes. Raises ProblemsFound."""
    preparation.prepare()
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
    deadline.name_limit("call_time")
    gc.freeze()
