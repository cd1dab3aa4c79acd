"""The types of requests. The tests send none; `host.response` answers."""

from componentize_py_types import Err

from .. import host
from .streams import StreamError_Closed


def _variant(name):
    class Case:
        def __init__(self, value=None):
            self.value = value

    Case.__name__ = Case.__qualname__ = name
    return Case


for _name in ("Get", "Head", "Post", "Put", "Delete", "Connect", "Options", "Trace", "Patch", "Other"):
    globals()[f"Method_{_name}"] = _variant(f"Method_{_name}")
for _name in ("Http", "Https", "Other"):
    globals()[f"Scheme_{_name}"] = _variant(f"Scheme_{_name}")
for _name in ("HttpRequestDenied", "DnsTimeout", "ConnectionRefused", "HttpResponseBodySize"):
    globals()[f"ErrorCode_{_name}"] = _variant(f"ErrorCode_{_name}")


class _Resource:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


class Fields(_Resource):
    def __init__(self, items=()):
        self.items = items

    @classmethod
    def from_list(cls, items):
        return cls(items)

    def entries(self):
        return self.items


class OutgoingBody(_Resource):
    def __init__(self):
        self.data = b""

    def write(self):
        return self

    def blocking_write_and_flush(self, part):
        self.data += part

    @staticmethod
    def finish(body, trailers):
        host.record("request_body", body.data)


class OutgoingRequest(_Resource):
    def __init__(self, headers):
        self.headers = headers.items

    def set_method(self, method):
        self.method = type(method).__name__

    def set_scheme(self, scheme):
        self.scheme = type(scheme).__name__

    def set_authority(self, authority):
        self.authority = authority

    def set_path_with_query(self, path):
        self.path = path

    def body(self):
        return OutgoingBody()


class RequestOptions(_Resource):
    def set_connect_timeout(self, value):
        self.timeout = value

    set_first_byte_timeout = set_between_bytes_timeout = set_connect_timeout


class Body(_Resource):
    def __init__(self, parts):
        self.parts = list(parts)

    def stream(self):
        return self

    def blocking_read(self, size):
        if not self.parts:
            raise Err(StreamError_Closed())
        return self.parts.pop(0)


class Response(_Resource):
    def __init__(self, status, headers, parts):
        self._status, self._headers, self._parts = status, headers, parts

    def status(self):
        return self._status

    def headers(self):
        return Fields(self._headers)

    def consume(self):
        return Body(self._parts)
