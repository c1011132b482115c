"""A tiny data set, made on the spot: well separated clusters as features or as images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from evoloss.data import Dataset, Split
from evoloss.random_streams import stream


def _split(n: int, n_classes: int, label: str, centres: torch.Tensor, spread: float) -> Split:
    labels = torch.arange(n) % n_classes
    noise = torch.randn(n, centres.shape[1], generator=stream(0, "blobs", label))
    return Split(centres[labels] + spread * noise, labels)


def feature_blobs(
    n_train: int = 120, *, n_classes: int = 3, n_validation: int = 30, spread: float = 0.5
) -> Dataset:
    centres = 2 * torch.randn(n_classes, 6, generator=stream(0, "centres"))
    parts = {"train": n_train, "validation": n_validation, "test": 60}
    splits = {name: _split(n, n_classes, name, centres, spread) for name, n in parts.items()}
    return Dataset(name="blobs", n_classes=n_classes, class_names=tuple("abcdefghij"[:n_classes]), **splits)


def blobs_file(folder: Path) -> Path:
    """The same as a file that any process finds, which makes its own validation split."""
    blobs, path = feature_blobs(spread=2.0), folder / "blobs.npz"
    arrays = {}
    for name, split in (("train", blobs.train), ("test", blobs.test)):
        arrays[f"x_{name}"], arrays[f"y_{name}"] = split.inputs.numpy(), split.labels.numpy()
    np.savez(path, **arrays)
    return path


def image_blobs(n_train: int = 64, *, side: int = 8, channels: int = 1) -> Dataset:
    centres = torch.randn(2, channels * side * side, generator=stream(0, "centres"))

    def image(split: Split) -> Split:
        pixels = (split.inputs * 40 + 128).clamp(0, 255).to(torch.uint8)
        return Split(pixels.view(-1, channels, side, side), split.labels)

    parts = {"train": n_train, "validation": 20, "test": 20}
    splits = {name: image(_split(n, 2, name, centres, 0.5)) for name, n in parts.items()}
    return Dataset(name="images", n_classes=2, class_names=("a", "b"), **splits)
