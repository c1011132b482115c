"""Studies of accuracy on real data: conditions, losses in order of interest, and a queue that goes on.

Every condition is one ``evoloss compare`` that tunes each loss over the same grid of rates and leaves a file
for every run. Losses of most interest have their turn in all conditions before the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from benchmarks.harness.comparison import available, compare_command, require_known, run_command
from evoloss.compare.results import FILE_NAME, Results
from evoloss.losses.resolve import resolve_loss
from evoloss.training.fingerprints import fingerprint_loss

ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 32)}
"""Keeps freed memory in the process: without it half of the time of a small network goes to fresh pages."""
MILLISECONDS = {
    ("digits", "cnn"): (0.12, 0.03),
    ("cifar10", "cnn_small"): (0.21, 0.06),
    ("cifar10", "resnet8"): (1.6, 0.45),
    ("cifar10", "resnet20"): (5.5, 1.5),
    ("table", "mlp"): (0.015, 0.001),
}
"""One image or row in training and in evaluation, one thread, measured with both cores busy."""
BF16 = 0.45
"""The share of the time that a network takes in bfloat16, on a processor that has instructions for it."""
TRAINING_SAMPLES = {"digits": 1437, "cifar10": 50_000}
N_TEST = {"digits": 359, "cifar10": 10_000}


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One comparison on one data set.

    Attributes:
        name: of the condition and its folder.
        title: what readers are told.
        dataset: known data set, or one that the study has as a file.
        rows: training and test rows of a file.
        model: known classifier.
        train_samples: size of the class-balanced training subset; None for all.
        validation: share of the training part that is held out for choosing rates and epochs.
        label_noise: share of wrong training labels; test labels are clean.
        noise_kind: symmetric or asymmetric.
        train_labels: name of a file in the data folder with the labels to train with.
        validation_noise: whether the validation labels are as noisy as those trained on.
        epochs: passes over the training split.
        batch_size: samples of a step.
        augment: as in a recipe.
        eval_every: epochs between two evaluations on the validation split.
        precision: arithmetic of the classifier.
        lr_grid: rates that every loss is tuned over; empty where each has a rate that another study chose.
        tune_seeds: runs for each rate.
        seeds: reported runs for each loss.
        stages: how many stages of losses take part.
        core: whether it belongs to the subset that answers the main questions.
    """

    name: str
    title: str
    dataset: str
    rows: tuple[int, int] | None = None
    model: str
    train_samples: int | None
    validation: float = 0.1
    label_noise: float = 0.0
    noise_kind: Literal["symmetric", "asymmetric"] = "symmetric"
    train_labels: str | None = None
    validation_noise: bool = False
    epochs: int
    batch_size: int = 64
    augment: Literal["auto", "none"] = "auto"
    eval_every: int = 1
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    lr_grid: tuple[float, ...]
    tune_seeds: int = 1
    seeds: int = 5
    stages: int = 3
    core: bool = False

    @property
    def seconds(self) -> float:
        """About how long a run takes on one core."""
        samples, n_test = self.rows or (TRAINING_SAMPLES[self.dataset], N_TEST[self.dataset])
        n_validation = round(samples * self.validation)
        n_train = self.train_samples or samples - n_validation
        training, evaluation = MILLISECONDS["table" if self.rows else self.dataset, self.model]
        n_evaluated = n_validation * self.epochs / self.eval_every + 1.5 * n_test
        seconds = 1e-3 * (training * n_train * self.epochs + evaluation * n_evaluated)
        return seconds * (BF16 if self.precision == "bf16-mixed" else 1.0)


@dataclass(frozen=True)
class Study:
    """Conditions and losses, and where results and losses are found.

    Attributes:
        conditions: the comparisons, the most important first.
        stages: names of losses, those of most interest first.
        out: folder of the results, one folder in it for each condition.
        folders: of losses that are neither known nor shipped, by name.
        data: folder of the files that conditions name as ``train_labels``.
        files: of data sets that are not known, by name.
        losses_of: losses of a condition, by its name, where they are not those of all stages.
    """

    conditions: Sequence[Condition]
    stages: Sequence[Sequence[str]]
    out: Path
    folders: dict[str, Path]
    data: Path | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    losses_of: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def argument(self, loss: str) -> str:
        """The name of a loss for ``evoloss compare``, or its directory."""
        return str(self.folders.get(loss, loss))

    def planned_losses(self, condition: Condition) -> tuple[str, ...]:
        """All losses of a condition that this version has."""
        stages = self.stages[: condition.stages]
        names = self.losses_of.get(condition.name) or [name for stage in stages for name in stage]
        return available(names, self.folders)

    def chosen(self, only: Iterable[str]) -> list[Condition]:
        """The conditions of these names, all if there is none, in the order of the study.

        Raises:
            UnknownNameError: if there is no such condition.
        """
        names, wanted = [condition.name for condition in self.conditions], tuple(only)
        require_known("condition", wanted, names)
        return [condition for condition in self.conditions if condition.name in wanted or not wanted]

    def step(self, condition: Condition, wanted: Sequence[str], seeds: int, lr: float | None = None) -> Step:
        """Some losses in a condition, beside those that its results have already.

        Args:
            condition: one of the study.
            wanted: names of losses.
            seeds: reported runs for each.
            lr: the rate of all of them, where it is not chosen here; each rate has a folder of its own.
        """
        out = self.out / condition.name
        if lr is not None:
            out /= f"lr-{lr:g}"
        earlier = earlier_results(out)
        before, n_seeds = (
            ((), 0) if earlier is None else (earlier.config["losses"], len(earlier.config["seeds"]))
        )
        named = {Path(name).name for name in wanted}
        before = [name for name in before if name not in named]
        order = {name: place for place, name in enumerate(name for stage in self.stages for name in stage)}
        losses = sorted(dict.fromkeys((*wanted, *before)), key=lambda name: order.get(name, len(order)))
        return Step(self, condition, available(losses, self.folders), max(seeds, n_seeds), out, lr)


