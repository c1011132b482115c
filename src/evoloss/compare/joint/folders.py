"""The folder that each data set's comparison has in the folder of all."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from evoloss.compare.config import CompareConfig
from evoloss.compare.keeping.plan import safe_name
from evoloss.data import DATASETS, find_path, name_of
from evoloss.errors import ConfigError
from evoloss.user_paths import real_path

_FALLBACK = "data"


def folders_of(configs: Sequence[CompareConfig]) -> list[str]:
    """Return a name for each comparison's folder: that of its data set.

    Where two data sets share a name, what tells their comparisons apart follows it: the folder that the data
    lies in, and settings. The names do not depend on the order.

    Args:
        configs: of the comparisons.

    Raises:
        ConfigError: if two are the same comparison.

    Example:
        >>> folders_of([CompareConfig(), CompareConfig(dataset="a/wine.csv", target="quality")])
        ['digits', 'wine']
        >>> folders_of([CompareConfig(dataset=f"{place}/wine.csv", target="quality") for place in "ab"])
        ['wine-a', 'wine-b']
    """
    names = [dataset_name(config) for config in configs]
    found = []
    for name, config in zip(names, configs, strict=True):
        alike = [other for own, other in zip(names, configs, strict=True) if own.lower() == name.lower()]
        parts = [name, *filter(None, [_difference(config, alike)])]
        found.append(safe_name("-".join(parts), _FALLBACK))
    lower = [name.lower() for name in found]
    again = {name for name in lower if lower.count(name) > 1}
    for place, config in enumerate(configs):
        if lower[place] in again:  # folders and files of one name in other places
            found[place] += f"-{hashlib.sha256(_places(config).encode()).hexdigest()[:6]}"
    for place, name in enumerate(found):
        if name in found[:place]:
            raise ConfigError(
                f"two comparisons are the same, on {configs[place].dataset!r}; each data set is compared once"
            )
    return found


def labels_of(configs: Sequence[CompareConfig]) -> list[str]:
    """Return a name for each data set, for people: its own, or that of its folder where two share one.

    Args:
        configs: of the comparisons.

    Example:
        >>> labels_of([CompareConfig(), CompareConfig(dataset="my_data:load")])
        ['digits', 'my_data:load']
    """
    names = [dataset_name(config) for config in configs]
    counts = Counter(names)
    return [
        name if counts[name] == 1 else folder for name, folder in zip(names, folders_of(configs), strict=True)
    ]


def dataset_name(config: CompareConfig) -> str:
    """Return the name that results have for the data set of a comparison, from what the user wrote."""
    return name_of(config.dataset, config.data_dir) or _FALLBACK


def _difference(config: CompareConfig, alike: Sequence[CompareConfig]) -> str:
    """Settings and folder by which one comparison differs from others on data of its name."""
    parts = []
    if len({_parent(other) for other in alike}) > 1:
        parts.append(_parent(config))
    for entry in fields(CompareConfig):
        values = [getattr(other, entry.name) for other in alike]
        if entry.name not in ("dataset", "data_dir") and any(value != values[0] for value in values):
            parts.append(f"{entry.name}={_text(getattr(config, entry.name))}")
    return ",".join(parts)


def _parent(config: CompareConfig) -> str:
    return (
        ""
        if config.dataset in DATASETS
        else real_path(find_path(config.dataset, config.data_dir)).parent.name
    )


def _places(config: CompareConfig) -> str:
    """The place of the data of a comparison, and of its file of training labels, as a text."""
    known = config.dataset in DATASETS or not find_path(config.dataset, config.data_dir).exists()
    data = config.dataset if known else str(real_path(find_path(config.dataset, config.data_dir)))
    return data if config.train_labels is None else f"{data}\n{real_path(config.train_labels)}"


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return value.stem if isinstance(value, Path) else str(value)
