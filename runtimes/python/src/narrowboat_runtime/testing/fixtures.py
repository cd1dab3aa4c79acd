"""Fixtures: values that tests name as parameters."""

import difflib
import inspect
import unittest.mock

from .. import event_loop


class Fixture:
    """A function that makes a value for tests. It may be a generator, whose code behind `yield` runs after the test."""

    def __init__(self, function, name, autouse):
        self.function = function
        self.name = name or function.__name__
        #: Whether each test has the fixture, even if it does not name it.
        self.autouse = autouse

    def __call__(self, *_, **__):
        raise TypeError(f"a test does not call a fixture: name {self.name} as a parameter of the test")


def fixture(function=None, *, scope="function", name=None, autouse=False):
    """Makes a function a fixture. A test gets its value as the parameter with its name.

    A fixture can have other fixtures as parameters. Each test gets new values.
    """
    if scope != "function":
        raise ValueError(f'each test has a host of its own, so a fixture cannot have the scope "{scope}": leave it out')
    if function is None:
        return lambda function: Fixture(function, name, autouse)
    return Fixture(function, name, autouse)


class FixtureError(Exception):
    """A test names a fixture that does not exist, or fixtures need each other."""


def fixtures_of(namespace):
    """Returns the fixtures of a module or a class by name."""
    return {value.name: value for value in vars(namespace).values() if isinstance(value, Fixture)}


class FixtureValues:
    """The fixtures of one run of a test. Layers are tables of fixtures by name, the nearest to the test first."""

    def __init__(self, layers, test_object, parameters):
        self._layers = layers
        #: The object of the test's class, or None.
        self._object = test_object
        self._values = dict(parameters)
        #: The values of the fixtures that have started.
        self._started = {}
        #: The fixtures that are starting, and need others.
        self._starting = []
        #: The generators of fixtures that have to end, with their fixture.
        self._open = []

    async def start_automatic(self):
        """Starts the fixtures that each test has."""
        for depth in reversed(range(len(self._layers))):
            for each in self._layers[depth].values():
                if each.autouse:
                    await self._value_of(each, depth)

    async def arguments_of(self, function, above=0, except_for=None):
        """Returns the fixtures that a function names as parameters.

        A fixture may have the name of one in an outer layer, and name it as a parameter: `above` leaves out the layers
        below. Raises FixtureError, and what a fixture raises.
        """
        arguments = {}
        for name in _names_of_parameters(function):
            arguments[name] = await self._find(name, above + 1 if name == except_for else 0)
        return arguments

    async def _find(self, name, above):
        if name in self._values and above == 0:
            return self._values[name]
        for depth in range(above, len(self._layers)):
            found = self._layers[depth].get(name)
            if found is not None:
                return await self._value_of(found, depth)
        raise FixtureError(self._describe_missing(name))

    def _describe_missing(self, name):
        names = sorted({name for layer in self._layers for name in layer})
        needs = f"the fixture {self._starting[-1].name}" if self._starting else "the test"
        close = difflib.get_close_matches(name, names, 1)
        guess = f": did you mean {close[0]}?" if close else ""
        known = f"; there are {', '.join(names)}" if names else "; there are no fixtures"
        return f"{needs} has the parameter {name}, and no fixture has this name{guess or known}"

    async def _value_of(self, found, depth):
        if found in self._started:
            return self._started[found]
        if found in self._starting:
            names = " -> ".join(each.name for each in (*self._starting, found))
            raise FixtureError(f"fixtures need each other: {names}")
        self._starting.append(found)
        try:
            value = self._started[found] = await self._start(found, depth)
        except Exception as error:
            _add_note(error, f"(in the fixture {found.name})")
            raise
        finally:
            self._starting.pop()
        return value

    async def _start(self, found, depth):
        is_method = depth == 0 and self._object is not None
        function = found.function.__get__(self._object) if is_method else found.function
        arguments = await self.arguments_of(function, depth, except_for=found.name)
        if not inspect.isgeneratorfunction(function) and not inspect.isasyncgenfunction(function):
            return await call(function, **arguments)
        generator = function(**arguments)
        value = await _step(generator, found)
        if value is _ENDED:
            raise FixtureError(f"the fixture {found.name} has ended without a yield")
        self._open.append((found, generator))
        return value

    async def end(self):
        """Ends the fixtures in the reverse order. Returns the exceptions."""
        errors = []
        while self._open:
            found, generator = self._open.pop()
            try:
                if await _step(generator, found) is not _ENDED:
                    raise FixtureError(f"the fixture {found.name} yields more than once")
            except BaseException as error:
                _add_note(error, f"(at the end of the fixture {found.name})")
                errors.append(error)
        return errors


def _names_of_parameters(function):
    """Returns the names of the parameters that a test or a fixture has no other value for."""
    parameters = list(inspect.signature(function).parameters.values())
    # `unittest.mock.patch` gives the first ones.
    patched = sum(
        each.attribute_name is None and each.new is unittest.mock.DEFAULT for each in getattr(function, "patchings", ())
    )
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [each.name for each in parameters[patched:] if each.default is each.empty and each.kind not in variable]


_ENDED = object()


async def _step(generator, found):
    """Runs a generator to its next `yield`. Returns its value, or _ENDED."""
    if inspect.isasyncgen(generator):
        return await anext(generator, _ENDED)
    return event_loop.call_outside_loop(next, generator, _ENDED)


async def call(function, *args, **kwargs):
    """Calls a function of a test, and awaits its result if it is a coroutine."""
    result = event_loop.call_outside_loop(function, *args, **kwargs)
    return await result if inspect.isawaitable(result) else result


def _add_note(error, note):
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)
