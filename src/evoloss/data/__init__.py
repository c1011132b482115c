"""Real data sets for classification: found on disk, checked, and split in train, validation and test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from evoloss.data.dataset import Dataset, SourceData, Split
from evoloss.data.folders import data_folder
from evoloss.data.given_labels import read_given_labels
from evoloss.data.label_noise import CONFUSIONS, noisy_labels
from evoloss.data.limits import DataLimits
from evoloss.data.readers.cifar import load_cifar10, load_cifar100
from evoloss.data.readers.csv import load_csv
from evoloss.data.readers.digits import load_digits
from evoloss.data.readers.idx import load_fashion_mnist, load_mnist
from evoloss.data.readers.image_folder import load_image_folder
from evoloss.data.readers.npz import load_npz
from evoloss.data.readers.parquet import load_parquet
from evoloss.data.splits import divide
from evoloss.data.user_data import load_user_data
from evoloss.errors import ConfigError, DataError, UnknownNameError
from evoloss.user_paths import expand_user, names_callable, real_path

__all__ = [
    "CONFUSIONS",
    "DATASETS",
    "FILE_READERS",
    "TABLE_READERS",
    "Dataset",
    "Split",
    "load_dataset",
    "noisy_labels",
]

_CALLABLE = "package.module:callable"

DATASETS: dict[str, Callable[[Path | None, bool], SourceData]] = {
    "digits": load_digits,
    "cifar10": load_cifar10,
    "cifar100": load_cifar100,
    "mnist": load_mnist,
    "fashion_mnist": load_fashion_mnist,
}
"""Reader of every known data set: ``reader(data_dir, download)``."""

FILE_READERS: dict[str, Callable[[Path, DataLimits], SourceData]] = {
    ".npz": load_npz,
}
"""Reader of a user's own file, by the ending of its name: ``reader(path, limits)``."""

TABLE_READERS: dict[str, Callable[[Path, DataLimits, str | None, Sequence[str]], SourceData]] = {
    ".csv": load_csv,
    ".parquet": load_parquet,
}
"""Reader of a file with named columns, one of them labels: ``reader(path, limits, target, ignored)``."""


def load_dataset(
    name_or_path: str,
    *,
    data_dir: Path | None = None,
    download: bool = False,
    validation: float = 0.1,
    train_samples: int | None = None,
    split_seed: int = 0,
    target: str | None = None,
    ignore_columns: Sequence[str] = (),
    image_size: int | None = None,
    max_gigabytes: float | None = None,
    max_megapixels: float | None = None,
    train_labels: Path | None = None,
    noisy_validation: bool = False,
) -> Dataset:
    """Load a data set, split in train, validation and test that share no sample.

    Args:
        name_or_path: a key of :data:`DATASETS`; or the path of a file with an ending of
            :data:`FILE_READERS`, such as an ``.npz`` file in the Keras convention
            (:func:`~evoloss.data.readers.npz.load_npz`), or of :data:`TABLE_READERS`; or that of a folder
            with one subfolder of images a class
            (:func:`~evoloss.data.readers.image_folder.load_image_folder`); or ``package.module:callable``
            (:func:`~evoloss.data.user_data.load_user_data`). A known name goes before a path: write
            ``./digits`` for a folder of that name. Relative paths are also tried below the data folder.
        data_dir: folder that holds the files of known data sets; ``$EVOLOSS_DATA_DIR`` if None.
        download: fetch the files of a known data set if they are not there.
        validation: share of the training part that becomes the validation split, in ``[0, 1)``; without
            effect where the data brings a validation part of its own.
        train_samples: size of a class-balanced subset of the training split; None keeps all of it.
        split_seed: seed of the validation split and of the subset; the test split does not depend on it.
        target: column of the labels in a table (``.csv``, ``.parquet``).
        ignore_columns: columns of a table that are left out.
        image_size: side in pixels that the images of a folder are brought to.
        max_gigabytes: memory that reading a file or folder of the user's own may take, in 1e9 bytes;
            ``$EVOLOSS_MAX_DATA_GB`` if None, else 8. It is told from headers before anything is unpacked.
        max_megapixels: size of one image of a folder, in 1e6 pixels; ``$EVOLOSS_MAX_IMAGE_MEGAPIXELS`` if
            None, else 50.
        train_labels: an ``.npz`` file whose array ``labels`` is what training samples are labelled with,
            such as by annotators who make mistakes: one for each sample of the published training part (of
            all samples, where no test part is published) in its order, class names or indices. Test labels
            stay what they are.
        noisy_validation: let the validation split have those labels too, as in practice.

    Raises:
        UnknownNameError: if it is neither a known name nor looks like a path.
        DataError: if the data is missing, damaged, in another layout, or too large.
        ConfigError: if a number is out of range, or ``image_size`` out of place.
        MissingExtraError: if a package that the data set needs is not installed.

    Example:
        >>> digits = load_dataset("digits", validation=0.2, train_samples=100)
        >>> digits.train.inputs.shape, digits.n_classes
        (torch.Size([100, 1, 8, 8]), 10)
    """
    limits = DataLimits.of(max_gigabytes, max_megapixels)
    try:
        if name_or_path in DATASETS:
            _refuse_image_size(image_size, name_or_path)
            _refuse_columns(target, ignore_columns, name_or_path)
            source = DATASETS[name_or_path](data_dir, download)
        else:
            source = _load_path(name_or_path, data_dir, target, ignore_columns, image_size, limits)
        labels = None
        if train_labels is not None:
            labels = read_given_labels(
                expand_user(train_labels), len(source.train.labels), source.class_names
            )
    except OSError as error:  # no path at all, or one that goes or may not be looked at meanwhile
        place = error.filename or name_or_path
        raise DataError(f"data set {place!r:.200} cannot be read ({error.strerror or error})") from error
    return divide(
        source,
        validation=validation,
        train_samples=train_samples,
        split_seed=split_seed,
        train_labels=labels,
        noisy_validation=noisy_validation,
    )


