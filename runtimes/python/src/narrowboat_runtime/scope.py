"""The scope of a connection, as Django Channels has it."""

import json


class User:
    """The user of a connection. Each claim is an attribute, unless it has the name of one of the attributes below."""

    def __init__(self, claims):
        claims = claims if isinstance(claims, dict) else {}
        for name, value in claims.items():
            if name.isidentifier() and not name.startswith("_"):
                self.__dict__[name] = value
        self.claims = claims
        self.is_authenticated = bool(claims)
        self.is_anonymous = not claims
        self.is_active = bool(claims)
        self.is_staff = bool(claims.get("is_staff", False))
        self.is_superuser = bool(claims.get("is_superuser", False))
        self.pk = self.id = claims.get("id", claims.get("sub"))
        self.username = str(claims.get("username", claims.get("sub", "")))

    def get_username(self):
        """Returns the claim `username`, or else `sub`."""
        return self.username

    def __str__(self):
        return self.username if self.is_authenticated else "AnonymousUser"

    def __eq__(self, other):
        return isinstance(other, User) and self.claims == other.claims

    def __hash__(self):
        return hash(self.username)


def _headers(record):
    return [[name.encode("latin-1", "replace"), bytes(value)] for name, value in record.headers]


def _cookies(record):
    cookies = {}
    for name, value in record.headers:
        if name == "cookie":
            for part in bytes(value).decode("latin-1").split(";"):
                key, separator, text = part.strip().partition("=")
                if not separator:
                    key, text = "", key
                if key or text:
                    cookies[key] = _unquote(text)
    return cookies


def _unquote(text):
    from http import cookies

    return cookies._unquote(text)


_VALUES = {
    "type": lambda record: "websocket",
    "asgi": lambda record: {"version": "3.0", "spec_version": "2.4"},
    "http_version": lambda record: "1.1",
    "scheme": lambda record: record.scheme,
    "path": lambda record: record.path,
    "raw_path": lambda record: bytes(record.raw_path),
    "root_path": lambda record: "",
    "query_string": lambda record: bytes(record.query_string),
    "headers": _headers,
    "subprotocols": lambda record: list(record.subprotocols),
    "client": lambda record: list(record.client) if record.client else None,
    "server": lambda record: list(record.server) if record.server else None,
    "url_route": lambda record: {"args": (), "kwargs": dict(record.url_route)},
    "path_remaining": lambda record: "",
    "cookies": _cookies,
    "session": lambda record: {},
    "user": lambda record: User(json.loads(record.user) if record.user else None),
    "attributes": lambda record: dict(record.attributes),
    "extensions": lambda record: {"websocket.http.response": {}},
    "state": lambda record: {},
}


class Scope(dict):
    """The scope. A value is built when it is used, so that an open connection costs little memory."""

    __slots__ = ("_read_record", "_record", "changed")

    def __init__(self, read_record):
        super().__init__()
        self._read_record = read_record
        self._record = None
        #: The keys that the plugin has set. They are part of the consumer's state.
        self.changed = None

    def __missing__(self, key):
        make = _VALUES.get(key)
        if make is None:
            raise KeyError(key)
        record = self._record
        if record is None:
            record = self._read_record()
        value = make(record)
        dict.__setitem__(self, key, value)
        return value

    def keep_record(self, record):
        """Keeps the record of the handshake while `connect` runs. None forgets it."""
        self._record = record

    def changed_values(self):
        """Returns the values that the plugin has set, and the session if it has any."""
        changed = {key: dict.__getitem__(self, key) for key in self.changed or () if dict.__contains__(self, key)}
        session = dict.get(self, "session")
        if session:
            changed["session"] = session
        return changed

    def __setitem__(self, key, value):
        if self.changed is None:
            self.changed = set()
        self.changed.add(key)
        dict.__setitem__(self, key, value)

    def get(self, key, default=None):
        try:
            return self[key]
        except KeyError:
            return default

    def __contains__(self, key):
        return dict.__contains__(self, key) or key in _VALUES

    def _fill(self):
        for key in _VALUES:
            self[key]

    def __iter__(self):
        self._fill()
        return dict.__iter__(self)

    def __len__(self):
        self._fill()
        return dict.__len__(self)

    def keys(self):
        self._fill()
        return dict.keys(self)

    def values(self):
        self._fill()
        return dict.values(self)

    def items(self):
        self._fill()
        return dict.items(self)

    def copy(self):
        return dict(self.items())

    def __copy__(self):
        return self.copy()

    def __or__(self, other):
        return self.copy() | other

    def __ror__(self, other):
        return other | self.copy()

    def __eq__(self, other):
        self._fill()
        return dict.__eq__(self, other)

    __hash__ = None

    def __repr__(self):
        self._fill()
        return dict.__repr__(self)

    def update(self, *args, **kwargs):
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def setdefault(self, key, default=None):
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key, *default):
        if key in self:
            self[key]
        return dict.pop(self, key, *default)
