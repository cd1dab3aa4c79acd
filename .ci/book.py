#!/usr/bin/env python3
"""Builds the book in target/book. Fails if mdBook warns, or if a link in a built page is broken.

The documents in the root of the repository are chapters too. The script copies each file of the repository that a page
links to, so every link works inside the book.
"""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[1]
SOURCE, BOOK = ROOT / "target/book-source", ROOT / "target/book"

LINK = re.compile(r"\]\(([^)\s#]+)[^)\s]*\)")
CHAPTERS = {"Architecture": "ARCHITECTURE.md", "Performance": "PERFORMANCE.md", "Security": "SECURITY.md"}
CHAPTERS |= {"Contributing": "CONTRIBUTING.md", "Changelog": "CHANGELOG.md"}


def assemble():
    """Copies the documents and the files that they link to, and writes the summary of all chapters."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.copytree(ROOT / "docs", SOURCE / "docs")
    for page in ROOT.glob("*.md"):
        shutil.copy(page, SOURCE)
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    for page in pages:
        for target in LINK.findall(page.read_text()):
            file = (page.parent / target).resolve()
            if ":" not in target and file.is_file() and file.suffix != ".md":
                beside = SOURCE / file.relative_to(ROOT)
                beside.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, beside)
    summary = (ROOT / "docs/SUMMARY.md").read_text().replace("](", "](docs/")
    first, rest = summary.split("\n", 1)
    others = "".join(f"- [{title}]({file})\n" for title, file in CHAPTERS.items())
    # The list of all pages is a page itself, because the README links to it.
    all_pages = "- [All pages](docs/SUMMARY.md)\n"
    text = f"{first}\n\n[Narrowboat](README.md)\n{rest}\n# Project\n\n{others}{all_pages}"
    (SOURCE / "SUMMARY.md").write_text(text)


def build():
    """Runs mdBook and returns its warnings."""
    environment = os.environ | {"MDBOOK_BOOK__SRC": str(SOURCE)}
    command = [ROOT / "target/mdbook/bin/mdbook", "build", ROOT / "docs"]
    done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True)
    print(done.stderr, end="", file=sys.stderr)
    if done.returncode:
        sys.exit(done.returncode)
    return [line for line in done.stderr.splitlines() if re.match(r"\s*(WARN|ERROR)", line)]


class Page(HTMLParser):
    """The links and the anchors of a built page."""

    def __init__(self, file):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(file.read_text())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.anchors.add(attributes.get("id"))
        link = attributes.get("href" if tag == "a" else "src")
        if link and not re.match(r"[a-z]+:", link):
            self.links.append(link)


def broken_links():
    """Yields a message for each broken link between built pages."""
    # The links of these three generated pages have another base.
    files = [file for file in BOOK.rglob("*.html") if file.name not in ("404.html", "print.html", "toc.html")]
    pages = {file.resolve(): Page(file) for file in files}
    for file, page in pages.items():
        for link in page.links:
            path, _, anchor = unquote(link).partition("#")
            target = (file.parent / path).resolve() if path else file
            found = target.exists() and (not anchor or target not in pages or anchor in pages[target].anchors)
            if not found:
                yield f"{file.relative_to(BOOK)}: broken link {link}"


assemble()
shutil.rmtree(BOOK, ignore_errors=True)
problems = build() + list(broken_links())
print(*problems, sep="\n", file=sys.stderr)
sys.exit(bool(problems))
