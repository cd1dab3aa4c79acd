"""A headless Chromium, and the demo page in one of its tabs."""

import shutil
from contextlib import contextmanager

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

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
    """The demo page of a host, in its own tab. Methods about a connection are about the one of a panel."""

    def __init__(self, browser, host, fragment=""):
        self._browser, self.panel = browser, 1
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

    def find(self, selector):
        """The first element on the page that a selector matches."""
        return self.front().find_element(By.CSS_SELECTOR, selector)

    def part(self, selector):
        """The first element of the panel that a selector matches."""
        return self.find(f".panel:nth-child({self.panel}) {selector}")

    def button(self, name):
        return self.part(f".{name}")

    def run(self, script, *arguments):
        return self.front().execute_script(script, *arguments)

    def devtools(self, command, **arguments):
        return self.front().execute_cdp_cmd(command, arguments)

    def press(self, *keys):
        """Sends keys to the focused element."""
        for key in keys:
            self.front().switch_to.active_element.send_keys(key)

    def add_connection(self):
        """Adds a panel, which later calls are about."""
        self.find("#add-connection").click()
        self.panel = len(self.front().find_elements(By.CSS_SELECTOR, ".panel"))

    def choose(self, plugin):
        options = Select(self.part(".route"))
        text = next(option.text for option in options.options if option.text.startswith(f"{plugin} "))
        options.select_by_visible_text(text)

    def field(self, name):
        return self.part(f"[name={name}]")

    def fill(self, **values):
        """Writes the query, subprotocols and cookie of the connection."""
        self.run("arguments[0].open = true", self.part("details"))
        for name, value in values.items():
            self.field(name).send_keys(value)

    def connect(self):
        self.button("connect").send_keys(Keys.ENTER)
        self.is_in_state("Open")

    def say(self, text):
        self.part(".text").send_keys(text, Keys.ENTER)

    def state(self):
        return self.part(".state").text

    def is_in_state(self, state):
        eventually(lambda: self.state() == state, f"the state {state!r}")

    def focused(self):
        script = "const { id, name, className } = document.activeElement; return id || name || className"
        return self.run(script)

    def version(self):
        """The version of the selected plugin that the page shows."""
        return self.part(".version").text

    def lines(self, kind):
        """The log lines of one kind on the page, without names and times."""
        script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)"
        return self.run(script, f".panel:nth-child({self.panel}) .log .{kind} .content")

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

    def is_as_wide_as_the_screen(self):
        """Whether nothing on the page is wider than the screen."""
        script = "const { scrollWidth, clientWidth } = document.documentElement;"
        width, room = self.run(script + "return [scrollWidth, clientWidth]")
        return width == room

    def lowest_contrast(self):
        return self.run(LOWEST_CONTRAST)


# The lowest contrast, as WCAG 2 defines it, of any displayed text with its background.
LOWEST_CONTRAST = """
    const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
    const light = (color) => {
        const [r, g, b] = numbers(color).map((part) => part / 255)
            .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        const { backgroundColor } = getComputedStyle(element);
        return numbers(backgroundColor)[3] === 0 ? behind(element.parentElement) : backgroundColor;
    };
    const shown = [...document.body.querySelectorAll("*")].filter((element) => element.checkVisibility() &&
        [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
    return Math.min(...shown.map((element) => {
        const pair = [light(getComputedStyle(element).color), light(behind(element))];
        return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    }));
"""
