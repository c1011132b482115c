"""Labels as users store them, whole numbers or text, to class indices and class names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evoloss.errors import DataError

_KINDS = {"i": "whole numbers", "u": "whole numbers", "b": "truth values", "U": "text", "S": "text"}


@dataclass(frozen=True)
class EncodedLabels:
    """Class indices of the parts.

    Attributes:
        train: int64, ``(N,)``.
        test: int64, ``(M,)``.
        class_names: the distinct values of the training labels, sorted, as text.
        validation: int64, ``(V,)``; None where there is no such part.
    """

    train: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]
    class_names: tuple[str, ...]
    validation: npt.NDArray[np.int64] | None = None


def encode_labels(
    path: Path,
    train: npt.NDArray[Any],
    test: npt.NDArray[Any],
    validation: npt.NDArray[Any] | None = None,
) -> EncodedLabels:
    """Number the classes by their sorted values in the training labels.

    Args:
        path: where they come from, for the errors.
        train: ``(N,)`` or ``(N, 1)``, whole numbers, truth values or text; gaps and negative numbers are
            allowed.
        test: likewise; every class needs training samples.
        validation: likewise, where there is such a part.

    Raises:
        DataError: if the labels are of another kind, empty, or more like numbers that were measured.
    """
    train = _flat(path, "y_train", train)
    values, indices = np.unique(train, return_inverse=True)
    if len(values) > max(len(train) / 2, 3):
        raise DataError(
            f"{path}: y_train has {len(values)} different values for {len(train)} samples; those are "
            "identifiers or measured numbers rather than classes, of which each needs several samples"
        )
    return EncodedLabels(
        train=indices.reshape(-1).astype(np.int64),
        test=_places(path, "y_test", test, values),
        class_names=tuple(str(value) for value in values.tolist()),
        validation=None if validation is None else _places(path, "y_val", validation, values),
    )


def _places(
    path: Path, key: str, labels: npt.NDArray[Any], classes: npt.NDArray[Any]
) -> npt.NDArray[np.int64]:
    """The place of each label of another part among the sorted classes."""
    labels = _flat(path, key, labels)
    kinds = [_KINDS[values.dtype.kind] for values in (classes, labels)]
    if kinds[0] != kinds[1]:
        raise DataError(f"{path}: y_train holds {kinds[0]}, {key} {kinds[1]}; they must be of one kind")
    where = np.searchsorted(classes, labels).clip(max=len(classes) - 1)
    strangers = np.unique(labels[classes[where] != labels])
    if len(strangers):
        raise DataError(
            f"{path}: {key} has the {'label' if len(strangers) == 1 else 'labels'} "
            f"{_first_few(strangers)}, which y_train has not; every class needs training samples"
        )
    return where.astype(np.int64)


def _flat(path: Path, key: str, labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in _KINDS:
        raise DataError(
            f"{path}: {key} has dtype {labels.dtype} and shape {labels.shape}; expected whole numbers or "
            "text, (N,) or (N, 1), rather than one-hot rows or fractions"
        )
    if not len(labels):
        raise DataError(f"{path}: {key} is empty; expected at least one sample")
    if labels.dtype.kind == "S":
        try:
            return np.char.decode(labels, "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: {key} holds bytes that are not UTF-8 ({error.reason})") from error
    if labels.dtype.kind == "U" and not _is_text(labels):
        raise DataError(f"{path}: {key} holds numbers that are no characters; it is damaged, write it again")
    if labels.dtype.kind == "u" and labels.max() <= np.iinfo(np.int64).max:
        return labels.astype(np.int64)  # which compares with signed numbers exactly
    return labels


def _is_text(labels: npt.NDArray[Any]) -> bool:
    """Return whether all code points are characters, as Python wants them."""
    contiguous = np.ascontiguousarray(labels)
    codes = contiguous.view(np.dtype(np.uint32).newbyteorder(contiguous.dtype.byteorder))
    return not bool(((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))).any())


def _first_few(values: npt.NDArray[Any]) -> str:
    shown = ", ".join(repr(value)[:40] for value in values[:5].tolist())
    return f"{shown}, ..." if len(values) > 5 else shown
