"""The documents: their links lead somewhere, and their code blocks are what they say they are."""

import ast
import json
import re
import shutil
import subprocess
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/**/*.md"))
BOOK = [page for page in PAGES if page.is_relative_to(ROOT / "docs")]

# A fence, what stands behind it, and the lines between it and the next.
BLOCK = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```$", re.M | re.S)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
LANGUAGES = {"console", "html", "ini", "js", "json", "nginx", "python", "rust", "sh", "text", "toml", "yaml"}


def name(page):
    return str(page.relative_to(ROOT))


@cache
def prose(page):
    """A page without its code blocks and code in lines."""
    return re.sub(r"`[^`\n]*`", "", BLOCK.sub("", page.read_text()))


@cache
def anchors(page):
    """The anchors of the headings of a page, as mdBook and GitHub make them."""
    found = Counter()
    every = set()
    for line in BLOCK.sub("", page.read_text()).splitlines():
        if heading := re.match(r"#{1,6} (.*)", line):
            text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).strip().lower()
            anchor = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
            every.add(f"{anchor}-{found[anchor]}" if found[anchor] else anchor)
            found[anchor] += 1
    return every


def blocks(language):
    """The code blocks of a language, each with its page and line."""
    for page in PAGES:
        text = page.read_text()
        for block in BLOCK.finditer(text):
            if block[2].split(",")[0] == language:
                indent = len(block[1])
                code = "".join(line[indent:] for line in block[3].splitlines(keepends=True))
                yield f"{name(page)}:{text[: block.start()].count(chr(10)) + 1}", code


@pytest.mark.parametrize("page", PAGES, ids=name)
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


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_each_code_block_says_its_language(page):
    languages = [block[2].split(",")[0] for block in BLOCK.finditer(page.read_text())]
    assert page not in BOOK and page.name != "README.md" or not set(languages) - LANGUAGES, languages


@pytest.mark.parametrize(("language", "parse"), [("toml", tomllib.loads), ("json", json.loads), ("python", ast.parse)])
def test_code_parses(language, parse):
    for where, code in blocks(language):
        try:
            parse(code)
        except (ValueError, SyntaxError) as error:
            raise AssertionError(f"{where}: {error}") from None


def test_shell_parses():
    for where, code in blocks("sh"):
        done = subprocess.run([shutil.which("sh"), "-n"], input=code, capture_output=True, text=True)
        assert done.returncode == 0, f"{where}: {done.stderr}"


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().split()) <= 900
