"""The notebook: an entry a page that says question, rule and verdict first, and an index of the verdicts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.documentation.pages import ROOT, name_of

NOTEBOOK = ROOT / "docs/notebook"
ENTRIES = sorted(path for path in NOTEBOOK.glob("*.md") if path.name != "index.md")
HEAD = re.compile(
    r"# (?P<title>(?P<number>\d+b?)\. [^\n]+)\n\n"
    r"Question: (?P<question>.+?)\n\n"
    r"Rule: (?P<rule>.+?)\n\n"
    r"Verdict: (?P<verdict>.+?)\n\n---\n\n",
    re.DOTALL,
)
every_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda path: path.stem)


def head(entry: Path) -> re.Match[str]:
    found = HEAD.match(entry.read_text(encoding="utf-8"))
    assert found is not None, f"{name_of(entry)} must begin with its title, Question:, Rule: and Verdict:"
    return found


def joined(text: str) -> str:
    return " ".join(text.split())


def test_the_entries_are_there_in_order() -> None:
    numbers = [head(entry)["number"] for entry in ENTRIES]
    expected = [str(number) for number in range(1, len(ENTRIES))]
    assert numbers == [*expected[:8], "8b", *expected[8:]]
    assert len(ENTRIES) >= 39


@every_entry
def test_an_entry_says_first_what_came_out(entry: Path) -> None:
    found = head(entry)
    assert entry.stem.split("-")[0].lstrip("0") == found["number"]
    for part in ("question", "rule", "verdict"):
        assert 8 < len(joined(found[part])) < 300, part
        assert "\n\n" not in found[part]
    assert len(entry.read_text(encoding="utf-8")) > found.end() + 200


@every_entry
def test_the_index_has_its_verdict(entry: Path) -> None:
    found = head(entry)
    line = f"- [{found['title']}]({entry.name}): {joined(found['verdict'])}"
    assert line in joined((NOTEBOOK / "index.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", [*ENTRIES, NOTEBOOK / "index.md"], ids=lambda path: path.stem)
def test_lines_are_short_but_for_rows_of_tables(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > 120 and not line.lstrip().startswith("|")] == []
