"""The glossary's terms stand in the code where it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import evoloss

ROOT = Path(evoloss.__file__).parent
PAGE = Path(__file__).parents[1] / "docs" / "glossary.md"

# The last column of a row: names in a file, or the file alone.
PLACE = re.compile(r"((?:`\w+`(?:, | and )?)*)(?: in )?`([\w/]+\.py)`")


def rows() -> list[tuple[str, str]]:
    """The first and the last cell of each row."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| **")]
    return [(line.split(" | ")[0].strip("| "), line.split(" | ")[-1].rstrip(" |")) for line in lines]


def test_the_terms_that_were_asked_for_are_explained() -> None:
    terms = " ".join(term for term, _ in rows())
    for term in ("agreement", "regime", "couple", "group", "student", "canonical form", "paced", "tempered"):
        assert f"**{term}**" in terms


@pytest.mark.parametrize(("term", "places"), rows(), ids=[term for term, _ in rows()])
def test_a_term_is_in_the_code_where_the_page_says(term: str, places: str) -> None:
    found = PLACE.findall(places)
    assert found, f"{term} has no place"
    for names, path in found:
        text = (ROOT / path).read_text(encoding="utf-8")
        for name in re.findall(r"\w+", names.replace("` and `", "` `").replace("`", " ")):
            assert re.search(rf"\b{name}\b", text), f"{term}: no {name} in {path}"
