"""A client of the admin API."""

import http.client
import json
import re
from functools import cached_property
from pathlib import Path

from jsonschema import Draft202012Validator

from support import DEADLINE

ADMIN = {"listen": "127.0.0.1:0"}


class Answer:
    def __init__(self, response):
        self.status, self.headers = response.status, response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)


class Document:
    """Checks responses against the OpenAPI document of a host."""

    def __init__(self, document):
        self._document = document

    def check(self, method, path, answer):
        """Fails unless the document describes this response. Paths outside the API are not checked."""
        path = path.split("?")[0]
        patterns = {re.sub(r"\{\w+\}", "[^/]+", known): known for known in self._document["paths"]}
        known = next((known for pattern, known in patterns.items() if re.fullmatch(pattern, path)), None)
        if known is None or method.lower() not in self._document["paths"][known]:
            assert answer.status >= 400 or not path.startswith("/v1"), f"{method} {path} is not documented"
            return
        responses = self._document["paths"][known][method.lower()]["responses"]
        assert str(answer.status) in responses, f"{method} {known} answers {answer.status}, undocumented"
        content = responses[str(answer.status)].get("content", {})
        kind = (answer.headers["content-type"] or "").split(";")[0]
        assert kind in content or not content and not answer.body, f"{method} {known} answers {kind}"
        if kind == "application/json":
            schema = content[kind]["schema"] | {"components": self._document["components"]}
            Draft202012Validator(schema).validate(answer.json())


class Admin:
    """Sends requests to the admin API of a host, by default with the host's own token. Checks each response against
    the host's OpenAPI document."""

    def __init__(self, host):
        found = re.search(r"admin on http://([\d.]+):(\d+), with the token in (.*)", host.stdout())
        self.address, self.port, self.token_file = found[1], int(found[2]), Path(found[3])
        self.token = self.token_file.read_text().strip()

    @property
    def url(self):
        return f"http://{self.address}:{self.port}"

    @property
    def arguments(self):
        """The command-line options that select the host."""
        return ["--admin", self.url, "--token-file", self.token_file]

    def ask(self, path, method="GET", body=None, token=None, headers=None, deadline=DEADLINE):
        connection = http.client.HTTPConnection(self.address, self.port, timeout=deadline)
        token = self.token if token is None else token
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        if isinstance(body, dict):
            body = json.dumps(body)
        connection.request(method, path, body, sent | (headers or {}))
        answer = Answer(connection.getresponse())
        connection.close()
        if path != "/openapi.json":
            self.document.check(method, path, answer)
        return answer

    @cached_property
    def document(self):
        return Document(self.ask("/openapi.json", token="").json())

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
        """The short hash and the state of each version, the newest first."""
        return [(each["version"][:12], each["state"]) for each in self.versions(plugin)]

    def plugin(self, name):
        plugins = self.get("/v1/status")["plugins"]
        return next(plugin for plugin in plugins if plugin["name"] == name)
