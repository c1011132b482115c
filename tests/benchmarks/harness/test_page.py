from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.harness.page import Page, replace_between
from evoloss.errors import UnknownNameError


def words(*given: str) -> list[str]:
    return [f"- {word}" for word in given] or ["- none"]


def a_page(tmp_path: Path, template: str) -> Page:
    (tmp_path / "page.md.in").write_text(template)
    return Page(template=tmp_path / "page.md.in", out=tmp_path / "docs/page.md", tables={"words": words})


TEMPLATE = """# A page

<!-- Made by a command,
from files. -->
<!-- words a b-0.1 -->
In <!-- words --> a line.
<!-- words -->
"""
EXPECTED = """# A page

<!-- Made by a command,
from files. -->
- a
- b-0.1
In <!-- words --> a line.
- none
"""


def test_marks_are_replaced_by_their_tables_and_all_else_stays(tmp_path: Path) -> None:
    page = a_page(tmp_path, TEMPLATE)
    page.write()
    assert page.out.read_text() == EXPECTED


def test_a_mark_without_a_table_is_an_error_and_nothing_is_written(tmp_path: Path) -> None:
    page = a_page(tmp_path, "<!-- word a -->\n")
    with pytest.raises(UnknownNameError, match=r"no table in .*page\.md\.in 'word'.*Did you mean 'words'"):
        page.write()
    assert not page.out.exists()


def test_lines_between_marks_are_replaced() -> None:
    text = "before\n<begin>\n\nold\n\n<end>\nafter\n"
    assert replace_between(text, "<begin>", "<end>", ["a", "b"]) == (
        "before\n<begin>\n\na\nb\n\n<end>\nafter\n"
    )
    again = replace_between(text, "<begin>", "<end>", ["a"])
    assert replace_between(again, "<begin>", "<end>", ["a"]) == again


@pytest.mark.parametrize(
    "text", ["<begin> old", "old <end>", "<end> <begin>", "<begin> <begin> <end>", "<begin> <end> <end>"]
)
def test_marks_that_are_not_one_pair_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must hold '<begin>' once"):
        replace_between(text, "<begin>", "<end>", ["new"])
