from __future__ import annotations

from pathlib import Path

import pytest

from evoloss.data.readers.split_folders import find_splits, role_of
from evoloss.errors import DataError


def make(root: Path, *names: str) -> None:
    """Folders, and a file for each name that has a dot."""
    for name in names:
        path = root / name
        if "." in path.name:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        else:
            path.mkdir(parents=True, exist_ok=True)


@pytest.mark.parametrize(
    ("role", "names"),
    [
        ("train", "train Train TRAINING training_set Train-Images train2017 traindata TrainDataset trn"),
        ("validation", "val Val valid VALIDATION validation_split dev development val2017 valimgs"),
        ("test", "test Test TESTING test_set test-images test2 testdata tst"),
        ("evaluation", "eval Evaluation hold-out held_out"),
        (None, "cat trains trainer testament valley bus 0 1 images data evaluated devil tr te set"),
    ],
)
def test_names_of_splits(role: str | None, names: str) -> None:
    assert {name: role_of(name) for name in names.split()} == dict.fromkeys(names.split(), role)


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        ("train/a test/a", "train:train test:test"),
        ("Train/a VAL/a Testing/a", "train:Train validation:VAL test:Testing"),
        ("train/a val/a", "train:train test:val"),
        ("train/a eval/a", "train:train test:eval"),
        ("train/a eval/a val/a", "train:train validation:val test:eval"),
        ("train/a eval/a test/a", "train:train validation:eval test:test"),
        ("train/a .git/x notes.txt", "train:train"),
        ("train/a docs", "train:train"),
        ("train/a test/a extra/x.png", "train:train test:test"),
        ("train/1.png bus/1.png", "train:."),
        ("test/1.png control/1.png", "train:."),
        ("cat/1.png dog/1.png", "train:."),
        ("train/1.png", "train:."),
    ],
)
def test_which_folders_are_splits(folders: str, splits: str, tmp_path: Path) -> None:
    make(tmp_path, *folders.split())
    expected = {role: (tmp_path / name) for role, name in (pair.split(":") for pair in splits.split())}
    assert find_splits(tmp_path) == expected


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ("train/a Train/a test/a", "has Train and train; expected one train folder"),
        ("train/a val/a valid/a test/a", "has val and valid; expected one validation folder"),
        ("train/a test/a testing/a", "has test and testing; expected one test folder"),
        ("train/a val/a test/a eval/a", "expected one validation folder"),
        ("train/1.png test/1.png", "the splits test, train, and train has no class folders"),
        ("Training/1.png Testing/a/1.png", "Training has no class folders"),
        ("test/a val/a", "no training folder; expected one, train/"),
        ("train/a/1.png bus/1.png", "it cannot be told whether these are classes"),
    ],
)
def test_what_cannot_be_told_is_an_error(folders: str, message: str, tmp_path: Path) -> None:
    make(tmp_path, *folders.split())
    with pytest.raises(DataError, match=message) as caught:
        find_splits(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_folders_beside_the_splits_are_said_to_be_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make(tmp_path, "train/a", "test/a", "unlabelled/x.png")
    find_splits(tmp_path)
    assert "unlabelled left out" in caplog.text
