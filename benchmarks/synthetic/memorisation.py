"""Does the prior ``memorisation`` order losses as 20,000 images do?

    python -m benchmarks.synthetic.memorisation               # goes on where it was stopped
    python -m benchmarks.synthetic.memorisation --only clean-short sym40-long --groups 8
    python -m benchmarks.synthetic.memorisation --report      # the verdict on what is there

The twelve conditions of ``benchmarks.cifar10_20k`` on tasks of the prior: six kinds of labels, each in the
short groups, in which next to nothing is memorised, and in the long ones. Tasks, students and batches are the
same for all losses, and but for the labels in all conditions of a course; every loss has the better of
two learning rates. The prior is right where the winner in every *situation* (clean labels; noise in short
training; noise in long training) is one on the images, and Kendall's tau of the losses' differences to
cross-entropy, over losses and conditions, is at least 0.7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import command
from benchmarks.harness.results import read_record, update_record
from benchmarks.synthetic.losses import tabulate_losses
from benchmarks.synthetic.memorisation_order import REFERENCE, verdict
from benchmarks.synthetic.priors import RESULTS, mean_and_error
from evoloss.errors import UnknownNameError
from evoloss.fitness import LARGEST_POINTS
from evoloss.random_streams import stream
from evoloss.students import Students
from evoloss.tasks import Prior, TaskGroup, draw_group, named_prior

LABELS: dict[str, tuple[str, float]] = {
    "clean": ("symmetric", 0.0),
    "sym20": ("symmetric", 0.2),
    "sym40": ("symmetric", 0.4),
    "human": ("annotator", 0.17),
    "asym40": ("asymmetric", 0.4),
    "sym80": ("symmetric", 0.8),
}
"""Kind and share of wrong labels, by the name that they have in ``benchmarks.cifar10_20k``."""
CONDITIONS = tuple(f"{labels}-{course}" for labels in LABELS for course in ("short", "long"))
_LOOKS = 6  # evaluations in a training


@dataclass(frozen=True, kw_only=True)
class MemorisationCheck:
    """Compare losses on the prior, condition by condition."""

    out: Path = RESULTS / "memorisation.json"
    """File for the results; losses that it has in a condition, with the same settings, are not run again."""
    only: tuple[str, ...] = CONDITIONS
    """Conditions."""
    groups: int = 4
    """Groups of tasks a course."""
    tasks: int = 1
    """Tasks a group."""
    classes: tuple[int, int] = (5, 20)
    """Class counts of the tasks."""
    samples: tuple[int, int] = (3000, 5000)
    """Training samples of a task."""
    rates: int = 2
    """Learning rates; every loss is taken at that of its best accuracy at the end."""
    seed: int = 0
    """Of the tasks."""
    known: tuple[str, ...] = ("cross_entropy", "label_smoothing", "gce", "sce")
    """Known losses; cross-entropy comes first."""
    losses: tuple[str, ...] = ("evolved-base", "evolved-noise", "adaptive")
    """Shipped losses, and directories of others."""
    again: tuple[str, ...] = ()
    """Names of losses that have changed, and are run again."""
    reference: Path = REFERENCE
    """What is known on 20,000 images: accuracies by condition and loss."""
    report: bool = False
    """Run nothing."""

    def __post_init__(self) -> None:
        for name in self.only:
            if name not in CONDITIONS:
                raise UnknownNameError.among("condition", name, CONDITIONS)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the losses, cross-entropy's first."""
        return (*self.known, *(Path(loss).name for loss in self.losses))

    @property
    def settings(self) -> dict[str, Any]:
        """What an entry has to have been run with."""
        names = ("groups", "tasks", "classes", "samples", "rates", "seed")
        values = {name: getattr(self, name) for name in names}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def beside(self, entry: Mapping[str, Any]) -> MemorisationCheck | None:
        """The check of what an entry of the file lacks, with cross-entropy; None where it has everything."""
        has: set[str] = set()
        if all(entry.get(key) == value for key, value in self.settings.items()):
            has = set(entry["difference"]) - set(self.again)
        known = tuple(loss for loss in self.known if loss not in {"cross_entropy", *has})
        losses = tuple(loss for loss in self.losses if Path(loss).name not in has)
        if not known and not losses and "cross_entropy" in has:
            return None
        return replace(self, known=("cross_entropy", *known), losses=losses)


