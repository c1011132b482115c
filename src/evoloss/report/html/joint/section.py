"""Numbers of several data sets for a page and its JSON twin."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from evoloss.compare.config import CompareConfig
from evoloss.compare.joint.dataset_specs import OPTIONS
from evoloss.compare.joint.results import JointResults
from evoloss.compare.results import Results
from evoloss.report.html.again import command_of, needs_paths
from evoloss.report.html.columns import Numbers, numbers
from evoloss.report.joint_words import joint_cautions, joint_verdict
from evoloss.safe_text import one_line

_OF_DATA = frozenset(["dataset", "class_names", "data_notes", "own_data", *OPTIONS])
"""Settings that may differ from data set to data set in one command."""


def joint_section(joint: JointResults, *, name: str, written: str = "") -> dict[str, Any]:
    """Return what a page says of several data sets together, as JSON values.

    Args:
        joint: complete or not.
        name: of the directory of all.
        written: the date of its file, for people.
    """
    verdict = joint_verdict(joint)
    return {
        "kind": "joint",
        "name": name,
        "title": f"{len(joint.datasets)} data sets with {len(joint.losses)} losses",
        "written": written,
        "command": joint_command(joint),
        "needs_paths": any(map(needs_paths, joint.comparisons.values())),
        "verdict": verdict._asdict(),
        "warnings": joint_cautions(joint),
        "baseline": joint.baseline,
        "judged": joint.judged,
        "complete": joint.complete,
        "datasets": [asdict(row) for row in joint.datasets],
        "losses": [asdict(row) for row in joint.losses],
        "differences": _differences(joint),
    }


def joint_command(joint: JointResults) -> str:
    """Return the command of all comparisons; empty where no single command makes them.

    Args:
        joint: whose comparisons may differ in their data sets, and in what can stand behind their names.

    Example:
        >>> from evoloss.compare import CompareConfig, compare_datasets
        >>> small = {"epochs": 1, "losses": ("gce",), "seeds": (0,), "train_samples": 50}
        >>> models = ("mlp", "cnn")
        >>> joint = compare_datasets([CompareConfig(model=model, **small) for model in models])
        >>> joint_command(joint).partition(" --losses ")[0]
        'evoloss compare --out DIR --dataset digits:model=mlp digits:model=cnn'
    """
    found = list(joint.comparisons.values())
    first = found[0].config
    names = {name for results in found for name in results.config}
    differing = [
        name for name in sorted(names) if any(_value(one, name) != _value(found[0], name) for one in found)
    ]
    if not set(differing) <= _OF_DATA:
        return ""
    behind = [name for name in OPTIONS if name in differing]
    common = {name: value for name, value in first.items() if name not in behind}
    common["dataset"] = [_spec(results, behind) for results in found]
    return command_of(replace(found[0], config=common))


def _spec(results: Results, behind: list[str]) -> str:
    """The text of a data set, with the options that it has for itself."""
    options = []
    for name in behind:
        value = _value(results, name)
        if value not in (None, [], ()):
            text = ",".join(map(str, value)) if isinstance(value, list) else value
            options.append(f"{name}={text}")
    base = one_line(_value(results, "dataset"), 400)
    return f"{base}:{','.join(options)}" if options else base


def _value(results: Results, name: str) -> Any:
    """A setting; what an earlier version did not know is at its default."""
    field = CompareConfig.__dataclass_fields__.get(name)
    default = None if field is None else field.default
    return results.config.get(name, list(default) if isinstance(default, tuple) else default)


def _differences(joint: JointResults) -> Numbers:
    columns = ["dataset", "loss", "accuracy", "difference", "low", "high", "p", "seeds", "finding"]
    rows = [
        [
            *(row.dataset, row.loss, row.accuracy, row.mean_difference),
            *(row.ci_low_holm, row.ci_high_holm, row.p_holm, row.n_seeds, row.finding),
        ]
        for row in joint.differences
    ]
    return numbers(columns, rows)
