"""The demo page of `narrowboat dev` in a browser: source beside conversations."""

import json

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from browser import Page, chromium
from playground import PYTHON, playing
from support import eventually

#: Selects the first occurrence of a text in the source, and types another one in its place.
TYPE = """
    const [old, fresh] = arguments, area = document.getElementById("source-text"), at = area.value.indexOf(old);
    if (at < 0) throw new Error(`${old} is not in the source`);
    area.focus();
    area.setSelectionRange(at, at + old.length);
    document.execCommand("insertText", false, fresh);
"""

#: Clicks on Save, sends a message as soon as the save is over, and returns the milliseconds from the click to an answer
#: that begins with a text.
SAVE_AND_ASK = """
    const [start, done] = arguments, find = (selector) => document.querySelector(selector);
    const before = document.querySelectorAll(".received").length, clicked = performance.now();
    const ask = new MutationObserver(() => {
        if (!find("#save-status").textContent.startsWith("Live")) return;
        ask.disconnect();
        find(".text").value = "measured";
        find(".message").requestSubmit();
    });
    ask.observe(find("#save-status"), { childList: true, characterData: true, subtree: true });
    new MutationObserver(() => {
        const last = [...document.querySelectorAll(".received .content")].slice(before).at(-1);
        if (last?.textContent.startsWith(start)) done(performance.now() - clicked);
    }).observe(find(".log"), { childList: true });
    find("#save").click();
"""


#: Holds the answers of the host to an action of the editor back, until `release()` is called.
HOLD = """
    const [action] = arguments, fetchNow = window.fetch;
    window.held = 0;
    const released = new Promise((resolve) => (window.release = resolve));
    window.fetch = async (url, options) => {
        const answer = await fetchNow(url, options);
        if (String(url).endsWith(`/demo/source/${action}`)) {
            window.held += 1;
            await released;
        }
        return answer;
    };
"""


@pytest.fixture(scope="module")
def shared(narrowboat, tmp_path_factory):
    with playing(narrowboat, tmp_path_factory.mktemp("playground")) as playground:
        yield playground


@pytest.fixture
def playground(shared):
    """A host whose plugins have their first text again after the test."""
    files = [("python", "consumers.py"), ("javascript", "consumers.js"), ("python", "plugin.toml")]
    texts = {file: shared.read(*file)["original"] for file in files}
    yield shared
    for (plugin, path), text in texts.items():
        shared.result(text, plugin=plugin, path=path)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


class Editing(Page):
    """The page with its editor."""

    def source(self):
        return self.find("#source-text").get_property("value")

    def shows(self, text):
        """Waits until the source has a text."""
        eventually(lambda: text in self.source(), f"{text!r} in the source")

    def types(self, old, new):
        """Replaces a text in the source as a user would."""
        self.run(TYPE, old, new)

    def strikes(self, *keys):
        """Sends keys to the focused element, without a move of its caret."""
        ActionChains(self.front()).send_keys(*keys).perform()

    def opens(self, plugin, path):
        """Chooses a file."""
        script = "const [f, value] = arguments; f.value = value; f.dispatchEvent(new Event('change'))"
        self.run(script, self.find("#file"), f"{plugin}\n{path}")

    def holds(self, action):
        """Holds answers to an action back, from now until `releases`."""
        self.run(HOLD, action)

    def has_held(self):
        """Waits until an answer is held back."""
        eventually(lambda: self.run("return window.held"), "an answer that is held back")

    def releases(self):
        self.run("window.release()")

    def save(self):
        self.find("#save").click()

    def says(self, words):
        """Waits until the outcome of a save has these words, and returns it."""
        status = lambda: self.find("#save-status").text
        return eventually(lambda: words in status() and status(), f"{words!r} beside Save")

    def annotations(self):
        """The problems under their lines: the line and the text of each."""
        script = """
            const height = parseFloat(getComputedStyle(document.getElementById("source-text")).lineHeight);
            return [...document.querySelectorAll(".annotation")].map((it) =>
                [Math.round(parseFloat(it.style.top) / height), it.querySelector("span").textContent]);
        """
        return self.run(script)


