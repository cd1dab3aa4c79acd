"""The operator's interface of a host, asked as anybody could."""

import http.client
import json
import re
from pathlib import Path

from support import DEADLINE

ADMIN = {"listen": "127.0.0.1:0"}


class Answer:
    def __init__(self, response):
        self.status, self.headers = response.status, response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)


class Admin:
    """Asks a host on the listener of its own, with its own token unless another is given."""

    def __init__(self, host):
        found = re.search(r"admin on http://([\d.]+):(\d+), with the token in (.*)", host.stdout())
        self.address, self.port, self.token_file = found[1], int(found[2]), Path(found[3])
        self.token = self.token_file.read_text().strip()

    @property
    def url(self):
        return f"http://{self.address}:{self.port}"

    @property
    def arguments(self):
        """What tells the program which host."""
        return ["--admin", self.url, "--token-file", self.token_file]

    def ask(self, path, method="GET", body=None, token=None, headers=None):
        connection = http.client.HTTPConnection(self.address, self.port, timeout=DEADLINE)
        token = self.token if token is None else token
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        if isinstance(body, dict):
            body = json.dumps(body)
        connection.request(method, path, body, sent | (headers or {}))
        answer = Answer(connection.getresponse())
        connection.close()
        return answer

    def get(self, path, **options):
        answer = self.ask(path, **options)
        assert answer.status == 200, answer.body
        return answer.json()

    def post(self, path, body=None, **options):
        return self.ask(path, "POST", body or {}, **options)

    def deploy(self, plugin, component, **options):
        return self.ask(f"/v1/plugins/{plugin}/versions", "POST", component, **options)

    def versions(self, plugin):
        return self.get(f"/v1/plugins/{plugin}/versions")["versions"]

    def states(self, plugin):
        """The versions' first digits and what became of each, the newest first."""
        return [(each["version"][:12], each["state"]) for each in self.versions(plugin)]

    def plugin(self, name):
        plugins = self.get("/v1/status")["plugins"]
        return next(plugin for plugin in plugins if plugin["name"] == name)
