"""Class names of a user's labels, as boosting libraries want them: numbers from 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from evoloss.errors import ConfigError
from evoloss.integrations.boosting.margins import weights_of


@dataclass(frozen=True)
class ClassNames:
    """The classes in sorted order.

    Attributes:
        values: the labels, each once.
    """

    values: NDArray[Any]

    @classmethod
    def of(cls, y: Any) -> Self:
        """Read the classes of labels ``(N,)``.

        Raises:
            ConfigError: if there are fewer than two, or the labels are not one a sample, or one is missing
                or a fraction.
        """
        labels = np.asarray(y)
        if labels.ndim != 1 and labels.size != len(labels):
            raise ConfigError(f"labels of shape {labels.shape}; expected one a sample, (samples,)")
        missing = _missing(labels.reshape(-1))
        if missing.any():
            raise ConfigError(f"the label of row {int(missing.argmax())} is missing; leave such rows out")
        values = np.unique(labels.reshape(-1))
        if values.dtype.kind == "f" and (values != np.floor(values)).any():
            raise ConfigError(
                f"the labels are numbers such as {values[values != np.floor(values)][0]:g}; expected "
                "classes, and these look like those of a regression"
            )
        if len(values) < 2:
            raise ConfigError(f"the labels name {len(values)} class; expected at least two")
        return cls(values)

    def __len__(self) -> int:
        return len(self.values)

    def encode(self, y: Any, where: str) -> NDArray[np.int64]:
        """Numbers from 0 of labels ``(N,)``.

        Raises:
            ConfigError: if one is none of the classes.
        """
        labels = np.asarray(y).reshape(-1)
        missing = _missing(labels)
        if missing.any():
            raise ConfigError(f"the label of row {int(missing.argmax())} in {where} is missing")
        unknown = np.setdiff1d(labels, self.values)
        if len(unknown):
            raise ConfigError(
                f"label {unknown.tolist()[0]!r} in {where} is none of the {len(self)} classes of y"
            )
        return np.searchsorted(self.values, labels).astype(np.int64)


def _missing(labels: NDArray[Any]) -> NDArray[np.bool_]:
    if labels.dtype.kind == "f":
        return np.asarray(np.isnan(labels))
    if labels.dtype.kind != "O":
        return np.zeros(len(labels), dtype=bool)
    return np.array(
        [one is None or type(one).__name__ == "NAType" or one != one for one in labels], dtype=bool
    )


def names_of_fit(inputs: Any, y: Any, sample_weight: Any) -> ClassNames:
    """The classes of a fit.

    Args:
        inputs: rows, of any kind that has a shape or a length.
        y: a label a row.
        sample_weight: likewise a weight, or None.

    Raises:
        ConfigError: if labels or weights do not fit, or cannot be used.
    """
    n_rows = inputs.shape[0] if hasattr(inputs, "shape") else len(inputs)
    for name, values in (("y", y), ("sample_weight", sample_weight)):
        n_values = n_rows if values is None else np.shape(values)[0]
        if n_values != n_rows:
            raise ConfigError(f"{name} has {n_values:,} rows and X has {n_rows:,}; expected one for each")
    if sample_weight is not None:
        weights_of(np.asarray(sample_weight, dtype=np.float64).reshape(-1), n_rows)
    return ClassNames.of(y)