@pytest.fixture
def visit(browser, playground):
    """Opens the page in a tab that closes at the end of the test. The first route is that of the plugin in Python."""
    first = browser.current_window_handle
    pages = []

    def visit(fragment="#/python/red/"):
        page = Editing(browser, playground.host, fragment)
        pages.append(page)
        # Wide enough for the source beside the conversations.
        page.resize(1280, 900)
        eventually(lambda: page.source(), "the source")
        return page

    yield visit
    for page in pages:
        # A page with texts that are not saved asks before it closes.
        page.run("addEventListener('beforeunload', (event) => event.stopImmediatePropagation(), true)")
        page.close()
    browser.switch_to.window(first)


# Editing.


def test_a_saved_line_is_live_in_the_open_socket_and_its_state_is_kept(visit, figure):
    page = visit()
    page.connect()
    page.say("hello")
    page.logs("received", "first 1 hello")
    page.types("first", "second")
    elapsed = page.front().execute_async_script(SAVE_AND_ASK, "second 2 measured")
    assert "1 connection kept its state" in page.says("Live in ")
    line = page.logs("version-change", "python is now at version")
    assert "this connection stayed open" in line
    figure("from a click on Save to an answer of the new code, as the page sees it", f"{elapsed:.0f} ms")


def test_the_same_is_true_of_javascript(visit):
    page = visit("#/javascript/")
    page.shows("export default")
    page.connect()
    page.say("hello")
    page.logs("received", "first 1 hello")
    page.types("first", "second")
    page.front().execute_async_script(SAVE_AND_ASK, "second 2 measured")
    assert "1 connection kept its state" in page.says("Live in ")


def test_an_error_appears_under_its_line_and_the_old_version_goes_on(visit):
    page = visit()
    page.connect()
    page.say("hello")
    page.logs("received", "first 1 hello")
    page.types("        self.count += 1", "        self.count += (1")
    page.save()
    page.says("not live")
    line = page.source().split("\n").index("        self.count += (1") + 1
    assert page.annotations() == [[line, "SyntaxError: '(' was never closed"]]
    assert page.find("#source-text").get_attribute("aria-invalid") == "true"
    assert page.find("#problems").text == f"consumers.py, line {line} SyntaxError: '(' was never closed"
    page.say("still there")
    page.logs("received", "first 2 still there")
    page.types("(1", "1")
    assert page.annotations() == []
    page.save()
    page.says("was live already")


def test_a_problem_leads_to_its_line(visit):
    page = visit()
    page.types("        self.count += 1", "        self.count += (1")
    page.save()
    page.says("not live")
    page.find("#problems button").click()
    caret = page.run("const { value, selectionStart } = document.activeElement; return value.slice(selectionStart)")
    assert caret.startswith("(1")


def test_an_error_in_another_file_is_opened_from_its_place(visit):
    page = visit()
    page.opens("python", "plugin.toml")
    page.shows("runtime =")
    page.types("runtime", "nonsense = 1\nruntime")
    page.save()
    page.says("not live")
    assert "unknown field `nonsense`" in page.annotations()[0][1]


def test_reset_restores_the_first_text(visit, playground):
    page = visit()
    assert not page.find("#reset").is_enabled()
    first = page.source()
    page.types("first", "second")
    page.save()
    page.says("Live in ")
    page.find("#reset").click()
    page.says("Live in ")
    eventually(lambda: page.source() == first, "the first text")
    eventually(lambda: playground.read()["text"] == first, "the first text on the disk")
    assert not page.find("#reset").is_enabled()


def test_a_reset_can_be_undone(visit):
    page = visit()
    page.types("first", "second")
    page.find("#reset").click()
    page.says("was live already")
    page.find("#source-text").send_keys(Keys.CONTROL, "z")
    page.shows("second")


def test_the_keyboard_alone_suffices_to_edit_save_and_leave(visit):
    page = visit()
    page.find("#file").send_keys(Keys.TAB)
    assert page.focused() == "source-text"
    page.press(Keys.CONTROL + Keys.HOME + Keys.NULL, "import json", Keys.ENTER, Keys.TAB)
    assert page.source().startswith("import json\n    ")
    page.press(Keys.SHIFT + Keys.TAB + Keys.NULL)
    assert page.source().startswith("import json\n\n") or page.source().startswith("import json\nfrom")
    page.press(Keys.CONTROL + "s" + Keys.NULL)
    page.says("Live in ")
    page.press(Keys.ESCAPE, Keys.TAB)
    assert page.focused() == "save"


