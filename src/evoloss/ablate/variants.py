"""Variants of a pretraining configuration, written as text: grids and named combinations of settings."""

from __future__ import annotations

import itertools
import tomllib
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.pretraining import PretrainConfig

_OPENING, _CLOSING = "[{", "]}"


@dataclass(frozen=True)
class Variant:
    """One point of an ablation.

    Attributes:
        name: unique within the ablation.
        settings: fields of :class:`~evoloss.pretraining.PretrainConfig` that differ from the base.
    """

    name: str
    settings: dict[str, Any]

    def config(self, base: PretrainConfig, seed: int) -> PretrainConfig:
        """The configuration of one run.

        Raises:
            ConfigError: if the settings do not go together with the base.
        """
        return PretrainConfig.from_dict(
            {**base.to_dict(), **self.settings, "seed": seed}, f"variant {self.name!r}"
        )


def parse_variants(vary: Iterable[str], named: Iterable[str]) -> tuple[Variant, ...]:
    """All points of the grid that ``vary`` spans, then the named combinations.

    Args:
        vary: texts such as ``"mutation=gaussian,chaotic"`` or ``"hidden=[8,8],[16]"``; the grid is their
            product.
        named: texts such as ``"tent: mutation=chaotic chaotic_map=tent"``.

    Raises:
        ConfigError: for a text of another form, a value that cannot be read, or a name used twice.
        UnknownNameError: for an unknown field.
    """
    axes = [_parse_axis(text) for text in vary]
    variants = []
    for point in itertools.product(*axes) if axes else ():
        name = " ".join(label for label, _ in point)
        variants.append(Variant(name, dict(setting for _, setting in point)))
    variants += [_parse_named(text) for text in named]
    names = [variant.name for variant in variants]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"two variants are called {name!r}; each needs a name of its own")
    return tuple(variants)


def parse_settings(texts: Iterable[str]) -> dict[str, Any]:
    """Settings by name from texts such as ``"sigma=0.1"``.

    Raises:
        ConfigError: for a text of another form, or a value that cannot be read.
        UnknownNameError: for an unknown field.
    """
    return dict(parse_setting(text) for text in texts)


def parse_setting(text: str) -> tuple[str, Any]:
    """A field of the pretraining configuration and its value, from ``"sigma=0.1"``."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ConfigError(f"{text!r} is no setting; write NAME=VALUE, such as sigma=0.1")
    hints = typing.get_type_hints(PretrainConfig)
    if name not in hints:
        raise UnknownNameError.among("pretraining setting", name, hints)
    if name == "seed":
        raise ConfigError("seed cannot be varied like a setting; give --seeds, which all variants share")
    return name, _parse_value(name, value, hints[name])


def _parse_axis(text: str) -> list[tuple[str, tuple[str, Any]]]:
    name, equals, values = text.partition("=")
    if not equals or not name or not values:
        raise ConfigError(
            f"{text!r} varies nothing; write NAME=VALUE,VALUE such as mutation=gaussian,chaotic"
        )
    labels = [f"{name}={value}" for value in _split(values)]
    return [(label, parse_setting(label)) for label in labels]


def _parse_named(text: str) -> Variant:
    name, colon, settings = text.partition(":")
    if not colon or not name.strip():
        raise ConfigError(f"{text!r} is no named variant; write 'NAME: FIELD=VALUE FIELD=VALUE'")
    return Variant(name.strip(), parse_settings(settings.split()))


def _split(text: str) -> Sequence[str]:
    """Split at the commas that stand in no bracket."""
    items, depth = [""], 0
    for character in text:
        depth += (character in _OPENING) - (character in _CLOSING)
        if character == "," and depth == 0:
            items.append("")
        else:
            items[-1] += character
    return items


def _parse_value(name: str, text: str, hint: Any) -> Any:
    if typing.get_origin(hint) is Literal:
        if text not in typing.get_args(hint):
            raise UnknownNameError.among(name, text, typing.get_args(hint))
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}={text}: the value cannot be read as a number or a list") from error
