"""The cost of a loss step: forward plus backward of losses against ``F.cross_entropy``, on one thread.

    python -m benchmarks.speed.loss_step --out benchmarks/speed/results/loss_step.json

Every loss has its turn in every round, eagerly and compiled (``fullgraph=True``), against cross-entropy in
the same mode on the same logits, with memory that the process keeps from step to step. Seconds are those that
the processor worked for this process: others may have most of the time that passes. ``evolved-base`` has a
sum over the classes, as ``evolved-loud`` has, a monotone loss before any evolution; the cost of
``evolved-noise`` is a function of the label's probability and of those of its class in the batch; every step
of ``adaptive`` is one of a training that it follows, and takes its batch into its statistics. Peak memory
is counted from PyTorch's own record of allocations: the largest sum of what a forward and backward pass holds
beyond the logits. Where CUDA is available, :mod:`benchmarks.speed.gpu_loss_step` does the same there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.harness import command
from benchmarks.harness.results import write_results
from benchmarks.harness.timing import (
    Rows,
    alternate,
    keep_memory,
    peak_bytes,
    print_rows,
    repeats_for,
    rows_of,
    target,
    timed,
)
from evoloss import EvolvedLoss
from evoloss.losses.resolve import resolve_loss
from evoloss.networks import MonotoneNetwork
from evoloss.random_streams import stream

Criterion = Callable[[Tensor, Tensor], Tensor]

BASELINE = "F.cross_entropy"
SHAPES = ((64, 10), (128, 10), (1024, 10), (1024, 1000), (256, 32000))
SENSING, SAMPLES = "adaptive", 20_000
LOSSES = ("evolved-base", "evolved-noise", "cross_entropy", "label_smoothing", "focal", "gce")
# By mode and shape: for all of LOSSES, and for the loss that follows its training.
LIMITS = {
    ("eager", (64, 10)): 4.0,
    ("eager", (1024, 10)): 3.0,
    ("eager", (1024, 1000)): 2.0,
    ("eager", (256, 32000)): 2.0,
    ("compiled", (1024, 10)): 1.2,
    ("compiled", (1024, 1000)): 1.2,
    ("compiled", (256, 32000)): 1.2,
}
SENSING_LIMITS = {("eager", (1024, 10)): 4.0, ("compiled", (1024, 10)): 1.5}
CALLS_TO_COMPILE = 2  # the first call of a loss with a state finds none of its class count yet
MEMORY_LIMIT = 1.1
# Why a limit may be missed; the bound is what stands in its way.
REASONS = {
    "eager": "each call of a small step costs microseconds whatever it does, and what cross-entropy does in "
    "two takes thirty here; evolved-base has a sum over the classes too, two look-ups for every logit",
    "compiled": "at 1024 x 10 most of a step is before and after the loop that does the work; evolved-base "
    "looks up two numbers for every logit, and focal works out two powers",
    "memory": "more than the gradient is kept",
}
SENSING_REASON = (
    "beside its cost it finds the predicted classes, adds up over the samples of each, and moves 32 "
    "statistics on, each a tensor of its own in the state dict, which a compiled call checks and hands over "
    "one by one"
)


@dataclass(frozen=True, kw_only=True)
class LossStep:
    """Time loss steps."""

    out: Path
    """File for the results."""
    rounds: int = 11
    """Rounds in which every loss has its turn."""
    seconds: float = 0.04
    """Time for each turn."""


def criteria() -> dict[str, Criterion]:
    """The losses by name, cross-entropy first."""
    network = MonotoneNetwork()
    loud = EvolvedLoss(network, network.initial(stream(0, "evolved-loud")))
    sensing = EvolvedLoss.from_pretrained(SENSING, n_samples=SAMPLES)
    known = {name: resolve_loss(name) for name in LOSSES}
    return {BASELINE: F.cross_entropy, **known, "evolved-loud": loud, SENSING: sensing}


def batch(shape: tuple[int, int], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Logits and labels."""
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    labels = torch.randint(shape[1], shape[:1], generator=torch.Generator().manual_seed(1))
    return logits.requires_grad_(), labels


