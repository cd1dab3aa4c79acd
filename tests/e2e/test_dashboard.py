"""The page of `[admin]`, as a person uses it: look, deploy, see the version live, roll back."""

import hashlib
from contextlib import suppress

import pytest
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from admin import ADMIN, Admin
from browser import chromium
from signing import Signer
from support import eventually, short, toml, with_manifest


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


class Dashboard:
    """The admin page of a host, in its own tab."""

    def __init__(self, browser, admin):
        self._browser, self._admin = browser, admin
        self._before = browser.current_window_handle
        browser.switch_to.new_window("tab")
        browser.get_log("browser")
        browser.get(admin.url)

    def close(self):
        self._browser.close()
        self._browser.switch_to.window(self._before)

    def find(self, selector):
        return self._browser.find_element(By.CSS_SELECTOR, selector)

    def press(self, selector):
        """Clicks an element, again if the page redraws it meanwhile."""

        def pressed():
            with suppress(StaleElementReferenceException, NoSuchElementException):
                self.find(selector).click()
                return True

        eventually(pressed, f"a click on {selector}")

    def texts(self, selector):
        script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)"
        return self._browser.execute_script(script, selector)

    def shows(self, selector, words):
        """Waits until an element contains these words."""
        found = lambda: any(words in text for text in self.texts(selector))
        eventually(found, f"{words!r} in {selector}")

    def sign_in(self, token=None):
        self.find("#token").send_keys(token or self._admin.token, Keys.ENTER)
        if token is None:
            self.shows("#summary", "ready")

    def run(self, script, *arguments):
        return self._browser.execute_script(script, *arguments)

    def devtools(self, command, **arguments):
        return self._browser.execute_cdp_cmd(command, arguments)

    def complaints(self):
        """Warnings and errors in the browser's console, except those about responses to wrong tokens."""
        entries = self._browser.get_log("browser")
        return [
            entry["message"]
            for entry in entries
            if entry["level"] != "INFO" and "401" not in entry["message"]
        ]

    def picture(self, file):
        self._browser.save_screenshot(str(file))


@pytest.fixture
def watching(travel, browser, tmp_path):
    """A host of the guest `traveller`, with its admin page."""
    served = travel(admin=ADMIN)
    admin = Admin(served.host)
    page = Dashboard(browser, admin)
    yield served, admin, page
    page.close()


def test_a_person_looks_deploys_sees_it_live_and_rolls_back(watching, tmp_path):
    served, _, page = watching
    client = served.connect()
    page.sign_in()
    page.shows(".plugin h3", "traveller")
    page.shows(".plugin .version", short(served.version("v1")))
    page.shows(".facts", "1 connection,")
    for number in range(1, 4):
        assert client.ask("hello") == f"v1 {number} hello"
    eventually(lambda: page.find(".chart polyline").get_attribute("points"), "a chart")

    file = tmp_path / "new.wasm"
    file.write_bytes(served.version("v2"))
    page.find(".plugin input[type=file]").send_keys(str(file))
    page.shows(".message", f"{short(served.version('v2'))} is live and replaces")
    page.shows(".plugin .version", short(served.version("v2")))
    page.shows(".pill", "live, in rollback window")
    assert client.ask("hello") == "v2 4 hello"

    page.find(".plugin details summary").click()
    row = f"tr[data-version='{short(served.version('v1'))}']"
    eventually(lambda: page.texts(row), "the version before")
    page.press(f"{row} button")
    page.shows(".message", f"{short(served.version('v1'))} is live and replaces")
    assert client.ask("hello") == "v1 5 hello"
    assert page.complaints() == []


def test_a_signature_is_uploaded_with_its_component(watching, tmp_path):
    served, admin, page = watching
    page.sign_in()
    page.shows(".plugin h3", "traveller")
    file = tmp_path / "new.wasm"
    file.write_bytes(served.version("v2"))
    beside = Signer(tmp_path, "release").sign(file)
    page.find(".plugin input[type=file]").send_keys(f"{beside}\n{file}")
    page.shows(".message", f"{short(served.version('v2'))} is live and replaces")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    kept = admin.token_file.parent / "traveller" / f"{digest}.wasm.sig"
    assert kept.read_bytes() == beside.read_bytes()


def test_a_version_that_is_not_taken_is_told(watching, tmp_path):
    served, _, page = watching
    page.sign_in()
    page.shows(".plugin h3", "traveller")
    file = tmp_path / "bad.wasm"
    file.write_bytes(b"not a component")
    page.find(".plugin input[type=file]").send_keys(str(file))
    page.shows(".message", "is not WebAssembly")
    page.shows(".plugin .version", short(served.version("v1")))


def test_a_version_that_waits_is_approved(watching, tmp_path):
    served, _, page = watching
    page.sign_in()
    page.shows(".plugin h3", "traveller")
    asking = served.version("v2", capabilities={"groups": ["*"], "log": True, "random": True})
    (tmp_path / "new.wasm").write_bytes(asking)
    page.find(".plugin input[type=file]").send_keys(str(tmp_path / "new.wasm"))
    page.shows(".message", "requests more capabilities than the live one: + random")
    page.find(".plugin details summary").click()
    row = f"tr[data-version='{short(asking)}']"
    page.shows(f"{row} td", "pending: requests more capabilities: + random")
    page.press(f"{row} button")
    page.shows(".plugin .version", short(asking))


