"""`narrowboat dev` in tests."""

import os
import re
import shutil

from support import BUILD_DEADLINE, Host, eventually

# A separate name, because the demo uses the same target folder. So do test files that run beside each other, each on a
# worker of its own.
NAME = "dev-echo-" + os.environ.get("PYTEST_XDIST_WORKER", "alone")

BROKEN = "fn broken() -> u8 { no_such_name }\n"


class Dev(Host):
    """`narrowboat dev`, whose first build may be waited for later."""

    verb = "dev"

    def started(self):
        """Returns at once. The test waits for the event that it needs."""

    def listens(self):
        """Waits until the host listens. It may not have built anything."""
        super().started()
        return self

    def serves(self, plugins=1):
        """Waits until the host has built and loaded this number of plugins."""
        self.listens()
        ready = lambda: len(re.findall("plugin is ready", self.log())) >= plugins
        eventually(ready, f"{plugins} plugins", BUILD_DEADLINE)
        return self

    def says(self, pattern, since=0):
        """Waits for a match on standard output after a number of characters."""
        find = lambda: re.search(pattern, self.stdout()[since:])
        return eventually(find, f"{pattern!r} on standard output", BUILD_DEADLINE)

    def complains(self, pattern, since=0):
        """Waits for a match on standard error, which has cargo's lines too."""
        find = lambda: re.search(pattern, self.log()[since:])
        return eventually(find, f"{pattern!r} on standard error", BUILD_DEADLINE)

    def refuses(self, path, status=503):
        """Returns the text of the response to a handshake that the host refuses."""
        raw = self.tcp()
        raw.request(path)
        answer = raw.response()
        assert answer.status == status, answer
        return answer.body.decode()


class Crate:
    """The plugin echo in a folder of its own, with a configuration that serves it at /."""

    def __init__(self, root, folder, name=NAME):
        self.root, self.folder, self.name = root, folder, name
        # Copies with new times, because cargo does not distinguish crates of the same name by their folder.
        shutil.copytree(root / "plugins/echo/src", folder / "src", copy_function=shutil.copyfile)
        # The same dependencies as in the workspace, so they are already built.
        shutil.copy(root / "Cargo.lock", folder)
        self.manifest = folder / "plugin.toml"
        self.manifest.write_text(f'name = "{name}"\n')
        (folder / "Cargo.toml").write_text(
            f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2024"\n'
            '[lib]\ncrate-type = ["cdylib"]\n[workspace]\n[dependencies]\n'
            f'narrowboat-guest = {{ path = "{root}/guest-sdk" }}\nserde = "1"\n'
        )
        self.config = folder / "narrowboat.toml"
        self.config.write_text(self.tables("/"))
        self.lib = folder / "src/lib.rs"
        self.original = self.lib.read_text()

    @property
    def component(self):
        return self.root / "target/narrowboat" / f"{self.name}.wasm"

    def tables(self, path, **keys):
        """The tables of a configuration that serve the crate at a path. `keys` are further ones of the plugin."""
        keys = "".join(f"{key} = {value}\n" for key, value in keys.items())
        return (
            f'[plugins.{self.name}]\ncrate = "{self.folder}"\n{keys}'
            f'[[routes]]\npath = "{path}"\nplugin = "{self.name}"\n'
        )

    def requests(self, text):
        """Makes the manifest request more than the name."""
        self.manifest.write_text(f'name = "{self.name}"\n{text}\n')

    def sends(self, expression):
        """Makes the consumer send something else than the received frame."""
        changed = self.original.replace("connection.send(frame)", f"connection.send({expression})")
        assert changed != self.original
        self.lib.write_text(changed)


class SourcePlugin:
    """An echo in Python in a folder of its own, beside a configuration that serves it at a path."""

    def __init__(self, folder, name=NAME):
        self.name, self.folder = name, folder / "plugins" / name
        self.folder.mkdir(parents=True)
        self.manifest, self.module = self.folder / "plugin.toml", self.folder / "echo.py"
        self.requests("")
        self.answers("text_data")
        self.config = folder / "narrowboat.toml"
        self.config.write_text(self.tables("/"))

    def tables(self, path, **keys):
        """The tables of a configuration that serve the plugin at a path. `keys` are further ones of the plugin."""
        keys = "".join(f"{key} = {value}\n" for key, value in keys.items())
        return (
            f'[plugins.{self.name}]\nsource = "plugins/{self.name}"\n{keys}'
            f'[[routes]]\npath = "{path}"\nplugin = "{self.name}"\n'
        )

    def requests(self, text):
        """Makes the manifest request more than the runtime."""
        self.manifest.write_text(f'name = "{self.name}"\nruntime = "python"\n{text}\n')

    def answers(self, expression):
        """Makes the consumer answer each frame with the value of an expression."""
        self.module.write_text(
            "from channels.generic.websocket import WebsocketConsumer\n\n\n"
            "class Echo(WebsocketConsumer):\n"
            "    def receive(self, text_data=None, bytes_data=None):\n"
            f"        self.send({expression})\n"
        )
