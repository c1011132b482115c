from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from evoloss.data import load_dataset
from evoloss.data.image_folder import load_image_folder
from evoloss.errors import ConfigError, DataError


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


def test_sizes_must_agree_unless_image_size_is_given(tmp_path: Path) -> None:
    make(tmp_path, 3)
    save(tmp_path / "dog" / "wide.png", 9, size=(40, 20))
    with pytest.raises(DataError, match=r"8x10 pixels, .*wide\.png has 40x20; give image_size"):
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


def test_damaged_truncated_and_deep_images_are_named(tmp_path: Path) -> None:
    make(tmp_path, 3)
    path = tmp_path / "dog" / "1.png"
    good = path.read_bytes()
    for content in (b"", b"no image", good[: len(good) // 2], good[:30]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"could not read the image .*1\.png"):
            load_image_folder(tmp_path)
    Image.fromarray(np.full((10, 8), 40_000, np.uint16)).save(path)
    with pytest.raises(DataError, match="more than 8 bits a channel"):
        load_image_folder(tmp_path)


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


def test_image_size_below_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="image_size must be at least 1, got 0"):
        load_image_folder(tmp_path, image_size=0)
