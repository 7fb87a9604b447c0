"""The pages about the API say what the code does."""

from __future__ import annotations

import json
import re

import pytest

from daemon.api.routes import ROUTES
from scripts.api_page import ROOT, pages

PAGES = pages()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_is_as_the_code_makes_it(path: object) -> None:
    text = next(text for one, text in PAGES.items() if one == path)
    assert (ROOT / str(path)).read_text() == text, "run `make api-page`"


def test_the_readme_has_every_route() -> None:
    text = (ROOT / "README.md").read_text()
    assert [route.path for route in ROUTES if f"`{route.method} {route.path}`" not in text] == []


def test_every_link_within_the_page_leads_somewhere() -> None:
    text = PAGES[ROOT / "docs" / "api.md"]
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors


def test_no_row_of_a_table_has_more_cells_than_its_head() -> None:
    text = PAGES[ROOT / "docs" / "api.md"]
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        cells = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(cells) == 1, table


def test_the_file_of_the_contract_has_its_keys_in_order() -> None:
    """So that a difference between versions is one of the contract."""
    text = PAGES[ROOT / "docs" / "openapi.json"]
    assert json.dumps(json.loads(text), indent=1, sort_keys=True, ensure_ascii=False) + "\n" == text
