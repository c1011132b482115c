"""Limits on the size of a data set, checked on headers before anything is unpacked, and easily raised."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from evoloss.errors import ConfigError, DataError

MEMORY_VARIABLE, PIXELS_VARIABLE = "EVOLOSS_MAX_DATA_GB", "EVOLOSS_MAX_IMAGE_MEGAPIXELS"
DEFAULT_GIGABYTES, DEFAULT_MEGAPIXELS = 8.0, 50.0


@dataclass(frozen=True)
class DataLimits:
    """Above what a data set is refused; a small file can hold a large one.

    Attributes:
        gigabytes: memory that reading may take, in units of 1e9 bytes; about twice the data.
        megapixels: size of one image, in units of 1e6 pixels.
    """

    gigabytes: float = DEFAULT_GIGABYTES
    megapixels: float = DEFAULT_MEGAPIXELS

    @classmethod
    def of(cls, max_gigabytes: float | None = None, max_megapixels: float | None = None) -> DataLimits:
        """Take what is given, else the environment variables, else the defaults.

        Raises:
            ConfigError: if one of them is not a number above 0.
        """
        return cls(
            _positive("max_gigabytes", max_gigabytes, MEMORY_VARIABLE, DEFAULT_GIGABYTES),
            _positive("max_megapixels", max_megapixels, PIXELS_VARIABLE, DEFAULT_MEGAPIXELS),
        )

    def require_memory(self, n_bytes: int, what: str) -> None:
        """Raise :class:`DataError` if reading would take more than the limit; ``what`` opens the message."""
        if n_bytes > self.gigabytes * 1e9:
            raise DataError(
                f"{what}: reading it takes about {n_bytes / 1e9:.3g} GB of memory, and the limit is "
                f"{self.gigabytes:g}. If that is meant and there is room for it, raise max_gigabytes, or "
                f"{MEMORY_VARIABLE} in the environment"
            )

    def require_pixels(self, width: int, height: int) -> None:
        """Raise :class:`DataError` if an image is larger than the limit."""
        if width * height > self.megapixels * 1e6:
            raise DataError(
                f"{width} x {height} pixels, and the limit is {self.megapixels:g} megapixels; if that is "
                f"meant, raise max_megapixels, or {PIXELS_VARIABLE} in the environment"
            )


def _positive(name: str, given: float | None, variable: str, default: float) -> float:
    text = os.environ.get(variable, "") if given is None else given
    if text == "":
        return default
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = math.nan
    if not value > 0:
        raise ConfigError(f"{name if given is not None else variable} must be above 0, got {text!r}")
    return value
