"""The drawing of the demo: a plugin with rooms, and its page in a browser."""

import json
import signal

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from browser import chromium
from support import eventually


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def start(serve, root, tmp_path):
    """Serves the drawing. Each call is a host with the same store."""

    def run():
        plugins = {"drawing": {"source": str(root / "plugins/python/drawing"), "grants": {"log": True}}}
        routes = [{"path": "/drawing/{room}/", "plugin": "drawing"}]
        top = {"keyvalue": {"path": str(tmp_path / "keyvalue")}}
        return serve(plugins=plugins, routes=routes, demo=True, top=top)

    return run


def visit(host, room="red"):
    """A visitor who has got the sheet, and the lines on it."""
    client = host.connect(f"/drawing/{room}/")
    sheet = json.loads(client.recv())
    client.lines = sheet["lines"]
    assert "visitors" in json.loads(client.recv())
    return client


def told(client):
    return json.loads(client.recv())


def draw(client, *line):
    client.send(json.dumps({"line": line}))


def test_a_line_goes_to_the_other_visitors_and_stays(start):
    host = start()
    first, second = visit(host), visit(host)
    assert told(first) == {"visitors": 2}
    draw(first, 0, 0, 1, 0.5, 3)
    assert told(second) == {"line": [0, 0, 1, 0.5, 3]}
    second.close()
    assert told(first)["visitors"] == 1
    first.close()
    assert visit(host).lines == [[0, 0, 1, 0.5, 3]]
    assert visit(host, "blue").lines == []


def test_a_drawing_outlives_the_host(start):
    host = start()
    client = visit(host)
    draw(client, 0, 0, 1, 1, 0)
    host.silence(2.5)
    host.stop(signal.SIGKILL)
    assert visit(start()).lines == [[0, 0, 1, 1, 0]]


@pytest.mark.parametrize("text", ["x", "[]", '{"line": [0, 0, 2, 0, 0]}', '{"line": [0, 0, 1, 1, 99]}', '{"pen": [true, 0]}'])
def test_a_client_that_sends_something_else_is_closed_alone(start, text):
    host = start()
    other, client = visit(host), visit(host)
    client.send(text)
    assert client.ended()[0] == 4000
    assert told(other) == {"visitors": 2}
    assert told(other)["visitors"] == 1


def test_people_draw_together_on_the_page(start, browser):
    host = start()
    browser.get(f"{host.url('/demo/drawing').replace('ws', 'http', 1)}?room=red")
    status = browser.find_element(By.ID, "status")
    eventually(lambda: status.text == "You are alone in this room.")
    other = visit(host)
    eventually(lambda: status.text == "2 people are in this room.")
    sheet = browser.find_element(By.ID, "sheet")
    ActionChains(browser).move_to_element(sheet).click_and_hold().move_by_offset(40, 20).release().perform()
    lines = lines_of(other)
    assert lines and all(0.4 < value < 0.8 for value in lines[0]["line"][:4])
    # With the keyboard.
    ActionChains(browser).click(sheet).key_down(Keys.SHIFT).send_keys(Keys.ARROW_RIGHT).key_up(Keys.SHIFT).perform()
    assert lines_of(other)
    draw(other, 0, 0, 1, 1, 1)
    eventually(lambda: has_ink(browser))
    browser.find_element(By.ID, "clear").click()
    eventually(lambda: not has_ink(browser))
    errors = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert errors == []


def lines_of(client):
    """The next lines of others, without their pens."""
    while True:
        message = told(client)
        if "line" in message:
            return [message]


def has_ink(browser):
    """Whether the upper left corner of the sheet has a line."""
    script = """const sheet = document.getElementById('sheet');
        const data = sheet.getContext('2d').getImageData(0, 0, 8, 8).data;
        return data.some((value) => value > 0);"""
    return browser.execute_script(script)


def test_the_demo_page_leads_to_the_drawing(start, browser):
    host = start()
    browser.get(host.url("/").replace("ws", "http", 1))
    link = browser.find_element(By.ID, "drawing")
    eventually(link.is_displayed)
    link.click()
    eventually(lambda: browser.title == "Drawing – Narrowboat demo")
