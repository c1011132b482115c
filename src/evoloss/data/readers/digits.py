"""Handwritten digits of scikit-learn: 1,797 grey images of 8x8 pixels, part of its package.

Source: E. Alpaydin and C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine Learning
Repository, 1998 (its test part).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evoloss.data.dataset import LabelledArrays, SourceData
from evoloss.errors import MissingExtraError


def load_digits(data_dir: Path | None = None, download: bool = False) -> SourceData:
    """Read the digits; there is no published test part, so a fixed one is split off later.

    Pixels count the dark cells of a 4x4 block, 0 to 16; they are stretched to 0 to 255 (``v * 255 / 16``,
    rounded half up), so that all images of the package share one range.

    Args:
        data_dir: not used; here because all readers have one signature.
        download: not used.

    Raises:
        MissingExtraError: if scikit-learn is not installed.
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise MissingExtraError.of("scikit-learn", "experiments", "the digits data set") from error
    bunch = datasets.load_digits()
    counts = bunch.images.astype(np.int64)
    images = ((counts * 255 + 8) // 16).astype(np.uint8)[:, None]
    return SourceData(
        name="digits",
        train=LabelledArrays(images, bunch.target.astype(np.int64)),
        class_names=tuple(str(digit) for digit in range(10)),
    )
