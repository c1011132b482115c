from __future__ import annotations

import os
import tracemalloc
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evoloss.data import load_dataset
from evoloss.data.readers.npz import load_npz
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


def test_a_validation_part_of_its_own(tmp_path: Path) -> None:
    names = np.array(["cat", "dog", "fox"])
    validation = np.random.default_rng(2).integers(0, 256, (9, 9, 8)).astype(np.uint8)
    path = write(
        tmp_path / "v.npz",
        x_val=validation,
        y_val=names[np.arange(9) % 3],
        y_train=names[np.arange(30) % 3],
        y_test=names[np.arange(6) % 3],
    )
    data = load_dataset(str(path), validation=0.5)
    assert (len(data.train), len(data.validation), len(data.test)) == (30, 9, 6)
    torch.testing.assert_close(data.validation.inputs, torch.from_numpy(validation[:, None]))
    assert data.validation.labels.tolist() == [0, 1, 2] * 3
    assert data.class_names == ("cat", "dog", "fox")
    assert data.notes == ()


ragged = np.empty(30, dtype=object)
NO_TEXT = np.full(30, 0x12345678, np.uint32).view("<U1")  # beyond the last character there is


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": None}, "has no y_test; expected x_train, y_train, x_test, y_test, found"),
        (
            {"x_val": np.zeros((6, 9, 8), np.uint8)},
            "has no y_val; expected x_train, .*, y_test, x_val, y_val",
        ),
        (
            {"x_val": np.zeros((6, 9, 9), np.uint8), "y_val": np.arange(6) % 3},
            "x_train and x_val have shapes .*; samples must have one shape",
        ),
        (
            {"x_val": np.zeros((6, 9, 8), np.uint8), "y_val": np.arange(6)},
            "y_val has the labels 3, 4, 5, which y_train has not",
        ),
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
        ({"y_train": np.zeros((30, 3), np.int64)}, "rather than one-hot rows"),
        ({"y_train": np.zeros(30)}, "y_train has dtype float64"),
        ({"y_train": np.zeros(0, np.int64)}, "y_train is empty"),
        ({"y_train": np.arange(30) - 1}, "30 different values for 30 samples; those are identifiers"),
        ({"y_train": np.array(["a", "b", "c"] * 10, object)}, r"y_train holds Python objects.*astype\(str\)"),
        (
            {"y_test": np.arange(6)},
            "y_test has the labels 3, 4, 5, which y_train has not; every class needs training samples",
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
    with pytest.raises(DataError, match=r"is not a file that can be read \(No such file"):
        load_npz(tmp_path / "absent.npz")
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(DataError, match="Is a named pipe"):
        load_npz(tmp_path / "pipe.npz")
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(DataError, match="not a readable"):
        load_npz(tmp_path / "text.npz")


def test_image_size_is_out_of_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="image_size is for folders"):
        load_dataset(str(write(tmp_path / "a.npz")), image_size=8)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (np.array(["cat", "ape", "dog"]), ("ape", "cat", "dog")),
        (np.array([b"cat", "öre".encode(), b"dog"]), ("cat", "dog", "öre")),
        (np.array([70, -5, 3]), ("-5", "3", "70")),
        (np.array([2, 0, 1]), ("0", "1", "2")),
        (np.array([2**64 - 1, 0, 2**40], np.uint64), ("0", "1099511627776", "18446744073709551615")),
    ],
)
def test_labels_of_any_kind_become_classes_by_their_sorted_values(
    labels: np.ndarray[Any, Any], names: tuple[str, ...], tmp_path: Path
) -> None:
    path = write(tmp_path / "a.npz", y_train=labels[np.arange(30) % 3], y_test=labels[[1, 0, 0, 2, 2, 1]])
    data = load_dataset(str(path), validation=0.1)
    assert data.class_names == names
    assert data.n_classes == 3
    written = [label.decode() if isinstance(label, bytes) else str(label) for label in labels.tolist()]
    expected = [names.index(written[place]) for place in (1, 0, 0, 2, 2, 1)]
    assert data.test.labels.tolist() == expected


def test_names_stay_with_their_samples_through_the_split(tmp_path: Path) -> None:
    """Each sample carries its label as its feature."""
    names = np.array(["b", "d", "a", "c"])
    labels = np.random.default_rng(0).integers(0, 4, 200)
    features = labels[:, None].astype(np.float32)
    path = write(
        tmp_path / "a.npz",
        x_train=features,
        y_train=names[labels],
        x_test=features[:40],
        y_test=names[labels[:40]],
    )
    data = load_dataset(str(path), validation=0.25, train_samples=60)
    for split in (data.train, data.validation, data.test):
        found = [data.class_names[label] for label in split.labels]
        assert found == names[split.inputs[:, 0].long().numpy()].tolist()


