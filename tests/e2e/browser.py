"""A headless Chromium, and the demo page in one of its tabs."""

import shutil
from contextlib import contextmanager

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from support import DEADLINE, eventually

OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

# Starts a program that is killed when whoever started it ends, however that ends.
BOUND = '#!/bin/sh\nexec setpriv --pdeathsig KILL {} "$@"\n'


def installed(program):
    path = shutil.which(program)
    assert path, f"{program} is missing; install it with: .ci/browser.sh"
    return path


def bound(program, folder):
    """A program that does not outlive whoever starts it."""
    script = folder / program
    script.write_text(BOUND.format(installed(program)))
    script.chmod(0o755)
    return str(script)


@contextmanager
def chromium(folder):
    """A browser for as long as a `with` lasts, with an empty folder for its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = bound("chromium", folder)
    for option in [*OPTIONS, f"--user-data-dir={folder / 'profile'}"]:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(bound("chromedriver", folder)))
    try:
        browser.set_page_load_timeout(DEADLINE)
        browser.set_script_timeout(DEADLINE)
        yield browser
    finally:
        browser.quit()


class Page:
    """The demo page of a host, in a tab of its own."""

    def __init__(self, browser, host, fragment=""):
        self._browser = browser
        browser.switch_to.new_window("tab")
        self._tab = browser.current_window_handle
        self.complaints()
        browser.get(f"http://127.0.0.1:{host.port}/{fragment}")
        eventually(lambda: self.button("connect").is_enabled(), "the list of plugins")

    def front(self):
        """The browser, with this tab in front."""
        self._browser.switch_to.window(self._tab)
        return self._browser

    def close(self):
        self.front().close()

    def button(self, name):
        return self.front().find_element(By.ID, name)

    def run(self, script, *arguments):
        return self.front().execute_script(script, *arguments)

    def devtools(self, command, **arguments):
        return self.front().execute_cdp_cmd(command, arguments)

    def press(self, *keys):
        """Types to whatever has the focus."""
        for key in keys:
            self.front().switch_to.active_element.send_keys(key)

    def choose(self, plugin):
        radio = f"//label[span[@class='name']='{plugin}']/input"
        self.front().find_element(By.XPATH, radio).click()

    def field(self, name):
        return self.front().find_element(By.CSS_SELECTOR, f"#fields [name={name}]")

    def connect(self):
        self.button("connect").send_keys(Keys.ENTER)
        self.is_in_state("Open")

    def say(self, text):
        self.front().find_element(By.ID, "text").send_keys(text, Keys.ENTER)

    def state(self):
        return self.front().find_element(By.ID, "state").text

    def is_in_state(self, state):
        eventually(lambda: self.state() == state, f"the state {state!r}")

    def focused(self):
        return self.run("return document.activeElement.id || document.activeElement.name")

    def version(self, plugin):
        """The version that the page shows of a plugin."""
        version = f"//label[span[@class='name']='{plugin}']/code[@class='version']"
        return self.front().find_element(By.XPATH, version).text

    def lines(self, kind):
        """What the log has of a kind, without names and times."""
        script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)"
        return self.run(script, f"#log .{kind} .content")

    def logs(self, kind, words):
        """Waits for a line of a kind that contains these words, and returns it."""

        def found():
            return next((line for line in self.lines(kind) if words in line), None)

        return eventually(found, f"{words!r} in the log")

    def complaints(self):
        """What the browser has complained of since it was last asked."""
        entries = self.front().get_log("browser")
        return [entry["message"] for entry in entries if entry["level"] != "INFO"]

    def prefers(self, scheme):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.devtools("Emulation.setEmulatedMedia", features=[feature])

    def resize(self, width, height):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.devtools("Emulation.setDeviceMetricsOverride", **metrics)
