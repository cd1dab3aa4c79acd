"""Limits how deep JSON may be nested. The parser in C would exhaust the stack of WebAssembly, which ends the instance."""

import itertools
import json
import re

#: How deep arrays and objects may be nested. Writing, comparing and saving such a value fit the stack too.
MAX_DEPTH = 500

_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_QUICK_ROUNDS = 16

_raw_decode = json.JSONDecoder.raw_decode


def raw_decode(self, s, idx=0):
    """Replaces `JSONDecoder.raw_decode`. Raises JSONDecodeError if the text is nested too deep."""
    if s.count("[") + s.count("{") > MAX_DEPTH and is_too_deep(s):
        raise json.JSONDecodeError(f"The value is nested deeper than {MAX_DEPTH}", s, idx)
    return _raw_decode(self, s, idx)


def is_too_deep(text):
    """Says whether arrays and objects of a JSON text are nested too deep."""
    return _exceeds(text) and _exceeds(_STRING.sub("", text))


def _exceeds(text):
    """Says whether brackets are nested too deep, if those in strings count too."""
    brackets = text.encode("utf-8", "surrogatepass").translate(None, _NOT_BRACKETS)
    for _ in range(_QUICK_ROUNDS):
        if len(brackets) <= MAX_DEPTH:
            return False
        # Takes away the innermost level.
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    depths = itertools.accumulate(map(_STEP.__getitem__, brackets))
    return max(depths, default=0) + _QUICK_ROUNDS > MAX_DEPTH


def install():
    """Installs the limit."""
    json.JSONDecoder.raw_decode = raw_decode
