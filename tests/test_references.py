"""Committed reference pages are what the code says today."""

from pathlib import Path

import pytest

from service.references import pages

DOCS = Path(__file__).resolve().parent.parent / "docs"


@pytest.mark.parametrize("name", list(pages()))
def test_a_reference_page_is_as_new_as_the_code(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == pages()[name], "run `make docs`"
