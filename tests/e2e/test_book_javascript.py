"""The plugins in TypeScript that the book shows are plugins that the host takes."""

import pytest

from book import all_blocks

WHOLE = [block for block in all_blocks("typescript") if block.code.startswith("import")]


@pytest.mark.parametrize("block", WHOLE, ids=lambda block: block.place)
def test_a_whole_file_is_taken_by_the_host(narrowboat, tmp_path, block):
    folder = tmp_path / "chat"
    folder.mkdir()
    folder.joinpath("plugin.toml").write_text('name = "chat"\nruntime = "javascript"\n')
    folder.joinpath("consumers.ts").write_text(block.code)
    built = narrowboat("plugin", "build", folder)
    assert built.returncode == 0, built.stderr
