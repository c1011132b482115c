from __future__ import annotations

import csv
import io

import pytest

from evoloss.compare.keeping.csv_tables import as_it_was, csv_text, harmless

FORMULAS = (
    "=1+1",
    "+x",
    "-x",
    "@SUM(1)",
    "\tx",
    "\rx",
    "\nx",
    "-",
    "=",
    "-1-1",
    "+1;2",
    "'=1",
    "''-x",
    "-\u0661",
)
TEXTS = (
    "",
    "cat",
    "a=b",
    "'tis",
    "'",
    "''",
    " =1",
    "-1",
    "+1.5",
    "-1e-05",
    "-.5",
    "'-1",
    "''+2",
    "1e5",
    "\u0661",
)


@pytest.mark.parametrize("text", FORMULAS)
def test_what_begins_as_a_formula_does_is_text(text: str) -> None:
    assert harmless(text) == f"'{text}"
    assert as_it_was(f"'{text}") == text


@pytest.mark.parametrize("text", TEXTS)
def test_other_texts_and_numbers_stay(text: str) -> None:
    assert harmless(text) == text
    assert as_it_was(text) == text


def test_numbers_stay_numbers() -> None:
    assert [harmless(number) for number in (-1, -0.5, None, True)] == [-1, -0.5, None, True]


def test_a_table_comes_back_as_it_was() -> None:
    cells = [[*FORMULAS], [*TEXTS][: len(FORMULAS)]]
    text = csv_text(cells[0], cells)
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert [[as_it_was(cell) for cell in row] for row in read] == [cells[0], *cells]
    assert not any(cell[:1] in ("=", "@", "+", "\t", "\r", "\n") for cell in read[0])