@dataclass(frozen=True)
class Step:
    """Some losses of a condition, to be run in one go.

    Attributes:
        study: what it is part of.
        condition: what is run.
        losses: names, those of earlier steps included.
        seeds: reported runs for each loss.
        out: folder of the results.
        lr: the rate of all losses; None where each is tuned.
    """

    study: Study
    condition: Condition
    losses: tuple[str, ...]
    seeds: int
    out: Path
    lr: float | None = None

    @property
    def name(self) -> str:
        """The condition, and the rate if there is one for all."""
        return self.out.relative_to(self.study.out).as_posix()

    @property
    def planned(self) -> int:
        """Trainings of this step and of all before it."""
        condition = self.condition
        tuning = 0 if self.lr is not None else len(condition.lr_grid) * condition.tune_seeds
        return len(self.losses) * (tuning + self.seeds)

    @property
    def done(self) -> int:
        """The trainings that are in the results file already, with the losses as they are now."""
        earlier = earlier_results(self.out)
        if earlier is None:
            return 0
        folders = self.study.folders
        usable = (name for name in self.losses if name not in folders or folders[name].exists())
        fingerprints = {
            Path(name).name: fingerprint_loss(resolve_loss(self.study.argument(name))) for name in usable
        }
        runs = (*earlier.runs, *earlier.tuning)
        return sum(run.loss_fingerprint == fingerprints.get(run.loss) for run in runs)

    def command(self, workers: int) -> list[str]:
        """The call of ``evoloss compare``."""
        condition, data = self.condition, self.study.data
        labels = condition.train_labels
        options = {
            "train-samples": condition.train_samples,
            "executor": "processes" if workers > 1 else None,
            "workers": workers if workers > 1 else None,
            "dataset": self.study.files.get(condition.dataset, condition.dataset),
            "model": condition.model,
            "validation": condition.validation,
            "label-noise": condition.label_noise,
            "noise-kind": condition.noise_kind,
            "train-labels": None if labels is None else (data or Path()) / labels,
            "epochs": condition.epochs,
            "batch-size": condition.batch_size,
            "augment": condition.augment,
            "eval-every": condition.eval_every,
            "precision": condition.precision,
            "lr": self.lr,
            "tune-seeds": condition.tune_seeds if self.lr is None else None,
            "threads": 1,
            "out": self.out,
        }
        losses = (self.study.argument(name) for name in self.losses)
        grid = condition.lr_grid if self.lr is None else ()
        arguments = compare_command(options, lr_grid=grid, losses=losses, seeds=self.seeds)
        return [*arguments, *(["--validation-noise"] if condition.validation_noise else [])]


def earlier_results(folder: Path) -> Results | None:
    """The results in a folder; None if there are none yet."""
    return Results.read(folder) if (folder / FILE_NAME).exists() else None


def drop_missing_losses(step: Step) -> None:
    """Take losses that this version does not have out of what is there: a comparison may not shrink."""
    earlier = earlier_results(step.out)
    names = () if earlier is None else earlier.config["losses"]
    planned = {Path(name).name for name in step.losses}
    known = [name for name in names if name in planned]
    if earlier is None or len(known) == len(names):
        return
    print(f"-- {step.name}: without {', '.join(name for name in names if name not in planned)}")
    replace(
        earlier,
        config={**earlier.config, "losses": known},
        runs=tuple(run for run in earlier.runs if run.loss in known),
        tuning=tuple(run for run in earlier.tuning if run.loss in known),
    ).write(step.out / FILE_NAME)


def describe(steps: Iterable[Step]) -> str:
    """A table of the conditions with the number of runs and about how long they take on one core."""
    last = {step.name: step for step in steps}
    lines = [f"{'condition':22} {'losses':>6} {'runs':>5} {'done':>5} {'s/run':>6} {'core-minutes left':>18}"]
    total = 0.0
    for name, step in last.items():
        minutes = max(0, step.planned - step.done) * step.condition.seconds / 60
        total += minutes
        lines.append(
            f"{name:22} {len(step.losses):6} {step.planned:5} {step.done:5} {step.condition.seconds:6.1f} "
            f"{minutes:18.1f}"
        )
    runs = sum(step.planned for step in last.values())
    return "\n".join([*lines, f"{'total':22} {'':6} {runs:5} {'':5} {'':6} {total:18.1f}"])


def run_steps(steps: Iterator[Step], workers: int) -> int:
    """Run what is not done; the status of the first comparison that fails, else 0.

    Args:
        steps: planned one at a time, since a step adds to what is there.
        workers: runs at the same time, one thread each.
    """
    for step in steps:
        if step.done >= step.planned:
            continue
        drop_missing_losses(step)
        print(f"== {step.name}: {', '.join(step.losses)}", flush=True)
        status = run_command(step.command(workers), environment=ALLOCATOR)
        if status:
            return status
    return 0