def test_a_new_line_is_indented_like_the_one_before(visit):
    page = visit()
    page.types("self.count += 1", "self.count += 1")
    page.strikes(Keys.ENTER, "pass")
    assert "        self.count += 1\n        pass\n" in page.source()


def test_the_outcome_and_the_problems_are_told_to_screen_readers(visit):
    page = visit()
    assert page.find("#save-status").get_attribute("role") == "status"
    assert page.find("#source-text").get_attribute("aria-describedby").split()[0] == "problems"
    assert page.find("#source-text").accessible_name == "consumers.py of python"
    assert page.find("#file").accessible_name == "File"


def test_a_text_that_is_not_saved_stays_while_another_file_is_shown(visit):
    page = visit()
    page.types("first", "draft")
    assert page.find("#file-state").text == "Not saved"
    page.choose("javascript")
    page.shows("export default")
    page.choose("python")
    page.shows("draft")


def test_the_text_of_another_program_is_shown(visit, playground):
    page = visit()
    playground.change(PYTHON.replace("first", "from outside"))
    page.shows("from outside")
    assert "Another program" in page.find("#save-status").text


def test_two_programs_do_not_overwrite_each_other(visit, playground):
    page = visit()
    page.types("first", "mine")
    playground.change(PYTHON.replace("first", "theirs"))
    eventually(page.find("#conflict").is_displayed, "the conflict")
    assert "mine" in page.source()
    page.save()
    page.says("Not saved")
    assert "theirs" in playground.read()["text"]
    page.find("#keep-mine").click()
    page.save()
    page.says("Live in ")
    assert "mine" in playground.read()["text"]


def test_a_conflict_is_over_once_the_text_is_saved(visit, playground):
    page = visit()
    page.types("first", "mine")
    playground.change(PYTHON.replace("first", "theirs"))
    eventually(page.find("#conflict").is_displayed, "the conflict")
    playground.change(PYTHON)
    eventually(lambda: not page.find("#conflict").is_displayed(), "the end of the conflict")
    page.save()
    page.says("Live in ")
    assert not page.find("#conflict").is_displayed()


def test_text_typed_during_a_save_stays(visit):
    page = visit()
    page.types("first", "saved")
    page.holds("save")
    page.save()
    page.has_held()
    page.types("saved", "typed meanwhile")
    page.opens("python", "plugin.toml")
    page.shows("runtime =")
    page.releases()
    eventually(lambda: page.find("#save").is_enabled(), "the end of the save")
    page.opens("python", "consumers.py")
    page.shows("typed meanwhile")
    assert page.find("#file-state").text == "Not saved"


def test_text_typed_while_another_file_opens_stays(visit):
    page = visit()
    page.holds("read")
    page.opens("python", "plugin.toml")
    page.has_held()
    page.types("first", "typed meanwhile")
    page.releases()
    page.shows("runtime =")
    page.opens("python", "consumers.py")
    page.shows("typed meanwhile")


def test_text_typed_while_a_change_of_another_program_is_read_stays(visit, playground):
    page = visit()
    page.holds("read")
    playground.change(PYTHON.replace("first", "theirs"))
    page.has_held()
    page.types("first", "typed meanwhile")
    page.releases()
    eventually(page.find("#conflict").is_displayed, "the conflict")
    assert "typed meanwhile" in page.source()


def test_a_conflict_belongs_to_its_file(visit, playground):
    page = visit()
    page.types("first", "mine")
    page.holds("save")
    playground.change(PYTHON.replace("first", "theirs"))
    page.save()
    page.has_held()
    page.opens("python", "plugin.toml")
    page.shows("runtime =")
    page.releases()
    page.says("Not saved: consumers.py of python")
    assert not page.find("#conflict").is_displayed()
    page.opens("python", "consumers.py")
    page.shows("mine")
    assert page.find("#conflict").is_displayed()


def test_a_failure_of_the_editor_is_not_one_of_the_host(visit):
    page = visit()
    page.connect()
    page.run("""
        const fetchNow = window.fetch;
        window.failed = 0;
        window.fetch = (url, options) => {
            if (!String(url).endsWith("/demo/source/changes")) return fetchNow(url, options);
            window.failed += 1;
            return Promise.resolve(new Response("no room", { status: 503 }));
        };
    """)
    eventually(lambda: page.run("return window.failed") >= 2, "two polls that fail")
    assert not [line for line in page.lines("error") if "unreachable" in line]


