from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evoloss.data.tables.columns import Column, as_numbers, listed, read_column
from evoloss.errors import DataError

PATH = Path("table.csv")


def read(*cells: str | None) -> tuple[Column, np.ndarray] | str:
    return read_column(PATH, "x", np.array([*cells, None], dtype=object)[:-1])


def test_numbers() -> None:
    found = read("1", "-2.5e3", None, "+.5", "007")
    assert not isinstance(found, str)
    assert found[0] == Column("x")
    np.testing.assert_array_equal(found[1], [1, -2500, np.nan, 0.5, 7])
    assert as_numbers(np.array(["1_000", "0x1F", "True", "1,5"], dtype=object))[1].tolist() == [0, 1, 2, 3]


def test_categories_in_the_order_of_the_alphabet() -> None:
    found = read("south", "north", None, "south", "north")
    assert not isinstance(found, str)
    assert found[0] == Column("x", ("north", "south"))
    np.testing.assert_array_equal(found[1], [1, 0, np.nan, 1, 0])


def test_few_texts_with_commas_are_categories() -> None:
    found = read(*["1,2", "1,3", "2,3"] * 5)
    assert not isinstance(found, str)
    assert found[0].categories == ("1,2", "1,3", "2,3")


def test_text_among_few_numbers_is_a_category() -> None:
    found = read(*["1", "2", "3", "4+"] * 5)
    assert not isinstance(found, str)
    assert found[0].categories == ("1", "2", "3", "4+")


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([str(row) for row in range(1, 20)], "it counts the rows"),
        (["2020-01-31", "31.12.2020", "1/2/20 12:30"] * 4, "it holds dates"),
        ([f"name {row}" for row in range(20)], "it has 20 different texts in 20 rows"),
        ([f"place {row % 300}" for row in range(900)], "it has 300 different texts in 900 rows"),
    ],
)
def test_nothing_to_learn_from(cells: list[str], reason: str) -> None:
    found = read(*cells)
    assert isinstance(found, str)
    assert found.startswith(reason)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            [*(f"{row},5" for row in range(40)), "12", None],
            r"table\.csv: column 'x' holds numbers with commas, such as '0,5' in row 1; expected a decimal p",
        ),
        ([f"{row},000" for row in range(1, 9)], "numbers with commas, such as '1,000' in row 1"),
        (["1.5"] * 3 + ["inf"], r"table\.csv: column 'x' holds 'inf' in row 4; expected finite numbers"),
        (
            [*(f"{row}.5" for row in range(40)), "1,5", None, "12 kg"],
            r"other text in 2 of 42 cells \('1,5' in row 41, '12 kg' in row 43; the row below",
        ),
    ],
)
def test_what_is_wrong_is_named(cells: list[str | None], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(*cells)


def test_a_list_is_cut() -> None:
    assert listed(["a", "b", "c"], 2) == "a, b and 1 more"
