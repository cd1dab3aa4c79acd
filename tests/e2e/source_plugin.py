"""Source plugins in Python: folders that tests write, and the plugins that they make."""

from support import toml

#: The consumer of plugins whose other files matter.
ECHO = """
from channels.generic.websocket import WebsocketConsumer

class Echo(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=text_data, bytes_data=bytes_data)
"""

#: What the tests of source plugins request.
ASKS = {"log": True, "clocks": True, "random": True}


class SourcePlugin:
    """The folder of a source plugin in Python. A test gives its table to a host and then changes its files."""

    def __init__(self, folder, source=ECHO, files=None, **manifest):
        self.folder, self.host = folder, None
        folder.mkdir(parents=True)
        manifest = {"name": folder.name, "runtime": "python", "capabilities": ASKS} | manifest
        self.write("plugin.toml", toml(manifest))
        for path, content in ({"consumers.py": source} | (files or {})).items():
            self.write(path, content)

    @property
    def name(self):
        return self.folder.name

    @property
    def table(self):
        """The plugin's table in the configuration."""
        return {"source": str(self.folder), "component": None}

    def write(self, path, content):
        """Writes or replaces a file. `None` removes it."""
        file = self.folder / path
        if content is None:
            file.unlink()
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f".{file.name}.new")
        new.write_bytes(content if isinstance(content, bytes) else content.encode())
        new.rename(file)

    def swap(self, source):
        """Replaces the consumer. Waits until the version is live and all consumers have moved."""
        since = len(self.host.log())
        self.write("consumers.py", source)
        return self.host.logged(rf'version is live plugin="{self.name}" ', since)[0]

    def refuse(self, source):
        """Replaces the consumer and returns the reason for its refusal."""
        since = len(self.host.log())
        self.write("consumers.py", source)
        return self.host.logged("deploy refused .*?error=(.*)", since)[1]

    def connect(self, **options):
        return self.host.connect(f"/{self.name}/", **options)
