"""Says how to do without the things that a plugin does not have."""

_NETWORK = "use narrowboat.http"
_DATA = "use narrowboat.keyvalue, or ask a service with narrowboat.http"

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


#: What to do about memory that is used up.
_NO_MEMORY = "the instance has no memory left: limits.memory of the configuration and of plugin.toml is its limit"


def hint_for_module(name):
    """Returns what to do about a module that cannot be imported."""
    top = name.partition(".")[0]
    replacement = _REPLACEMENTS.get(top)
    if replacement is None:
        return _NO_MODULE
    return f"{top} is not available in a plugin: {replacement}"


def add_hint(error):
    """Adds a note to the exception if it is about something that a plugin does not have."""
    hint = None
    if isinstance(error, ModuleNotFoundError) and error.name:
        hint = hint_for_module(error.name)
    elif isinstance(error, MemoryError) and not str(error):
        hint = _NO_MEMORY
    if hint and hint not in getattr(error, "__notes__", ()):
        error.add_note(hint)
