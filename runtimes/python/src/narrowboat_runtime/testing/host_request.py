"""Requests to the host of the tests."""

from componentize_py_types import Err
from wit_world.imports import test_host

from ..message_pack import packb, unpackb


class HostError(Exception):
    """The host of the test refused a request."""


def request(operation, **values):
    """Sends a request and returns the value of the response. Raises HostError."""
    try:
        raw = test_host.call(packb({"op": operation, **values}))
    except Err as error:
        raise HostError(f"narrowboat.testing works in tests that `narrowboat test` runs: {error.value}") from None
    response = unpackb(raw)
    if "error" in response:
        raise HostError(response["error"])
    return response["ok"]


def read_bytes(data):
    """Returns the bytes of a response, which are a text there if they are UTF-8."""
    return data.encode() if isinstance(data, str) else bytes(data)


def read_headers(headers):
    """Returns the headers of a response: names and values as bytes."""
    return [(name, read_bytes(value)) for name, value in headers]
