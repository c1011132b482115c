from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from evoloss.data import load_dataset
from evoloss.data.readers import image_folder
from evoloss.data.readers.image_folder import load_image_folder
from evoloss.errors import ConfigError, DataError
from tests.data.image_files import deep_png


def save(path: Path, value: int, *, mode: str = "RGB", size: tuple[int, int] = (8, 10)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode == "L" else (value, 2, 3)).save(path)


def make(root: Path, n: int = 10, classes: tuple[str, ...] = ("cat", "dog")) -> None:
    for k, name in enumerate(classes):
        for i in range(n):
            save(root / name / f"{i}.png", 100 * k + i)


def test_one_folder_a_class_is_split_stratified(tmp_path: Path) -> None:
    make(tmp_path / "pets")
    (tmp_path / "pets" / "cat" / "notes.txt").write_text("no image")
    save(tmp_path / "pets" / ".hidden" / "0.png", 9)
    save(tmp_path / "pets" / "cat" / ".thumbs" / "0.png", 9)
    data = load_dataset(str(tmp_path / "pets"), validation=0.25)
    assert (data.name, data.class_names, data.input_shape) == ("pets", ("cat", "dog"), (3, 10, 8))
    parts = {
        name: set(split.inputs[:, 0, 0, 0].tolist())
        for name, split in (("train", data.train), ("validation", data.validation), ("test", data.test))
    }
    assert {name: len(part) for name, part in parts.items()} == {"train": 12, "validation": 4, "test": 4}
    assert set.union(*parts.values()) == {*range(10), *range(100, 110)}
    for split in (data.train, data.validation, data.test):
        assert torch.equal(split.labels, (split.inputs[:, 0, 0, 0] >= 100).long())


@pytest.mark.parametrize(
    ("folders", "sizes"),
    [
        (("train", "test"), (18, 2, 4)),
        (("train", "val"), (18, 2, 4)),
        (("train", "test", "val"), (20, 4, 4)),
        (("train", "test", "validation"), (20, 4, 4)),
    ],
)
def test_split_folders(folders: tuple[str, ...], sizes: tuple[int, ...], tmp_path: Path) -> None:
    for folder in folders:
        make(tmp_path / folder, 10 if folder == "train" else 2)
    data = load_dataset(str(tmp_path), validation=0.1)
    assert (len(data.train), len(data.validation), len(data.test)) == sizes
    assert data.test.labels.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("names", "sizes"),
    [
        (("Training", "Testing"), (18, 2, 4)),
        (("TRAIN", "Test"), (18, 2, 4)),
        (("train_images", "test-data"), (18, 2, 4)),
        (("trainset", "Valid", "testset"), (20, 4, 4)),
        (("train", "dev", "test"), (20, 4, 4)),
        (("train", "eval"), (18, 2, 4)),
        (("train", "val", "eval"), (20, 4, 4)),
        (("train", "eval", "test"), (20, 4, 4)),
    ],
)
def test_splits_by_the_names_that_people_give_them(
    names: tuple[str, ...], sizes: tuple[int, ...], tmp_path: Path
) -> None:
    for index, name in enumerate(names):
        make(tmp_path / name, 10 if not index else 2)
    data = load_dataset(str(tmp_path), validation=0.1)
    assert data.class_names == ("cat", "dog")
    assert (len(data.train), len(data.validation), len(data.test)) == sizes


def test_train_can_be_a_class(tmp_path: Path) -> None:
    make(tmp_path, classes=("bus", "train"))
    assert load_image_folder(tmp_path).class_names == ("bus", "train")


def test_grey_stays_grey_and_becomes_rgb_among_colours(tmp_path: Path) -> None:
    for k, name in enumerate(("a", "b")):
        save(tmp_path / name / "0.png", 50 + k, mode="L")
    grey = load_image_folder(tmp_path).train.inputs
    assert grey.shape == (2, 1, 10, 8)
    assert grey[:, 0, 0, 0].tolist() == [50, 51]
    save(tmp_path / "b" / "1.png", 7)
    colour = load_image_folder(tmp_path).train.inputs
    assert colour[:, :, 0, 0].tolist() == [[50, 50, 50], [51, 51, 51], [7, 2, 3]]


def test_images_of_each_class_are_counted_over_all_splits(tmp_path: Path) -> None:
    for split, n in {"train": 3, "test": 2}.items():
        make(tmp_path / split, n)
    save(tmp_path / "train" / "dog" / "more.png", 5)
    assert load_image_folder(tmp_path).notes == ("11 images: cat 5, dog 6",)


def test_of_many_classes_some_are_counted(tmp_path: Path) -> None:
    for number in range(12):
        save(tmp_path / f"c{number:02d}" / "1.png", number)
    (note,) = load_image_folder(tmp_path).notes
    assert note.startswith("12 images: c00 1, ")
    assert note.endswith(", c09 1 and 2 more classes")


def test_sizes_must_agree_unless_image_size_is_given(tmp_path: Path) -> None:
    make(tmp_path, 3)
    save(tmp_path / "dog" / "wide.png", 9, size=(40, 20))
    with pytest.raises(DataError, match=r"8x10 pixels, .*wide\.png has 40x20; .*--image-size PIXELS"):
        load_image_folder(tmp_path)
    data = load_dataset(str(tmp_path), image_size=16, validation=0.0)
    assert data.input_shape == (3, 16, 16)


def test_the_middle_square_is_kept(tmp_path: Path) -> None:
    pixels = np.zeros((8, 24, 3), np.uint8)
    pixels[:, 8:16] = 200
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.fromarray(pixels).save(tmp_path / name / "0.png")
    assert load_image_folder(tmp_path, image_size=8).train.inputs.min() == 200