def test_a_conversation_stays_at_its_end_when_it_shrinks(visit):
    page = visit()
    page.connect()
    for number in range(30):
        page.say(f"message {number}")
    page.logs("received", "first 30 message 29")
    page.resize(1280, 640)
    script = "const log = document.querySelector('.log'); return log.scrollHeight - log.scrollTop - log.clientHeight"
    eventually(lambda: page.run(script) < 2, "the end of the conversation")


def test_line_ends_stay_as_they_are(visit, playground):
    file = {"plugin": "python", "path": "plugin.toml"}
    text = playground.read(**file)["text"]
    playground.result(text.replace("\n", "\r\n"), **file)
    page = visit()
    page.opens("python", "plugin.toml")
    page.shows("runtime =")
    page.types("Counts in Python.", "Counts.")
    page.save()
    page.says("Live in ")
    assert playground.read(**file)["text"] == text.replace("Counts in Python.", "Counts.").replace("\n", "\r\n")
    eventually(lambda: page.part(".description").text == "Counts.", "the description")


# Conversations.


def test_the_description_and_the_isolation_are_shown(visit):
    page = visit()
    assert page.part(".plugin-facts").text.startswith("Counts in Python. Version ")
    assert page.part(".isolation").text == "one shared instance"
    page.choose("javascript")
    assert page.part(".isolation").text == "an instance for each connection"


def test_a_fault_is_told_with_its_words_and_its_line(visit):
    page = visit()
    page.types("        self.count += 1", "        print('seen', text_data)\n        {}['missing']")
    page.save()
    page.says("Live in ")
    page.connect()
    page.say("hello")
    page.logs("error", "1011 internal error")
    assert page.logs("printed", "seen hello") == "seen hello"
    line = page.source().split("\n").index("        {}['missing']") + 1
    words = f"KeyError: 'missing' (consumers.py:{line} in receive)"
    page.logs("fault", words)
    eventually(lambda: [at for at, text in page.annotations() if words in text] == [line], "the line of the fault")


def test_a_version_that_another_editor_has_broken_is_told(visit, playground):
    page = visit()
    playground.change(PYTHON + "\n        def broken(:\n")
    line = page.logs("fault", "SyntaxError")
    assert line.startswith("deploy refused")
    eventually(lambda: [text for _, text in page.annotations() if "SyntaxError" in text], "the line of the error")


ECHO_SCOPE = """
    import json
    from channels.generic.websocket import WebsocketConsumer


    class Echo(WebsocketConsumer):
        def connect(self):
            self.accept(next(iter(self.scope["subprotocols"][1:]), None))
            headers = dict(self.scope["headers"])
            self.send(json.dumps({
                "query": self.scope["query_string"].decode(),
                "subprotocols": self.scope["subprotocols"],
                "cookie": headers.get(b"cookie", b"").decode(),
            }))
"""


def told(page):
    """The object that the consumer has sent about the handshake."""
    return json.loads(page.logs("received", '"query"'))


def test_a_handshake_has_the_query_the_subprotocols_and_the_cookie(visit, playground):
    playground.change(ECHO_SCOPE)
    page = visit()
    page.shows("scope")
    page.fill(query="nick=ann&x=ä", subprotocols="chat.v1, chat.v2", cookie="session=abc; theme=dark")
    page.connect()
    expected = {"query": "nick=ann&x=%C3%A4", "subprotocols": ["chat.v1", "chat.v2"], "cookie": "session=abc; theme=dark"}
    assert told(page) == expected
    page.logs("event", "subprotocol chat.v2")
    assert page.run("return document.cookie") == ""
    assert page.run("return location.hash") == "#/python/red/?nick=ann&x=%C3%A4"


def test_a_cookie_is_only_for_its_connection(visit, playground):
    playground.change(ECHO_SCOPE)
    page = visit()
    page.shows("scope")
    page.fill(cookie="session=abc")
    page.connect()
    assert told(page)["cookie"] == "session=abc"
    page.add_connection()
    page.connect()
    assert told(page)["cookie"] == ""


