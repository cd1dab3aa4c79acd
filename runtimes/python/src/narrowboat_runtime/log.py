"""The log of the host: standard output, standard error, `logging` and `warnings` of a plugin go there."""

import io
import logging
import sys
import warnings

from wit_world.imports import logging as host

from .texts import escape_surrogates

Level = host.Level

#: The most characters of one entry. The middle of a longer text is left out.
MAX_ENTRY = 16_384

_host_log = host.log


def write(level, context, text):
    """Writes one entry, which may have line breaks."""
    _host_log(level, escape_surrogates(context), escape_surrogates(shorten(text)))


def shorten(text):
    """Leaves out the middle of a text that is longer than an entry."""
    if len(text) <= MAX_ENTRY:
        return text
    half = MAX_ENTRY // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"


class LogStream(io.TextIOBase):
    """A stream whose text goes to the log, at the end of a line or at the end of the step."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, level, context, whole_step):
        self._level = level
        self._context = context
        self._whole_step = whole_step
        self._parts = []
        self._size = 0

    def writable(self):
        return True

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if not text:
            return 0
        if not self._parts:
            _pending.append(self)
        self._parts.append(text)
        self._size += len(text)
        if self._size > MAX_ENTRY or (text[-1] == "\n" and not self._whole_step):
            self.flush()
        return len(text)

    def flush(self):
        if not self._parts:
            return
        text = "".join(self._parts)
        self._parts.clear()
        self._size = 0
        _pending.remove(self)
        text = text.removesuffix("\n")
        if text:
            write(self._level, self._context, text)


_pending = []


def flush():
    """Writes what the step has printed without a line break."""
    for stream in list(_pending):
        stream.flush()


class HostHandler(logging.Handler):
    """Writes the records of `logging` with their level, and the name of their logger as the context."""

    def emit(self, record):
        try:
            text = self.format(record)
        except Exception as error:
            place = f"{record.pathname}:{record.lineno}"
            text = f"the record of {place} cannot be formatted: {type(error).__name__}: {error}"
        write(_level_of(record.levelno), str(record.name), text)


def _level_of(number):
    if number >= logging.CRITICAL:
        return Level.CRITICAL
    if number >= logging.ERROR:
        return Level.ERROR
    if number >= logging.WARNING:
        return Level.WARN
    if number >= logging.INFO:
        return Level.INFO
    return Level.DEBUG if number >= logging.DEBUG else Level.TRACE


def show_warning(message, category, filename, lineno, file=None, line=None):
    """Writes a warning of `warnings`."""
    write(Level.WARN, "warnings", f"{filename}:{lineno}: {category.__name__}: {message}")


def install():
    """Sends the output of the interpreter to the log."""
    sys.stdout = sys.__stdout__ = LogStream(Level.INFO, "print", whole_step=False)
    sys.stderr = sys.__stderr__ = LogStream(Level.WARN, "stderr", whole_step=True)
    sys.stdin = sys.__stdin__ = io.StringIO("")
    warnings.showwarning = show_warning
    root = logging.getLogger()
    root.handlers[:] = [HostHandler()]
    # The host has a level of its own for each plugin.
    root.setLevel(logging.DEBUG)
    logging.raiseExceptions = False