def test_camera_rotation_is_applied(tmp_path: Path) -> None:
    make(tmp_path, 1)
    image = Image.new("RGB", (8, 10))
    exif = image.getexif()
    exif[0x0112] = 6  # turned by a quarter
    for name in ("cat", "dog"):
        image.save(tmp_path / name / "0.png", exif=exif)
    assert load_image_folder(tmp_path).train.inputs.shape == (2, 3, 8, 10)


def test_damaged_and_truncated_images_are_named(tmp_path: Path) -> None:
    make(tmp_path, 3)
    path = tmp_path / "dog" / "1.png"
    good = path.read_bytes()
    for content in (b"", b"no image", good[: len(good) // 2], good[:30]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"1 of 6 images in .* remove or replace them: dog/1\.png \("):
            load_image_folder(tmp_path)


def test_all_bad_images_are_named_and_many_are_counted(tmp_path: Path) -> None:
    make(tmp_path, 20)
    bad = [tmp_path / "cat" / f"{i}.png" for i in range(7)] + [
        tmp_path / "dog" / f"{i}.png" for i in range(7)
    ]
    for path in bad[:3]:
        path.write_bytes(b"no image")
    with pytest.raises(DataError, match=r"3 of 40 images .*cat/0\.png .*cat/1\.png .*cat/2\.png ") as one:
        load_image_folder(tmp_path)
    assert "more" not in str(one.value)
    for path in bad:
        path.write_bytes(b"no image")
    with pytest.raises(DataError, match=r"14 of 40 images .*cat/0\.png .*dog/2\.png .*; and 4 more") as many:
        load_image_folder(tmp_path)
    assert str(many.value).count(".png (") == 10
    assert "\n" not in str(many.value)


def test_an_image_that_goes_while_others_are_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, 3)
    real = image_folder.read_image

    def read(path: Path, *rest: Any) -> Any:
        (tmp_path / "dog" / "2.png").unlink(missing_ok=True)
        return real(path, *rest)

    monkeypatch.setattr(image_folder, "read_image", read)
    with pytest.raises(DataError, match=r"1 of 6 images .*dog/2\.png \(No such file or directory\)"):
        load_image_folder(tmp_path)


def test_a_folder_that_goes_or_may_not_be_looked_into_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path)

    def refuse(self: Path) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DataError, match=r"cannot be read \(Permission denied\)"):
        load_image_folder(tmp_path)
    monkeypatch.undo()
    with pytest.raises(DataError, match=r"none cannot be read \(No such file"):
        load_image_folder(tmp_path / "none")


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_deep_images_keep_their_range_and_dark_ones_are_refused(mode: str, tmp_path: Path) -> None:
    channels = 1 if mode == "L" else 3
    for name, value in (("a", 65_535), ("b", 257)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes(deep_png(np.full((4, 4, channels), value, np.uint16)))
    assert load_image_folder(tmp_path).train.inputs[:, :, 0, 0].tolist() == [[255] * channels, [1] * channels]
    (tmp_path / "a" / "0.png").write_bytes(deep_png(np.full((4, 4, channels), 4095, np.uint16)))
    with pytest.raises(DataError, match=r"the 2 images .* less than a sixteenth of .* would be black"):
        load_image_folder(tmp_path)


def test_more_images_than_there_is_memory_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, 10)  # 20 of 240 bytes
    with pytest.raises(DataError, match=r"takes about 9\.6e-06 GB of memory, and the limit is 9\.5e-06"):
        load_dataset(str(tmp_path), max_gigabytes=9.5e-6)
    assert load_dataset(str(tmp_path), max_gigabytes=9.7e-6).n_classes == 2
    with pytest.raises(DataError, match="takes about"):
        load_dataset(str(tmp_path), image_size=100, max_gigabytes=1e-3)
    # One image in colour makes three channels of all.
    for name in ("x", "y"):
        for i in range(10):
            save(tmp_path / "grey" / name / f"{i}.png", 9, mode="L")
    assert load_dataset(str(tmp_path / "grey"), max_gigabytes=3.3e-6).input_shape[0] == 1
    save(tmp_path / "grey" / "y" / "9.png", 9)
    with pytest.raises(DataError, match=r"takes about 9\.6e-06"):
        load_dataset(str(tmp_path / "grey"), max_gigabytes=9.5e-6)


def test_missing_classes_and_images_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has 0 subfolders; expected one subfolder"):
        load_dataset(str(tmp_path))
    make(tmp_path / "one", classes=("cat",))
    with pytest.raises(DataError, match="has 1 subfolders"):
        load_dataset(str(tmp_path / "one"))
    make(tmp_path / "two" / "train")
    make(tmp_path / "two" / "test", classes=("cat", "dog", "emu"))
    with pytest.raises(DataError, match="classes that the training folder lacks: emu"):
        load_dataset(str(tmp_path / "two"))
    (tmp_path / "two" / "train" / "emu").mkdir()
    with pytest.raises(DataError, match=r"emu has no images; expected files ending in \.bmp"):
        load_dataset(str(tmp_path / "two"))


def test_too_few_images_to_split_a_test_part_off(tmp_path: Path) -> None:
    make(tmp_path / "few", 1)
    with pytest.raises(DataError, match=r"'few' has no test part, and its 2 samples are too few .* Add"):
        load_dataset(str(tmp_path / "few"))


def test_image_size_below_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="image_size must be at least 1, got 0"):
        load_image_folder(tmp_path, image_size=0)
