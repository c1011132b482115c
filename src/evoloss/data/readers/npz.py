"""A user's own data set in one ``.npz`` file, in the Keras convention; never with pickled objects."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evoloss.data.class_labels import encode_labels
from evoloss.data.dataset import LabelledArrays, SourceData
from evoloss.data.limits import DataLimits
from evoloss.data.npz_arrays import ArrayHeader, open_arrays, read_array, read_header
from evoloss.data.origin import ArrayPlaces
from evoloss.errors import DataError

KEYS = ("x_train", "y_train", "x_test", "y_test")
VALIDATION_KEYS = ("x_val", "y_val")


def load_npz(path: Path, limits: DataLimits | None = None) -> SourceData:
    """Read ``x_train``, ``y_train``, ``x_test`` and ``y_test``; and ``x_val`` and ``y_val`` where they are.

    Inputs are images, uint8, ``(N, H, W)``, ``(N, H, W, 1)`` or ``(N, H, W, 3)``; or real features
    ``(N, D)``, which become float32. Labels, ``(N,)`` or ``(N, 1)``, are whole numbers, with gaps or without,
    or text; the classes are their distinct values in ``y_train``, sorted, and keep them as names. Other
    arrays in the file are left alone.

    Args:
        path: the file.
        limits: sizes above which it is refused, unread; see :meth:`~evoloss.data.limits.DataLimits.of`.

    Raises:
        DataError: if the file is missing or damaged, lacks an array, holds one of another kind, or is too
            large.
    """
    arrays = _read(path, limits or DataLimits.of())
    labels = encode_labels(path, arrays["y_train"], arrays["y_test"], arrays.get("y_val"))
    splits = {}
    for split, indices in (("train", labels.train), ("test", labels.test), ("val", labels.validation)):
        if indices is None:
            continue
        inputs = arrays[f"x_{split}"]
        if len(inputs) != len(indices):
            raise DataError(
                f"{path}: x_{split} has {len(inputs)} samples, y_{split} {len(indices)}; they must agree"
            )
        splits[split] = LabelledArrays(inputs, indices)
    shape = splits["train"].inputs.shape
    for split, part in splits.items():
        if part.inputs.shape[1:] != shape[1:]:
            raise DataError(
                f"{path}: x_train and x_{split} have shapes {shape} and {part.inputs.shape}; samples must "
                "have one shape"
            )
    return SourceData(
        name=path.stem,
        train=splits["train"],
        test=splits["test"],
        validation=splits.get("val"),
        class_names=labels.class_names,
        details=ArrayPlaces(path.name, "x_train"),
    )


def _read(path: Path, limits: DataLimits) -> dict[str, npt.NDArray[Any]]:
    arrays = {}
    with open_arrays(path, KEYS, VALIDATION_KEYS) as (archive, members):
        headers = {key: read_header(path, key, archive, members[key]) for key in members}
        # The arrays as they are used, the copies in which they are split, and one as it is stored.
        arrays_bytes = sum(_bytes_in_use(header) for header in headers.values())
        limits.require_memory(
            2 * arrays_bytes + max(header.n_bytes for header in headers.values()), str(path)
        )
        for key in members:
            array = read_array(archive, members[key])
            arrays[key] = _inputs(path, key, array) if key.startswith("x") else array
    return arrays


def _bytes_in_use(header: ArrayHeader) -> int:
    """Size of the array that :func:`_inputs` makes of it."""
    return 4 * math.prod(header.shape) if len(header.shape) == 2 else header.n_bytes


def _inputs(path: Path, key: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if not array.size:
        raise DataError(f"{path}: {key} has shape {array.shape}, so it is empty; expected samples")
    if array.ndim == 2 and array.dtype.kind in "fiub":
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is infinite, and refused below
            features = array.astype(np.float32, copy=False)
        if not np.isfinite(features).all():
            raise DataError(
                f"{path}: {key} holds NaN or infinite values (in float32); remove or replace them"
            )
        return features
    if array.dtype == np.uint8 and array.ndim == 3:
        return array[:, None]
    if array.dtype == np.uint8 and array.ndim == 4 and array.shape[3] in (1, 3):
        return array.transpose(0, 3, 1, 2)
    raise DataError(
        f"{path}: {key} has dtype {array.dtype} and shape {array.shape}; expected images in uint8, "
        "(N, H, W), (N, H, W, 1) or (N, H, W, 3), or features (N, D)"
    )
