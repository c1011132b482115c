"""Real data sets for classification: found on disk, checked, and split in train, validation and test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from evoloss.data.cifar import load_cifar10, load_cifar100
from evoloss.data.dataset import Dataset, SourceData, Split
from evoloss.data.digits import load_digits
from evoloss.data.splits import divide
from evoloss.errors import UnknownNameError

__all__ = ["DATASETS", "Dataset", "Split", "load_dataset"]

DATASETS: dict[str, Callable[[Path | None, bool], SourceData]] = {
    "digits": load_digits,
    "cifar10": load_cifar10,
    "cifar100": load_cifar100,
}
"""Reader of every known data set: ``reader(data_dir, download)``."""


def load_dataset(
    name_or_path: str,
    *,
    data_dir: Path | None = None,
    download: bool = False,
    validation: float = 0.1,
    train_samples: int | None = None,
    split_seed: int = 0,
) -> Dataset:
    """Load a data set by name, split in train, validation and test.

    Args:
        name_or_path: a key of :data:`DATASETS`.
        data_dir: folder that holds the files of known data sets; ``$EVOLOSS_DATA_DIR`` if None.
        download: fetch the files of a known data set into ``data_dir`` if they are not there.
        validation: share of the training part that becomes the validation split, in ``[0, 1)``.
        train_samples: size of a class-balanced subset of the training split; None keeps all of it.
        split_seed: seed of the validation split and of the subset; the test split does not depend on it.

    Raises:
        UnknownNameError: if there is no such data set.
        DataError: if the data is missing, damaged or in another layout.
        ConfigError: if ``validation`` or ``train_samples`` is out of range.
    """
    if name_or_path not in DATASETS:
        raise UnknownNameError.among("data set", name_or_path, DATASETS)
    source = DATASETS[name_or_path](data_dir, download)
    return divide(source, validation=validation, train_samples=train_samples, split_seed=split_seed)
