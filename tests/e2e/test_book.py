"""The documents: their links work, and their code blocks are valid.

`test_book_commands.py` runs the commands. `cargo test --doc -p narrowboat-book` compiles the Rust code, and
`cargo test -p narrowboat-config --test documents` reads the TOML.
"""

import ast
import json
import re
import shutil
import subprocess
from collections import Counter
from functools import cache

import crossplane
import pytest

from book import BLOCK, ROOT, SHELL, all_blocks, blocks, documents, name
from browser import chromium
from test_book_commands import PAGES as RUN

BOOK = [page for page in documents() if page.is_relative_to(ROOT / "docs")]

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")

# The languages of code blocks. A new language needs a check.
LANGUAGES = {"console", "haproxy", "js", "json", "nginx", "promql", "python", "rust", "sh", "text", "toml", "typescript", "yaml"}

# Output and pictures, which have no language.
UNCHECKED = {"text"}

# The reasons for blocks that are not run, with their number. A newly marked block must be counted here.
NOT_RUN = {
    "NAME stands for a package": 1,
    "it builds for minutes": 2,
    "it measures for minutes": 7,
    "it needs a container engine": 1,
    "it needs a host with stored values": 2,
    "it needs a running host with rooms": 1,
    "it needs root on a server": 1,
    "it tests for minutes": 2,
    "test_new.py runs the same tests in the template chat": 1,
}

# Links.


@cache
def prose(page):
    """The text of a page without code."""
    return re.sub(r"`[^`\n]*`", "", BLOCK.sub("", page.read_text()))


@cache
def anchors(page):
    """The anchors of the headings of a page, as in mdBook and GitHub."""
    found = Counter()
    every = set()
    for line in BLOCK.sub("", page.read_text()).splitlines():
        if heading := re.match(r"#{1,6} (.*)", line):
            text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).strip().lower()
            anchor = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
            every.add(f"{anchor}-{found[anchor]}" if found[anchor] else anchor)
            found[anchor] += 1
    return every


@pytest.mark.parametrize("page", documents(), ids=name)
def test_each_link_leads_to_a_file_and_a_heading(page):
    broken = []
    for first, second in LINK.findall(prose(page)):
        target, _, anchor = (first or second).partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            broken.append(first or second)
    assert not broken


def test_each_page_of_the_book_is_in_its_summary_once():
    listed = LINK.findall((ROOT / "docs/SUMMARY.md").read_text())
    listed = [str((ROOT / "docs" / target).resolve().relative_to(ROOT)) for target, _ in listed]
    assert sorted(listed) == [name(page) for page in BOOK if page.name != "SUMMARY.md"]


# Blocks.


def test_each_code_block_says_its_language():
    wrong = [block.place for block in all_blocks() if block.language not in LANGUAGES]
    assert not wrong, "a block needs a language of LANGUAGES; output and pictures are `text`"


def test_each_mark_stands_before_a_block_of_commands():
    for page in documents():
        marks = len(re.findall(r"(?m)^ *<!-- not run:", page.read_text()))
        marked = [block for block in blocks(page) if block.reason]
        assert len(marked) == marks, f"{name(page)}: a mark stands on the line before its block"
        assert all(block.language in SHELL for block in marked), f"{name(page)}: only commands are marked"


def test_the_blocks_that_are_not_run_are_those_that_are_known(figure):
    every, marked = (Counter(block.language for block in group) for group in (all_blocks(), marks()))
    for language, count in sorted(every.items()):
        checked = 0 if language in UNCHECKED else count - marked[language]
        figure(f"code blocks in {language}", f"{checked} checked, {count - checked} not")
    assert Counter(block.reason for block in marks()) == NOT_RUN


def marks():
    return [block for block in all_blocks() if block.reason]


def test_each_page_with_commands_has_a_test_that_runs_them():
    pages = {name(block.page) for block in all_blocks() if block.is_to_run}
    assert pages == set(RUN), "test_book_commands.py has a test for each page with commands"


def test_the_targets_of_make_that_are_not_run_exist():
    commands = [line for block in marks() for line in block.code.splitlines() if line.startswith("make ")]
    assert commands
    for command in commands:
        done = subprocess.run(["sh", "-c", command.replace("make", "make --dry-run", 1)], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("language", "parse"),
    [
        ("json", json.loads),
        ("python", lambda code: compile(code, "block", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)),
    ],
)
def test_code_parses(language, parse):
    for block in all_blocks(language):
        try:
            parse(block.code)
        except (ValueError, SyntaxError) as error:
            raise AssertionError(f"{block.place}: {error}") from None


def test_shell_parses():
    for block in all_blocks("sh"):
        done = subprocess.run([shutil.which("sh"), "-n"], input=block.code, capture_output=True, text=True)
        assert done.returncode == 0, f"{block.place}: {done.stderr}"


def test_a_block_of_a_console_has_a_prompt():
    for block in all_blocks("console"):
        assert re.search(r"(?m)^[$#] ", block.code), f"{block.place}: output without a command is `text`"


def test_javascript_parses(tmp_path):
    with chromium(tmp_path) as browser:
        for block in all_blocks("js"):
            problem = browser.execute_script("try { new Function(arguments[0]) } catch (e) { return String(e) }", block.code)
            assert problem is None, f"{block.place}: {problem}"


def test_prometheus_takes_its_configuration_and_its_rules(tmp_path):
    for number, block in enumerate(all_blocks("yaml")):
        file = tmp_path / f"{number}.yml"
        file.write_text(block.code)
        kind = ["rules"] if block.code.startswith("groups:") else ["config", "--syntax-only"]
        done = subprocess.run(["promtool", "check", *kind, file], capture_output=True, text=True)
        assert done.returncode == 0, f"{block.place}: {done.stdout}{done.stderr}"


def test_prometheus_takes_its_queries(tmp_path):
    file = tmp_path / "rules.yml"
    for block in all_blocks("promql"):
        rule = {"record": "block", "expr": block.code}
        # JSON is valid YAML.
        file.write_text(json.dumps({"groups": [{"name": "blocks", "rules": [rule]}]}))
        done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True)
        assert done.returncode == 0, f"{block.place}: {done.stdout}{done.stderr}"


def test_nginxs_own_parser_takes_its_configuration(tmp_path):
    file = tmp_path / "nginx.conf"
    # test_room_proxies.py runs the whole configurations, which this parser does not know.
    for block in (block for block in all_blocks("nginx") if "server {" not in block.code):
        file.write_text(f"events {{}} http {{ server {{\n{block.code}}} }}")
        read = crossplane.parse(str(file), strict=True, check_ctx=True, check_args=True)
        assert read["status"] == "ok", f"{block.place}: {read['errors']}"


def test_every_document_with_rust_is_compiled():
    crate = (ROOT / "tests/book/src/lib.rs").read_text()
    compiled = re.findall(r'(?m)^    \w+ = "(.*)";$', crate)
    assert compiled == sorted({name(block.page) for block in all_blocks("rust")}, key=lambda page: page.split("/")[-1].lower())
    for block in all_blocks("rust"):
        assert block.info in ("rust", "rust,no_run", "rust,ignore"), block.place


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().split()) <= 900
