"""The tests that SECURITY.md names exist."""

import re


def test_each_test_that_the_page_names_is_there(root):
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", (root / "SECURITY.md").read_text())
    rows = [line for line in (root / "SECURITY.md").read_text().splitlines() if line.startswith("| ")]
    assert len(named) == len([row for row in rows if not row.startswith("| threat")])
    for file, name in named:
        assert f"def {name}(" in (root / "tests/e2e" / file).read_text(), f"{file}::{name}"
