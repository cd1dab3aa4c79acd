"""Says how to do without the things that a plugin does not have."""

_NETWORK = "use narrowboat.http"
_DATA = "use narrowboat.keyvalue, or ask a service with narrowboat.http"
_SETTINGS = "use narrowboat.config, which has the plugin's part of the configuration"

#: What to use in place of modules that the runtime lacks.
_REPLACEMENTS = {
    "aiohttp": _NETWORK,
    "httpx": _NETWORK,
    "requests": _NETWORK,
    "urllib3": _NETWORK,
    "ssl": _NETWORK,
    "ftplib": _NETWORK,
    "smtplib": _NETWORK,
    "sqlite3": _DATA,
    "dbm": _DATA,
    "redis": _DATA,
    "psycopg": _DATA,
    "psycopg2": _DATA,
    "sqlalchemy": _DATA,
    "decouple": _SETTINGS,
    "dotenv": _SETTINGS,
    "environ": _SETTINGS,
    "django": "a plugin has no Django: send a message to a worker of Django over the channel layer, or use narrowboat.http",
    "channels_redis": "the host connects to Redis: set the layer in its configuration",
    "ctypes": "a plugin runs in WebAssembly and cannot load C libraries",
    "multiprocessing": "a plugin has no processes: use asyncio.create_task, or a worker",
    "numpy": "the runtime has no C extensions",
    "pandas": "the runtime has no C extensions",
    "tkinter": "a plugin has no screen",
    "curses": "a plugin has no terminal",
}

_NO_MODULE = (
    "the runtime lacks this module: put a pure Python package into the folder vendor/ of the plugin, for example with"
    " `pip install --target vendor NAME`; docs/reference/python.md lists the modules of the standard library"
)


_CHANNELS = (
    "the runtime has these modules of Channels: channels.generic.websocket, channels.consumer, channels.exceptions,"
    " channels.layers, channels.db, channels.auth and channels.testing"
)

_ROUTES = f"[[routes]] of the configuration has the routes; {_CHANNELS}"

#: What to use in place of modules of Channels.
_CHANNELS_REPLACEMENTS = {
    "channels.routing": _ROUTES,
    "channels.security": f"allowed_origins of the configuration has the origins; {_CHANNELS}",
    "channels.generic.http": f"a plugin serves only WebSockets; {_CHANNELS}",
}

#: How the message of Python begins if a module at the top of the plugin has a relative import.
_NO_PARENT = "attempted relative import with no known parent package"

_NO_PACKAGE = (
    "a module at the top of the plugin belongs to no package: write `import util` in place of `from . import util`, or"
    " move the modules into a folder, which is a package"
)

#: What to do about memory that is used up.
_NO_MEMORY = "the instance has no memory left: limits.memory of the configuration and of plugin.toml is its limit"


def hint_for_module(name):
    """Returns what to do about a module that cannot be imported."""
    top = name.partition(".")[0]
    if top == "channels":
        return f"{name} is not available in a plugin: {_channels_replacement(name)}"
    replacement = _REPLACEMENTS.get(top)
    if replacement is None:
        return _NO_MODULE
    return f"{top} is not available in a plugin: {replacement}"


def _channels_replacement(name):
    package = next((key for key in _CHANNELS_REPLACEMENTS if name == key or name.startswith(f"{key}.")), None)
    return _CHANNELS_REPLACEMENTS.get(package, _CHANNELS)


def add_hint(error):
    """Adds a note to the exception if it is about something that a plugin does not have."""
    hint = None
    if isinstance(error, ModuleNotFoundError) and error.name:
        hint = hint_for_module(error.name)
    elif isinstance(error, ImportError) and str(error).startswith(_NO_PARENT):
        hint = _NO_PACKAGE
    elif isinstance(error, MemoryError) and not str(error):
        hint = _NO_MEMORY
    if hint and hint not in getattr(error, "__notes__", ()):
        error.add_note(hint)
