"""The demo page, over plain HTTP and in a browser."""

import hashlib
import http.client
import json
import tomllib

import pytest
from selenium.webdriver.common.keys import Keys

from browser import Page, chromium
from support import DEADLINE, UPGRADE, Host, eventually, short, with_manifest

PLAIN = {"Host": "localhost"}

SCRIPTS = [
    *["code_area", "connection_panel", "cookies", "dom", "drawing", "drawing_sheet", "editor_client", "format"],
    *["highlight", "json_text"],
    *["labels", "log", "message_history", "page", "places", "route_form", "routes", "source_editor"],
]

FILES = {
    "/": "text/html; charset=utf-8",
    "/demo/drawing": "text/html; charset=utf-8",
    **{f"/demo/{name}.css": "text/css; charset=utf-8" for name in ("base", "page", "drawing", "editor")},
    **{f"/demo/{name}.js": "text/javascript; charset=utf-8" for name in SCRIPTS},
    "/demo/icon.svg": "image/svg+xml",
    "/demo/plugins.json": "application/json",
}


@pytest.fixture(scope="module")
def host(serving):
    routes = [
        {"path": "/echo/", "plugin": "echo"},
        {"path": "/broadcast/", "plugin": "broadcast"},
        {"path": "/group/{room}/", "plugin": "group"},
        {"regex": "^/any/(?P<rest>.*)$", "plugin": "echo"},
        {"path": "/", "plugin": "closer"},
    ]
    with serving("echo", "broadcast", "group", "closer", routes=routes, demo=True) as host:
        yield host


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def visit(browser, host):
    """Opens the page in a tab that closes at the end of the test."""
    first = browser.current_window_handle
    pages = []

    def visit(fragment="", host=host):
        pages.append(Page(browser, host, fragment))
        return pages[-1]

    yield visit
    for page in pages:
        page.close()
    browser.switch_to.window(first)


def get(host, path, method="GET"):
    """The status, the headers by lower-case name, and the body of a response."""
    connection = http.client.HTTPConnection("127.0.0.1", host.port, timeout=DEADLINE)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, headers, answer.read()
    finally:
        connection.close()


def answer(host, path, method="GET", headers=PLAIN):
    raw = host.tcp()
    raw.request(path, method, headers)
    return raw.response()


def live(host):
    return json.loads(get(host, "/demo/plugins.json")[2])


