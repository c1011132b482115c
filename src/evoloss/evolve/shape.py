"""The shape of a data set: class counts and sizes, and nothing else of it.

A loss is evolved without data. What ``--like`` takes from a data set is what its owner could have said by
heart: how many classes and training samples there are, how unequal the classes are, how many features or
pixels an input has. Inputs are looked at for their shape, labels are counted; neither is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evoloss.data import load_dataset
from evoloss.evolve.regime import MOST_CLASSES, MOST_FEATURES, MOST_SAMPLES, Purpose, Regime
from evoloss.safe_text import one_line

_AROUND = 1.5  # tasks have from a 1.5th to 1.5 times as many samples as the data
MOST_LIKE_SAMPLES = 5000
"""Tasks of a search have at most so many training samples; a larger data set is stood for by these."""
_UNEQUAL = 3.0  # times that the largest class has of the smallest, from which classes are called unequal


@dataclass(frozen=True)
class DataShape:
    """Shape of a data set.

    Attributes:
        name: of the data set.
        samples: training samples, after validation and test are split off.
        class_sizes: training samples of each class, in falling order, without names.
        input_shape: ``(D,)`` features or ``(C, H, W)`` of an image.

    Example:
        >>> shape = shape_of("digits")
        >>> shape.samples, len(shape.class_sizes), shape.input_shape
        (1294, 10, (1, 8, 8))
        >>> shape.regime("noise").text
        'noise: 10 classes, 863 to 1,941 training samples, images'
    """

    name: str
    samples: int
    class_sizes: tuple[int, ...]
    input_shape: tuple[int, ...]

    @property
    def text(self) -> str:
        """The shape in a sentence."""
        largest, smallest = self.class_sizes[0], self.class_sizes[-1]
        sizes = f"of {smallest:,} to {largest:,}" if smallest < largest else f"of {largest:,} each"
        inputs = (
            f"images of {' x '.join(map(str, self.input_shape[1:]))} pixels, {self.input_shape[0]} channels"
            if len(self.input_shape) == 3
            else f"{self.input_shape[0]:,} features"
        )
        return (
            f"{self.samples:,} training samples in {len(self.class_sizes):,} classes {sizes}, {inputs}; no "
            "value of an input, no name of a class and no label beyond these counts"
        )

    def regime(self, purpose: Purpose) -> Regime:
        """The regime that the data set stands for; its noise is not known from its shape.

        Classes, features and samples beyond what synthetic tasks can have are cut to that.
        """
        classes = min(MOST_CLASSES, len(self.class_sizes))
        low, high = (round(self.samples * factor) for factor in (1 / _AROUND, _AROUND))
        most = max(MOST_LIKE_SAMPLES, 2 * classes)
        images = len(self.input_shape) == 3
        features = min(MOST_FEATURES, max(2, self.input_shape[0]))
        return Regime(
            purpose=purpose,
            classes=(classes, classes),
            samples=(max(4, min(low, most // 2)), min(max(4, high), most, MOST_SAMPLES)),
            features=None if images else (features, features),
            images=images,
            imbalanced=True if self.class_sizes[0] > _UNEQUAL * self.class_sizes[-1] else None,
        )

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON has them."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()
        }


def shape_of(data: str, target: str | None = None, ignore_columns: Sequence[str] = ()) -> DataShape:
    """Read the shape of a data set, such as ``evoloss compare --dataset`` takes.

    Args:
        data: a known name, a file, a folder of images by class, or ``package.module:callable``.
        target: column of the labels in a table.
        ignore_columns: columns of a table that are left out.

    Raises:
        UnknownNameError: if there is no such data set.
        DataError: if it cannot be read.
        ConfigError: if ``target`` is missing, or one of the columns is out of place.

    Example:
        >>> shape_of("digits").input_shape
        (1, 8, 8)
    """
    dataset = load_dataset(data, target=target, ignore_columns=ignore_columns)
    counts = dataset.train.labels.bincount(minlength=dataset.n_classes).tolist()
    present = sorted((count for count in counts if count), reverse=True)
    name = one_line(data if ":" in data else Path(data).name, 80)
    return DataShape(name, sum(present), tuple(present), dataset.input_shape)
