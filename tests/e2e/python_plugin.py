"""A source plugin in Python, whose files a test rewrites."""

import tarfile
import textwrap
from urllib.parse import quote

from support import short, toml

# All powers that a test may need, and isolation by the test.
MANIFEST = {"name": "chat", "runtime": "python", "capabilities": {"log": True, "groups": ["*"], "channels": ["*"]}}

SYNC = "from channels.generic.websocket import WebsocketConsumer\n"
ASYNC = "import asyncio\nfrom channels.generic.websocket import AsyncWebsocketConsumer\n"


class PythonPlugin:
    """The folder of a source plugin. After its host has started, `host` is the host that serves it at /chat/.

    Each version has all files of the first one, and those that the test replaces. A text may be indented. Tests that
    replace several files at once may see a version of a part of them, which `swap` passes over.
    """

    #: The file with the plugin's consumers, and the value of `runtime` in the manifest.
    MAIN, RUNTIME = "consumers.py", "python"

    def __init__(self, folder, source, files=None, **manifest):
        self.folder, self.host = folder, None
        self._files, self._manifest = {}, MANIFEST | {"runtime": self.RUNTIME} | manifest
        self.put(source, files)

    def table(self, **table):
        """The plugin's table in the configuration."""
        return {"component": None, "source": str(self.folder)} | table

    def put(self, source=None, files=None, **manifest):
        """Replaces files, each atomically. Does not wait. `None` as a text removes the file, and `source` is the text
        of the file with the consumers."""
        files = dict(files or {})
        if source is not None:
            files[self.MAIN] = source
        self._manifest |= manifest
        manifest = toml({key: value for key, value in self._manifest.items() if value is not None})
        for path, text in (files | {"plugin.toml": manifest}).items():
            self._replace(path, text)

    def _replace(self, path, text):
        content = textwrap.dedent(text).encode() if isinstance(text, str) else text
        if self._files.get(path) == content:
            return
        file = self.folder / path
        if content is None:
            del self._files[path]
            file.unlink()
            return
        self._files[path] = content
        file.parent.mkdir(parents=True, exist_ok=True)
        # Hidden files are no part of the plugin.
        beside = file.with_name(f".{file.name}")
        beside.write_bytes(content)
        beside.rename(file)

    @property
    def text(self):
        """The text of the file with the consumers."""
        return self._files[self.MAIN].decode()

    @property
    def version(self):
        """The short hash of the files, as in the log."""
        return short(pack(self._files))

    def swap(self, source=None, files=None, **manifest):
        """Replaces files. Waits until the version is live and all consumers have moved, and returns the log line."""
        since = len(self.host.log())
        self.put(source, files, **manifest)
        return self.host.logged(rf'.*version is live .*version="{self.version}".*', since)[0]

    def edit(self, *replacements):
        """Replaces texts in the file with the consumers, and waits as `swap` does."""
        return self.swap(self.edited(*replacements))

    def edited(self, *replacements):
        """The text of the file with the consumers, with other texts in the place of some."""
        text = self.text
        for old, new in replacements:
            assert old in text, f"{old!r} is not in {self.MAIN}"
            text = text.replace(old, new)
        return text

    def refuse(self, source=None, files=None, **manifest):
        """Replaces files, and returns the reason for which the host refuses the version."""
        since = len(self.host.log())
        self.put(source, files, **manifest)
        return self.host.logged("deploy refused .*?error=(.*)", since)[1]

    def connect(self, query="", **options):
        return self.host.connect(f"/chat/{'?' if query else ''}{quote(query, safe='=&')}", **options)

    def clients(self, count):
        return [self.connect() for _ in range(count)]


def pack(files):
    """The bytes of a source bundle: an archive of the form ustar, with the files in the order of their paths."""
    entries = [header(path, len(files[path])) + padded(files[path]) for path in sorted(files)]
    return b"".join(entries) + bytes(1024)


def padded(content):
    return content + bytes(-len(content) % 512)


def header(path, size):
    """The header of an entry. `tarfile` leaves the numbers of the device empty, which a bundle does not."""
    entry = tarfile.TarInfo(path)
    entry.size = size
    fields = entry.tobuf(tarfile.USTAR_FORMAT)
    fields = fields[:148] + b" " * 8 + fields[156:329] + b"0000000\0" * 2 + fields[345:]
    return fields[:148] + b"%06o\0 " % sum(fields) + fields[156:]
