"""The headers and the body that requests and responses have in common."""

import json as _json


class HttpContent:
    """Headers and a body. `headers` is a list of names in lower case and values as bytes, and `body` is bytes."""

    def __init__(self, headers, body):
        self.headers = headers
        self.body = body

    def header(self, name, default=None):
        """Returns the first value of a header as a text."""
        for own, value in self.headers:
            if own == name.lower():
                return value.decode("latin-1")
        return default

    @property
    def text(self):
        """The body as a text. Bytes that are not UTF-8 become U+FFFD."""
        return self.body.decode("utf-8", "replace")

    def json(self):
        """Returns the value of a JSON body. Raises ValueError if it is not JSON."""
        return _json.loads(self.body)
