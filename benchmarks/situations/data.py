"""The files of each data situation, as somebody has them who has never used evoloss.

All are made of data that scikit-learn brings. Numbers and labels are real; what is put in by hand is what
files of users have: text for classes, empty cells, an identifier, words in place of numbers, wrong labels,
images of several sizes and formats.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.evolve.run import write_digits
from benchmarks.tabular.tables import split
from evoloss.atomic_files import write_bytes, write_text

Rows = npt.NDArray[np.intp]

WRONG = 0.4
"""Share of the training labels of ``digits.npz`` that are wrong in the file."""
MISSING = 0.05
"""Share of the cells of a table that are empty."""
EMPTY = ("", "NA", "?")
"""What stands in them."""
DIGITS = ("zero", "one", "two", "three", "four")
"""Classes of the folder of images and of the Dataset."""
IMAGES_STEP = 3
"""Every third image of them is in the folder: 301."""
SIDES = (8, 10, 12, 16, 24)
"""Sides in pixels of the images of the folder."""
MODES = ("L", "RGB", "RGBA", "P", "LA", "1")
"""Modes of Pillow that they have."""

MY_DATA = '''"""The digits 0 to 4 as a torch data set, one image at a time."""

import torch
from sklearn.datasets import load_digits
from torch.utils.data import Dataset


class Digits(Dataset):
    classes = ["zero", "one", "two", "three", "four"]

    def __init__(self):
        found = load_digits(n_class=5)
        self.images = torch.tensor(found.images, dtype=torch.float32) / 16
        self.labels = found.target.tolist()

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.images[index][None], self.labels[index]


def load():
    return Digits()
'''

MY_BACKBONE = '''"""A frozen body with random weights, and a head that is trained."""

import torch
from torch import nn


def build(input_shape, n_classes):
    body = nn.Sequential(nn.Conv2d(input_shape[0], 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU())
    pooled = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten())
    for parameter in body.parameters():
        parameter.requires_grad_(False)
    return nn.Sequential(body, pooled, nn.Linear(32 * 16, n_classes))
'''


def stream(name: str) -> np.random.Generator:
    """Random numbers of a situation, the same at every call."""
    return np.random.default_rng([*name.encode()])


def bunch(name: str) -> Any:
    """A data set of scikit-learn."""
    from sklearn import datasets

    return getattr(datasets, f"load_{name}")()


def wrong_labels(labels: npt.NDArray[Any], share: float, random: np.random.Generator) -> npt.NDArray[Any]:
    """Labels of which a share is another class, any with equal chance."""
    classes = np.unique(labels)
    found = labels.copy()
    changed = random.permutation(len(labels))[: round(share * len(labels))]
    places = np.searchsorted(classes, labels[changed])
    found[changed] = classes[(places + random.integers(1, len(classes), len(changed))) % len(classes)]
    return found


def careless_labels(train: Rows) -> npt.NDArray[Any]:
    """The training labels of ``digits.npz``."""
    return wrong_labels(bunch("digits").target[train], WRONG, stream("digits-npz"))


def wrong_in_file() -> npt.NDArray[np.bool_]:
    """Which training labels of ``digits.npz`` are wrong."""
    labels = bunch("digits").target
    train, _ = split(labels)
    return np.asarray(careless_labels(train) != labels[train])


def noisy_digits(folder: Path) -> None:
    """``digits.npz``: images whose labels somebody wrote down carelessly; those of the test are right."""
    digits = bunch("digits")
    train, test = split(digits.target)
    images: npt.NDArray[np.uint8] = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    labels = careless_labels(train)
    content = io.BytesIO()
    np.savez(content, x_train=images[train], y_train=labels, x_test=images[test], y_test=digits.target[test])
    write_bytes(folder / "digits.npz", content.getvalue())


def three_digits(folder: Path) -> None:
    """``digits-389.npz``: images of three digits that look alike."""
    write_digits(folder / "digits-389.npz")


def table(name: str, target: str, folder: Path) -> None:
    """``NAME.csv``: numbers with empty cells, and the names of the classes in the last column."""
    found = bunch(name)
    header = [str(column) for column in found.feature_names]
    cells = [[f"{value:g}" for value in row] for row in found.data]
    _write_table(folder / f"{name}.csv", name, header, cells, target, _names(found))


def table_of_words(folder: Path) -> None:
    """``patients.csv``: breast cancer with every other number as a word, an identifier and a date."""
    found = bunch("breast_cancer")
    header = ["patient", "visit", *(str(column) for column in found.feature_names)]
    cells = [
        [f"P-{row:04d}", f"2019-{row % 12 + 1:02d}-{row % 28 + 1:02d}"] for row in range(len(found.data))
    ]
    for place, column in enumerate(found.data.T):
        thirds = np.searchsorted(np.quantile(column, (1 / 3, 2 / 3)), column)
        words = np.array(("small", "medium", "large"))[thirds]
        for row, value in enumerate(words if place % 2 else column):
            cells[row].append(str(value) if place % 2 else f"{value:g}")
    _write_table(folder / "patients.csv", "patients", header, cells, "diagnosis", _names(found))


def _names(found: Any) -> list[str]:
    return [str(found.target_names[label]) for label in found.target]


def _write_table(
    path: Path, name: str, header: list[str], cells: list[list[str]], target: str, labels: list[str]
) -> None:
    random = stream(name)
    columns = [place for place, column in enumerate(header) if column not in ("patient", "visit")]
    for row in cells:
        for place in columns:
            if random.random() < MISSING:
                row[place] = EMPTY[random.integers(len(EMPTY))]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*header, target])
    writer.writerows([*row, label] for row, label in zip(cells, labels, strict=True))
    write_text(path, text.getvalue())


def image_folder(folder: Path) -> None:
    """``photos/``: five digits by class, of several sizes, modes and formats, and what else lies about."""
    from PIL import Image

    random = stream("photos")
    digits = bunch("digits")
    chosen = np.flatnonzero(digits.target < len(DIGITS))[::IMAGES_STEP]
    for number, row in enumerate(chosen):
        label = DIGITS[digits.target[row]]
        part = "Train" if number % 4 else "Test"
        image = Image.fromarray(np.rint(digits.images[row] * (255 / 16)).astype(np.uint8))
        side = int(random.choice(SIDES))
        image = image.resize((side, side + int(random.integers(0, 3))), Image.Resampling.BICUBIC)
        image = image.convert(str(random.choice(MODES)))
        ending = "jpg" if image.mode in ("L", "RGB") and random.random() < 0.5 else "png"
        content = io.BytesIO()
        image.save(content, format={"jpg": "JPEG", "png": "PNG"}[ending])
        write_bytes(folder / "photos" / part / label / f"{row:04d}.{ending}", content.getvalue())
    write_text(folder / "photos" / "Train" / ".DS_Store", "left by a file manager\n")
    write_text(folder / "photos" / "Train" / DIGITS[0] / "notes.txt", "scanned in March\n")


def own_dataset(folder: Path) -> None:
    """``my_data.py``: a function that returns a torch Dataset."""
    write_text(folder / "my_data.py", MY_DATA)


def own_backbone(folder: Path) -> None:
    """``my_backbone.py``, a function that returns a network, and the data of three digits."""
    write_text(folder / "my_backbone.py", MY_BACKBONE)
    three_digits(folder)
