"""Data of the user's own from Python, named ``package.module:callable``: arrays or torch data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from evoloss.data.class_labels import encode_labels
from evoloss.data.dataset import LabelledArrays, SourceData
from evoloss.data.frames import without_frames
from evoloss.data.limits import DataLimits
from evoloss.data.origin import ArrayPlaces
from evoloss.errors import ConfigError, DataError
from evoloss.user_paths import current_folder_importable, find_callable

_EXPECTED = (
    "expected inputs and labels, a torch Dataset, a pair (train, test) of such, or a dict with the keys "
    "train, val and test, or x_train, y_train, x_test, y_test"
)
_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_ARRAY_KEYS = frozenset(f"{kind}_{split}" for kind in "xy" for split in ("train", "val", "test"))


@dataclass(frozen=True)
class _Part:
    """Inputs as they are used, and labels as the user has them."""

    inputs: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    class_names: tuple[str, ...] = ()


def load_user_data(spec: str, limits: DataLimits | None = None) -> SourceData:
    """Call the user's function, without arguments, and take what it returns.

    It returns a part, ``inputs, labels`` in arrays, tensors or as a frame and a column of pandas or polars,
    or a torch ``Dataset`` of such pairs; or several parts, as ``train, test`` or a dict with the keys
    ``train``, ``val`` and ``test``; or a dict with ``x_train``, ``y_train`` and so on. What is not there is
    split off. The current folder can be imported from.

    Inputs are images: uint8, or floats from 0 to 1 with a channel axis (as ``ToTensor`` makes them), channels
    first or last; or features ``(N, D)``. Labels are whole numbers or text. A data set with ``classes``, as
    those of torchvision, names its classes.

    Args:
        spec: ``package.module:callable``.
        limits: sizes above which a torch data set is refused.

    Raises:
        UnknownNameError: if the module has nothing of that name.
        ConfigError: if the import or the call fails.
        DataError: if what comes back is no data set.
    """
    limits = limits or DataLimits.of()
    with current_folder_importable():
        make = find_callable("data set", spec)
        try:
            made = without_frames(spec, make())
            parts = {name: _part(spec, name, part, limits) for name, part in _split(spec, made).items()}
        except (ConfigError, DataError):
            raise
        except Exception as error:  # anything can go wrong in the user's code; the cause stays attached
            raise ConfigError(
                f"data set {spec!r}: reading it failed with {type(error).__name__}: {error}; it is called "
                f"without arguments; {_EXPECTED}"
            ) from error
    train, test, validation = parts["train"], parts.get("test"), parts.get("val")
    encoded = encode_labels(
        Path(spec),
        train.labels,
        train.labels if test is None else test.labels,
        None if validation is None else validation.labels,
    )
    return SourceData(
        name=spec,
        train=LabelledArrays(train.inputs, encoded.train),
        test=None if test is None else LabelledArrays(test.inputs, encoded.test),
        validation=None
        if validation is None or encoded.validation is None
        else LabelledArrays(validation.inputs, encoded.validation),
        class_names=_class_names(train.class_names, encoded.class_names),
        details=_places(spec, made),
    )


def _split(spec: str, made: object) -> dict[str, Any]:
    """Return what was made as parts, with one named ``train``."""
    if isinstance(made, Mapping):
        if made and made.keys() <= _ARRAY_KEYS:
            splits = sorted({str(key)[2:] for key in made})
            lacking = {f"{kind}_{split}" for split in splits for kind in "xy"} - made.keys()
            if lacking:
                missing = ", ".join(sorted(lacking))
                raise DataError(f"data set {spec!r} returned a dict without {missing}; {_EXPECTED}")
            parts = {split: (made[f"x_{split}"], made[f"y_{split}"]) for split in splits}
        elif made and made.keys() <= _NAMES.keys():
            parts = {_NAMES[key]: part for key, part in made.items()}
        else:
            keys = ", ".join(repr(key)[:40] for key in list(made)[:10])
            raise DataError(
                f"data set {spec!r} returned a dict with the keys {keys or '(none)'}; {_EXPECTED}"
            )
        if "train" not in parts:
            raise DataError(f"data set {spec!r} returned a dict without a training part; {_EXPECTED}")
        return parts
    if isinstance(made, tuple | list) and len(made) == 2 and all(map(_is_part, made)):
        return {"train": made[0], "test": made[1]}
    return {"train": made}


def _places(spec: str, made: object) -> ArrayPlaces:
    """Return how the user's own code finds a training sample."""
    if isinstance(made, Mapping) and made.keys() <= _ARRAY_KEYS:
        return ArrayPlaces(spec, "x_train")
    part = _split(spec, made)["train"]
    where = spec if part is made else f"{spec}, train"
    return ArrayPlaces(where, "inputs" if _is_pair(part) else "dataset")