def narrowed(options: MemorisationCheck, labels: str) -> Prior:
    """The prior with one kind and share of wrong labels in all tasks."""
    kind, share = LABELS[labels]
    prior = named_prior(
        "memorisation", classes=options.classes, samples=options.samples, noise=(share, share)
    )
    return replace(prior, noise_kinds={kind: 1.0})


def train(options: MemorisationCheck, group: TaskGroup) -> torch.Tensor:
    """Accuracy in percent along the training, of every loss at its best rate, ``(looks, losses, tasks)``."""
    n_classes, steps = group.tasks.n_classes, group.plan.steps
    looks = tuple(sorted({max(1, round(steps * (look + 1) / _LOOKS)) for look in range(_LOOKS)}))
    plan = replace(group.plan, evaluate_at=looks, temperatures=())
    # As they are used on the images: at the same rates a canonical GCE is up to eight times as large.
    tables = tabulate_losses(options.known, options.losses, n_classes, like=group.tasks.x, canonical=False)
    accuracy = Students(group.config, group.tasks, plan).train(tables).test_accuracy
    accuracy = 100 * accuracy.nan_to_num(nan=1 / n_classes)
    by_rate = accuracy.view(*accuracy.shape[:2], -1, options.rates)
    best = by_rate[-1].argmax(dim=2)[None, :, :, None].expand(len(by_rate), -1, -1, 1)
    return by_rate.gather(3, best).squeeze(3)


def run_condition(options: MemorisationCheck, name: str) -> dict[str, Any]:
    """What is found in a condition.

    Returns:
        Beside the settings the share of wrong labels as ``noise``; ``cross_entropy_course``, its accuracy
        over training, and ``cross_entropy_falls``, by how much it ends below its best; by loss the
        ``accuracy`` of each task at the end, and the mean ``difference`` to cross-entropy, each cut at 20
        points.
    """
    labels, course = name.split("-")
    prior = narrowed(options, labels)
    accuracies, noise = [], []
    for number in range(options.groups):
        generator = stream(options.seed, "memorisation", course, number)
        group = draw_group(prior, options.tasks, generator, long=course == "long", rates=options.rates)
        accuracies.append(train(options, group))
        noise.append(group.noise)
    accuracy = torch.cat(accuracies, dim=2)
    ends = accuracy[-1]
    # A loss that does not learn a task at all would decide a mean: as in a search a difference is cut.
    differences = (ends - ends[:1]).clamp(-LARGEST_POINTS, LARGEST_POINTS)
    return {
        **options.settings,
        "noise": round(float(torch.cat(noise).mean()), 3),
        "cross_entropy_course": [round(value, 2) for value in accuracy[:, 0].mean(dim=1).tolist()],
        "cross_entropy_falls": mean_and_error((accuracy[:, 0].amax(dim=0) - ends[0]).tolist()),
        "accuracy": {
            loss: [round(value, 2) for value in row.tolist()]
            for loss, row in zip(options.names, ends, strict=True)
        },
        "difference": {
            loss: mean_and_error(row.tolist()) for loss, row in zip(options.names, differences, strict=True)
        },
    }


def joined(options: MemorisationCheck, entry: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of the file with what was found beside it, if both have the same settings."""
    if any(entry.get(key) != value for key, value in options.settings.items()):
        return dict(found)
    both = {key: {**entry[key], **found[key]} for key in ("accuracy", "difference")}
    return {**found, **both}


def main(options: MemorisationCheck) -> None:
    """Run what is missing, then print the verdict and write it."""
    torch.set_num_threads(1)
    for name in () if options.report else options.only:
        entry = read_record(options.out).get(name, {})
        check = options.beside(entry)
        if check is None:
            continue
        entry = joined(options, entry, run_condition(check, name))
        update_record(options.out, name, entry)
        row = "  ".join(
            f"{loss} {value['mean']:+.1f}±{value['se']:.1f}" for loss, value in entry["difference"].items()
        )
        print(f"{name}: cross-entropy {entry['cross_entropy_course']}; {row}", flush=True)
    record = read_record(options.out)
    conditions = {name: record[name] for name in CONDITIONS if name in record}
    found = verdict(conditions, read_record(options.reference))
    update_record(options.out, "verdict", found)
    for line in found["lines"]:
        print(line)


if __name__ == "__main__":
    command.run(MemorisationCheck, main)