def _load_path(
    name: str,
    data_dir: Path | None,
    target: str | None,
    ignored: Sequence[str],
    image_size: int | None,
    limits: DataLimits,
) -> SourceData:
    path = find_path(name, data_dir)
    ending = path.suffix.lower()
    if ending in TABLE_READERS:
        _refuse_image_size(image_size, name)
        return TABLE_READERS[ending](path, limits, target, ignored)
    _refuse_columns(target, ignored, name)
    if ending in FILE_READERS:
        _refuse_image_size(image_size, name)
        return FILE_READERS[ending](path, limits)
    if name and path.is_dir():  # the empty name would be the current folder
        return load_image_folder(path, image_size, limits)
    if ":" in name and not path.exists():
        _refuse_image_size(image_size, name)
        return load_user_data(name, limits)
    if path.is_file():
        raise DataError(f"{path} has an ending that is not known; {_expected()}")
    if path.suffix or len(path.parts) > 1:
        raise DataError(f"data set {name!r} does not exist; {_expected()}")
    raise UnknownNameError.among(
        "data set",
        name,
        [*DATASETS, *(f"FILE{ending}" for ending in _endings()), "FOLDER", _CALLABLE],
    )


def find_path(name: str, data_dir: Path | None = None) -> Path:
    """Return the path of data of the user's own, in the data folder if it is there alone; it need not exist.

    Args:
        name: as the user wrote it.
        data_dir: see :func:`load_dataset`.
    """
    path = expand_user(name)
    root = data_folder(data_dir) if name and not path.exists() else None
    return root / path if root is not None and (root / path).exists() else path


def name_of(name_or_path: str, data_dir: Path | None = None) -> str:
    """Return the name that :func:`load_dataset` gives to a data set, without reading it.

    Args:
        name_or_path: see :func:`load_dataset`.
        data_dir: likewise.

    Example:
        >>> name_of("digits"), name_of("tables/wine.csv"), name_of("my_data:load")
        ('digits', 'wine', 'my_data:load')
    """
    if name_or_path in DATASETS:
        return name_or_path
    path = find_path(name_or_path, data_dir)
    if names_callable(name_or_path) and not path.exists():
        return name_or_path
    return real_path(path).name if path.is_dir() else path.stem


def options_of(name_or_path: str, data_dir: Path | None = None) -> tuple[str, ...]:
    """Return the arguments of :func:`load_dataset` that only data of this kind takes.

    Args:
        name_or_path: see :func:`load_dataset`.
        data_dir: likewise.

    Example:
        >>> options_of("table.csv"), options_of("digits")
        (('target', 'ignore_columns'), ())
    """
    if name_or_path in DATASETS:
        return ()
    path = find_path(name_or_path, data_dir)
    if path.suffix.lower() in TABLE_READERS:
        return ("target", "ignore_columns")
    return ("image_size",) if path.is_dir() and path.suffix.lower() not in FILE_READERS else ()


def _expected() -> str:
    return f"expected a file ({', '.join(_endings())}) or a folder of images by class"


def _endings() -> list[str]:
    return [*FILE_READERS, *TABLE_READERS]


def _refuse_columns(target: str | None, ignored: Sequence[str], name: str) -> None:
    if ignored:
        raise ConfigError(
            f"ignore_columns is for tables ({', '.join(TABLE_READERS)}), whose columns have names; {name!r} "
            "is no table"
        )
    if target is not None:
        raise ConfigError(
            f"target names the column of labels of a table ({', '.join(TABLE_READERS)}); {name!r} is no table"
        )


def _refuse_image_size(image_size: int | None, name: str) -> None:
    if image_size is not None:
        raise ConfigError(f"image_size is for folders of images; the inputs of {name!r} have a fixed size")
