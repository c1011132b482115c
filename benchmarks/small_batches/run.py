"""Paced losses in micro-batches: digits with 40 % wrong labels, batches of 64 that are given in parts.

    python -m benchmarks.small_batches.run            # goes on where it was stopped
    python -m benchmarks.small_batches.run --write    # the table of the README and of the how-to page

Gradients are accumulated to the same batches of 64 in all rows, so that what differs is what the loss sees.
"""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.harness import command
from benchmarks.harness.markdown import numbers_table
from benchmarks.harness.page import DOCS, replace_between
from benchmarks.harness.results import machine_facts, read_record, update_record
from evoloss import make_loss
from evoloss.atomic_files import write_text
from evoloss.data import Dataset, load_dataset
from evoloss.errors import ConfigError
from evoloss.training import TrainConfig, train
from evoloss.training.label_noise import with_label_noise

FOLDER = Path(__file__).parent
OUT = FOLDER / "results" / "small_batches.json"
PAGES = (FOLDER / "README.md", DOCS / "how-to" / "batches.md")
MARKS = "<!-- small_batches: python -m benchmarks.small_batches.run --write -->", "<!-- small_batches end -->"
BATCH, EPOCHS, RATE, NOISE = 64, 30, 0.03, 0.4
LOSSES = {
    "evolved-noise": "by the micro-batch",
    "evolved-noise:agreement_window=64": "agreement_window=64",
    "cross_entropy": "cross-entropy",
}
"""What stands for each loss in the table; the last sees no batch, and is trained with whole ones alone."""


class Task(NamedTuple):
    """A training.

    Attributes:
        loss: as :func:`evoloss.make_loss` takes it.
        size: of a micro-batch.
        seed: of the training.
    """

    loss: str
    size: int
    seed: int

    @property
    def name(self) -> str:
        """Its key in the results."""
        return f"{self.loss}, {self.size}, seed {self.seed}"


@dataclass(frozen=True, kw_only=True)
class SmallBatches:
    """Train, or write the tables."""

    sizes: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    """Samples of a micro-batch, divisors of 64."""
    seeds: int = 10
    """Runs of each, from 0 on."""
    epochs: int = EPOCHS
    """Passes over the training split."""
    out: Path = OUT
    """File for the results."""
    write: bool = False
    """Write the tables."""

    def __post_init__(self) -> None:
        if self.seeds < 1 or self.epochs < 1 or any(size < 1 or BATCH % size for size in self.sizes):
            raise ConfigError("seeds and epochs must be at least 1, and sizes divisors of 64")


class InParts(nn.Module):
    """A loss as accumulation calls it: micro-batch by micro-batch, each divided by their number.

    Args:
        loss: the loss, with its mean.
        size: of a micro-batch.
    """

    def __init__(self, loss: nn.Module, size: int) -> None:
        super().__init__()
        self.loss = loss
        self.size = size

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The sum of the parts."""
        parts = zip(torch.split(logits, self.size), torch.split(target, self.size), strict=True)
        costs = [self.loss(*part) * (len(part[1]) / len(target)) for part in parts]
        return torch.stack(costs).sum()


def tasks(options: SmallBatches) -> Iterator[Task]:
    """Yield the trainings, seed by seed."""
    for seed in range(options.seeds):
        for loss in LOSSES:
            for size in options.sizes if loss != "cross_entropy" else (BATCH,):
                yield Task(loss, size, seed)


def trained(task: Task, dataset: Dataset, epochs: int) -> dict[str, float]:
    """Test accuracy in percent, of the last epoch."""
    config = TrainConfig(epochs=epochs, lr=RATE, batch_size=BATCH, label_noise=NOISE, seed=task.seed)
    loss = InParts(make_loss(task.loss), task.size)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "this loss goes by how far")  # batches of one are in the question
        result = train(with_label_noise(dataset, config), "mlp", loss, config, loss_name=task.name)
    accuracy = result.test_accuracy
    assert accuracy is not None, "it was asked for"
    return {"test_accuracy": round(accuracy, 2)}


def table(content: dict[str, Any]) -> list[str]:
    """Medians and ranges over seeds, a micro-batch a row."""
    found: dict[tuple[str, int], list[float]] = {}
    for name, entry in content.items():
        if name != "facts":
            loss, size, _ = name.split(", ")
            found.setdefault((loss, int(size)), []).append(entry["test_accuracy"])
    whole = _cell(found["cross_entropy", BATCH])
    rows = []
    for count in sorted({count for _, count in found}):
        cells = [_cell(found[name, count]) for name in list(LOSSES)[:-1]]
        rows.append((str(count), *cells, whole if count == BATCH else ""))
    return numbers_table(("samples of a micro-batch", *LOSSES.values()), rows)


def _cell(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def main(options: SmallBatches) -> None:
    """Train what is not there yet, or write the tables."""
    if options.write:
        lines = table(read_record(options.out))
        for page in PAGES:
            write_text(page, replace_between(page.read_text(encoding="utf-8"), *MARKS, lines))
        return
    torch.set_num_threads(1)
    dataset = load_dataset("digits")
    update_record(options.out, "facts", {**machine_facts(), "command": command.command_line(options)})
    for task in tasks(options):
        if task.name not in read_record(options.out):
            entry = trained(task, dataset, options.epochs)
            update_record(options.out, task.name, entry)
            print(task.name, entry["test_accuracy"], flush=True)


if __name__ == "__main__":
    command.run(SmallBatches, main)