def _is_part(value: object) -> bool:
    return _is_pair(value) or _is_torch_dataset(value)


def _is_pair(value: object) -> bool:
    return (
        isinstance(value, tuple | list)
        and len(value) == 2
        and isinstance(value[0], np.ndarray | Tensor)
        and isinstance(value[1], np.ndarray | Tensor | list | tuple)
    )


def _is_torch_dataset(value: object) -> bool:
    return (
        hasattr(value, "__getitem__")
        and hasattr(value, "__len__")
        and not isinstance(value, np.ndarray | Tensor | Mapping | Sequence)
    )


def _part(spec: str, name: str, value: Any, limits: DataLimits) -> _Part:
    where = f"data set {spec!r}, {name}"
    if _is_pair(value):
        channels_first = isinstance(value[0], Tensor)
        inputs, labels = _array(value[0]), _labels(_array(value[1]))
        names: tuple[str, ...] = ()
    elif _is_torch_dataset(value):
        channels_first, inputs, labels = _read(where, value, limits)
        names = tuple(map(str, getattr(value, "classes", ())))
    else:
        raise DataError(f"{where}: found {type(value).__name__}; {_EXPECTED}")
    if len(inputs) != len(labels):
        raise DataError(f"{where}: {len(inputs)} inputs and {len(labels)} labels; they must agree")
    return _Part(_inputs(where, inputs, channels_first=channels_first), labels, names)


def _read(where: str, dataset: Any, limits: DataLimits) -> tuple[bool, npt.NDArray[Any], npt.NDArray[Any]]:
    """Read a torch data set, item by item."""
    inputs: list[npt.NDArray[Any]] = []
    labels = []
    channels_first = False
    if not len(dataset):
        raise DataError(f"{where} has length 0; expected at least one sample")
    for index in range(len(dataset)):
        item = dataset[index]
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise DataError(
                f"{where}: item {index} is a {type(item).__name__}; expected a pair of input and label"
            )
        channels_first = channels_first or isinstance(item[0], Tensor)
        inputs.append(_array(item[0]))
        if inputs[-1].shape != inputs[0].shape:
            raise DataError(
                f"{where}: item {index} has shape {inputs[-1].shape}, item 0 {inputs[0].shape}; inputs must "
                "have one shape, and the same on every reading: bring images to one size, without random "
                "crops"
            )
        if not index:
            limits.require_memory(3 * len(dataset) * inputs[0].nbytes, where)
        labels.append(item[1].item() if isinstance(item[1], Tensor | np.generic) else item[1])
    return channels_first, np.stack(inputs), _labels(np.array(labels))


def _array(value: Any) -> npt.NDArray[Any]:
    """Return an array of an array, a tensor, a picture of Pillow's or a list."""
    array: npt.NDArray[Any] = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
    return array


def _labels(labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return labels, text in objects as text."""
    if labels.dtype.hasobject and all(isinstance(label, str) for label in labels.flat):
        return labels.astype(str)
    return labels


def _inputs(where: str, inputs: npt.NDArray[Any], *, channels_first: bool) -> npt.NDArray[Any]:
    """Return images as uint8 ``(N, C, H, W)``, features as float32 ``(N, D)``."""
    if inputs.ndim == 2 and inputs.dtype.kind in "fiub":
        with np.errstate(over="ignore", invalid="ignore"):
            features = inputs.astype(np.float32)
        if not np.isfinite(features).all():
            raise DataError(f"{where}: inputs hold NaN or infinite values; remove or replace them")
        return features
    images = inputs[:, None] if inputs.ndim == 3 else inputs
    if images.ndim != 4 or not (images.dtype == np.uint8 or images.dtype.kind == "f"):
        raise DataError(
            f"{where}: inputs have dtype {inputs.dtype} and shape {inputs.shape}; expected images, uint8 or "
            "floats from 0 to 1, with 1 or 3 channels, or features (N, D)"
        )
    if inputs.ndim == 4:
        places = [axis for axis in ((1, 3) if channels_first else (3, 1)) if images.shape[axis] in (1, 3)]
        if not places:
            raise DataError(
                f"{where}: images have shape {inputs.shape}; expected 1 or 3 channels, first or last"
            )
        images = images if places[0] == 1 else images.transpose(0, 3, 1, 2)
    if images.dtype == np.uint8:
        return images
    if not images.size or not (images.min() >= 0 and images.max() <= 1):
        raise DataError(
            f"{where}: images of floats hold values outside 0 to 1; expected uint8, or ToTensor without "
            "Normalize, which training does by itself"
        )
    levels: npt.NDArray[np.uint8] = np.rint(images * 255).astype(np.uint8)
    return levels


def _class_names(given: tuple[str, ...], found: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names that a data set gives its classes, where they fit the labels that it has."""
    if not given or found != tuple(str(index) for index in range(len(given))):
        return found
    return given
