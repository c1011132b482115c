"""A user's own data set as a folder of images, one subfolder a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evoloss.data.dataset import LabelledArrays, SourceData
from evoloss.data.images import SUFFIXES, ImageError, Pixels, read_image
from evoloss.data.limits import DataLimits
from evoloss.data.origin import ImageFiles
from evoloss.data.readers.split_folders import find_splits
from evoloss.errors import ConfigError, DataError
from evoloss.safe_text import one_line
from evoloss.user_paths import real_path

_SHOWN = 10  # bad images that an error names, classes that are counted in a note
_LEAST_LEVELS = 16  # of 256 that images with more than 8 bits must reach


def load_image_folder(
    folder: Path, image_size: int | None = None, limits: DataLimits | None = None
) -> SourceData:
    """Read ``folder/CLASS/*.png`` (or any usual image format, at any depth below CLASS).

    The classes are the names of the subfolders, in the order of their code points. Subfolders ``train`` and
    ``test``, in any capitalisation and by their usual synonyms, each with one folder a class, are the splits,
    and ``val``, if there is one, is the validation split; with ``train`` and ``val`` alone, ``val`` is the
    test split; see :func:`~evoloss.data.readers.split_folders.find_splits`. Otherwise a fixed stratified
    fifth becomes the test split.

    Images become RGB, unless all are grey; see :func:`~evoloss.data.images.read_image`.

    Args:
        folder: the data set.
        image_size: side in pixels that every image is brought to: the shorter side is scaled to it (bilinear,
            antialiased), then the middle square is cut out. None keeps the images, which then must have one
            size.
        limits: sizes above which it is refused; see :meth:`~evoloss.data.limits.DataLimits.of`.

    Raises:
        MissingExtraError: if Pillow is not installed.
        ConfigError: if ``image_size`` is below 1.
        DataError: if there are no classes, no images, several sizes, images that cannot be read (it names
            them), or too many for the memory.
    """
    if image_size is not None and image_size < 1:
        raise ConfigError(f"image_size must be at least 1, got {image_size}")
    try:
        folders = find_splits(folder)
        class_names = _class_names(folders["train"])
        files = {
            split: _files(root, class_names, complete=split == "train") for split, root in folders.items()
        }
    except OSError as error:  # a folder that may not be looked into, or is gone meanwhile
        place = one_line(error.filename or folder, 400)
        raise DataError(f"{place} cannot be read ({error.strerror})") from error
    paths = [path for split in files.values() for path, _ in split]
    images = _read_all(folder, paths, image_size, limits or DataLimits.of())
    arrays: dict[str, LabelledArrays] = {}
    start = 0
    for split, listed in files.items():
        labels = np.array([label for _, label in listed], dtype=np.int64)
        arrays[split] = LabelledArrays(images[start : start + len(listed)], labels)
        start += len(listed)
    return SourceData(
        name=real_path(folder).name,
        train=arrays["train"],
        test=arrays.get("test"),
        validation=arrays.get("validation"),
        class_names=class_names,
        notes=(_counts(class_names, arrays),),
        details=ImageFiles(
            real_path(folder).name, [path.relative_to(folder).as_posix() for path, _ in files["train"]]
        ),
    )


def _counts(class_names: Sequence[str], arrays: Mapping[str, LabelledArrays]) -> str:
    """Say how many images of which class were found, over all splits."""
    labels = np.concatenate([part.labels for part in arrays.values()])
    counts = np.bincount(labels, minlength=len(class_names))
    listed = ", ".join(
        f"{one_line(name, 100)} {count:,}" for name, count in zip(class_names[:_SHOWN], counts, strict=False)
    )
    more = f" and {len(class_names) - _SHOWN} more classes" if len(class_names) > _SHOWN else ""
    return f"{len(labels):,} images: {listed}{more}"


def _class_names(root: Path) -> tuple[str, ...]:
    names = tuple(
        sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    )
    if len(names) < 2:
        raise DataError(
            f"{one_line(root, 400)} has {len(names)} subfolders; expected one subfolder with images for each "
            "class"
        )
    return names


def _files(root: Path, class_names: Sequence[str], *, complete: bool) -> list[tuple[Path, int]]:
    unknown = sorted({path.name for path in root.iterdir() if path.is_dir()} - set(class_names))
    unknown = [name for name in unknown if not name.startswith(".")]
    if unknown:
        names = ", ".join(map(one_line, unknown[:_SHOWN]))
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        raise DataError(f"{one_line(root, 400)} has classes that the training folder lacks: {names}{more}")
    files = []
    for label, name in enumerate(class_names):
        found = sorted(
            path
            for path in (root / name).rglob("*")
            if path.suffix.lower() in SUFFIXES and not _hidden(path.relative_to(root)) and path.is_file()
        )
        if complete and not found:
            raise DataError(
                f"{one_line(root / name, 400)} has no images; expected files ending in "
                f"{', '.join(sorted(SUFFIXES))}"
            )
        files += [(path, label) for path in found]
    if not files:
        raise DataError(f"{one_line(root, 400)} has no images in its class folders")
    return files


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _read_all(
    folder: Path, paths: Sequence[Path], image_size: int | None, limits: DataLimits
) -> npt.NDArray[np.uint8]:
    images: list[Pixels] = []
    bad: list[str] = []
    total = 0
    for path in paths:
        try:
            image = read_image(path, image_size, limits)
        except ImageError as error:
            bad.append(f"{one_line(path.relative_to(folder), 200)} ({one_line(error, 200)})")
            continue
        images.append(image)
        total += image.values.size
        # Twice: as they are read, and as they are split. All are as large as the first, or none will do.
        limits.require_memory(2 * max(total, len(paths) * images[0].values.size), str(folder))
    if bad:
        more = f"; and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
        raise DataError(
            f"{len(bad)} of {len(paths)} images in {folder} cannot be read; remove or replace them: "
            f"{'; '.join(bad[:_SHOWN])}{more}"
        )
    _require_one_size(paths, images)
    _require_range(folder, images)
    channels = max(len(image.values) for image in images)
    limits.require_memory(2 * len(images) * channels * images[0].values[0].size, str(folder))
    stacked = np.empty((len(images), channels, *images[0].values.shape[1:]), np.uint8)
    for place, image in zip(stacked, images, strict=True):
        place[:] = image.values  # one grey channel fills three
    return stacked


def _require_one_size(paths: Sequence[Path], images: Sequence[Pixels]) -> None:
    first = images[0].values
    others = [
        (path, image.values)
        for path, image in zip(paths, images, strict=True)
        if image.values.shape[1:] != first.shape[1:]
    ]
    if others:
        more = f" and {len(others) - 1} more differ" if len(others) > 1 else ""
        raise DataError(
            f"{one_line(paths[0], 400)} has {_size(first)} pixels, {one_line(others[0][0], 400)} has "
            f"{_size(others[0][1])}{more}; "
            "bring all images to one size with --image-size PIXELS (image_size=...), or resize them"
        )


def _require_range(folder: Path, images: Sequence[Pixels]) -> None:
    """Refuse deep images that hold smaller numbers than their format is for, and would be black."""
    deep = [image.values for image in images if image.deep]
    if deep and max(int(values.max()) for values in deep) < _LEAST_LEVELS:
        raise DataError(
            f"the {len(deep)} images in {folder} with more than 8 bits a channel use less than a sixteenth "
            "of their range; as 8 bits they would be black. Stretch them to the range of their format, or "
            "save them with 8 bits a channel"
        )


def _size(image: npt.NDArray[Any]) -> str:
    return f"{image.shape[2]}x{image.shape[1]}"
