"""The settings of ``evoloss evolve``, as people write them, and their file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_args

import tomli_w

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.evolve.ranges import seconds_of, share_range, whole_range
from evoloss.evolve.regime import (
    MOST_CLASSES,
    MOST_FEATURES,
    MOST_NOISE,
    MOST_SAMPLES,
    Purpose,
    Regime,
)
from evoloss.evolve.shape import DataShape
from evoloss.pretraining.toml_files import read_toml
from evoloss.safe_text import quoted

EVOLVE_FILE = "evolve.toml"
IMAGES = "images"


@dataclass(frozen=True, kw_only=True)
class EvolveConfig:
    """The regime that a loss is to be evolved for, as people write it, and the budget.

    Raises:
        ConfigError: if a value cannot be read or two contradict each other.
        UnknownNameError: if there is no such purpose.

    Example:
        >>> config = EvolveConfig(purpose="noise", classes="3", samples="100-400", noise="0.2-0.5")
        >>> config.seconds, config.regime().noise
        (600.0, (0.2, 0.5))
    """

    purpose: Purpose
    """noise (some training labels are wrong), clean (they are right), few-samples (a few a class), or
    memorisation (wrong labels, trained long enough to learn them by heart)."""
    classes: str | None = None
    """Number of classes, or a range: 3, 2-10."""
    samples: str | None = None
    """Training samples, or a range: 100-400."""
    features: str | None = None
    """Features of an input, or a range: 13, 10-60; or the word images."""
    noise: str | None = None
    """Share of wrong training labels, or a range: 0.3, 0.2-0.5. Leave it out if you do not know."""
    budget: str = "10m"
    """Time for all of it, the judging included: 10m, 90s, 1h30m."""
    like: str | None = None
    """A data set of yours, as evoloss compare --dataset takes it: its class counts, size and input shape say
    classes, samples and features. No value is read of it."""
    target: str | None = None
    """Column of the labels, where --like is a table (.csv, .parquet)."""
    ignore_columns: tuple[str, ...] = ()
    """Columns of that table that are left out, such as numbers of patients or what is known only
    afterwards."""
    seed: int = 0
    """Seed of the search, at least 0."""

    def __post_init__(self) -> None:
        if self.purpose not in get_args(Purpose):
            raise UnknownNameError.among("purpose", str(self.purpose), get_args(Purpose))
        if self.seed < 0:
            raise ConfigError(f"--seed must be at least 0, got {self.seed}")
        if self.target is not None and self.like is None:
            raise ConfigError("--target names a column of the table that --like names; give --like too")
        if self.ignore_columns and self.like is None:
            raise ConfigError(
                "--ignore-columns names columns of the table that --like names; give --like too"
            )
        self.seconds  # noqa: B018 - it checks
        self.regime()

    @property
    def seconds(self) -> float:
        """The budget in seconds."""
        return seconds_of(self.budget)

    def regime(self, shape: DataShape | None = None) -> Regime:
        """The regime: what is given here, and else what the shape of a data set says."""
        images = self.features == IMAGES
        given: dict[str, Any] = {"purpose": self.purpose}
        if self.classes is not None:
            given["classes"] = whole_range("classes", self.classes, 2, MOST_CLASSES)
        if self.samples is not None:
            given["samples"] = whole_range("samples", self.samples, 4, MOST_SAMPLES)
        if images:
            given |= {"images": True, "features": None}
        elif self.features is not None:
            given |= {
                "features": whole_range("features", self.features, 2, MOST_FEATURES),
                "images": False,
            }
        if self.noise is not None:
            given["noise"] = share_range("noise", self.noise, MOST_NOISE)
        if shape is None:
            return Regime(**given)
        return Regime(**{**vars(shape.regime(self.purpose)), **given})

    def overridden(self) -> list[str]:
        """Settings that are given although the data set has a shape; they win over it."""
        return [name for name in ("classes", "samples", "features") if getattr(self, name) is not None]

    def to_toml(self) -> str:
        """The settings as TOML, those that are None or empty left out."""
        return tomli_w.dumps({name: value for name, value in asdict(self).items() if value not in (None, ())})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], source: str) -> EvolveConfig:
        """Build the settings from plain values.

        Raises:
            ConfigError: for a value of the wrong type or out of range.
            UnknownNameError: for an unknown key.
        """
        names = {field.name for field in fields(cls)}
        for name, value in values.items():
            if name not in names:
                raise UnknownNameError.among(f"setting in {source},", name, names)
            kind, holds = _KINDS.get(name, ("text", _is_text))
            if not holds(value):
                raise ConfigError(f"{source}: {name} must be {kind}, got {quoted(value)}")
        if "purpose" not in values:
            raise ConfigError(f"{source} does not say the purpose")
        made: dict[str, Any] = dict(values)
        if "ignore_columns" in made:
            made["ignore_columns"] = tuple(made["ignore_columns"])
        return cls(**made)

    @classmethod
    def from_toml(cls, path: Path) -> EvolveConfig:
        """Read the settings of a run.

        Raises:
            ConfigError: if they cannot be read.
        """
        return cls.from_dict(read_toml(path), str(path))


def _is_text(value: object) -> bool:
    return type(value) is str


_KINDS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "seed": ("a whole number", lambda value: type(value) is int),
    "ignore_columns": (
        "a list of texts",
        lambda value: isinstance(value, list) and all(map(_is_text, value)),
    ),
}
"""Values in a file of the settings that are no text: in words, and as a check."""
