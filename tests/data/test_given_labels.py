from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evoloss.data import load_dataset
from evoloss.data.given_labels import read_given_labels
from evoloss.errors import ConfigError, DataError
from tests.data.readers.test_npz import write

NAMES = ("cat", "dog", "emu")
NUMBERS = ("3", "5", "7")


def saved(folder: Path, labels: Any, key: str = "labels") -> Path:
    np.savez(folder / "given.npz", **{key: np.asarray(labels)})
    return folder / "given.npz"


@pytest.mark.parametrize(
    ("labels", "class_names"),
    [
        (["dog", "cat", "emu", "cat"], NAMES),
        ([b"dog", b"cat", b"emu", b"cat"], NAMES),
        ([1, 0, 2, 0], NAMES),
        ([[1], [0], [2], [0]], NAMES),
        (np.array([1, 0, 2, 0], dtype=np.uint8), NAMES),
        ([5, 3, 7, 3], NUMBERS),
        (["5", "3", "7", "3"], NUMBERS),
    ],
)
def test_names_and_indices(tmp_path: Path, labels: Any, class_names: tuple[str, ...]) -> None:
    assert read_given_labels(saved(tmp_path, labels), 4, class_names).tolist() == [1, 0, 2, 0]


@pytest.mark.parametrize(
    ("labels", "class_names", "message"),
    [
        (["dog", "cow", "emu", "ox"], NAMES, r"holds 'cow', 'ox': no classes .* expected 'cat' to 'emu'"),
        ([1, 0, 3, -1], NAMES, r"holds -1, 3: no classes of the data set; expected 0 to 2"),
        ([0, 1, 2, 0], NUMBERS, r"holds '0', '1', '2': no classes .* expected '3' to '7'"),
        ([1, 0, 2], NAMES, r"shape \(3,\); expected whole numbers or text, one for each of the 4 samples"),
        (np.eye(4), NAMES, r"shape \(4, 4\); expected whole numbers"),
        ([0.0, 1.0, 2.0, 0.5], NAMES, "dtype float64"),
        (np.array([0, 1, 2, None]), NAMES, r"Python objects.*labels\.astype\(str\)"),
    ],
)
def test_what_is_refused(tmp_path: Path, labels: Any, class_names: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_given_labels(saved(tmp_path, labels), 4, class_names)


def test_files_without_labels(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no labels; expected labels, found y"):
        read_given_labels(saved(tmp_path, [0, 1], key="y"), 2, NAMES)
    with pytest.raises(DataError, match="is not a file that can be read"):
        read_given_labels(tmp_path / "absent.npz", 2, NAMES)
    (tmp_path / "text.npz").write_text("0 1")
    with pytest.raises(DataError, match="not a readable"):
        read_given_labels(tmp_path / "text.npz", 2, NAMES)


@pytest.mark.parametrize("noisy_validation", [False, True])
def test_training_samples_have_them_and_test_samples_never(tmp_path: Path, noisy_validation: bool) -> None:
    """Of all 1,797 digits one label is given: that of another class."""
    clean = load_dataset("digits", train_samples=500)
    everything = torch.cat([clean.train.labels, clean.validation.labels, clean.test.labels])
    assert len(everything.unique()) == 10
    whole = load_dataset("digits", validation=0.0)
    n_samples = len(whole.train) + len(whole.test)
    path = saved(tmp_path, np.full(n_samples, 7))
    given = load_dataset("digits", train_samples=500, train_labels=path, noisy_validation=noisy_validation)
    assert torch.equal(given.train.inputs, clean.train.inputs), "the same samples, balanced as they truly are"
    assert given.train.labels.unique().tolist() == [7]
    assert torch.equal(given.test.labels, clean.test.labels)
    expected = torch.full_like(clean.validation.labels, 7) if noisy_validation else clean.validation.labels
    assert torch.equal(given.validation.labels, expected)


def test_labels_follow_their_samples(tmp_path: Path) -> None:
    """Given labels are the true ones, one class further: so they are in every split, in whatever order."""
    data = write(tmp_path / "mine.npz")
    true = np.load(data)["y_train"]
    n_classes = len(np.unique(true))
    path = saved(tmp_path, (true + 1) % n_classes)
    clean = load_dataset(str(data), validation=0.3)
    given = load_dataset(str(data), validation=0.3, train_labels=path, noisy_validation=True)
    for part in ("train", "validation"):
        expected = (getattr(clean, part).labels + 1) % n_classes
        assert torch.equal(getattr(given, part).labels, expected)


def test_a_published_validation_part_has_no_other_labels(tmp_path: Path) -> None:
    from PIL import Image

    for part in ("train", "val", "test"):
        for name in ("a", "b"):
            (tmp_path / "images" / part / name).mkdir(parents=True)
            for number in range(3):
                Image.new("RGB", (8, 8)).save(tmp_path / "images" / part / name / f"{number}.png")
    path = saved(tmp_path, ["b"] * 6)
    with pytest.raises(ConfigError, match="has a validation part of its own"):
        load_dataset(str(tmp_path / "images"), train_labels=path, noisy_validation=True)
    assert load_dataset(str(tmp_path / "images"), train_labels=path).train.labels.tolist() == [1] * 6
