"""The cost of a loss in a whole training step: ResNet-20 at batch 128, one thread.

    python -m benchmarks.speed.training_step --out benchmarks/speed/results/training_step.json

Each loss has its turn in every round, forward, backward and SGD step of the network on the same batch.
Seconds are those that the processor worked for this process: others may have most of the time that passes.
Steps of equal work differ by more than one per cent on a shared machine, so beside that ratio stands a
second one, free of most of the noise: the loss steps alone are timed in turn on logits of that shape, and
what a loss costs more than cross-entropy is divided by the median training step (``derived``).
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.harness import command
from benchmarks.harness.results import write_results
from benchmarks.harness.timing import Rows, alternate, print_rows, repeats_for, rows_of, target, timed
from benchmarks.speed.loss_step import BASELINE, batch, criteria, step
from evoloss.models import build_model

BATCH, CLASSES, LIMIT = 128, 10, 1.01


@dataclass(frozen=True, kw_only=True)
class TrainingStep:
    """Time training steps."""

    out: Path
    """File for the results."""
    rounds: int = 15
    """Rounds in which every loss has its turn."""


def time_steps(options: TrainingStep) -> Rows:
    """Whole steps of each loss."""
    torch.manual_seed(0)
    model: nn.Module = build_model("resnet20", input_shape=(3, 32, 32), n_classes=CLASSES)
    images, labels = torch.randn(BATCH, 3, 32, 32), torch.randint(CLASSES, (BATCH,))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    steps = {}
    for name, criterion in criteria().items():

        def work(criterion: Any = criterion) -> None:
            optimizer.zero_grad(set_to_none=True)
            criterion(model(images), labels).backward()
            optimizer.step()

        steps[name] = timed(work, clock=time.process_time)
    rows = rows_of("training step, ResNet-20, batch 128", alternate(steps, rounds=options.rounds), BASELINE)
    print_rows(rows)
    return rows


def time_losses(options: TrainingStep) -> Rows:
    """Loss steps of each loss on logits of that shape."""
    logits, labels = batch((BATCH, CLASSES), torch.float32)
    steps = {name: step(criterion, logits, labels) for name, criterion in criteria().items()}
    once = repeats_for(steps[BASELINE], 0.03)
    turns = {name: timed(work, once, time.process_time) for name, work in steps.items()}
    seconds = alternate(turns, rounds=options.rounds)
    return rows_of("loss step alone, 128 x 10", seconds, BASELINE)


def main(options: TrainingStep) -> None:
    """Time steps and losses and write the file."""
    torch.set_num_threads(1)
    steps, losses = time_steps(options), time_losses(options)
    whole = statistics.median(row["seconds"] for row in steps)
    base = losses[0]["seconds"]
    derived = {row["subject"]: 1 + (row["seconds"] - base) / whole for row in losses}
    print("derived:", {name: round(value, 5) for name, value in derived.items()})
    targets = [
        target(
            f"{name}, training step of ResNet-20 over cross-entropy, derived",
            LIMIT,
            value,
            reason="the step of the network is shorter than expected",
        )
        for name, value in derived.items()
        if name != BASELINE
    ]
    rows = [*steps, *losses]
    write_results(options.out, "training_step", command.command_line(options), rows, targets, derived=derived)


if __name__ == "__main__":
    command.run(TrainingStep, main)
