from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from evoloss.data import DATASETS, FILE_READERS, Dataset, Split, load_dataset
from evoloss.data.dataset import LabelledArrays, SourceData
from evoloss.data.limits import DataLimits
from evoloss.errors import ConfigError, DataError, UnknownNameError
from tests.data.readers.test_npz import write


def test_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no data set 'cifar'\. Did you mean 'cifar10"):
        load_dataset("cifar")
    with pytest.raises(UnknownNameError, match="no data set ''"):
        load_dataset("")


@pytest.mark.parametrize("name", ["absent.npz", "some/where", "images.zip"])
def test_paths_that_do_not_exist(name: str) -> None:
    with pytest.raises(DataError, match=r"not a file|does not exist; expected a file .* or a folder"):
        load_dataset(name)


def test_names_that_no_file_can_have() -> None:
    with pytest.raises(DataError, match=r"data set 'x+.* cannot be read \(File name too long\)"):
        load_dataset("x" * 5000 + ".npz")
    with pytest.raises((DataError, UnknownNameError)):
        load_dataset("a\0b.npz")


def test_pipes_are_no_data_sets(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    os.mkfifo(tmp_path / "pipe")
    for name, message in (("pipe.npz", "Is a named pipe"), ("pipe", "does not exist; expected a file")):
        with pytest.raises(DataError, match=message):
            load_dataset(str(tmp_path / name))
    for name in ("cifar-10-binary.tar.gz", "mnist/train-images-idx3-ubyte"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        os.mkfifo(tmp_path / name)
    for known in ("cifar10", "mnist"):
        with pytest.raises(DataError, match="is not in"):
            load_dataset(known, data_dir=tmp_path)


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "data.xyz").write_text("1,2")
    with pytest.raises(DataError, match=r"data\.xyz has an ending that is not known; expected a file "):
        load_dataset(str(tmp_path / "data.xyz"))


def test_endings_in_capitals(tmp_path: Path) -> None:
    assert load_dataset(str(write(tmp_path / "mine.npz").rename(tmp_path / "MINE.NPZ"))).name == "MINE"


def test_a_reader_is_found_by_the_ending_and_named_in_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def reader(path: Path, limits: DataLimits) -> SourceData:
        asked.append((path, limits))
        part = LabelledArrays(np.zeros((8, 2), np.float32), np.arange(8) % 2)
        return SourceData(path.stem, part, ("a", "b"), test=part)

    monkeypatch.setitem(FILE_READERS, ".xyz", reader)
    (tmp_path / "data.xyz").touch()
    assert load_dataset("data.xyz", data_dir=tmp_path, max_gigabytes=0.5).name == "data"
    assert asked == [(tmp_path / "data.xyz", DataLimits(gigabytes=0.5))]
    with pytest.raises(DataError, match=r"expected a file \(\.npz, .*\.xyz, .*\) or a folder of images"):
        load_dataset("absent.abc")
    with pytest.raises(UnknownNameError, match=r"FILE\.npz, .*FILE\.xyz, .*FOLDER"):
        load_dataset("absent")
    with pytest.raises(ConfigError, match="have a fixed size"):
        load_dataset(str(tmp_path / "data.xyz"), image_size=8)


def test_relative_paths_are_tried_below_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "mine.npz")
    assert load_dataset("mine.npz", data_dir=tmp_path).name == "mine"
    monkeypatch.setenv("EVOLOSS_DATA_DIR", str(tmp_path))
    assert load_dataset("mine.npz").name == "mine"
    monkeypatch.setenv("EVOLOSS_DATA_DIR", str(tmp_path / "absent"))
    assert load_dataset(str(tmp_path / "mine.npz")).name == "mine"
    with pytest.raises(DataError, match=r"EVOLOSS_DATA_DIR.*is not a folder"):
        load_dataset("mine.npz")


def test_image_size_belongs_to_folders() -> None:
    with pytest.raises(ConfigError, match="'digits' have a fixed size"):
        load_dataset("digits", image_size=16)


@pytest.mark.parametrize("name", sorted(set(DATASETS) - {"digits"}))
def test_nothing_is_downloaded_unasked(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import pooch

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a download was tried")

    monkeypatch.setattr(pooch, "retrieve", refuse)
    with pytest.raises(DataError, match="download=True"):
        load_dataset(name, data_dir=tmp_path)


def test_split_and_dataset_check_their_tensors() -> None:
    images = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
    labels = torch.tensor([0, 1, 0, 1])
    good = Split(images, labels)
    for inputs, targets, message in (
        (images.float(), labels, "expected images .* in uint8"),
        (images, labels.int(), "expected int64"),
        (images[:3], labels, "3 inputs but 4 labels"),
    ):
        with pytest.raises(DataError, match=message):
            Split(inputs, targets)
    with pytest.raises(DataError, match="train labels lie outside 0 to 1"):
        Dataset("d", Split(images, labels * 2), good, good, 2, ("a", "b"))
    with pytest.raises(DataError, match="3 class names, 2 classes"):
        Dataset("d", good, good, good, 2, ("a", "b", "c"))
    with pytest.raises(DataError, match="the test split is empty"):
        Dataset("d", good, good, Split(images[:0], labels[:0]), 2, ("a", "b"))
    with pytest.raises(DataError, match=r"test inputs are .*; they must agree"):
        Dataset("d", good, good, Split(images[..., :4], labels), 2, ("a", "b"))


def test_optional_packages_are_not_imported_with_the_room() -> None:
    code = (
        "import sys, evoloss.data, evoloss.models; "
        "print([m for m in ('sklearn', 'PIL', 'pooch') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
