"""Known and shipped losses on synthetic tasks: do those tell losses apart as real data does?

    python -m benchmarks.synthetic.priors --on general label-noise few-shot --rates 2 --groups 8
    python -m benchmarks.synthetic.priors --on underfit noisy-underfit memorised wide wide-noisy patched \
        patched-noisy --rates 3 --groups 8

For each prior the groups that a search is stopped by (``evoloss.pretraining.evaluation.held_out_tasks``);
for each of the regimes in ``conditions.py`` groups of the same kind. Every loss is measured at its best of
several learning rates. Differences to cross-entropy in points of test accuracy, mean and standard error over
tasks. What the file has on other priors stays.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from benchmarks.harness import command
from benchmarks.harness.results import read_record, update_record
from benchmarks.synthetic.conditions import REGIMES
from benchmarks.synthetic.losses import KNOWN, tabulate_losses
from evoloss.errors import UnknownNameError
from evoloss.pretraining import PretrainConfig
from evoloss.pretraining.evaluation.held_out_tasks import held_out_specs
from evoloss.random_streams import stream
from evoloss.students import Students
from evoloss.tasks import PRIORS, Prior, draw_group
from evoloss.zoo import SHIPPED

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, kw_only=True)
class PriorsBenchmark:
    """Compare known and shipped losses on synthetic tasks."""

    out: Path = RESULTS / "priors.json"
    """File for the results."""
    on: tuple[str, ...] = tuple(PRIORS)
    """Priors and regimes."""
    groups: int = 16
    """Groups of eight tasks a prior, half of them long."""
    rates: int = 2
    """Learning rates to choose from."""
    kinds: tuple[Literal["short", "long"], ...] = ("short", "long")
    """Groups to train on; the others are left out."""
    stream: str = "stop"
    """Name of the random stream that tasks come from; the default is that of a search's held-out tasks."""
    losses: tuple[str, ...] = tuple(SHIPPED)
    """Shipped losses, and directories of others, to compare beside the known ones."""
    known: tuple[str, ...] = KNOWN
    """Known losses to compare; cross-entropy always is."""

    def __post_init__(self) -> None:
        for name in self.known:
            if name not in KNOWN:
                raise UnknownNameError.among("known loss", name, KNOWN)
        for name in self.on:
            if name not in PRIORS and name not in REGIMES:
                raise UnknownNameError.among("prior or regime", name, {**PRIORS, **REGIMES})

    @property
    def compared(self) -> list[str]:
        """The known losses that are compared, cross-entropy first."""
        return [name for name in KNOWN if name in ("cross_entropy", *self.known)]


def compare_losses(prior: Prior, options: PriorsBenchmark) -> dict[str, Any]:
    """Differences to cross-entropy on short and long tasks, by loss."""
    config = PretrainConfig(fitness="learnability", eval_groups=options.groups, rates=options.rates)
    accuracies: dict[str, list[torch.Tensor]] = {kind: [] for kind in options.kinds}
    for spec in held_out_specs(config, "stop"):
        kind = "long" if spec.long else "short"
        if kind not in accuracies:
            continue
        generator = stream(spec.seed, options.stream, spec.group)
        group = draw_group(prior, spec.tasks, generator, long=spec.long, rates=options.rates)
        n_classes = group.tasks.n_classes
        tables = tabulate_losses(options.compared, options.losses, n_classes, like=group.tasks.x)
        accuracy = Students(group.config, group.tasks, group.plan).train(tables).test_accuracy[-1]
        accuracy = 100 * accuracy.nan_to_num(nan=1 / n_classes)
        best = accuracy.view(len(accuracy), -1, options.rates).amax(dim=2)
        accuracies[kind].append(best)
    names = (*options.compared, *(Path(loss).name for loss in options.losses))
    rows = {kind: _differences(names, torch.cat(groups, dim=1)) for kind, groups in accuracies.items()}
    settings = {"groups": options.groups, "rates": options.rates, "stream": options.stream}
    return {**settings, **rows}


def mean_and_error(values: Sequence[float]) -> dict[str, float]:
    """Mean and standard error of two values or more, to three digits."""
    error = statistics.stdev(values) / math.sqrt(len(values))
    return {"mean": round(statistics.fmean(values), 3), "se": round(error, 3)}


def _differences(names: Sequence[str], accuracy: torch.Tensor) -> dict[str, Any]:
    """Accuracy ``(losses, tasks)`` less that of the first loss."""
    rows = zip(names, accuracy - accuracy[:1], strict=True)
    return {
        "tasks": accuracy.shape[1],
        "cross_entropy_accuracy": round(float(accuracy[0].mean()), 2),
        "difference": {name: mean_and_error(row.tolist()) for name, row in rows},
    }


def main(options: PriorsBenchmark) -> None:
    """Compare on one prior after the other, print, write."""
    torch.set_num_threads(1)
    priors = {**PRIORS, **REGIMES}
    for name in options.on:
        entry = compare_losses(priors[name], options)
        earlier = read_record(options.out).get(name, {})
        if all(earlier.get(key) == entry[key] for key in ("groups", "rates", "stream")):
            entry = {**earlier, **entry}  # the other kind of groups
        update_record(options.out, name, entry)
        for kind in options.kinds:
            row = entry[kind]
            differences = "  ".join(
                f"{loss} {value['mean']:+.1f}±{value['se']:.1f}" for loss, value in row["difference"].items()
            )
            print(f"{name}, {kind}: cross-entropy {row['cross_entropy_accuracy']:.1f} %; {differences}")


if __name__ == "__main__":
    command.run(PriorsBenchmark, main)
