"""The names of pytest that tests for Django Channels use. `narrowboat test` runs such tests without pytest."""

from narrowboat_runtime.testing.fixtures import fixture
from narrowboat_runtime.testing.marks import mark_skipped, parametrize
from narrowboat_runtime.testing.outcomes import fail, raises, skip

__all__ = ["fail", "fixture", "mark", "raises", "skip"]


class _Marks:
    """`pytest.mark`. Marks that say how pytest runs a test, such as `asyncio` and `django_db`, have no effect."""

    parametrize = staticmethod(parametrize)

    @staticmethod
    def skip(reason=""):
        """Skips a test."""
        return mark_skipped("")(reason) if callable(reason) else mark_skipped(reason)

    @staticmethod
    def skipif(condition, *, reason=""):
        """Skips a test if the condition holds."""
        return mark_skipped(reason) if condition else lambda marked: marked

    def __getattr__(self, name):
        return _no_effect


def _no_effect(*args, **_):
    """A mark with or without arguments."""
    if len(args) == 1 and callable(args[0]):
        return args[0]
    return lambda marked: marked


mark = _Marks()
