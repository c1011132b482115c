from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evoloss.data import load_dataset
from evoloss.data.npz import load_npz
from evoloss.errors import ConfigError, DataError


def write(path: Path, **changes: Any) -> Path:
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "x_train": rng.integers(0, 256, (30, 9, 8)).astype(np.uint8),
        "y_train": np.arange(30) % 3,
        "x_test": rng.integers(0, 256, (6, 9, 8)).astype(np.uint8),
        "y_test": np.arange(6) % 3,
    }
    arrays.update(changes)
    np.savez(path, **{key: array for key, array in arrays.items() if array is not None})
    return path


@pytest.mark.parametrize("channels", [None, 1, 3])
@pytest.mark.parametrize("label_shape", [(-1,), (-1, 1)])
def test_images_in_the_keras_convention(
    channels: int | None, label_shape: tuple[int, ...], tmp_path: Path
) -> None:
    tail = () if channels is None else (channels,)
    rng = np.random.default_rng(1)
    train = rng.integers(0, 256, (30, 9, 8, *tail)).astype(np.uint8)
    test = rng.integers(0, 256, (6, 9, 8, *tail)).astype(np.uint8)
    labels = (np.arange(30) % 3).astype(np.uint8).reshape(label_shape)
    path = write(tmp_path / "mine.npz", x_train=train, x_test=test, y_train=labels)
    data = load_dataset(str(path), validation=0.1)
    assert data.name == "mine"
    assert data.n_classes == 3
    assert data.input_shape == (channels or 1, 9, 8)
    assert (len(data.train), len(data.validation), len(data.test)) == (27, 3, 6)
    expected = torch.from_numpy(test.reshape(6, 9, 8, channels or 1)).permute(0, 3, 1, 2)
    torch.testing.assert_close(data.test.inputs, expected.contiguous())
    assert data.train.inputs.is_contiguous()


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, np.uint8, np.bool_])
def test_features_become_float32(dtype: type, tmp_path: Path) -> None:
    train, test = np.eye(30, 5).astype(dtype), np.eye(6, 5).astype(dtype)
    data = load_dataset(str(write(tmp_path / "f.npz", x_train=train, x_test=test)))
    assert data.train.inputs.dtype == torch.float32
    assert data.input_shape == (5,)
    torch.testing.assert_close(data.test.inputs, torch.from_numpy(test.astype(np.float32)))


ragged = np.empty(30, dtype=object)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": None}, "has no y_test; expected x_train, y_train, x_test, y_test, found"),
        ({"x_train": ragged}, "x_train holds Python objects, which evoloss does not read"),
        (
            {"x_train": np.zeros((30, 9, 8))},
            r"x_train has dtype float64 and shape \(30, 9, 8\); expected images in",
        ),
        ({"x_train": np.zeros((30, 9, 8, 2), np.uint8)}, r"shape \(30, 9, 8, 2\)"),
        ({"x_train": np.zeros((29, 9, 8), np.uint8)}, "x_train has 29 samples, y_train 30"),
        ({"x_test": np.zeros((6, 9, 9), np.uint8)}, "samples must have one shape"),
        ({"x_test": np.zeros((6, 0, 9), np.uint8)}, "is empty"),
        ({"x_train": np.full((30, 2), np.nan)}, "x_train holds NaN or infinite"),
        ({"x_train": np.full((30, 2), 1e300)}, "x_train holds NaN or infinite"),
        ({"x_train": np.full((30, 2), "a")}, "x_train has dtype <U1"),
        ({"y_train": np.zeros((30, 3), np.int64)}, "class indices rather than one-hot rows"),
        ({"y_train": np.zeros(30)}, "y_train has dtype float64"),
        ({"y_train": np.zeros(0, np.int64)}, "y_train is empty"),
        ({"y_train": np.arange(30) - 1}, "y_train has labels -1 to 28; expected classes 0, 1, 2"),
        (
            {"y_train": np.arange(30) % 3 * 2},
            r"none of 1, 3; number the classes 0, 1, 2, \.\.\. without gaps",
        ),
        ({"y_train": np.full(30, 2**40)}, "labels 1099511627776"),
        ({"y_train": np.full(30, 2**64 - 1, np.uint64)}, "labels 18446744073709551615"),
        (
            {"y_test": np.arange(6)},
            "y_test has the label 5, y_train has 0 to 2; every class needs training samples",
        ),
        (
            {"y_train": np.zeros(30, np.int64), "y_test": np.zeros(6, np.int64)},
            "has 1 class; a classifier needs at least 2",
        ),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        load_dataset(str(write(tmp_path / "bad.npz", **changes)))


def test_missing_file_other_file_and_raw_array(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a file"):
        load_npz(tmp_path / "absent.npz")
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(DataError, match="not a readable"):
        load_npz(tmp_path / "text.npz")


def test_image_size_is_out_of_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="image_size is for folders"):
        load_dataset(str(write(tmp_path / "a.npz")), image_size=8)


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    places=st.lists(st.integers(0, 10**6), min_size=1, max_size=3),
    flip=st.integers(1, 255),
    cut=st.integers(0, 10**6),
)
def test_damaged_files_give_a_data_error_or_a_data_set(
    places: list[int], flip: int, cut: int, tmp_path: Path
) -> None:
    good = write(tmp_path / "good.npz", x_train=np.zeros((9, 2)), y_train=np.arange(9) % 3)
    raw = bytearray(good.read_bytes())
    for place in places:
        raw[place % len(raw)] ^= flip
    path = tmp_path / "damaged.npz"
    path.write_bytes(raw[: cut % len(raw)] if cut % 2 else raw)
    with warnings.catch_warnings():
        # numpy warns that a header written by Python 2 had to be mended; harmless, and such headers are rare.
        warnings.simplefilter("ignore", UserWarning)
        try:
            source = load_npz(path)
        except DataError as error:
            message = str(error)
        else:
            assert len(source.train.inputs) == len(source.train.labels)
            return
    assert str(path) in message
