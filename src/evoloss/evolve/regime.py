"""The regime that a loss is evolved for: what somebody can know of his data before any training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from evoloss.errors import ConfigError

Purpose = Literal["noise", "clean", "few-samples", "memorisation"]
MOST_CLASSES, MOST_SAMPLES, MOST_FEATURES, MOST_NOISE = 1000, 100_000, 4096, 0.95
"""Bounds of synthetic tasks."""


@dataclass(frozen=True, kw_only=True)
class Regime:
    """Ranges of the tasks of a search.

    Attributes:
        purpose: what the loss is for.
        classes: class counts, low and high; None for those of the preset.
        samples: training samples, low and high; None likewise.
        features: input features, low and high; None likewise, and for images.
        images: whether inputs are images.
        noise: share of wrong training labels, low and high; None likewise.
        imbalanced: whether classes are of very unequal size; None if that is not known.

    Raises:
        ConfigError: if two of them contradict each other.

    Example:
        >>> Regime(purpose="noise", classes=(3, 3), samples=(100, 400), noise=(0.2, 0.5)).text
        'noise: 3 classes, 100 to 400 training samples, 20 to 50 % of the labels wrong'
    """

    purpose: Purpose
    classes: tuple[int, int] | None = None
    samples: tuple[int, int] | None = None
    features: tuple[int, int] | None = None
    images: bool = False
    noise: tuple[float, float] | None = None
    imbalanced: bool | None = None

    def __post_init__(self) -> None:
        if self.purpose == "clean" and self.noise is not None and self.noise[1] > 0:
            raise ConfigError(
                "a loss for clean labels is searched on tasks without wrong ones: leave --noise out, or "
                "say --for noise"
            )
        if self.purpose in ("noise", "memorisation") and self.noise is not None and self.noise[1] == 0:
            raise ConfigError(
                f"--for {self.purpose} is for labels some of which are wrong; --noise 0 says that none "
                "are: say --for clean, or leave --noise out"
            )
        if self.images and self.features is not None:
            raise ConfigError("inputs are images or features, not both")

    @property
    def text(self) -> str:
        """The regime in a phrase."""
        parts = [] if self.classes is None else [f"{_span(self.classes)} classes"]
        if self.samples is not None:
            parts.append(f"{_span(self.samples)} training samples")
        if self.images:
            parts.append("images")
        if self.features is not None:
            parts.append(f"{_span(self.features)} features")
        if self.imbalanced:
            parts.append("classes of unequal size")
        if self.noise is not None:
            low, high = (f"{100 * share:g}" for share in self.noise)
            parts.append(f"{low if low == high else f'{low} to {high}'} % of the labels wrong")
        return f"{self.purpose}: {', '.join(parts) or 'the ranges of the preset'}"

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON has them."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()
        }


def _span(bounds: tuple[int, int]) -> str:
    low, high = bounds
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
