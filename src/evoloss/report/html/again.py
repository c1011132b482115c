"""The command that makes a comparison again, from the settings in its results."""

from __future__ import annotations

import shlex
from dataclasses import MISSING, fields
from typing import Any

from evoloss.compare.config import OWN_OBJECTIVES, CompareConfig
from evoloss.compare.results import Results
from evoloss.report.html.shapes import known_name
from evoloss.safe_text import one_line

_NOT_GIVEN = {"data_dir", "download"}
_ALWAYS = ("dataset", "target", "model", "losses", "seeds")
_OTHER_DEFAULT = {"keep"}  # on the command line


def command_of(results: Results) -> str:
    """Return the ``evoloss compare`` command of a comparison; other settings at their defaults are left out.

    Results hold names and no paths: of a data set, a loss or a model of the user's own the command has the
    name alone, and the place is for the reader to put in.

    Args:
        results: whose settings are read; what a later version added is left out.

    Example:
        >>> from evoloss.compare import CompareConfig, compare
        >>> config = CompareConfig(model="mlp", epochs=1, train_samples=50, losses=("gce",), seeds=(0,))
        >>> command_of(compare(config)).partition(" --epochs ")[0]
        'evoloss compare --out DIR --dataset digits --model mlp --losses gce --seeds 0'
    """
    words = ["evoloss", "compare", "--out", "DIR"]
    settings = {**results.config}
    first = [name for name in _ALWAYS if name in settings]
    known = {entry.name: entry for entry in fields(CompareConfig)}
    for name in (*first, *(name for name in known if name not in first)):
        if name in known and name not in _NOT_GIVEN and name in settings:
            default = known[name].default
            words += _option(name, settings[name], None if default is MISSING else default, results)
    return shlex.join(words)


def needs_paths(results: Results) -> bool:
    """Test whether the command has names that the reader has to replace by paths."""
    config = results.config
    has_own_files = config.get("own_data") is True or bool(config.get("train_labels"))
    strange = {run.loss for run in results.runs if known_name(run.loss) is None}
    return has_own_files or bool(strange - {*OWN_OBJECTIVES})


def _option(name: str, value: Any, default: Any, results: Results) -> list[str]:
    default = list(default) if isinstance(default, tuple) else default
    if name == "baseline":
        losses = results.config.get("losses")
        default = "cross_entropy" if isinstance(losses, list) and "cross_entropy" in losses else None
    is_told = name in _ALWAYS or name in _OTHER_DEFAULT
    if value is None or (value == default and not is_told):
        return []
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag[2:]}"]
    values = value if isinstance(value, list) else [value]
    return [flag, *(_text(part) for part in values)]


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else one_line(value, 400)