def step(criterion: Criterion, logits: Tensor, labels: Tensor) -> Callable[[], None]:
    """Forward and backward; the gradient is made anew each time, as after ``zero_grad``."""

    def work() -> None:
        logits.grad = None
        criterion(logits, labels).backward()  # type: ignore[no-untyped-call]

    return work


def time_losses(options: LossStep, mode: str, shape: tuple[int, int], dtype: torch.dtype) -> Rows:
    """Rows of one mode and shape."""
    torch.compiler.reset()
    logits, labels = batch(shape, dtype)
    steps = {}
    for name, criterion in criteria().items():
        used = torch.compile(criterion, fullgraph=True, dynamic=False) if mode == "compiled" else criterion
        steps[name] = step(used, logits, labels)
        for _ in range(CALLS_TO_COMPILE):
            steps[name]()
    once = repeats_for(steps[BASELINE], options.seconds)
    seconds = alternate(
        {name: timed(work, once, time.process_time) for name, work in steps.items()}, rounds=options.rounds
    )
    precision = str(dtype).removeprefix("torch.")
    rows = rows_of(f"{mode} {precision} {shape[0]} x {shape[1]}", seconds, BASELINE)
    print_rows(rows)
    return rows


def peak_memory(criterion: Criterion, logits: Tensor, labels: Tensor) -> int:
    """Largest number of bytes that forward and backward hold at once beyond the logits."""
    work = step(criterion, logits, labels)
    work()
    logits.grad = None  # now, or its release would count as memory won
    return peak_bytes(work)


def memory_rows(shape: tuple[int, int], dtype: torch.dtype) -> Rows:
    """Peak memory of every loss, eager."""
    logits, labels = batch(shape, dtype)
    peaks = {name: [peak_memory(criterion, logits, labels) / 2**20] for name, criterion in criteria().items()}
    precision = str(dtype).removeprefix("torch.")
    rows = rows_of(f"peak memory {precision} {shape[0]} x {shape[1]}", peaks, BASELINE, "mebibytes")
    print_rows(rows)
    return rows


def targets_of(rows: Rows) -> Rows:
    """A target for each loss, mode and shape that has a limit, and for its memory."""
    targets = []
    for subjects, limits in ((LOSSES, LIMITS), ((SENSING,), SENSING_LIMITS)):
        for (mode, (n, c)), limit in limits.items():
            for row in rows:
                if row["case"] == f"{mode} float32 {n} x {c}" and row["subject"] in subjects:
                    name = f"{row['subject']}, {mode}, {n} x {c}, over cross-entropy"
                    reason = SENSING_REASON if row["subject"] == SENSING else REASONS[mode]
                    targets.append(target(name, limit, row["ratio"], reason=reason))
    for row in rows:
        if row["case"].startswith("peak memory") and row["subject"] in LOSSES:
            name = f"{row['subject']}, {row['case']}, over cross-entropy"
            targets.append(target(name, MEMORY_LIMIT, row["ratio"], reason=REASONS["memory"]))
    return targets


def main(options: LossStep) -> None:
    """Time every mode and shape and write the file."""
    torch.set_num_threads(1)
    keep_memory()
    # All losses share the code of one call, which is compiled for each.
    torch._dynamo.config.recompile_limit = 64
    rows: Rows = []
    for mode in ("eager", "compiled"):
        for shape in SHAPES:
            rows += time_losses(options, mode, shape, torch.float32)
    rows += time_losses(options, "eager", SHAPES[-1], torch.bfloat16)
    rows += memory_rows(SHAPES[-2], torch.float32)
    rows += memory_rows(SHAPES[-1], torch.float32)
    rows += memory_rows(SHAPES[-1], torch.bfloat16)
    write_results(options.out, "loss_step", command.command_line(options), rows, targets_of(rows))


if __name__ == "__main__":
    command.run(LossStep, main)
