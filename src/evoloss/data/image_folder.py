"""A user's own data set as a folder of images, one subfolder a class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evoloss.data.dataset import LabelledArrays, SourceData
from evoloss.errors import ConfigError, DataError, MissingExtraError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp"})

DEEP_MODES = frozenset({"I", "F"})
"""Pillow's modes that would be cut off, not scaled, when made 8 bits a channel."""


def load_image_folder(folder: Path, image_size: int | None = None) -> SourceData:
    """Read ``folder/CLASS/*.png`` (or any usual image format, at any depth below CLASS).

    The classes are the names of the subfolders, in the order of their code points. With subfolders ``train``
    and ``test``, each with one folder a class, those are the splits, and ``val`` (or ``valid``,
    ``validation``), if there is one, is the validation split; with ``train`` and ``val`` alone, ``val`` is
    the test split, as in the common ImageNet layout. Otherwise a fixed stratified fifth becomes the test
    split.

    Images become RGB, unless all are grey. Transparency is dropped, of several frames the first counts, and a
    rotation noted by the camera is applied.

    Args:
        folder: the data set.
        image_size: side in pixels that every image is brought to: the shorter side is scaled to it (bilinear,
            antialiased), then the middle square is cut out. None keeps the images, which then must have one
            size.

    Raises:
        MissingExtraError: if Pillow is not installed.
        ConfigError: if ``image_size`` is below 1.
        DataError: if there are no classes, no images, several sizes, or an image cannot be read.
    """
    if image_size is not None and image_size < 1:
        raise ConfigError(f"image_size must be at least 1, got {image_size}")
    parts = _parts(folder)
    class_names = _class_names(parts["train"])
    files: dict[str, list[tuple[Path, int]]] = {}
    for part, root in parts.items():
        files[part] = _files(root, class_names, complete=part == "train")
    images = _read_all([path for part in files.values() for path, _ in part], image_size)
    arrays: dict[str, LabelledArrays] = {}
    start = 0
    for part, listed in files.items():
        labels = np.array([label for _, label in listed], dtype=np.int64)
        arrays[part] = LabelledArrays(images[start : start + len(listed)], labels)
        start += len(listed)
    return SourceData(
        name=folder.resolve().name,
        train=arrays["train"],
        test=arrays.get("test"),
        validation=arrays.get("validation"),
        class_names=class_names,
    )


def _parts(folder: Path) -> dict[str, Path]:
    train = folder / "train"
    # A folder "train" without subfolders is a class of that name, such as the vehicle.
    if not train.is_dir() or not any(path.is_dir() for path in train.iterdir()):
        return {"train": folder}
    named = [folder / name for name in ("val", "valid", "validation") if (folder / name).is_dir()]
    if len(named) > 1:
        raise DataError(
            f"{folder} has {' and '.join(path.name for path in named)}; expected one validation folder"
        )
    parts = {"train": train}
    if (folder / "test").is_dir():
        parts["test"] = folder / "test"
        if named:
            parts["validation"] = named[0]
    elif named:
        parts["test"] = named[0]
    return parts


def _class_names(root: Path) -> tuple[str, ...]:
    names = tuple(
        sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    )
    if len(names) < 2:
        raise DataError(
            f"{root} has {len(names)} subfolders; expected one subfolder with images for each class"
        )
    return names


def _files(root: Path, class_names: Sequence[str], *, complete: bool) -> list[tuple[Path, int]]:
    unknown = sorted({path.name for path in root.iterdir() if path.is_dir()} - set(class_names))
    unknown = [name for name in unknown if not name.startswith(".")]
    if unknown:
        raise DataError(f"{root} has classes that the training folder lacks: {', '.join(unknown)}")
    files = []
    for label, name in enumerate(class_names):
        found = sorted(
            path
            for path in (root / name).rglob("*")
            if path.suffix.lower() in SUFFIXES and not _hidden(path.relative_to(root)) and path.is_file()
        )
        if complete and not found:
            raise DataError(
                f"{root / name} has no images; expected files ending in {', '.join(sorted(SUFFIXES))}"
            )
        files += [(path, label) for path in found]
    if not files:
        raise DataError(f"{root} has no images in its class folders")
    return files


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _read_all(paths: Sequence[Path], image_size: int | None) -> npt.NDArray[np.uint8]:
    images = [_read(path, image_size) for path in paths]
    for path, image in zip(paths, images, strict=True):
        if image.shape[1:] != images[0].shape[1:]:
            raise DataError(
                f"{paths[0]} has {_size(images[0])} pixels, {path} has {_size(image)}; "
                "give image_size to bring all images to one size, or resize them"
            )
    channels = max(len(image) for image in images)
    return np.stack(
        [image if len(image) == channels else np.repeat(image, channels, axis=0) for image in images]
    )


def _size(image: npt.NDArray[Any]) -> str:
    return f"{image.shape[2]}x{image.shape[1]}"


def _read(path: Path, image_size: int | None) -> npt.NDArray[np.uint8]:
    """Return one image, ``(1, H, W)`` or ``(3, H, W)``."""
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise MissingExtraError.of("Pillow", "experiments", "reading images") from error
    try:
        with Image.open(path) as opened:
            mode = opened.mode
            upright: Image.Image = ImageOps.exif_transpose(opened)
            image = upright.convert("L" if upright.mode in ("1", "L", "LA") else "RGB")
            if image_size is not None:
                square = (image_size, image_size)
                image = ImageOps.fit(image, square, method=Image.Resampling.BILINEAR)
    # Pillow raises many kinds of errors for damaged files, by format; SyntaxError is that of PNG.
    except Exception as error:
        raise DataError(
            f"could not read the image {path} ({type(error).__name__}: {error}); remove or replace it"
        ) from error
    if mode in DEEP_MODES or mode.startswith("I;"):
        raise DataError(
            f"the image {path} has more than 8 bits a channel (mode {mode}); convert it to 8 bits"
        )
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
