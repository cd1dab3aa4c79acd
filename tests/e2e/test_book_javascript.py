"""The plugins in TypeScript that the book shows are plugins that the host takes, and its tests are tests that load."""

import json

import pytest

from book import all_blocks
from test_javascript import ECHO

WHOLE = [block for block in all_blocks("typescript") if block.code.startswith("import")]
TESTS = [block for block in WHOLE if "narrowboat/testing" in block.code]

# A module of the plugin that a test of the book imports.
WORDS = 'export const countWords = (text: string) => text.trim().split(" ").length;\n'


@pytest.fixture
def folder(tmp_path):
    """The folder of a plugin, which lacks the file of its consumers."""
    folder = tmp_path / "chat"
    folder.mkdir()
    folder.joinpath("plugin.toml").write_text('name = "chat"\nruntime = "javascript"\n')
    return folder


@pytest.mark.parametrize("block", [block for block in WHOLE if block not in TESTS], ids=lambda block: block.place)
def test_a_whole_file_is_taken_by_the_host(narrowboat, folder, block):
    folder.joinpath("consumers.ts").write_text(block.code)
    built = narrowboat("plugin", "build", folder)
    assert built.returncode == 0, built.stderr


@pytest.mark.parametrize("block", TESTS, ids=lambda block: block.place)
def test_each_test_of_a_file_runs(narrowboat, folder, block):
    for file, text in {"consumers.ts": ECHO, "words.ts": WORDS, "consumers.test.ts": block.code}.items():
        folder.joinpath(file).write_text(text)
    done = narrowboat("test", folder, "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert len([event for event in events if event["event"] == "test"]) == block.code.count("\ntest("), done.stderr
