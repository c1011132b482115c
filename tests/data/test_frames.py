from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from evoloss.data.frames import without_frames
from evoloss.data.user_data import load_user_data
from evoloss.errors import DataError

HERE = __name__
VALUES = {"length": [1.5, 2.5, 3.5, 4.5] * 10, "count": [1, 2, 3, 4] * 10, "wild": [True, False] * 20}
KINDS = ["cat", "dog", "cat", "cow"] * 10
EXPECTED = np.array([VALUES["length"], VALUES["count"], VALUES["wild"]], dtype=float).T


def returned() -> Any:
    """What a test returns from the user's function."""
    raise NotImplementedError


@pytest.fixture(params=["pandas", "polars"])
def library(request: pytest.FixtureRequest) -> Any:
    return pytest.importorskip(request.param)


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Any]:
    def load(made: Any) -> Any:
        monkeypatch.setattr(sys.modules[HERE], "returned", lambda: made)
        return load_user_data(f"{HERE}:returned")

    return load


def test_a_frame_of_inputs_beside_a_column_of_labels(library: Any, load: Callable[[Any], Any]) -> None:
    frame, column = library.DataFrame(VALUES), library.Series(KINDS)
    parts = [
        (frame, column),
        (frame, KINDS),
        (EXPECTED, column),
        {"x_train": frame, "y_train": column},
        {"train": (frame, column)},
        [(frame, column), (frame, column)],
    ]
    for made in parts:
        source = load(made)
        np.testing.assert_array_equal(source.train.inputs, EXPECTED)
        assert [source.class_names[label] for label in source.train.labels] == KINDS
    assert source.test is not None
    np.testing.assert_array_equal(source.test.inputs, EXPECTED)


def test_rows_are_matched_by_their_order() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2, 3]}, index=[2, 1, 0])
    inputs, labels = without_frames("mine:load", (frame, pandas.Series(["x", "y", "z"])))
    assert inputs.tolist() == [[1], [2], [3]]
    assert labels.tolist() == ["x", "y", "z"]


def test_a_frame_alone_does_not_say_where_its_labels_are(library: Any, load: Callable[[Any], Any]) -> None:
    frame = library.DataFrame({**VALUES, "kind": KINDS})
    for made in (frame, (frame, frame), {"train": frame}, library.Series(KINDS)):
        with pytest.raises(DataError, match=rf"of {library.__name__}; which column has the labels\? Return"):
            load(made)


def test_cells_that_are_no_numbers_are_named(library: Any, load: Callable[[Any], Any]) -> None:
    frame = library.DataFrame({**VALUES, "site": ["north"] * 40})
    with pytest.raises(DataError, match=r"whose column 'site' has 'north' in it; inputs are numbers\. Leave"):
        load((frame, KINDS))


def test_missing_numbers_are_refused_as_in_arrays(library: Any, load: Callable[[Any], Any]) -> None:
    frame = library.DataFrame({"a": [*[1.0] * 39, float("nan")]})
    with pytest.raises(DataError, match="inputs hold NaN"):
        load((frame, KINDS))
