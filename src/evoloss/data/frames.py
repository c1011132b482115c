"""Tables of pandas and polars that a user's function returns: a frame of inputs beside a column of labels."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from evoloss.errors import DataError
from evoloss.safe_text import quoted

_MOST_PARTS = 6  # inputs and labels of three splits
_FILE = (
    "write the table to a .csv or .parquet file and name that with --target COLUMN, which takes care of "
    "categories and missing values"
)


def without_frames(spec: str, made: object) -> object:
    """Return what a function made, with frames of inputs and columns of labels as arrays.

    A frame is taken where its labels stand beside it: as ``frame, column`` or as ``x_train`` and ``y_train``
    of a dict. Rows are matched by their order, whatever index they have.

    Args:
        spec: name of the data set, for the errors.
        made: anything; what has no frames is returned as it is.

    Raises:
        DataError: for a frame that is alone, so that nobody knows which column has the labels, and for one
            with other cells than numbers.

    Example:
        >>> import numpy as np
        >>> without_frames("mine:load", (np.zeros((2, 3)), [0, 1]))[1]
        [0, 1]
    """
    if isinstance(made, Mapping):
        return {key: _entry(spec, str(key), value) for key, value in made.items()}
    return _part(spec, made)


def _entry(spec: str, key: str, value: Any) -> object:
    if key.startswith("x_") and _is_frame(value, 2):
        return _inputs(spec, value)
    return value.to_numpy() if key.startswith("y_") and _is_frame(value, 1) else _part(spec, value)


def _part(spec: str, made: Any, levels: int = 2) -> object:
    """Return a part, or several of them, without frames."""
    if levels and isinstance(made, tuple | list) and len(made) <= _MOST_PARTS:
        if len(made) == 2:
            made = _pair(spec, *made)
        return tuple(_part(spec, part, levels - 1) for part in made)
    if hasattr(made, "to_numpy"):
        raise DataError(
            f"data set {spec!r} returned {_kind(made)}; which column has the labels? Return inputs and "
            "labels side by side, such as frame.drop(columns='species'), frame['species'], or as x_train and "
            f"y_train of a dict; or {_FILE}"
        )
    return made


def _pair(spec: str, inputs: Any, labels: Any) -> tuple[Any, Any]:
    if _is_frame(labels, 1):
        labels = labels.to_numpy()
    if _is_frame(inputs, 2) and not hasattr(labels, "to_numpy"):
        inputs = _inputs(spec, inputs)
    return inputs, labels


def _is_frame(value: Any, axes: int) -> bool:
    return hasattr(value, "to_numpy") and len(getattr(value, "shape", ())) == axes


def _inputs(spec: str, frame: Any) -> npt.NDArray[Any]:
    values: npt.NDArray[Any] = np.asarray(frame.to_numpy())
    if values.dtype.kind in "fiub":
        return values
    for place, name in enumerate(frame.columns):
        for cell in values[:, place]:
            if not isinstance(cell, numbers.Real | np.bool_):
                raise DataError(
                    f"data set {spec!r} returned {_kind(frame)} whose column {quoted(name)} has "
                    f"{quoted(cell, 40)} in it; inputs are numbers. Leave the column out, turn it into "
                    f"numbers, or {_FILE}"
                )
    return values.astype(np.float64)


def _kind(value: object) -> str:
    return f"a {type(value).__name__} of {type(value).__module__.partition('.')[0]}"
