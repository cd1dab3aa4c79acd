"""The objects of test classes, and the methods of `unittest.TestCase` around a test."""

import unittest

from .fixtures import call


def make_object(item):
    """Returns a new object of the test's class, or None if the test has none."""
    if item.owner is None:
        return None
    if issubclass(item.owner, unittest.TestCase):
        return item.owner(item.function.__name__)
    return item.owner()


def is_case(test_object):
    """Says whether an object is one of `unittest`."""
    return isinstance(test_object, unittest.TestCase)


async def run_case(case):
    """Runs a test of `unittest` between the methods that set up and tear down."""
    await call(case.setUpClass)
    try:
        await call(case.setUp)
        try:
            await call(getattr(case, "asyncSetUp", _nothing))
            try:
                await call(getattr(case, case._testMethodName))
            finally:
                await call(getattr(case, "asyncTearDown", _nothing))
        finally:
            await call(case.tearDown)
    finally:
        await _clean_up(case)
        await call(case.tearDownClass)


async def _clean_up(case):
    while case._cleanups:
        function, args, kwargs = case._cleanups.pop()
        await call(function, *args, **kwargs)


def _nothing():
    """Stands for a method that the class lacks."""
