"""Every guest in tests/guests is used by a test."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
GUESTS = sorted(folder.name for folder in (HERE.parent / "guests").iterdir() if folder.is_dir())


@pytest.mark.parametrize("guest", GUESTS)
def test_some_test_uses_the_guest(guest):
    texts = [file.read_text() for file in HERE.glob("*.py") if file != Path(__file__)]
    assert any(f'"{guest}"' in text or f"guests/{guest}" in text for text in texts)
