"""Options of a network: in the settings of a search, and in the description of one."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from evoloss.errors import ConfigError
from evoloss.safe_text import quoted

if TYPE_CHECKING:
    from evoloss.networks.base import LossNetwork

Features = Literal["log_probs", "probs"]

_EXPECTED = {int: "an integer", str: "a string", tuple: "a list of integers"}


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """Settings for a network of any kind, which takes of them what it has a use for.

    Attributes:
        hidden: widths of the hidden layers.
        activation: a name of ``ACTIVATIONS``; None for the kind's own.
        features: what the network sees of a prediction.
        classes: the class counts that the loss is evolved for.

    Example:
        >>> NETWORKS["concat"].from_options(NetworkOptions(hidden=(4,), classes=(10,)))
        ConcatNetwork(n_classes=10, hidden=(4,), activation='silu', features='log_probs')
    """

    hidden: tuple[int, ...] = (8, 8)
    activation: str | None = None
    features: Features = "log_probs"
    classes: tuple[int, ...] = (2, 10, 100, 1000)

    def of_layers(self) -> dict[str, Any]:
        """The fields of a kind made of layers: ``hidden``, ``features``, ``activation`` if it is given."""
        given = {} if self.activation is None else {"activation": self.activation}
        return {"hidden": self.hidden, "features": self.features, **given}


def checked_fields(kind: type[LossNetwork], values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a network of this kind, from values that anyone may have written.

    Fields are integers, strings (or one of some strings) and tuples of integers.

    Raises:
        ConfigError: if a field is missing, unknown or of the wrong type.
    """
    expected = {field.name for field in fields(kind)}
    if set(values) != expected:
        raise ConfigError(
            f"a {kind.kind} network is described by {sorted(expected)}, got {quoted(sorted(values), 200)}"
        )
    hints = typing.get_type_hints(kind)
    return {name: _checked(name, value, hints[name]) for name, value in values.items()}


def _checked(name: str, value: object, hint: Any) -> Any:
    expected = typing.get_origin(hint) or hint
    if expected is tuple and isinstance(value, list | tuple) and all(type(entry) is int for entry in value):
        return tuple(value)
    expected = str if expected is typing.Literal else expected
    if type(value) is not expected or expected is tuple:  # True is no integer
        raise ConfigError(f"{name} must be {_EXPECTED[expected]}, got {quoted(value)}")
    return value
