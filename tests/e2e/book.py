"""The documents and their code blocks."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Matches an optional comment that marks a block as not run, the opening fence, the info string, and the code up to the
# closing fence.
BLOCK = re.compile(r"(?:^ *<!-- not run: ([^\n]*) -->\n)?^( *)```([^\n]*)\n(.*?)^\2```$", re.M | re.S)

SHELL = ("console", "sh")


@cache
def documents():
    """All documents of the repository, without build output."""
    found = list(ROOT.glob("*.md"))
    for folder in ROOT.iterdir():
        if folder.is_dir() and folder.name != "target" and not folder.name.startswith("."):
            found += folder.rglob("*.md")
    return sorted(found)


def name(page):
    return str(page.relative_to(ROOT))


@dataclass(frozen=True)
class Block:
    """A code block. `reason` says why it is not run, if it has such a mark."""

    page: Path
    line: int
    info: str
    code: str
    reason: str | None

    @property
    def language(self):
        return self.info.split(",")[0]

    @property
    def place(self):
        return f"{name(self.page)}:{self.line}"

    @property
    def is_to_run(self):
        """Whether a test must run the block: it has commands, or Rust code that is part of a file."""
        return self.reason is None and (self.language in SHELL or self.info == "rust,ignore")


@cache
def blocks(page):
    """The code blocks of a page."""
    text = page.read_text()
    found = []
    for match in BLOCK.finditer(text):
        reason, indent, info, code = match.groups()
        code = "".join(line.removeprefix(indent) for line in code.splitlines(keepends=True))
        line = text[: match.start(2)].count("\n") + 1
        found.append(Block(page, line, info, code, reason))
    return found


def all_blocks(*languages):
    """The code blocks of all documents. With arguments, only blocks in these languages."""
    every = [block for page in documents() for block in blocks(page)]
    return [block for block in every if not languages or block.language in languages]
