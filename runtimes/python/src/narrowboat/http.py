"""HTTP requests to other servers.

A plugin needs the hosts under `[capabilities]`, such as `http = ["https://api.example.com"]`. The call waits for the
response. Other connections of the same instance wait meanwhile. Redirects are not followed.
"""

import json as _json

from componentize_py_types import Err
from narrowboat_runtime.http_content import HttpContent
from narrowboat_runtime.texts import check_text
from wit_world.imports import outgoing_handler, streams
from wit_world.imports import wasi_http_types as types

#: The most bytes that one write to a stream accepts, and that one read returns.
_WRITE_BYTES, _READ_BYTES = 4_096, 65_536

#: The longest time-out that the contract can have, in seconds.
_LONGEST_TIMEOUT = 2**64 / 1e9

_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")


class HttpError(Exception):
    """There is no complete response."""

    __narrowboat_external__ = True


class InvalidRequest(HttpError, ValueError):
    """The URL, the method or a header is invalid."""

    __narrowboat_external__ = False


class RequestDenied(HttpError, PermissionError):
    """The manifest does not request the host, or the host has a private address."""

    __narrowboat_external__ = False


class RequestTimedOut(HttpError, TimeoutError):
    """Connecting, the response or a part of it took too long."""


class BodyTooLarge(HttpError):
    """The body of the request or of the response is larger than the host allows."""

    __narrowboat_external__ = False


class Response(HttpContent):
    """A response. `headers` is a list of names in lower case and values as bytes."""

    def __init__(self, status, headers, body):
        super().__init__(headers, body)
        self.status = status

    def __repr__(self):
        return f"<Response {self.status}, {len(self.body)} bytes>"


def request(method, url, *, headers=None, body=b"", json=None, timeout=None):
    """Sends a request and returns the response, whatever its status.

    `body` is bytes or a text, or `json` is a value. `timeout` in seconds limits connecting, the first byte and each pause;
    it can only be shorter than the time-outs of the host. Raises HttpError.
    """
    headers = _make_headers(headers)
    if json is not None:
        body = _json.dumps(json)
        headers.append(("content-type", b"application/json"))
    body = body.encode() if isinstance(body, str) else bytes(body)
    if body:
        headers.append(("content-length", str(len(body)).encode()))
    try:
        return _send(_make_request(method.upper(), url, headers), body, timeout)
    except Err as error:
        raise _exception_of(error.value) from None


def get(url, **options):
    """Sends a GET request. See `request`."""
    return request("GET", url, **options)


def post(url, **options):
    """Sends a POST request. See `request`."""
    return request("POST", url, **options)


def _make_headers(headers):
    items = headers.items() if isinstance(headers, dict) else headers or ()
    return [
        (name.lower(), value if isinstance(value, bytes) else str(value).encode("latin-1")) for name, value in items
    ]


def split_url(url):
    """Splits a URL into scheme, host with port, and path with query. Raises InvalidRequest."""
    if not isinstance(url, str):
        raise TypeError(f"a URL has to be str, not {type(url).__name__}")
    scheme, separator, rest = url.partition("://")
    rest = rest.partition("#")[0]
    end = min((place for place in (rest.find("/"), rest.find("?")) if place >= 0), default=len(rest))
    authority, path = rest[:end], rest[end:]
    if not separator or not scheme or not authority:
        raise InvalidRequest(f"{url!r} is not a URL of the form https://HOST/PATH")
    return scheme.lower(), authority, path if path.startswith("/") else "/" + path


def _make_request(method, url, headers):
    scheme, authority, path = split_url(url)
    try:
        for text in (method, url, *(name for name, _ in headers)):
            check_text(text)
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"the method, the URL or the name of a header cannot be UTF-8: {error}") from None
    try:
        fields = types.Fields.from_list(headers)
    except Err:
        raise InvalidRequest("a header is invalid, or one that a plugin may not set") from None
    outgoing = types.OutgoingRequest(fields)
    schemes = {"http": types.Scheme_Http, "https": types.Scheme_Https}
    name = f"Method_{method.capitalize()}"
    try:
        outgoing.set_method(getattr(types, name)() if method in _METHODS else types.Method_Other(method))
        outgoing.set_scheme(schemes[scheme]() if scheme in schemes else types.Scheme_Other(scheme))
        outgoing.set_authority(authority)
        outgoing.set_path_with_query(path)
    except Err:
        raise InvalidRequest(f"{method} {url!r} is not a valid request") from None
    return outgoing


def _send(outgoing, body, timeout):
    outgoing_body = outgoing.body() if body else None
    future = outgoing_handler.handle(outgoing, _make_options(timeout))
    if outgoing_body is not None:
        _write_body(outgoing_body, body)
    with future.subscribe() as ready:
        ready.block()
    result = future.get()
    result = getattr(result, "value", result)
    if isinstance(result, Err):
        raise result
    result = getattr(result, "value", result)
    if isinstance(result, Err):
        raise result
    return _read_response(getattr(result, "value", result))


def _make_options(timeout):
    if timeout is None:
        return None
    if not 0 <= timeout < _LONGEST_TIMEOUT:
        raise InvalidRequest(f"the time-out {timeout!r} is not a number of seconds from 0 on")
    options, nanoseconds = types.RequestOptions(), int(timeout * 1e9)
    options.set_connect_timeout(nanoseconds)
    options.set_first_byte_timeout(nanoseconds)
    options.set_between_bytes_timeout(nanoseconds)
    return options


def _write_body(outgoing_body, body):
    """Writes the body. A server that does not read all of it may still respond."""
    with outgoing_body.write() as stream:
        try:
            for start in range(0, len(body), _WRITE_BYTES):
                stream.blocking_write_and_flush(body[start : start + _WRITE_BYTES])
        except Err:
            return
    types.OutgoingBody.finish(outgoing_body, None)


def _read_response(response):
    status = response.status()
    with response.headers() as fields:
        headers = [(name, bytes(value)) for name, value in fields.entries()]
    parts = []
    with response.consume() as incoming, incoming.stream() as stream:
        while True:
            try:
                parts.append(stream.blocking_read(_READ_BYTES))
            except Err as error:
                if isinstance(error.value, streams.StreamError_Closed):
                    return Response(status, headers, b"".join(parts))
                code = types.http_error_code(error.value.value)
                raise HttpError("the response broke off") if code is None else _exception_of(code)


_TIMEOUTS = (
    "DnsTimeout",
    "ConnectionTimeout",
    "ConnectionReadTimeout",
    "ConnectionWriteTimeout",
    "HttpResponseTimeout",
)


def _exception_of(code):
    name = type(code).__name__.removeprefix("ErrorCode_")
    if name == "HttpRequestDenied":
        return RequestDenied(
            "the manifest does not request this host: add it to http under [capabilities] in plugin.toml"
        )
    if name == "DestinationIpProhibited":
        return RequestDenied("the host has no address on the public internet")
    if name in _TIMEOUTS:
        return RequestTimedOut("the request timed out")
    if name in ("HttpRequestBodySize", "HttpResponseBodySize"):
        return BodyTooLarge("the body is larger than the host allows")
    if name in ("HttpRequestUriInvalid", "HttpRequestMethodInvalid"):
        return InvalidRequest("the URL or the method is invalid")
    value = getattr(code, "value", None)
    return HttpError(f"{name}: {value}" if value else name)
