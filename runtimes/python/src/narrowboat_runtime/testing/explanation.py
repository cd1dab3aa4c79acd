"""Says why an assertion failed, with the values of its expression."""

import difflib

#: The most characters of one value.
_MAX_VALUE = 240

#: The most lines that show how two values differ.
_MAX_DIFFERENCES = 20

#: The most lines of a text that are compared with those of another.
_MAX_COMPARED = 500

#: The shortest text whose lines are compared with those of the other.
_LONG_TEXT = 60


class _Missing:
    """The value of an expression that was not evaluated."""


MISSING = _Missing()


def make_failure(template, values, *message):
    """Returns the exception of an assertion that failed. The template is that of `assertions`."""
    lines = [show_message(text) for text in message]
    try:
        lines += _explain(template, values)
    except Exception as error:
        lines.append(f"assertion failed, and its values cannot be shown: {type(error).__name__}")
    return AssertionError("\n".join(lines))


def show_message(message):
    """Returns the message of an assertion as a text."""
    return message if isinstance(message, str) else show_value(message)


def _explain(template, values):
    parts, texts, sources = template
    show = lambda part: part if isinstance(part, str) else _show(values[part], sources[part])
    lines = ["".join(map(show, parts))]
    for number, own in texts:
        if values[number] is not MISSING:
            lines.append(f"  where {show(number)} = {''.join(map(show, own))}")
    if len(parts) == 4 and parts[2] == " == ":
        lines += _show_differences(values[parts[1]], values[parts[3]])
    return lines


def _show(value, source):
    return source if value is MISSING else show_value(value)


def show_value(value):
    """Returns a value as a short text. A class, a function or a module has its name."""
    try:
        if isinstance(value, type) or type(value).__name__ in ("function", "module"):
            return value.__name__
        return shorten(repr(value))
    except Exception as error:
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"


def shorten(text):
    """Leaves out the middle of a long text."""
    if len(text) <= _MAX_VALUE:
        return text
    half = _MAX_VALUE // 2
    return f"{text[:half]}...{text[-half:]}"


def _show_differences(left, right):
    """Returns lines about two values that are not equal."""
    if isinstance(left, str) and isinstance(right, str):
        lines = _differences_of_texts(left, right)
    elif isinstance(left, dict) and isinstance(right, dict):
        lines = _differences_of_dicts(left, right)
    elif isinstance(left, (set, frozenset)) and isinstance(right, (set, frozenset)):
        lines = [f"only left: {show_value(item)}" for item in left - right]
        lines += [f"only right: {show_value(item)}" for item in right - left]
    elif isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        lines = _differences_of_lists(left, right)
    else:
        return []
    if len(lines) > _MAX_DIFFERENCES:
        lines[_MAX_DIFFERENCES:] = [f"... and {len(lines) - _MAX_DIFFERENCES} more lines"]
    return [f"  {line}" for line in lines]


def _differences_of_texts(left, right):
    if "\n" not in left + right and max(len(left), len(right)) < _LONG_TEXT:
        return []
    if "\n" in left + right:
        compared = (text.splitlines()[:_MAX_COMPARED] for text in (left, right))
        lines = difflib.unified_diff(*compared, "left", "right", n=1, lineterm="")
        return [shorten(line) for line in lines]
    index = next((i for i, (a, b) in enumerate(zip(left, right)) if a != b), min(len(left), len(right)))
    near = slice(max(0, index - 10), index + 30)
    return [f"at character {index}: {left[near]!r} and {right[near]!r}"]


def _differences_of_dicts(left, right):
    lines = [
        f"at {show_value(key)}: {show_value(left[key])} and {show_value(right[key])}"
        for key in left
        if key in right and left[key] != right[key]
    ]
    for name, own, other in (("left", left, right), ("right", right, left)):
        lines += [f"only {name}: {show_value(key)}: {show_value(own[key])}" for key in own if key not in other]
    return lines


def _differences_of_lists(left, right):
    pairs = enumerate(zip(left, right))
    lines = [f"at index {i}: {show_value(a)} and {show_value(b)}" for i, (a, b) in pairs if a != b][:1]
    shared = min(len(left), len(right))
    for name, own in (("left", left), ("right", right)):
        lines += [f"only {name}: index {i + shared}: {show_value(item)}" for i, item in enumerate(own[shared:])]
    return lines
