"""The guest `powers` in each language. Its commands are in tests/guests/powers/src."""

import shutil
import tomllib

from support import toml, with_manifest


class Language:
    """A language in which there is the guest `powers`."""

    def __init__(self, root, guest):
        self._folder = root / "tests/guests" / guest
        self._manifest = tomllib.loads(self._folder.joinpath("plugin.toml").read_text())

    def manifest(self, **capabilities):
        """The manifest with further capabilities. The value `None` removes one."""
        asks = self._manifest["capabilities"] | capabilities
        asks = {name: value for name, value in asks.items() if value is not None}
        return toml(self._manifest | {"capabilities": asks})


class Rust(Language):
    """A component that is built by `narrowboat plugin build`."""

    def __init__(self, root, component):
        super().__init__(root, "powers")
        self._component = component

    def table(self, folder, **capabilities):
        """The plugin's table in a configuration. `folder` gets its files."""
        file = folder / "powers.wasm"
        built = self._component("powers").read_bytes()
        file.write_bytes(with_manifest(built, self.manifest(**capabilities)))
        return {"component": str(file)}


class Source(Language):
    """A source plugin."""

    GUEST: str

    def __init__(self, root, component):
        super().__init__(root, self.GUEST)

    def table(self, folder, **capabilities):
        """The plugin's table in a configuration. `folder` gets its files."""
        source = folder / "powers"
        shutil.copytree(self._folder, source)
        source.joinpath("plugin.toml").write_text(self.manifest(**capabilities))
        return {"component": None, "source": str(source)}


class Python(Source):
    """A source plugin in Python."""

    GUEST = "python-powers"


class JavaScript(Source):
    """A source plugin in JavaScript."""

    GUEST = "javascript-powers"


LANGUAGES = {"rust": Rust, "python": Python, "javascript": JavaScript}
