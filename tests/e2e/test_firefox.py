"""The demo page in Firefox: the conversation, and one edit."""

import pytest

from firefox import CONTROL, ENTER, ESCAPE, TAB, firefox
from playground import playing


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with firefox(tmp_path_factory.mktemp("firefox")) as browser:
        yield browser


@pytest.fixture(scope="module")
def playground(narrowboat, tmp_path_factory):
    with playing(narrowboat, tmp_path_factory.mktemp("playground")) as playground:
        yield playground


@pytest.fixture
def page(browser, playground):
    """The page with an open connection to the plugin in Python."""
    browser.resize(1280, 900)
    browser.visit("about:blank")
    browser.visit(f"{playground.origin}/#/python/red/")
    browser.waits("!document.querySelector('.connect').disabled && document.getElementById('source-text').value !== ''")
    browser.run("document.querySelector('.connect').click()")
    browser.waits("document.querySelector('.state').textContent === 'Open'")
    browser.waits("document.activeElement.className === 'text'")
    return browser


def received(page, text):
    """Waits until a message was received."""
    return page.waits(f"[...document.querySelectorAll('.received .content')].some((it) => it.textContent === {text!r})")


def test_one_sends_hears_and_recalls_by_keyboard(page):
    page.press(*"hello", ENTER)
    assert received(page, "first 1 hello")
    page.press("\ue013")
    assert page.run("document.querySelector('.text').value") == "hello"
    page.press(ENTER)
    assert received(page, "first 2 hello")


def test_an_edit_is_live_and_the_state_is_kept(page, playground):
    original = playground.read()["text"]
    page.press(*"hello", ENTER)
    assert received(page, "first 1 hello")
    page.run("document.getElementById('source-text').focus()")
    page.run(
        "document.getElementById('source-text').setSelectionRange(...['first', 'first '].map((it, index) =>"
        " document.getElementById('source-text').value.indexOf('first') + index * 5))"
    )
    page.press(*"second")
    page.press((CONTROL, "s"))
    page.waits("document.getElementById('save-status').textContent.startsWith('Live in ')")
    page.press(ESCAPE, TAB)
    assert page.run("document.activeElement.id") == "save"
    page.run("document.querySelector('.text').focus()")
    page.press(*"hello", ENTER)
    assert received(page, "second 2 hello")
    page.run("document.getElementById('reset').click()")
    page.waits("document.getElementById('reset').disabled && document.getElementById('file-state').textContent === ''")
    assert playground.read()["text"] == original


def test_an_error_appears_under_its_line(page):
    page.run("document.getElementById('source-text').focus()")
    page.run("document.getElementById('source-text').setSelectionRange(0, 0)")
    page.press(*"x = (1", ENTER)
    page.press((CONTROL, "s"))
    page.waits("document.querySelector('.annotation.error') !== null")
    assert page.run("document.querySelector('.number.error').textContent") == "1"
    page.run("document.getElementById('reset').click()")
    page.waits("document.getElementById('save-status').textContent.includes('live already')")


def test_nothing_is_wider_than_a_phone(page):
    page.resize(360, 640)
    for view in ("source", "conversations"):
        page.run(f"document.querySelector('[data-view={view}]').click()")
        assert page.run("document.documentElement.scrollWidth === document.documentElement.clientWidth")


def test_nothing_is_complained_of(page):
    page.press(*"hello", ENTER)
    assert received(page, "first 1 hello")
    assert page.complaints == []
