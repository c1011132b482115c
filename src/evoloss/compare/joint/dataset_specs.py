"""Data sets as text: a name, and after a colon what this one alone needs, ``wine.csv:target=quality``."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from evoloss.compare.config import CompareConfig, ComparisonSettings
from evoloss.data import DATASETS, TABLE_READERS, options_of
from evoloss.errors import ConfigError, EvolossError, UnknownNameError
from evoloss.safe_text import quoted
from evoloss.user_paths import expand_user, real_path

_OPTION = re.compile(r":([A-Za-z][\w-]*)=")
_NEXT = re.compile(r",(?=[A-Za-z][\w-]*=)")
_FORM = "write options of one data set as 'wine.csv:target=quality' or 'photos:image_size=32,model=resnet20'"


@dataclass(frozen=True)
class DatasetSpec:
    """A data set that a user named, taken apart.

    Attributes:
        base: what :func:`~evoloss.data.load_dataset` takes.
        options: settings of :class:`~evoloss.compare.CompareConfig` that this data set has for itself.
    """

    base: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> DatasetSpec:
        """Take a text apart; whether there is such a data set is not asked.

        A file or folder that is there keeps its name.

        Raises:
            ConfigError: if an option has no value or one of another kind, or stands there twice.
            UnknownNameError: if there is no such option.

        Example:
            >>> DatasetSpec.parse("wine.csv:target=quality,ignore_columns=id,price,epochs=100").options
            {'target': 'quality', 'ignore_columns': ('id', 'price'), 'epochs': 100}
            >>> DatasetSpec.parse("my_data:load").base
            'my_data:load'
        """
        found = _OPTION.search(text)
        if found is None or os.path.lexists(expand_user(text)):
            return cls(text)
        base, tail = text[: found.start()], text[found.start() + 1 :]
        if not base:
            raise ConfigError(f"data set {quoted(text, 200)} has no name before the colon; {_FORM}")
        options: dict[str, Any] = {}
        for part in _NEXT.split(tail):
            written, _, value = part.partition("=")
            name = written.replace("-", "_")
            if name not in _READERS:
                raise UnknownNameError.among(f"option of a data set ({base})", written, _READERS)
            if name in options:
                raise ConfigError(f"data set {quoted(text, 200)} has {name} twice; give it once")
            kind, read = _READERS[name]
            try:
                options[name] = read(value)
            except ValueError as error:
                raise ConfigError(
                    f"data set {quoted(text, 200)}: {name} must be {kind}, got {quoted(value)}; {_FORM}"
                ) from error
        return cls(base, options)


def configs_of(
    settings: ComparisonSettings, datasets: Sequence[str], shared: Mapping[str, Any] | None = None
) -> list[CompareConfig]:
    """Return the comparison on each data set.

    What stands behind the name of a data set is for it alone. The columns of tables and the size of images
    in ``settings`` are for every data set of that kind, of which there has to be one.

    Args:
        settings: of all.
        datasets: their texts, at least one.
        shared: settings that take the place of those in ``settings``.

    Raises:
        ConfigError: if no data set is named or one twice, an option has no data set that it could be for, or
            one behind a name is out of range.
        UnknownNameError: if an option behind a name is none.

    Example:
        >>> settings = ComparisonSettings(model="mlp", target="species")
        >>> for config in configs_of(settings, ["digits", "iris.csv", "wine.csv:target=quality"]):
        ...     print(config.dataset, config.target)
        digits None
        iris.csv species
        wine.csv quality
    """
    specs = [DatasetSpec.parse(text) for text in datasets]
    if not specs:
        raise ConfigError("name at least one data set")
    values = {entry.name: getattr(settings, entry.name) for entry in fields(ComparisonSettings)}
    values |= shared or {}
    if len(specs) == 1:
        return [CompareConfig(dataset=specs[0].base, **{**values, **specs[0].options})]
    _require_apart(datasets, specs)
    taken = [options_of(spec.base, settings.data_dir) for spec in specs]
    for name, (kind, example) in _OF_ONE_KIND.items():
        if values[name] and not any(name in options for options in taken):
            raise ConfigError(
                f"--{name.replace('_', '-')} is for {kind}, and none of the data sets is one: "
                f"{', '.join(datasets)}; leave it out, or name {example}"
            )
    if settings.train_labels is not None:
        raise ConfigError(
            f"--train-labels is for one data set, and there are {len(specs)}; write it behind the name of "
            f"that one, as in {specs[0].base}:train_labels={settings.train_labels}"
        )
    defaults = {name: ComparisonSettings.__dataclass_fields__[name].default for name in _OF_ONE_KIND}
    found = []
    for text, spec, options in zip(datasets, specs, taken, strict=True):
        foreign = {name: default for name, default in defaults.items() if name not in options}
        try:
            found.append(CompareConfig(dataset=spec.base, **{**values, **foreign, **spec.options}))
        except EvolossError as error:
            raise type(error)(f"data set {quoted(text, 200)}: {error}") from error
    return found


def _require_apart(texts: Sequence[str], specs: Sequence[DatasetSpec]) -> None:
    seen: list[DatasetSpec] = []
    for text, spec in zip(texts, specs, strict=True):
        path = expand_user(spec.base)
        is_there = spec.base not in DATASETS and path.exists()
        known = DatasetSpec(str(real_path(path)) if is_there else spec.base, spec.options)
        if known in seen:
            raise ConfigError(f"data set {quoted(text, 200)} is named twice; name it once")
        seen.append(known)


def _text(value: str) -> str:
    if not value:
        raise ValueError
    return value


def _columns(value: str) -> tuple[str, ...]:
    return tuple(map(_text, value.split(",")))


_TABLES = f"tables ({', '.join(TABLE_READERS)})"
_OF_ONE_KIND = {
    "target": (_TABLES, "the table"),
    "ignore_columns": (_TABLES, "the table"),
    "image_size": ("folders of images", "the folder"),
}
"""Settings that only one kind of data takes, and the kind in words."""

_READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "target": ("the name of a column", _text),
    "ignore_columns": ("names of columns, with commas between them", _columns),
    "image_size": ("a whole number", int),
    "train_labels": ("a file (.npz)", lambda value: expand_user(Path(_text(value)))),
    "train_samples": ("a whole number", int),
    "validation": ("a number", float),
    "model": ("a model", _text),
    "epochs": ("a whole number", int),
    "rounds": ("a whole number", int),
    "batch_size": ("a whole number", int),
    "lr": ("a number", float),
}
"""Settings that may stand behind the name of a data set, what they are in words, and their readers."""

OPTIONS = tuple(_READERS)
"""Names of the settings that may stand behind the name of a data set."""
