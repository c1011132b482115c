"""A loss as text: a name, and after a colon the parameters that it is given, ``gce:q=0.5``."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from evoloss.errors import ConfigError
from evoloss.safe_text import quoted

__all__ = ["LossSpec", "Value"]

Value = bool | int | float | str | None
"""A parameter as a text gives it."""

_WORDS: dict[str, Value] = {"true": True, "false": False, "none": None}
_PARAMETER = re.compile(r"([^\W\d]\w*)=([\w.+-]+)")
_FORM = "write parameters as 'gce:q=0.5' or 'sce:alpha=0.1,beta=1': numbers, words, true, false or none"


@dataclass(frozen=True)
class LossSpec:
    """A loss that a user named, taken apart.

    Attributes:
        base: a name, a directory, or ``package.module:callable``.
        parameters: what the loss is given, by name.
    """

    base: str
    parameters: Mapping[str, Value] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> LossSpec:
        """Take a text apart; whether there is such a loss is not asked.

        A directory that is there keeps its name, if that is written as a path (``./name``).

        Raises:
            ConfigError: if the parameters are not of the form ``name=value,name=value``.

        Example:
            >>> LossSpec.parse("sce:alpha=0.1,beta=1")
            LossSpec(base='sce', parameters={'alpha': 0.1, 'beta': 1})
            >>> LossSpec.parse("package.module:MyLoss:sharp=true").base
            'package.module:MyLoss'
        """
        base, colon, tail = text.rpartition(":")
        if not colon or "=" not in tail or tail.startswith("//") or _is_path(text):
            return cls(text)
        parameters: dict[str, Value] = {}
        for part in tail.split(","):
            found = _PARAMETER.fullmatch(part.strip())
            if found is None:
                raise ConfigError(f"loss {quoted(text, 200)}: {quoted(part)} is not name=value; {_FORM}")
            if found[1] in parameters:
                raise ConfigError(f"loss {quoted(text, 200)} has {found[1]} twice; give it once")
            # The one argument of PyTorch whose value "none" is a word.
            parameters[found[1]] = found[2] if found[1] == "reduction" else _value(found[2])
        if not base:
            raise ConfigError(f"loss {quoted(text, 200)} has no name before the colon; {_FORM}")
        return cls(base, parameters)

    def with_base(self, base: str) -> str:
        """The text of these parameters for another name: sorted, and numbers in their shortest form.

        Example:
            >>> LossSpec.parse("sce:beta=1.0,alpha=1e-1").with_base("sce")
            'sce:alpha=0.1,beta=1'
        """
        parts = [f"{name}={_text(value)}" for name, value in sorted(self.parameters.items())]
        return f"{base}:{','.join(parts)}" if parts else base


def _is_path(text: str) -> bool:
    return ("/" in text or os.sep in text) and os.path.isdir(text)


def _value(text: str) -> Value:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _text(value: Value) -> str:
    for word, meaning in _WORDS.items():
        if value is meaning:
            return word
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    return str(value)
