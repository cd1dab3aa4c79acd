"""Describes the exceptions of a plugin: a traceback for the log, and one line for the host."""

import os
import traceback

from . import log, plugin_importer
from .hints import add_hint
from .texts import escape_surrogates

#: The folder of the runtime's packages.
_RUNTIME_FOLDER = os.path.dirname(os.path.dirname(__file__)) + "/"

#: Reads the name of a type even if its metaclass hides it.
_name_of = type.__dict__["__name__"].__get__

#: The most characters of the line for the host.
MAX_LINE = 1_000

#: The most frames of a traceback. Formatting a thousand frames, as after a RecursionError, takes longer than `call_time`.
_MAX_FRAMES = 40


def report(error, title=None):
    """Logs the traceback of an exception. Never raises."""
    try:
        log_text(format_traceback(error), title)
    except BaseException as failure:
        names = _name_of(type(error)), _name_of(type(failure))
        log_text(f"{names[0]}, and its traceback cannot be shown: {names[1]}", title)


def log_text(text, title=None):
    """Logs an error."""
    log.write(log.Level.ERROR, "traceback", f"{title}\n{text}" if title else text)


def format_traceback(error):
    """Returns the traceback with the lines of the source, from the first line of the plugin on.

    The frames of the runtime are left out. Only the innermost frames of a deep traceback are there.
    """
    add_hint(error)
    start, left_out = _skip_outer_frames(error.__traceback__)
    told = traceback.TracebackException(type(error), error, start, limit=-_MAX_FRAMES)
    _remove_runtime_frames(told, set())
    text = "".join(told.format()).rstrip()
    return f"{text}\n({left_out} outer frames are left out)" if left_out else text


def _skip_outer_frames(start):
    """Returns the innermost frames of a traceback, and how many others it has. `limit` would look at all of them."""
    count, step = 0, start
    while step is not None:
        count, step = count + 1, step.tb_next
    left_out = max(0, count - _MAX_FRAMES)
    for _ in range(left_out):
        start = start.tb_next
    return start, left_out


def _remove_runtime_frames(told, seen):
    """Removes the frames of the runtime from an exception, its cause, its context and the exceptions in a group."""
    if told is None or id(told) in seen:
        return
    seen.add(id(told))
    frames = [frame for frame in told.stack if not is_runtime_file(frame.filename)]
    # A deep recursion in another module leaves no frame of the plugin.
    first = next((index for index, frame in enumerate(frames) if plugin_importer.is_plugin_file(frame.filename)), 0)
    told.stack[:] = frames[first:]
    for inner in (told.__cause__, told.__context__, *(getattr(told, "exceptions", None) or ())):
        _remove_runtime_frames(inner, seen)


def is_runtime_file(filename):
    """Says whether a file name is that of a module of the runtime."""
    return filename.startswith(_RUNTIME_FOLDER)


def describe(error, with_place=True):
    """Returns one line with the exception and its place, such as `KeyError: 'a' (consumers.py:7 in receive)`.

    Never raises, whatever the exception does when it is asked.
    """
    name = _name_of(type(error))
    try:
        text = str(error)
        line = f"{name}: {text}" if text else name
    except BaseException:
        line = f"{name}: (its text cannot be shown)"
    try:
        add_hint(error)
        line = "; ".join([line, *(note for note in getattr(error, "__notes__", ()) if isinstance(note, str))])
    except BaseException:
        line += "; (its notes cannot be shown)"
    place = find_place(error) if with_place else None
    if place is not None:
        path, number, function = place
        line += f" ({path}:{number} in {function})" if function else f" ({path}:{number})"
    return escape_surrogates(" ".join(line.split())[:MAX_LINE])


def find_place(error):
    """Returns the path, the line and the function of the plugin where the exception occurred, or None. Never raises."""
    try:
        return _find_place(error)
    except BaseException:
        return None


def _find_place(error):
    if isinstance(error, SyntaxError) and error.filename and plugin_importer.is_plugin_file(error.filename):
        return error.filename, error.lineno or 1, None
    place = None
    step = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        if plugin_importer.is_plugin_file(code.co_filename):
            place = code.co_filename, step.tb_lineno, code.co_name
        step = step.tb_next
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            inner = _find_place(part)
            if inner is not None:
                return inner
    return place
