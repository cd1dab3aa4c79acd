"""A headless Firefox, driven by WebDriver BiDi, which Debian's package speaks without a driver beside it."""

import json
import re
import subprocess
from contextlib import contextmanager

from websockets.sync.client import connect

from browser import bound
from support import DEADLINE, eventually

#: No request of its own, and no page at the start.
PREFERENCES = """
user_pref("app.normandy.enabled", false);
user_pref("app.update.auto", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("browser.safebrowsing.malware.enabled", false);
user_pref("browser.safebrowsing.phishing.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "data:,none");
user_pref("toolkit.telemetry.enabled", false);
"""

ENTER, ESCAPE, TAB, CONTROL = "\ue007", "\ue00c", "\ue004", "\ue009"


class Firefox:
    """One tab of a running Firefox."""

    def __init__(self, socket):
        self._socket, self._number = socket, 0
        self.complaints = []
        self._call("session.new", capabilities={})
        self._call("session.subscribe", events=["log.entryAdded"])
        self._tab = self._call("browsingContext.getTree")["contexts"][0]["context"]

    def _call(self, method, **parameters):
        """Sends a command and returns its result. Keeps the warnings and errors of the console meanwhile."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(DEADLINE))
            if message.get("method") == "log.entryAdded" and message["params"]["level"] in ("warn", "error"):
                self.complaints.append(message["params"]["text"])
            if message.get("id") == self._number:
                assert message["type"] == "success", message
                return message["result"]

    def visit(self, address):
        self._call("browsingContext.navigate", context=self._tab, url=address, wait="complete")

    def run(self, expression):
        """The value of an expression in JavaScript, which is converted by way of JSON."""
        expression = f"JSON.stringify(({expression}) ?? null)"
        target = {"context": self._tab}
        answer = self._call("script.evaluate", expression=expression, target=target, awaitPromise=True)
        assert answer["type"] == "success", answer
        return json.loads(answer["result"]["value"])

    def waits(self, expression):
        """Waits until an expression is true, and returns its value."""
        return eventually(lambda: self.run(expression), expression)

    def press(self, *keys):
        """Presses keys one after the other. A tuple is a chord."""
        actions = []
        for key in keys:
            chord = key if isinstance(key, tuple) else (key,)
            actions += [{"type": "keyDown", "value": value} for value in chord]
            actions += [{"type": "keyUp", "value": value} for value in reversed(chord)]
        keyboard = {"type": "key", "id": "keyboard", "actions": actions}
        self._call("input.performActions", context=self._tab, actions=[keyboard])

    def resize(self, width, height):
        viewport = {"width": width, "height": height}
        self._call("browsingContext.setViewport", context=self._tab, viewport=viewport)

    def screenshot(self):
        """The page as a PNG in base64."""
        return self._call("browsingContext.captureScreenshot", context=self._tab)["data"]


@contextmanager
def firefox(folder):
    """Context manager for a browser with an empty profile folder."""
    profile, output = folder / "profile", folder / "firefox.log"
    profile.mkdir()
    (profile / "user.js").write_text(PREFERENCES)
    command = [bound("firefox-esr", folder), "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port=0"]
    with output.open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        listening = lambda: re.search(r"WebDriver BiDi listening on (ws://\S+)", output.read_text())
        address = eventually(listening, "Firefox", 3 * DEADLINE)[1]
        with connect(f"{address}/session", max_size=None, origin=None) as socket:
            yield Firefox(socket)
    finally:
        process.kill()
        process.wait()
