from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evoloss.data.tables.target import Target, read_target, require_target
from evoloss.errors import ConfigError, DataError, UnknownNameError

PATH = Path("table.csv")


def read(*cells: str | None) -> Target:
    return read_target(PATH, "y", np.array([*cells, None], dtype=object)[:-1])


def test_text_keeps_its_names() -> None:
    found = read("b", None, "a", "b", "a")
    assert found.class_names == ("a", "b")
    assert found.rows.tolist() == [0, 2, 3, 4]
    assert found.labels.tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        (["10", "2", "2.0", "-1", "10", "-1"], ("-1", "2", "10")),
        (["01", "1", "01", "1"], ("01", "1")),
        (["1.5", "10", "1.5", "10"], ("1.5", "10")),
        (["True", "False"] * 3, ("False", "True")),
        ([f"{10**30}", f"{10**30 + 1}"] * 3, (f"{10**30}", f"{10**30 + 1}")),
    ],
)
def test_numbers_are_named_in_their_order(cells: list[str], names: tuple[str, ...]) -> None:
    assert read(*cells).class_names == names


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["a"] * 5, "the target column 'y' has 'a' in every row; expected at least 2 classes"),
        ([None] * 5, "has no value in any row"),
        (
            [f"{row}.5" for row in range(30)],
            "has 30 different values in 30 rows, such as 0.5, 1.5, 2.5 and 27",
        ),
    ],
)
def test_what_is_no_target_is_refused(cells: list[str | None], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(*cells)


def test_the_nearest_name_is_suggested() -> None:
    names = ["length", "Species"]
    assert require_target(PATH, "Species", names) == "Species"
    for target in ("species", "Specis"):
        with pytest.raises(
            UnknownNameError, match=r"Did you mean 'Species'\? Its columns.*: length, Species"
        ):
            require_target(PATH, target, names)
    with pytest.raises(ConfigError, match=r"--target COLUMN .* columns: length, Species"):
        require_target(PATH, None, names)
