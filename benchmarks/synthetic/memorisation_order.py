"""The order of losses on the prior ``memorisation`` against that on 20,000 images.

What is known of the images comes from two places: ``benchmarks.cifar10_20k``, whose runs are on fresh seeds
and the test split, and, for what it has not run yet, the runs that the losses were looked at with before (one
or two seeds, the split for choosing).
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.harness.results import read_record

REFERENCE = Path(__file__).parent / "results" / "memorisation-images.json"
IMAGES = Path(__file__).parents[1] / "cifar10_20k" / "results"
COMPARED = ("cross_entropy", "gce", "evolved-noise", "adaptive")
"""The losses whose winner counts."""
SITUATIONS: dict[str, tuple[str, ...]] = {
    "clean": ("clean-short", "clean-long"),
    "noise, short": ("sym20-short", "sym40-short", "human-short"),
    "noise, long": ("sym20-long", "sym40-long", "human-long"),
}
"""The conditions that a situation is made of: those of which most is known on the images."""
LEVEL = 0.5
"""Points of accuracy: losses nearer to the best are level with it."""
LEAST_TAU = 0.7
Differences = Mapping[str, Mapping[str, float]]
"""Points of accuracy over cross-entropy by condition and loss."""


def image_differences(reference: Mapping[str, Any], images: Path = IMAGES) -> dict[str, dict[str, float]]:
    """What is known on the images: runs of ``benchmarks.cifar10_20k``, then what was known before."""
    found = {name: _differences(row) for name, row in reference.get("accuracy", {}).items()}
    for path in sorted(images.glob("*/results.json")):
        runs: dict[str, list[float]] = {}
        for run in read_record(path)["runs"]:
            runs.setdefault(run["loss"], []).append(run["test_accuracy"])
        means = {loss: statistics.fmean(values) for loss, values in runs.items()}
        if "cross_entropy" in means:
            found[path.parent.name] = found.get(path.parent.name, {}) | _differences(means)
    return found


def _differences(accuracy: Mapping[str, float]) -> dict[str, float]:
    """Accuracies less that of cross-entropy."""
    return {loss: value - accuracy["cross_entropy"] for loss, value in accuracy.items()}


def verdict(
    conditions: Mapping[str, Any], reference: Mapping[str, Any], images: Path = IMAGES
) -> dict[str, Any]:
    """Winners by situation and Kendall's tau, on the tasks and on the images.

    Args:
        conditions: entries of ``benchmarks.synthetic.memorisation``, by condition.
        reference: accuracies on the images by condition and loss, under ``accuracy``.
        images: folder with the results of ``benchmarks.cifar10_20k``, which go before these.

    Returns:
        ``situations``, ``tau`` over all losses and conditions that both have, cross-entropy left out since it
        differs by nothing, ``tau_by_condition``, ``passed``, and ``lines`` for people.
    """
    tasks = {
        name: {loss: row["mean"] for loss, row in entry["difference"].items()}
        for name, entry in conditions.items()
    }
    known = image_differences(reference, images)
    situations = {
        name: compared
        for name, wanted in SITUATIONS.items()
        if (compared := _situation(tasks, known, wanted)) is not None
    }
    pairs = [
        (row[loss], known[name][loss])
        for name, row in tasks.items()
        for loss in sorted(row.keys() & known.get(name, {}).keys() - {"cross_entropy"})
    ]
    by_condition = {name: _condition_tau(row, known.get(name, {})) for name, row in tasks.items()}
    tau = kendall(pairs)
    passed = (
        len(situations) == len(SITUATIONS)
        and all(row["agrees"] for row in situations.values())
        and tau is not None
        and tau >= LEAST_TAU
    )
    found = {
        "situations": situations,
        "tau": tau,
        "pairs": len(pairs),
        "tau_by_condition": {name: value for name, value in by_condition.items() if value is not None},
        "passed": passed,
    }
    return {**found, "lines": _lines(found)}


def _situation(tasks: Differences, images: Differences, wanted: tuple[str, ...]) -> dict[str, Any] | None:
    """Mean differences of a situation and whether the winner on the tasks is one on the images."""
    names = [name for name in wanted if name in tasks and name in images]
    losses = [loss for loss in COMPARED if all(loss in tasks[n] and loss in images[n] for n in names)]
    if not names or len(losses) < 2:
        return None
    means = {
        kind: {loss: round(statistics.fmean(rows[name][loss] for name in names), 2) for loss in losses}
        for kind, rows in (("tasks", tasks), ("images", images))
    }
    winner = max(means["tasks"], key=lambda loss: means["tasks"][loss])
    best = max(means["images"].values())
    level = [loss for loss, value in means["images"].items() if value >= best - LEVEL]
    return {**means, "winner": winner, "winners_on_images": level, "agrees": winner in level}


def _condition_tau(tasks: Mapping[str, float], images: Mapping[str, float]) -> float | None:
    """Kendall's tau over the losses of a condition, cross-entropy with 0 among them."""
    return kendall([(tasks[loss], images[loss]) for loss in sorted(tasks.keys() & images.keys())])


def kendall(pairs: list[tuple[float, float]]) -> float | None:
    """Kendall's tau-b; None with fewer than three pairs or where one side has no order."""
    from scipy.stats import kendalltau

    if len(pairs) < 3 or any(len(set(side)) < 2 for side in zip(*pairs, strict=True)):
        return None
    return round(float(kendalltau(*zip(*pairs, strict=True)).statistic), 3)


def _lines(found: Mapping[str, Any]) -> list[str]:
    """The verdict in words."""
    lines = []
    for name, row in found["situations"].items():
        told = "; ".join(
            f"{kind} " + ", ".join(f"{loss} {value:+.1f}" for loss, value in row[kind].items())
            for kind in ("tasks", "images")
        )
        agrees = "as on the images" if row["agrees"] else "not as on the images"
        lines.append(f"{name}: {told}: best {row['winner']}, {agrees}")
    tau = "no order to compare" if found["tau"] is None else f"Kendall's tau {found['tau']:.2f}"
    lines.append(f"{tau} over {found['pairs']} losses and conditions; {LEAST_TAU} is asked for")
    lines.append("passed" if found["passed"] else "not passed")
    return lines
