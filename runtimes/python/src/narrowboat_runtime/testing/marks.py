"""Marks of test functions and test classes: parameters, and reasons to skip a test."""

import itertools

_PARAMETERS = "__narrowboat_parameters__"
_SKIP = "__narrowboat_skip__"


def parametrize(names, values, ids=None):
    """Returns a decorator that makes a test run once for each value.

    `names` is a text with names that are separated by commas, or a list of names. With several names, each value is a
    tuple. `ids` are texts for the names of the tests.
    """
    names = tuple(name.strip() for name in names.split(",")) if isinstance(names, str) else tuple(names)
    rows = [value if len(names) > 1 else (value,) for value in values]
    for row in rows:
        if len(row) != len(names):
            raise ValueError(f"parametrize has {len(names)} names, {', '.join(names)}, and {len(row)} values: {row!r}")
    texts = [str(each) for each in ids] if ids is not None else [_describe(names, *row) for row in enumerate(rows)]
    if len(texts) != len(rows):
        raise ValueError(f"parametrize has {len(rows)} values and {len(texts)} ids")
    choices = [(text, dict(zip(names, row))) for text, row in zip(texts, rows)]
    return lambda marked: _append(marked, _PARAMETERS, choices)


def _describe(names, index, row):
    shown = [
        str(value) if isinstance(value, (str, int, float, bool, type(None))) else f"{name}{index}"
        for name, value in zip(names, row)
    ]
    return "-".join(shown)


def mark_skipped(reason):
    """Returns a decorator that makes the host skip a test."""
    return lambda marked: _append(marked, _SKIP, reason)


def _append(marked, attribute, value):
    # The decorator that is nearest to the function comes last.
    setattr(marked, attribute, [value, *vars(marked).get(attribute, ())])
    return marked


def parameters_of(function, owner=None):
    """Returns pairs of an id and the parameters of a run. A test without parameters has one run, whose id is empty."""
    marks = [*getattr(owner, _PARAMETERS, ()), *getattr(function, _PARAMETERS, ())]
    runs = []
    for chosen in itertools.product(*marks):
        values = {name: value for _, own in chosen for name, value in own.items()}
        runs.append(("-".join(text for text, _ in chosen), values))
    return runs


def skip_reason_of(function, owner=None):
    """Returns why a test is skipped, or None."""
    return next(iter((*getattr(function, _SKIP, ()), *getattr(owner, _SKIP, ()))), None)
