"""A sensing loss where it was not set: in fine-tuning, and with a small transformer under AdamW.

    python -m benchmarks.sensing.elsewhere             # what is not in the file yet
    python -m benchmarks.sensing.elsewhere --write     # the table of the README

Fine-tuning: ``cnn_small`` is trained with cross-entropy on 20,000 images of the first five classes of
CIFAR-10, then a new head and all weights on 5,000 images of the other five. Accuracy is that in the last
epoch, on held-out training images with right labels; the test split is not read.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from benchmarks.harness import command
from benchmarks.harness.markdown import numbers_table
from benchmarks.harness.page import replace_between
from benchmarks.harness.results import read_record, update_record
from benchmarks.sensing.elsewhere_models import PRETRAINED
from evoloss.atomic_files import write_text
from evoloss.data import Dataset, load_dataset
from evoloss.data.dataset import Split
from evoloss.losses.resolve import resolve_loss
from evoloss.training import TrainConfig, train, train_and_observe

OUT = Path(__file__).parent / "results/elsewhere.json"
README = Path(__file__).parent / "README.md"
MARKS = "<!-- elsewhere: python -m benchmarks.sensing.elsewhere --write -->", "<!-- elsewhere end -->"
LOSSES = ("cross_entropy", "gce", "adaptive")
NOISE = {"right labels": 0.0, "40 % wrong": 0.4}
FIRST_SEED = 120
HALF = 5
"""Classes that are trained on before; the others are fine-tuned on."""
_MODELS = "benchmarks.sensing.elsewhere_models"


@dataclass(frozen=True)
class Case:
    """Where a loss is tried."""

    model: str
    config: TrainConfig
    samples: int


CASES = {
    "fine-tuning": Case(
        f"{_MODELS}:pretrained", TrainConfig(epochs=20, batch_size=64, lr=0.05, augment="none"), 5000
    ),
    "transformer, AdamW": Case(
        f"{_MODELS}:small_transformer",
        TrainConfig(epochs=20, batch_size=64, lr=0.001, optimizer="adamw", augment="none"),
        10_000,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """Train, or write the table."""

    only: tuple[str, ...] = ()
    """Cases; all by default."""
    losses: tuple[str, ...] = LOSSES
    """Losses, of those of the table."""
    seeds: int = 2
    """Runs of each."""
    out: Path = OUT
    """File of the results."""
    write: bool = False
    """Write the table of the README."""


def part(split: Split, classes: range, most: int | None = None) -> Split:
    """The first samples of some classes, as many of each, with labels from 0."""
    chosen = []
    for label in classes:
        of_class = torch.nonzero(split.labels == label).flatten()
        chosen.append(of_class[: most // len(classes)] if most else of_class)
    rows: Tensor = torch.cat(chosen)
    return Split(split.inputs[rows], split.labels[rows] - classes.start)


def of_classes(whole: Dataset, classes: range, samples: int) -> Dataset:
    """A data set of some of the classes."""
    names = tuple(whole.class_names[label] for label in classes)
    validation, test = (part(split, classes) for split in (whole.validation, whole.test))
    return Dataset(
        whole.name,
        part(whole.train, classes, samples),
        validation,
        test,
        n_classes=len(classes),
        class_names=names,
    )


def pretrain_half(whole: Dataset) -> None:
    """Train on the first half of the classes, if that has not been done."""
    if PRETRAINED.exists():
        return
    first = of_classes(whole, range(HALF), 20_000)
    config = TrainConfig(epochs=15, batch_size=128, lr=0.3, augment="auto", seed=FIRST_SEED, eval_every=15)
    _, outcome = train_and_observe(first, "cnn_small", resolve_loss("cross_entropy"), config, read_test=False)
    PRETRAINED.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in outcome.weights.items()}, PRETRAINED)


def run(name: str, data: Dataset, loss_name: str, noise: float, seed: int) -> dict[str, Any]:
    """One training."""
    case = CASES[name]
    config = replace(case.config, label_noise=noise, seed=seed, eval_every=case.config.epochs)
    result = train(data, case.model, resolve_loss(loss_name), config, loss_name=loss_name, read_test=False)
    return {
        "case": name,
        "loss": loss_name,
        "noise": noise,
        "seed": seed,
        "accuracy": result.validation_accuracy,
    }


def table(record: dict[str, Any]) -> list[str]:
    """The table of the README: accuracies of the runs."""
    head = ["training", "labels", *LOSSES]
    rows = []
    for name in CASES:
        for labels, noise in NOISE.items():
            cells = []
            for loss in LOSSES:
                found = [
                    run["accuracy"]
                    for run in record.values()
                    if (run["case"], run["loss"], run["noise"]) == (name, loss, noise)
                ]
                told = ", ".join(f"{value:.1f}" for value in found)
                cells.append(f"{statistics.fmean(found):.1f} ({told})" if found else "not run")
            rows.append([name, labels, *cells])
    return numbers_table(head, rows)


def main(settings: Elsewhere) -> None:
    """Train what is not in the file yet, or write the table."""
    if settings.write:
        made = table(read_record(settings.out))
        write_text(README, replace_between(README.read_text(encoding="utf-8"), *MARKS, made))
        return
    torch.set_num_threads(1)
    whole = load_dataset("cifar10", validation=0.2)
    pretrain_half(whole)
    for name in settings.only or CASES:
        classes = range(HALF, whole.n_classes) if name == "fine-tuning" else range(whole.n_classes)
        data = of_classes(whole, classes, CASES[name].samples)
        for seed in range(FIRST_SEED, FIRST_SEED + settings.seeds):
            for labels, noise in NOISE.items():
                for loss in settings.losses:
                    key = f"{name}, {labels}, {loss}, seed {seed}"
                    if key in read_record(settings.out):
                        continue
                    found = run(name, data, loss, noise, seed)
                    update_record(settings.out, key, {"command": command.command_line(settings), **found})
                    print(f"{key}: {found['accuracy']:.2f}", flush=True)


if __name__ == "__main__":
    command.run(Elsewhere, main)
