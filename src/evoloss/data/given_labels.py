"""Labels of a training part from a file of its own: those of annotators, with their mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evoloss.data.npz_arrays import open_arrays, read_array, read_header
from evoloss.errors import DataError

KEY = "labels"


def read_given_labels(path: Path, n_samples: int, class_names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Read class indices from the array ``labels`` of an ``.npz`` file.

    Text is the names of classes, and so are numbers where all names are numbers; other numbers are class
    indices.

    Args:
        path: the file.
        n_samples: samples of the training part as published; the labels are in its order.
        class_names: of the data set, in the order of its class indices.

    Returns:
        Class indices, int64, shape ``(n_samples,)``.

    Raises:
        DataError: if the file is missing or damaged, if it has another number of labels, or labels that are
            no classes.
    """
    labels = _read(path, n_samples)
    named = labels.dtype.kind in "US" or all(name.lstrip("-").isdecimal() for name in class_names)
    values, inverse = np.unique(labels, return_inverse=True)
    if not named:
        indices = values.astype(np.int64)
        strangers = [value for value in values.tolist() if not 0 <= value < len(class_names)]
    else:
        place = {name: index for index, name in enumerate(class_names)}
        texts = [_as_text(value) for value in values.tolist()]
        strangers = [text for text in texts if text not in place]
        indices = np.array([place.get(text, 0) for text in texts], dtype=np.int64)
    if strangers:
        shown = ", ".join(repr(value)[:40] for value in strangers[:5])
        expected = f"{class_names[0]!r} to {class_names[-1]!r}" if named else f"0 to {len(class_names) - 1}"
        raise DataError(
            f"{path}: {KEY} holds {shown}{', ...' if len(strangers) > 5 else ''}: no classes of the data "
            f"set; expected {expected}"
        )
    return indices[inverse.reshape(-1)]


def _as_text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _read(path: Path, n_samples: int) -> npt.NDArray[Any]:
    with open_arrays(path, [KEY]) as (archive, members):
        header = read_header(path, KEY, archive, members[KEY])
        if header.shape not in ((n_samples,), (n_samples, 1)) or header.dtype.kind not in "iuUS":
            raise DataError(
                f"{path}: {KEY} has dtype {header.dtype} and shape {header.shape}; expected whole numbers or "
                f"text, one for each of the {n_samples} samples of the training part as published, in its "
                "order"
            )
        return read_array(archive, members[KEY]).reshape(-1)
