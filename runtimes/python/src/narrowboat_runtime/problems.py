"""The problems of a plugin's source, as the contract describes them."""

from wit_world.exports.runtime import Problem

from . import failure
from .texts import escape_surrogates

#: The largest line that the contract can have.
_MAX_LINE = 0xFFFF_FFFF


class ProblemsFound(Exception):
    """The plugin does not compile or load. Its argument is the list of problems."""


def describe_problem(error, program):
    """Returns the problem of a module that cannot run."""
    if isinstance(error, SyntaxError) and error.filename in program.sources:
        return make_syntax_problem(error, error.filename, program.read_source(error.filename))
    failure.report(error)
    place = failure.find_place(error)
    message = failure.describe(error, with_place=False)
    if place is None:
        return make_problem(message)
    path, line, _ = place
    return make_problem(message, path, line, None, line_of(program.read_source(path), line))


def make_syntax_problem(error, path, text):
    """Returns the problem of a file that cannot be parsed."""
    if not isinstance(error, SyntaxError):
        return make_problem(failure.describe(error, with_place=False), path)
    line, column = error.lineno, error.offset
    source = line_of(text, line) or (error.text.rstrip("\n") if error.text else None)
    return make_problem(f"{type(error).__name__}: {error.msg}", path, line, column, source)


def make_problem(message, path=None, line=None, column=None, source=None):
    """Returns a problem. A plugin may have made the texts and the numbers."""
    path, source = (text and escape_surrogates(text) for text in (path, source))
    line, column = (number if _is_position(number) else None for number in (line, column))
    return Problem(path, line, column, escape_surrogates(message), source)


def _is_position(number):
    return type(number) is int and 0 < number <= _MAX_LINE


def line_of(text, line):
    """Returns a line of the text, or None if there is no such line."""
    lines = text.splitlines()
    return lines[line - 1] if _is_position(line) and line <= len(lines) else None
