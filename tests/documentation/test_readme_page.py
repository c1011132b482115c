"""README: its length, and that its numbers are those of the committed results."""

from __future__ import annotations

import re

from tests.documentation.pages import ROOT
from website.readme import README, filled

LONGEST = 120
"""Lines."""


def test_the_numbers_are_those_of_the_committed_results() -> None:
    text = README.read_text(encoding="utf-8")
    assert filled(text) == text, "run python -m website.readme --write"


def test_it_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_what_it_links_is_there() -> None:
    text = README.read_text(encoding="utf-8")
    links = {*re.findall(r"\]\(([^)#]+)", text), *re.findall(r'src(?:set)?="([^"]+)"', text)}
    local = [link for link in links if not link.startswith("https://")]
    assert len(local) > 10
    assert [link for link in local if not (ROOT / link).exists()] == []
