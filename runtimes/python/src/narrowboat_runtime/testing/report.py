"""Describes why a test failed."""

import traceback

from wit_world.exports.tests import Failure

from .. import failure, plugin_importer
from ..log import shorten
from ..problems import line_of
from ..program import VENDOR
from ..texts import escape_surrogates

_type_name = type.__dict__["__name__"].__get__


class TestProblem(Exception):
    """A reason for a failure that is not an exception of the test. `stack` says where, the innermost frame last."""

    def __init__(self, text, stack):
        super().__init__(text)
        self.stack = stack


def stack_of(frames):
    """Returns the stack of frames, the innermost last."""
    return traceback.StackSummary.extract((frame, frame.f_lineno) for frame in frames)


def make_failure(error, later, item):
    """Returns the failure of a test with the exception that ended it, and those of its fixtures after that."""
    path, line = _find_place(error) or (item.path, item.line)
    source = line_of(plugin_importer.IMPORTER.program.read_source(path), line)
    traces = [f"Then:\n{_trace_of(each)}" for each in later]
    if not _is_told_by_place(error):
        traces.insert(0, _trace_of(error))
    return Failure(
        _clean(_message_of(error)), path, line, source and _clean(source.strip()), _clean("\n\n".join(traces))
    )


def _clean(text):
    return escape_surrogates(shorten(text))


def _message_of(error):
    """Returns what failed. Never raises, whatever the exception does when it is asked."""
    try:
        text = str(error)
        if not isinstance(error, (AssertionError, TestProblem)) or not text:
            name = _type_name(type(error))
            text = f"{name}: {text}" if text else name
        failure.add_hint(error)
        notes = (note for note in getattr(error, "__notes__", ()) if isinstance(note, str))
        parts = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
        return "\n".join((text, *notes, *(f"  {failure.describe(part)}" for part in parts)))
    except BaseException:
        return f"{_type_name(type(error))}: (its text cannot be shown)"


def _is_told_by_place(error):
    """Says whether a traceback would have nothing but the place and the message."""
    if isinstance(error, TestProblem):
        return len(error.stack) <= 1
    context = None if error.__suppress_context__ else error.__context__
    if error.__cause__ is not None or context is not None or isinstance(error, BaseExceptionGroup):
        return False
    files = (frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__))
    return sum(not failure.is_runtime_file(file) for file in files) <= 1


def _trace_of(error):
    try:
        if isinstance(error, TestProblem):
            return "".join(("Stack (most recent call last):\n", *error.stack.format(), str(error)))
        return failure.format_traceback(error)
    except BaseException as failed:
        return f"the traceback cannot be shown: {_type_name(type(failed))}"


def _find_place(error):
    """Returns the path and the line of the innermost frame of the plugin's own files, or None."""
    own = [(path, line) for path, line in _places_of(error) if not path.startswith(VENDOR)]
    if not own and isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(_find_place, error.exceptions)), None)
    return own[-1] if own else None


def _places_of(error):
    """Returns the path and the line of each frame of the plugin, the innermost last."""
    if isinstance(error, TestProblem):
        places = [(frame.filename, frame.lineno) for frame in error.stack]
    elif isinstance(error, SyntaxError) and error.filename and error.lineno:
        places = [(error.filename, error.lineno)]
    else:
        places = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    return [place for place in places if plugin_importer.is_plugin_file(place[0])]
