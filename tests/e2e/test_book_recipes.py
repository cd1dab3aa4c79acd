"""The recipes of the book for the key-value store are the code of the guests, which `test_language_store.py` runs."""

import re

import pytest

from book import ROOT, blocks

PAGE = ROOT / "docs/how-to/store-data.md"
RECIPES = PAGE.read_text().partition("\n## Recipes\n")[0].count("\n")

GUESTS = {
    "rust": ("powers/src/recipes.rs", "/// "),
    "python": ("python-powers/recipes.py", "def "),
    "typescript": ("javascript-powers/recipes.ts", "/** "),
}


@pytest.mark.parametrize("language", GUESTS)
def test_a_recipe_is_the_code_of_the_guest(language):
    file, start = GUESTS[language]
    guest = (ROOT / "tests/guests" / file).read_text().replace("pub(crate) ", "")
    recipes = [block for block in blocks(PAGE) if block.language == language and block.line > RECIPES]
    assert len(recipes) == 3
    for recipe in recipes:
        # Before the first function there are imports and constants, which the guest has in one place.
        code = recipe.code[re.search(f"(?m)^{re.escape(start)}", recipe.code).start() :]
        assert code.strip() in guest, recipe.place