def test_a_wrong_subprotocol_is_told(visit):
    page = visit()
    page.fill(subprotocols="not a token")
    page.button("connect").send_keys(Keys.ENTER)
    page.logs("error", "subprotocol")
    page.is_in_state("Not connected")


def test_several_connections_are_side_by_side(visit):
    page = visit()
    page.resize(1600, 900)
    page.connect()
    page.add_connection()
    page.connect()
    page.say("from the second")
    assert page.logs("received", "from the second") == "first 1 from the second"
    page.panel = 1
    assert page.lines("received") == []
    page.say("from the first")
    assert page.logs("received", "from the first") == "first 1 from the first"
    script = "return [...document.querySelectorAll('.panel')].map((it) => it.getBoundingClientRect().top)"
    assert len(set(page.run(script))) == 1
    page.button("remove").click()
    assert page.lines("received") == ["first 1 from the second"]
    assert not page.button("remove").is_displayed()


def test_the_arrow_keys_recall_what_was_sent(visit):
    page = visit()
    page.connect()
    for text in ("one", "two"):
        page.say(text)
    text = page.part(".text")
    value = lambda: text.get_property("value")
    text.send_keys("draft", Keys.ARROW_UP)
    assert value() == "two"
    text.send_keys(Keys.ARROW_UP, Keys.ARROW_UP)
    assert value() == "one"
    text.send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    assert value() == "draft"
    page.logs("received", "first 2 two")
    page.part(".recall").click()
    assert value() == "one"


def test_a_message_may_have_several_lines(visit):
    page = visit()
    page.connect()
    page.part(".text").send_keys("one", Keys.SHIFT + Keys.ENTER + Keys.NULL, "two", Keys.ENTER)
    assert page.logs("received", "two") == "first 1 one\ntwo"


def test_json_is_shown_on_several_lines_with_its_own_tokens(visit, playground):
    playground.change(PYTHON.replace('f"first {self.count} {text_data}"', "text_data"))
    page = visit()
    page.shows("send(text_data)")
    page.connect()
    page.say('{"id":12345678901234567890,"list":[1.0,[]],"text":"a{b,\\"c"}')
    assert page.logs("received", '"id"') == (
        '{\n  "id": 12345678901234567890,\n  "list": [\n    1.0,\n    []\n  ],\n  "text": "a{b,\\"c"\n}'
    )


def test_json_is_not_broken_within_a_word(visit, playground):
    playground.change(PYTHON.replace('f"first {self.count} {text_data}"', "text_data"))
    page = visit()
    page.shows("send(text_data)")
    page.resize(390, 844)
    page.find("[data-view=conversations]").click()
    page.connect()
    page.say(json.dumps({"word": "w" * 80}))
    page.logs("received", '"word"')
    script = """
        const text = document.querySelector(".received .json").firstChild, range = document.createRange();
        const start = text.data.indexOf("w".repeat(80));
        range.setStart(text, start);
        range.setEnd(text, start + 80);
        return range.getClientRects().length;
    """
    assert page.run(script) == 1
    assert page.is_as_wide_as_the_screen()


# Looks.


@pytest.mark.parametrize("view", ["source", "conversations"])
def test_it_fits_a_screen_of_360_pixels(visit, view):
    page = visit()
    page.resize(360, 640)
    page.find(f"[data-view={view}]").click()
    assert page.is_as_wide_as_the_screen()
    other = "#conversations" if view == "source" else "#editor"
    assert not page.find(other).is_displayed()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_lies_behind_it(visit, scheme):
    page = visit()
    page.prefers(scheme)
    page.connect()
    page.say("hello")
    page.logs("received", "hello")
    page.types("        self.count += 1", "        # a comment\n        self.count += (1")
    assert page.lowest_contrast() >= 4.5
    page.save()
    page.says("not live")
    page.logs("fault", "SyntaxError")
    assert page.lowest_contrast() >= 4.5


def test_nothing_is_complained_of(visit):
    page = visit()
    page.connect()
    page.types("first", "second")
    page.save()
    page.says("Live in ")
    page.say("hello")
    page.logs("received", "second 1 hello")
    assert page.complaints() == []
    assert page.front().find_elements(By.CSS_SELECTOR, "[style*=javascript]") == []