def test_two_classes_as_truth_values(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", y_train=np.arange(30) % 3 == 1, y_test=np.arange(6) % 3 == 1)
    data = load_dataset(str(path))
    assert data.class_names == ("False", "True")
    assert data.test.labels.tolist() == [0, 1, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"y_test": np.array(["0"] * 6)},
            "y_train holds whole numbers, y_test text; they must",
        ),
        ({"y_train": np.array([b"\xff"] * 30)}, "y_train holds bytes that are not UTF-8"),
        (
            {"y_train": np.array(["a"] * 30), "y_test": np.array(["b"] * 6)},
            "the label 'b', which y_train",
        ),
        ({"y_train": NO_TEXT, "y_test": NO_TEXT[:6]}, "y_train holds numbers that are no characters"),
        ({"y_train": np.array(["\ud800"] * 30)}, "y_train holds numbers that are no characters"),
        ({"y_train": np.datetime64("2020-01-01") + np.arange(30)}, "y_train has dtype datetime64"),
    ],
)
def test_labels_that_make_no_classes(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        load_dataset(str(write(tmp_path / "bad.npz", **changes)))


def test_the_size_is_told_before_anything_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forty megabytes of zeros in forty kilobytes; as features they would be four times as many."""
    path = tmp_path / "bomb.npz"
    zeros = np.zeros((40_000, 1000), np.uint8)
    labels = np.arange(len(zeros)) % 3
    np.savez_compressed(path, x_train=zeros, y_train=labels, x_test=zeros[:9], y_test=labels[:9])
    assert path.stat().st_size < 100_000
    message = (
        r"about 0\.361 GB of memory, and the limit is 0\.3\..*raise max_gigabytes, or EVOLOSS_MAX_DATA_GB"
    )
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=message):
            load_dataset(str(path), max_gigabytes=0.3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000
    monkeypatch.setenv("EVOLOSS_MAX_DATA_GB", "0.3")
    with pytest.raises(DataError, match=r"the limit is 0\.3"):
        load_dataset(str(path))
    assert len(load_dataset(str(path), max_gigabytes=0.4).train) == 36_000
    monkeypatch.setenv("EVOLOSS_MAX_DATA_GB", "much")
    with pytest.raises(ConfigError, match="EVOLOSS_MAX_DATA_GB must be above 0, got 'much'"):
        load_dataset(str(path))


@pytest.mark.parametrize("dtype", [np.uint8, np.float64, np.float32])
@pytest.mark.parametrize("shape", [(20_000, 400), (20_000, 20, 20)])
def test_reading_takes_the_memory_that_was_told(dtype: type, shape: tuple[int, ...], tmp_path: Path) -> None:
    if len(shape) == 3 and dtype != np.uint8:
        return
    rows, labels = np.zeros(shape, dtype), np.arange(20_000) % 3
    np.savez(tmp_path / "a.npz", x_train=rows, y_train=labels, x_test=rows[:9], y_test=labels[:9])
    kept = rows.size * (4 if len(shape) == 2 else 1)
    told = 2 * kept + rows.nbytes
    tracemalloc.start()
    try:
        load_dataset(str(tmp_path / "a.npz"), max_gigabytes=told * 1.1e-9)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    with pytest.raises(DataError, match="of memory, and the limit is"):
        load_dataset(str(tmp_path / "a.npz"), max_gigabytes=told * 0.9e-9)
    # Indices and a copy of the labels come on top; one array may be both what is stored and what is kept.
    assert 0.3 * told < peak < told + 4_000_000


def test_a_header_that_promises_other_bytes_is_damage(tmp_path: Path) -> None:
    good = write(tmp_path / "good.npz")
    for shape in ("(10**12, 9, 8)", "(1000000000000, 9, 8)", "(-30, 9, 8)", "(31, 9, 8)"):
        path = tmp_path / "bad.npz"
        with zipfile.ZipFile(good) as old, zipfile.ZipFile(path, "w") as new:
            for name in old.namelist():
                content = old.read(name)
                if name == "x_train.npy":
                    start = content[10:128].replace(b"(30, 9, 8)", shape.encode())[:118]
                    content = content[:10] + start.rstrip().ljust(117) + b"\n" + content[128:]
                new.writestr(name, content)
        with pytest.raises(DataError, match=r"is not a readable \.npz file"):
            load_npz(path)


def test_no_bytes_are_not_a_trillion_labels(tmp_path: Path) -> None:
    """An array of empty texts has any length that its header says, in no bytes."""
    header = b"{'descr': '<U0', 'fortran_order': False, 'shape': (1000000000000,), }".ljust(117) + b"\n"
    good, path = write(tmp_path / "good.npz"), tmp_path / "bad.npz"
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content[:10] + header if name == "y_train.npy" else content)
    with pytest.raises(DataError, match="y_train is to have shape"):
        load_npz(path)


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
