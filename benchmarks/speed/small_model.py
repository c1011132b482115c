"""The cost of a loss in a training step of a small model: an MLP 64-128-128-10 at batch 64, one thread.

    python -m benchmarks.speed.small_model --out benchmarks/speed/results/small_model.json

Each loss has its turn in every round: forward, backward and optimizer step on the same batch, with SGD with
momentum and with Adam. A step takes half a millisecond, most of it what PyTorch's calls cost whatever they
do, and so does a loss; between the other calls of a step, a loss takes two to three times what it takes by
itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from benchmarks.harness import command
from benchmarks.harness.results import write_results
from benchmarks.harness.timing import Rows, alternate, print_rows, repeats_for, rows_of, target, timed
from benchmarks.speed.loss_step import BASELINE, Criterion, criteria
from evoloss.losses.resolve import resolve_loss
from evoloss.zoo import SHIPPED

BATCH, FEATURES, WIDTH, CLASSES = 64, 64, 128, 10
LIMIT = 1.25
# Rates at which the weights, and so the losses, stay what they are over the thousands of steps.
OPTIMIZERS: dict[str, Callable[[nn.Module], torch.optim.Optimizer]] = {
    "SGD": lambda model: torch.optim.SGD(model.parameters(), lr=1e-5, momentum=0.9),
    "Adam": lambda model: torch.optim.Adam(model.parameters(), lr=1e-7),
}


@dataclass(frozen=True, kw_only=True)
class SmallModel:
    """Time training steps of a small model."""

    out: Path
    """File for the results."""
    rounds: int = 31
    """Rounds in which every loss has its turn."""
    seconds: float = 0.02
    """Time for each turn."""


def training_step(criterion: Criterion, optimizer_name: str) -> Callable[[], None]:
    """A training step of a model of its own, which begins as every other."""
    torch.manual_seed(0)
    inputs, labels = torch.randn(BATCH, FEATURES), torch.randint(CLASSES, (BATCH,))
    model = nn.Sequential(
        *(nn.Linear(FEATURES, WIDTH), nn.ReLU()),
        *(nn.Linear(WIDTH, WIDTH), nn.ReLU()),
        nn.Linear(WIDTH, CLASSES),
    )
    optimizer = OPTIMIZERS[optimizer_name](model)

    def work() -> None:
        optimizer.zero_grad()
        criterion(model(inputs), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return work


def time_steps(options: SmallModel, optimizer_name: str) -> Rows:
    """Steps of each loss with one optimizer."""
    losses = criteria()
    losses |= {name: resolve_loss(name) for name in SHIPPED if name not in losses}
    steps = {name: training_step(criterion, optimizer_name) for name, criterion in losses.items()}
    once = repeats_for(steps[BASELINE], options.seconds)
    seconds = alternate({name: timed(work, once) for name, work in steps.items()}, rounds=options.rounds)
    rows = rows_of(f"training step, small MLP, {optimizer_name}", seconds, BASELINE)
    print_rows(rows)
    return rows


def main(options: SmallModel) -> None:
    """Time steps with both optimizers and write the file."""
    torch.set_num_threads(1)
    rows = [row for name in OPTIMIZERS for row in time_steps(options, name)]
    targets = [
        target(
            f"{row['subject']}, {row['case']}, over cross-entropy",
            LIMIT,
            row["ratio"],
            reason="the loss takes some thirty calls of NumPy, of two to four microseconds each between the "
            "other calls of a step",
        )
        for row in rows
        if row["subject"] in SHIPPED
    ]
    write_results(options.out, "small_model", command.command_line(options), rows, targets)


if __name__ == "__main__":
    command.run(SmallModel, main)
