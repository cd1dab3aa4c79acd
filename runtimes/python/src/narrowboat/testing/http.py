"""The HTTP requests of the plugin. Nothing is sent: rules make the responses."""

import json as _json

from narrowboat_runtime.handshake import as_bytes, make_headers
from narrowboat_runtime.http_content import HttpContent
from narrowboat_runtime.testing.host_request import read_bytes, read_headers, request

#: How a request can fail.
_ERRORS = ("refused", "timeout", "dns", "closed")


class PluginRequest(HttpContent):
    """A request of the plugin. `headers` is a list of names in lower case and values as bytes, and `body` is bytes."""

    def __init__(self, method, url, headers, body):
        super().__init__(headers, body)
        self.method = method
        self.url = url

    def __repr__(self):
        return f"<PluginRequest {self.method} {self.url}>"


def respond(url, status=200, *, body=b"", json=None, headers=(), method=None, times=None):
    """Makes requests with this URL get a response. The newest rule for a request counts.

    `*` at the end of the URL stands for any rest. `method` limits the rule to one method, and `times` to the next
    requests. `body` is bytes or a text, or `json` is a value.
    """
    headers = make_headers(headers)
    if json is not None:
        body = _json.dumps(json)
        headers.append(("content-type", b"application/json"))
    request(
        "respond", method=method, url=url, status=status, headers=headers, body=as_bytes(body, "utf-8"), times=times
    )


def fail_request(url, error="refused", *, method=None, times=None):
    """Makes requests with this URL fail: "refused", "timeout", "dns" or "closed". See `respond` for the others."""
    if error not in _ERRORS:
        raise ValueError(f"a request fails with {', '.join(_ERRORS)}, not with {error!r}")
    request("fail_request", method=method, url=url, error=error, times=times)


def requests():
    """Returns the requests that the plugin has sent since the test began."""
    return [
        PluginRequest(each["method"], each["url"], read_headers(each["headers"]), read_bytes(each["body"]))
        for each in request("requests")
    ]