def digest(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


# Over plain HTTP.


def test_without_the_key_nothing_of_it_is_there(serve):
    routes = [{"path": "/", "plugin": "echo"}, {"path": "/echo/", "plugin": "echo"}]
    host = serve("echo", routes=routes)
    assert answer(host, "/").status == 426
    assert [answer(host, path).status for path in FILES if path != "/"] == [404] * (len(FILES) - 1)


@pytest.mark.parametrize("path", FILES)
def test_each_file_has_its_type_and_is_neither_stored_nor_guessed_at(host, path):
    status, headers, body = get(host, path)
    assert (status, headers["content-type"]) == (200, FILES[path])
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert int(headers["content-length"]) == len(body) > 0


@pytest.mark.parametrize("path", FILES)
def test_each_file_allows_nothing_but_what_this_host_serves(host, path):
    policy = get(host, path)[1]["content-security-policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "connect-src 'self'"} <= set(policy)
    assert {"frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} <= set(policy)
    assert "unsafe" not in " ".join(policy) and "*" not in " ".join(policy)


@pytest.mark.parametrize("path", FILES)
def test_head_has_the_same_headers_and_no_body(host, path):
    (status, headers, body), (_, whole, _) = get(host, path, "HEAD"), get(host, path)
    assert (status, body) == (200, b"")
    assert headers | {"date": ""} == whole | {"date": ""}


def test_a_handshake_at_the_pages_path_goes_to_the_routes(host):
    assert host.connect("/").is_served()
    assert answer(host, "/demo/plugins.json", headers=UPGRADE).status == 404


def test_a_bad_handshake_at_the_pages_path_is_still_400(host):
    headers = {name: value for name, value in UPGRADE.items() if name != "Upgrade"}
    assert answer(host, "/", headers=headers).status == 400
    assert answer(host, "/", headers={"X-No": "host"}).status == 400


def test_other_requests_are_answered_as_without_the_page(host):
    assert answer(host, "/echo/").status == 426
    assert answer(host, "/demo/other").status == 404
    assert answer(host, "/", method="POST", headers=PLAIN | {"Content-Length": "0"}).status == 405


def test_the_plugins_are_told_with_description_live_version_isolation_and_routes(host, component, root):
    def told(name, isolation, *routes):
        version = digest(component(name))
        folder = next(root.glob(f"plugins/{name}"), root / "tests/guests" / name)
        description = tomllib.loads((folder / "plugin.toml").read_text())["description"]
        facts = {"name": name, "version": version, "isolation": isolation, "routes": [*routes]}
        return facts | {"description": description}

    any_path = {"regex": "^/any/(?P<rest>.*)$"}
    assert live(host) == [
        told("echo", "connection", {"path": "/echo/"}, any_path),
        told("broadcast", "shared", {"path": "/broadcast/"}),
        told("group", "connection", {"path": "/group/{room}/"}),
        told("closer", "connection", {"path": "/"}),
    ]


# In a browser.


def test_the_keyboard_alone_suffices_to_connect_send_and_receive(visit):
    page = visit()
    page.press(Keys.TAB)
    assert page.focused() == "route"
    page.press(Keys.TAB, Keys.TAB)
    assert page.focused() == "connect"
    page.press(Keys.ENTER)
    page.is_in_state("Open")
    # Connecting moves the focus to the input field.
    eventually(lambda: page.focused() == "text", "the focus")
    page.press("hello", Keys.ENTER)
    assert page.logs("received", "hello") == "hello"
    assert page.lines("sent") == ["hello"]


def test_letters_choose_and_a_route_with_a_name_has_a_field(visit):
    page = visit()
    page.press(Keys.TAB, "group")
    room = page.field("room")
    room.clear()
    room.send_keys("blue", Keys.ENTER)
    page.is_in_state("Open")
    page.logs("event", "Connecting to /group/blue/")


def test_a_route_by_regex_has_a_field_for_the_path(visit):
    page = visit("#/any/berth%201")
    assert page.field("path").get_attribute("value") == "/any/berth%201"
    page.connect()
    page.say("hello")
    page.logs("received", "hello")


def test_two_tabs_of_one_room_hear_each_other(visit, browser):
    one = visit()
    one.choose("group")
    one.field("room").send_keys("-deck")
    one.connect()
    address = one.front().current_url
    other = visit(address[address.index("#") :])
    assert other.field("room").get_attribute("value") == "red-deck"
    other.connect()
    one.say("from one")
    other.say("from the other")
    assert other.logs("received", "from one") == "from one"
    assert one.logs("received", "from the other") == "from the other"
    assert (one.lines("sent"), other.lines("sent")) == (["from one"], ["from the other"])


def test_a_broadcast_reaches_every_tab(visit):
    pages = [visit("#/broadcast/") for _ in range(3)]
    for page in pages:
        page.connect()
    pages[1].say("to all")
    assert [page.logs("received", "to all") for page in pages] == ["to all"] * 3


def test_the_live_version_is_shown(visit, component):
    page = visit()
    assert page.version() == digest(component("echo"))
    page.choose("group")
    assert page.version() == digest(component("group"))


def test_a_message_is_shown_as_text(visit):
    page = visit()
    page.connect()
    page.say("<img src=x><b>bold</b>")
    assert page.logs("received", "bold") == "<img src=x><b>bold</b>"
    assert page.run("return document.querySelectorAll('.log img, .log b').length") == 0


def test_binary_messages_are_shown_in_hexadecimal(visit, serve):
    page = visit(host=serve("misbehave", demo=True))
    page.connect()
    page.say("flood 1 2")
    assert page.logs("received", "bytes") == "2 bytes: 00 00"


def test_the_log_keeps_500_lines(visit):
    page = visit()
    page.connect()
    script = "const f = document.querySelector('.message'); for (let i = 0; i < 400; i += 1) {"
    page.run(script + " f.querySelector('.text').value = `line ${i}`; f.requestSubmit(); }")
    page.logs("received", "line 399")
    assert page.run("return document.querySelector('.log').childElementCount") == 500
    page.say("one more")
    page.logs("received", "one more")
    assert page.run("return document.querySelector('.log').childElementCount") == 500


def test_a_consumers_close_is_shown_with_code_and_reason(visit):
    page = visit("#/")
    page.connect()
    page.say("close 4000 enough said")
    assert "(4000 application-defined: “enough said”)" in page.logs("error", "4000")


def test_disconnecting_closes_and_nothing_connects_again(visit, host):
    page = visit()
    page.connect()
    page.button("connect").send_keys(Keys.ENTER)
    assert "1000 normal closure" in page.logs("event", "Closed by you")
    page.is_in_state("Not connected")
    assert page.button("connect").text == "Connect"
    page.connect()
    assert len(page.lines("event")) == 5


def test_a_refused_handshake_is_told(visit):
    page = visit("#/group/two%20words/")
    page.button("connect").send_keys(Keys.ENTER)
    page.logs("error", "rejected the handshake")
    page.is_in_state("Not connected")


def test_a_host_that_goes_away_is_told(visit, serve):
    host = serve("echo", demo=True)
    page = visit(host=host)
    page.connect()
    assert host.stop() == 0
    assert "1001" in page.logs("error", "Closed by the host")
    page.logs("error", "The host is unreachable")
    page.is_in_state("Not connected")


def test_nothing_is_complained_of(visit):
    page = visit("#/group/red/")
    page.connect()
    page.say("hello")
    page.logs("received", "hello")
    assert page.complaints() == []


@pytest.mark.parametrize("fragment", ["#/echo/", "#/group/red/"])
def test_it_fits_a_screen_of_360_pixels(visit, fragment):
    page = visit(fragment)
    page.resize(360, 640)
    page.connect()
    page.say("a long word: " + "x" * 200)
    page.logs("received", "xxx")
    assert page.is_as_wide_as_the_screen()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_lies_behind_it(visit, scheme):
    page = visit()
    page.prefers(scheme)
    assert page.lowest_contrast() >= 4.5
    page.connect()
    page.say("hello")
    page.logs("received", "hello")
    assert page.lowest_contrast() >= 4.5


def test_it_is_dark_for_those_who_want_it_dark(visit):
    page = visit()
    colours = {}
    for scheme in ("light", "dark"):
        page.prefers(scheme)
        colours[scheme] = page.run("return getComputedStyle(document.body).backgroundColor")
    assert colours["light"] != colours["dark"]


def test_a_swap_is_shown_and_the_socket_stays(visit, narrowboat, component, tmp_path):
    file = tmp_path / "talk.wasm"
    file.write_bytes(component("echo").read_bytes())
    config = tmp_path / "narrowboat.toml"
    plugin = '[plugins.talk]\ncomponent = "talk.wasm"\n'
    config.write_text(f'demo = true\n{plugin}[[routes]]\npath = "/talk/"\nplugin = "talk"\n')
    with Host(narrowboat.binary, tmp_path, config) as host:
        page = visit(host=host)
        page.connect()
        page.say("hello")
        page.logs("received", "hello")
        # Without the capabilities, because the first version does not request them.
        reply = with_manifest(component("reply").read_bytes(), 'name = "talk"')
        file.write_bytes(reply)
        swapped = short(reply)
        eventually(lambda: page.version() == swapped, "the swap")
        line = page.logs("version-change", f"talk is now at version {swapped}")
        assert "this connection stayed open" in line
        assert page.state() == "Open"
        page.say("hello again")
        page.logs("received", "收到了")
        assert not any("Closed" in line for line in page.lines("event") + page.lines("error"))
