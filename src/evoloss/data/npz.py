"""A user's own data set in one ``.npz`` file, in the Keras convention; never with pickled objects."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evoloss.data.dataset import LabelledArrays, SourceData
from evoloss.errors import DataError

KEYS = ("x_train", "y_train", "x_test", "y_test")


def load_npz(path: Path) -> SourceData:
    """Read ``x_train``, ``y_train``, ``x_test`` and ``y_test``.

    Inputs are images, uint8, ``(N, H, W)``, ``(N, H, W, 1)`` or ``(N, H, W, 3)``; or real features
    ``(N, D)``, which become float32. Labels are integers ``(N,)`` or ``(N, 1)``; the classes are 0 to C - 1,
    each with a sample in ``y_train``. Other arrays in the file are left alone.

    Raises:
        DataError: if the file is missing or damaged, lacks an array, or holds one of another kind.
    """
    arrays = _read(path)
    train_labels = _labels(path, "y_train", arrays["y_train"])
    test_labels = _labels(path, "y_test", arrays["y_test"])
    n_classes = int(train_labels.max()) + 1
    absent = np.setdiff1d(np.arange(n_classes), train_labels)
    if len(absent):
        raise DataError(
            f"{path}: y_train has labels up to {n_classes - 1} but none of {_first_few(absent)}; "
            "number the classes 0, 1, 2, ... without gaps"
        )
    if int(test_labels.max()) >= n_classes:
        raise DataError(
            f"{path}: y_test has the label {test_labels.max()}, y_train has 0 to {n_classes - 1}; "
            "every class needs training samples"
        )
    parts = {}
    for part, labels in (("train", train_labels), ("test", test_labels)):
        inputs = _inputs(path, f"x_{part}", arrays[f"x_{part}"])
        if len(inputs) != len(labels):
            raise DataError(
                f"{path}: x_{part} has {len(inputs)} samples, y_{part} {len(labels)}; they must agree"
            )
        parts[part] = LabelledArrays(inputs, labels)
    if parts["train"].inputs.shape[1:] != parts["test"].inputs.shape[1:]:
        raise DataError(
            f"{path}: x_train and x_test have shapes {arrays['x_train'].shape} and {arrays['x_test'].shape}; "
            "samples must have one shape"
        )
    class_names = tuple(str(k) for k in range(n_classes))
    return SourceData(name=path.stem, train=parts["train"], test=parts["test"], class_names=class_names)


def _read(path: Path) -> dict[str, npt.NDArray[Any]]:
    if not path.is_file():
        raise DataError(f"{path} is not a file; expected an .npz file with {', '.join(KEYS)}")
    try:
        with zipfile.ZipFile(path) as archive:
            present = {name.removesuffix(".npy") for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _damaged(path, error) from error
    missing = [key for key in KEYS if key not in present]
    if missing:
        raise DataError(
            f"{path} has no {', '.join(missing)}; expected {', '.join(KEYS)}, found "
            f"{', '.join(sorted(present)) or 'nothing'}. Write it with numpy.savez(path, x_train=..., ...)"
        )
    arrays = {}
    try:
        with np.load(path, allow_pickle=False) as file:
            for key in KEYS:
                arrays[key] = _member(path, file, key)
    except DataError:
        raise
    # What numpy and zipfile raise for damaged files; MemoryError for a header that asks for too much.
    except (
        zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, KeyError, TypeError, SyntaxError,
        tokenize.TokenError, NotImplementedError, RuntimeError, OverflowError, MemoryError,
    ) as error:  # fmt: skip
        raise _damaged(path, error) from error
    return arrays


def _member(path: Path, file: Any, key: str) -> npt.NDArray[Any]:
    try:
        array = file[key]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise DataError(
            f"{path}: {key} holds Python objects, which evoloss does not read, since that can run any code; "
            "save a plain array of numbers (one shape for all samples)"
        ) from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path}: {key} is not an array in numpy's format; write the file with numpy.savez")
    return array


def _damaged(path: Path, error: BaseException) -> DataError:
    return DataError(
        f"{path} is not a readable .npz file ({type(error).__name__}: {error}); it is damaged, truncated or "
        "another kind of file. Write it again with numpy.savez"
    )


def _labels(path: Path, key: str, array: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise DataError(
            f"{path}: {key} has dtype {array.dtype} and shape {array.shape}; expected integers (N,) or "
            "(N, 1), class indices rather than one-hot rows"
        )
    if not len(array):
        raise DataError(f"{path}: {key} is empty; expected at least one sample")
    if int(array.min()) < 0 or int(array.max()) > 10_000_000:
        raise DataError(
            f"{path}: {key} has labels {array.min()} to {array.max()}; expected classes 0, 1, 2, ..."
        )
    return array.astype(np.int64)


def _inputs(path: Path, key: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if not array.size:
        raise DataError(f"{path}: {key} has shape {array.shape}, so it is empty; expected samples")
    if array.ndim == 2 and array.dtype.kind in "fiub":
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is infinite, and refused below
            features = array.astype(np.float32)
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


def _first_few(values: npt.NDArray[Any]) -> str:
    shown = ", ".join(str(value) for value in values[:5])
    return f"{shown}, ..." if len(values) > 5 else shown
