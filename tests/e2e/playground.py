"""A host with the editor of the demo page, its plugins in Python and JavaScript, and requests to the editor."""

import http.client
import json
import re
import textwrap
from contextlib import contextmanager

from develop import Dev
from javascript_plugin import JavaScriptPlugin
from python_plugin import PythonPlugin
from support import DEADLINE, toml

#: Counts the messages of a connection, so that a test sees that the state is kept.
PYTHON = """
    from channels.generic.websocket import WebsocketConsumer


    class Echo(WebsocketConsumer):
        def connect(self):
            self.count = 0
            self.accept()

        def receive(self, text_data=None, bytes_data=None):
            self.count += 1
            self.send(f"first {self.count} {text_data}")
"""

JAVASCRIPT = """
    import { Consumer } from "narrowboat";

    export default class Echo extends Consumer {
      count = 0;

      receive(data) {
        this.count += 1;
        this.send(`first ${this.count} ${data}`);
      }
    }
"""


class Playground:
    """A running host, its plugins, and requests to its editor."""

    def __init__(self, host, python, javascript):
        self.host, self.python, self.javascript = host, python, javascript
        found = re.search('name="narrowboat-token" content="([^"]+)"', self.page())
        #: The token of the page; `None` if the page has none.
        self.token = found and found[1]

    def page(self, **headers):
        """The text of the page."""
        return self.request("GET", "/", headers=headers)[1].decode()

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.host.port}"

    def request(self, method, path, body=None, headers=None):
        """The status and the body of a response. A header `None` is left out."""
        connection = http.client.HTTPConnection("127.0.0.1", self.host.port, timeout=DEADLINE)
        try:
            headers = {name: value for name, value in (headers or {}).items() if value is not None}
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def post(self, action, body=None, **headers):
        """The status and the object of a response of the editor. Underscores in names of headers stand for hyphens."""
        own = {"Origin": self.origin, "Narrowboat-Token": self.token}
        headers = own | {name.replace("_", "-"): value for name, value in headers.items()}
        body = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        status, answer = self.request("POST", f"/demo/source/{action}", body, headers)
        return status, json.loads(answer)

    def change(self, source):
        """Replaces the text of the plugin in Python, as another program would."""
        file = self.python.folder / "consumers.py"
        beside = file.with_name(".beside")
        beside.write_text(textwrap.dedent(source))
        beside.rename(file)

    def read(self, plugin="python", path="consumers.py"):
        status, answer = self.post("read", {"plugin": plugin, "path": path})
        assert status == 200, answer
        return answer

    def save(self, text, digest=None, plugin="python", path="consumers.py"):
        """Saves a file, by default over its present text. Returns the status and the answer."""
        digest = digest or self.read(plugin, path)["digest"]
        return self.post("save", {"plugin": plugin, "path": path, "text": text, "digest": digest})

    def result(self, text, **file):
        """Saves a file and returns the outcome."""
        status, answer = self.save(text, **file)
        assert status == 200, answer
        return answer["result"]


@contextmanager
def playing(narrowboat, folder, sources=(PYTHON, JAVASCRIPT), **config):
    """Context manager for a host of `narrowboat dev` that serves a plugin in Python and one in JavaScript."""
    python = PythonPlugin(folder / "python", sources[0], description="Counts in Python.")
    javascript = JavaScriptPlugin(folder / "javascript", sources[1], isolation="connection")
    plugins = {"python": {"source": "python"}, "javascript": {"source": "javascript"}}
    for plugin in plugins.values():
        plugin["grants"] = "all"
    routes = [{"path": "/python/{room}/", "plugin": "python"}, {"path": "/javascript/", "plugin": "javascript"}]
    file = folder / "narrowboat.toml"
    file.write_text(toml({"demo": True, **config, "plugins": plugins, "routes": routes}))
    with Dev(narrowboat.binary, folder, file) as host:
        host.listens()
        yield Playground(host, python, javascript)
