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

# Starts a program that the kernel kills when its parent process ends.
BOUND = '#!/bin/sh\nexec setpriv --pdeathsig KILL {} "$@"\n'


def installed(program):
    path = shutil.which(program)
    assert path, f"{program} is missing; install it with: .ci/browser.sh"
    return path


def bound(program, folder):
    """A wrapper script for a program that ends with its parent process."""
    script = folder / program
    script.write_text(BOUND.format(installed(program)))
    script.chmod(0o755)
    return str(script)


@contextmanager
def chromium(folder):
    """Context manager for a browser with an empty profile folder."""
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
    """The demo page of a host, in its own tab."""

    def __init__(self, browser, host, fragment=""):
        self._browser = browser
        browser.switch_to.new_window("tab")
        self._tab = browser.current_window_handle
        self.complaints()
        browser.get(f"http://127.0.0.1:{host.port}/{fragment}")
        eventually(lambda: self.button("connect").is_enabled(), "the list of plugins")

    def front(self):
        """The browser, with this tab in the foreground."""
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
        """Sends keys to the focused element."""
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
        """The version of a plugin that the page shows."""
        version = f"//label[span[@class='name']='{plugin}']/code[@class='version']"
        return self.front().find_element(By.XPATH, version).text

    def lines(self, kind):
        """The log lines of one kind on the page, without names and times."""
        script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)"
        return self.run(script, f"#log .{kind} .content")

    def logs(self, kind, words):
        """Waits until the log on the page has a line of this kind that contains the words, and returns it."""

        def found():
            return next((line for line in self.lines(kind) if words in line), None)

        return eventually(found, f"{words!r} in the log")

    def complaints(self):
        """The warnings and errors in the browser's console since the last call."""
        entries = self.front().get_log("browser")
        return [entry["message"] for entry in entries if entry["level"] != "INFO"]

    def prefers(self, scheme):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.devtools("Emulation.setEmulatedMedia", features=[feature])

    def resize(self, width, height):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.devtools("Emulation.setDeviceMetricsOverride", **metrics)