def test_a_fault_is_shown_with_the_guests_words_and_place(watching, serving, browser):
    _, _, page = watching
    with serving("misbehave", admin=ADMIN) as host:
        other = Dashboard(browser, Admin(host))
        other.sign_in()
        host.connect("/misbehave/").send("trap")
        other.shows(".log-lines li", "src/")
        other.close()
    page.sign_in()


def test_settings_are_shown_without_secrets(serve, browser, tmp_path):
    (tmp_path / "key").write_text("hunter2")
    config = {"greeting": "<b>hello</b>", "api": {"key": {"file": str(tmp_path / "key")}}}
    host = serve(plugins={"echo": {"config": config}, "group": {}}, admin=ADMIN, watch="off")
    page = Dashboard(browser, Admin(host))
    page.sign_in()
    rows = lambda plugin: page.texts(f"[data-plugin={plugin}] .settings td")
    expected = ["api.key", "(secret)", "greeting", "<b>hello</b>"]
    eventually(lambda: rows("echo") == expected, "the settings")
    host.config.write_text(host.config.read_text().replace("hello", "changed"))
    Admin(host).post("/v1/reload")
    eventually(lambda: rows("echo")[3] == "<b>changed</b>", "the changed settings")
    assert rows("group") == []
    assert not page.find("[data-plugin=group] .settings").is_displayed()
    assert "hunter2" not in page.run("return document.documentElement.outerHTML")
    assert page.complaints() == []
    page.close()


def test_a_connection_is_closed(watching):
    served, _, page = watching
    client = served.connect()
    page.sign_in()
    page.shows("#connections", "/traveller/")
    page.press("#connections button")
    assert client.ended() == (1001, "closed by the operator")
    page.shows("#connections-note", "No open connections.")


def test_a_wrong_token_is_told_and_the_right_one_is_asked_once(watching):
    _, _, page = watching
    assert page.find("#sign-in").is_displayed() and not page.find("#dashboard").is_displayed()
    page.sign_in("wrong")
    page.shows("#sign-in-error", "does not accept this token")
    page.sign_in()
    page.run("location.reload()")
    page.shows("#summary", "ready")
    page.find("#sign-out").click()
    eventually(lambda: page.find("#sign-in").is_displayed(), "the way in")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_and_can_be_read(watching, scheme, width, request):
    served, admin, page = watching
    feature = {"name": "prefers-color-scheme", "value": scheme}
    page.devtools("Emulation.setEmulatedMedia", features=[feature])
    page.devtools(
        "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
    )
    served.connect().ask("hello")
    admin.deploy("traveller", served.version("v2"))
    page.sign_in()
    page.shows("#connections", "/traveller/")
    page.find(".plugin details summary").click()
    page.shows(".plugin td", "previous")
    assert page.run("return document.documentElement.scrollWidth <= innerWidth")
    background, ink = page.run(
        "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
    )
    lightness = lambda colour: sum(int(part) for part in colour[4:-1].split(","))
    assert (lightness(background) > lightness(ink)) == (scheme == "light")
    page.picture(request.config.rootpath.parents[1] / f"target/e2e/dashboard-{scheme}-{width}.png")
    page.devtools("Emulation.clearDeviceMetricsOverride")


def test_nothing_is_fetched_from_elsewhere(watching):
    _, admin, page = watching
    page.sign_in()
    page.shows(".plugin h3", "traveller")
    names = page.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert names and all(name.startswith(admin.url) for name in names)


def test_rooms_are_listed_closed_and_reset(serve, component, browser, tmp_path):
    manifest = {"name": "rooms", "isolation": "room", "room": "{room}", "room_idle": "1h"}
    file = tmp_path / "rooms.wasm"
    file.write_bytes(with_manifest(component("rooms").read_bytes(), toml(manifest)))
    routes = [{"path": "/rooms/{room}/", "plugin": "rooms"}]
    host = serve(plugins={"rooms": {"component": str(file)}}, routes=routes, admin=ADMIN)
    page = Dashboard(browser, Admin(host))
    page.sign_in()
    page.shows("#rooms-note", "No room is awake.")
    client = host.connect("/rooms/red/")
    assert [client.ask("add"), client.ask("alarm in 60000")] == ["1", "set"]
    page.shows("[data-room=red] td:nth-child(3)", "1")
    page.shows("[data-room=red] td:nth-child(7)", "T")
    page.press("[data-room=red] button[aria-label='Close the room red']")
    assert client.ended() == (1012, "room closed")
    client = host.connect("/rooms/red/")
    assert client.ask("get") == "1"
    page.run("window.confirm = () => true")
    page.press("[data-room=red] button[aria-label='Reset the room red']")
    assert client.ended() == (1012, "room closed")
    assert host.connect("/rooms/red/").ask("get") == "0"
    assert page.complaints() == []
    page.close()


def test_a_host_without_rooms_shows_no_table_of_them(watching):
    _, _, page = watching
    page.sign_in()
    page.shows(".plugin h3", "traveller")
    assert not page.find("#rooms-section").is_displayed()
