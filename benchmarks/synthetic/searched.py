"""A sensing loss whose numbers were searched, on tasks that no search saw, against those it has to beat.

    python -m benchmarks.synthetic.searched DIR --out FILE      # goes on where it was stopped

Fresh groups of the prior ``memorisation``, short and long, clean and noisy as the prior draws them. Every
loss has the better of two learning rates; differences to cross-entropy are cut at 20 points, as in a search.
The searched loss is *better* than another if the paired mean over all tasks is above 0 by two standard
errors, and it *costs nothing* if its mean on clean tasks is at least -0.3 points. Give a stream of its own to
every decision.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro

from benchmarks.harness import command
from benchmarks.harness.results import read_record, update_record
from benchmarks.synthetic.memorisation import MemorisationCheck, train
from benchmarks.synthetic.priors import mean_and_error
from evoloss.errors import ConfigError
from evoloss.fitness import LARGEST_POINTS
from evoloss.random_streams import stream
from evoloss.tasks import draw_group, named_prior

STATIC = ("evolved-base", "evolved-noise")
COURSES = ("short", "long")
DEAREST = -0.3
"""Points on clean tasks that a loss may lose and be said to cost nothing."""
_SURE = 2.0  # standard errors


@dataclass(frozen=True, kw_only=True)
class SearchedLoss:
    """Compare a searched loss with the one whose numbers were set by hand, and with static losses."""

    searched: tyro.conf.Positional[str]
    """Directory of the loss."""
    out: Path
    """File for the results; groups that it has are not trained again."""
    by_hand: str = "adaptive"
    """The loss whose numbers were set by hand, of the same kind, or its directory."""
    losses: tuple[str, ...] = STATIC
    """Shipped losses, and directories of others, to compare with."""
    known: tuple[str, ...] = ("cross_entropy", "label_smoothing", "gce", "sce")
    """Known losses; cross-entropy comes first."""
    groups: int = 12
    """Groups of tasks a course."""
    tasks: int = 2
    """Tasks a group."""
    rates: int = 2
    """Learning rates."""
    samples: tuple[int, ...] = ()
    """Training samples of a task, low and high; empty for the prior's own."""
    stream: str = "searched"
    """Name of the random stream that tasks come from."""
    seed: int = 0
    """Of the tasks."""

    def __post_init__(self) -> None:
        if self.known[:1] != ("cross_entropy",):
            raise ConfigError(f"cross_entropy must be the first of the known losses, got {self.known}")
        if self.groups < 2:
            raise ConfigError(f"groups must be at least 2, for a standard error; got {self.groups}")

    @property
    def training(self) -> MemorisationCheck:
        """What is trained, and at how many rates."""
        return MemorisationCheck(
            known=self.known, losses=(*self.losses, self.by_hand, self.searched), rates=self.rates
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the losses, cross-entropy's first; the last two are ``by_hand`` and ``searched``."""
        return (*self.known, *(Path(loss).name for loss in self.losses), "by_hand", "searched")

    @property
    def settings(self) -> dict[str, Any]:
        """What a group has to have been trained with."""
        given = {name: list(getattr(self, name)) for name in ("samples",)}
        plain = {name: getattr(self, name) for name in ("searched", "tasks", "rates", "stream", "seed")}
        return {**plain, **given, "losses": list(self.names)}


def train_group(options: SearchedLoss, course: str, number: int) -> dict[str, Any]:
    """Shares of wrong labels and final accuracies by loss, task by task, of one group."""
    prior = named_prior("memorisation", samples=options.samples)
    generator = stream(options.seed, options.stream, course, number)
    group = draw_group(prior, options.tasks, generator, long=course == "long", rates=options.rates)
    ends = train(options.training, group)[-1]
    return {
        **options.settings,
        "noise": [round(share, 3) for share in group.noise.tolist()],
        "accuracy": {
            name: [round(value, 2) for value in row.tolist()]
            for name, row in zip(options.names, ends, strict=True)
        },
    }


def summary(groups: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What the groups say, by loss.

    Args:
        groups: results of :func:`train_group`, by course and number, ``"short 0"``.

    Returns:
        Mean ``difference`` to cross-entropy by kind of task, ``clean-short`` and so on, and loss; ``price``,
        the points that each loss loses on clean tasks of its worst group; how much ``searched`` is ``above``
        each loss, paired; and whether it is ``better`` and ``costs_nothing``.
    """
    by_kind: dict[str, dict[str, list[float]]] = {}
    prices: dict[str, list[float]] = {}
    for name, group in groups.items():
        differences = {loss: _cut(row, group["accuracy"]) for loss, row in group["accuracy"].items()}
        clean = [share == 0 for share in group["noise"]]
        for loss, row in differences.items():
            for is_clean, value in zip(clean, row, strict=True):
                kind = f"{'clean' if is_clean else 'noisy'}-{name.split()[0]}"
                by_kind.setdefault(kind, {}).setdefault(loss, []).append(value)
            right = [value for is_clean, value in zip(clean, row, strict=True) if is_clean]
            if right:
                prices.setdefault(loss, []).append(-statistics.fmean(right))
    losses = list(next(iter(groups.values()))["accuracy"])
    every = {loss: _over(by_kind, loss, "") for loss in losses}
    above = {
        loss: mean_and_error([a - b for a, b in zip(every["searched"], every[loss], strict=True)])
        for loss in losses
        if loss != "searched"
    }
    clean = _over(by_kind, "searched", "clean")
    return {
        "tasks": {kind: len(rows["searched"]) for kind, rows in by_kind.items()},
        "difference": {
            kind: {loss: mean_and_error(row) for loss, row in rows.items() if len(row) > 1}
            for kind, rows in by_kind.items()
        },
        "price": {loss: round(max(values), 2) for loss, values in prices.items()},
        "above": above,
        "better": {loss: row["mean"] > _SURE * row["se"] for loss, row in above.items()},
        "costs_nothing": bool(clean) and statistics.fmean(clean) >= DEAREST,
    }


def _cut(accuracy: Sequence[float], all_accuracies: Mapping[str, Sequence[float]]) -> list[float]:
    """Differences to cross-entropy on each task."""
    pairs = zip(accuracy, all_accuracies["cross_entropy"], strict=True)
    return [max(-LARGEST_POINTS, min(LARGEST_POINTS, value - reference)) for value, reference in pairs]


def _over(by_kind: Mapping[str, Mapping[str, list[float]]], loss: str, begins: str) -> list[float]:
    """The differences of a loss on all tasks of the kinds that begin so."""
    return [value for kind, rows in by_kind.items() if kind.startswith(begins) for value in rows[loss]]


def lines(found: Mapping[str, Any]) -> list[str]:
    """The summary for people."""
    told = []
    for kind, rows in found["difference"].items():
        row = "  ".join(f"{loss} {value['mean']:+.1f}±{value['se']:.1f}" for loss, value in rows.items())
        told.append(f"{kind} ({found['tasks'][kind]} tasks): {row}")
    above = "  ".join(f"{loss} {row['mean']:+.2f}±{row['se']:.2f}" for loss, row in found["above"].items())
    told.append(f"searched above: {above}")
    told.append("worst clean group: " + "  ".join(f"{loss} {-v:+.1f}" for loss, v in found["price"].items()))
    better = [loss for loss, is_better in found["better"].items() if is_better]
    told.append(f"searched is better than: {', '.join(better) or 'none'}")
    told.append("right labels cost " + ("nothing" if found["costs_nothing"] else "more than 0.3 points"))
    return told


def main(options: SearchedLoss) -> None:
    """Train what is missing, print and write the summary."""
    torch.set_num_threads(1)
    names = [f"{course} {number}" for number in range(options.groups) for course in COURSES]
    for name in names:
        entry = read_record(options.out).get(name, {})
        if any(entry.get(key) != value for key, value in options.settings.items()):
            course, number = name.split()
            update_record(options.out, name, train_group(options, course, int(number)))
    record = read_record(options.out)
    found = summary({name: record[name] for name in names})
    update_record(options.out, "summary", found)
    for line in lines(found):
        print(line)


if __name__ == "__main__":
    command.run(SearchedLoss, main)
