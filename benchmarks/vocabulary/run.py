"""Time and memory of the last layer of a language model with its loss, beside PyTorch's own fused one.

    python -m benchmarks.vocabulary.run            # 1,024 and 8,192 tokens, a vocabulary of 32,000
    python -m benchmarks.vocabulary.run --tokens 1024 --out FILE.json
    python -m benchmarks.vocabulary.run --write    # the table of the README, from the committed results

A step is forward and backward, on one thread. Times are those of the processor, for a machine that others
use; memory is what the tensors of a step hold at once beyond inputs and weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.harness import command
from benchmarks.harness.markdown import numbers_table
from benchmarks.harness.page import replace_between
from benchmarks.harness.results import read_record, write_results
from benchmarks.harness.timing import (
    Rows,
    alternate,
    keep_memory,
    peak_bytes,
    print_rows,
    rows_of,
    target,
    timed,
)
from evoloss import fused_linear_loss, make_loss
from evoloss.atomic_files import write_text
from evoloss.errors import ConfigError

FOLDER = Path(__file__).parent
OUT, README = FOLDER / "results" / "vocabulary.json", FOLDER / "README.md"
MARKS = "<!-- vocabulary: python -m benchmarks.vocabulary.run --write -->", "<!-- vocabulary end -->"
BASELINE, WITH_LOGITS = "torch, fused cross-entropy", "torch, logits and cross-entropy"
LOSSES = {
    "cross_entropy": "cross_entropy",
    "cross_entropy, label_smoothing=0.1": "cross_entropy:label_smoothing=0.1",
    "gce": "gce",
    "label_smoothing": "label_smoothing",
    "evolved-base": "evolved-base",
    "evolved-noise": "evolved-noise",
}
"""Fused losses by the name in the table; the last takes two passes."""
TIME_LIMIT, MEMORY_LIMIT = 1.5, 1.1
REASON = "measured on a machine that others used"
Step = Callable[[], Tensor]


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Measure, or write the table."""

    tokens: tuple[int, ...] = (1024, 8192)
    """Rows, of one measurement each."""
    vocabulary: int = 32_000
    """Classes."""
    features: int = 256
    """Size of a hidden state; with more of them the matrix products have a larger part in all times."""
    rounds: int = 2
    """Rounds in which every subject has its turn."""
    out: Path = OUT
    """File for the results."""
    write: bool = False
    """Write the table of the README."""

    def __post_init__(self) -> None:
        for name in ("tokens", "vocabulary", "features", "rounds"):
            given = getattr(self, name)
            if any(number < 1 for number in (given if name == "tokens" else (given,))):
                raise ConfigError(f"{name} must be at least 1; got {given}")


def layer(options: Vocabulary, n_tokens: int) -> tuple[Tensor, Tensor, Tensor]:
    """Hidden states, the weight of the layer and tokens."""
    random = torch.Generator().manual_seed(0)
    hidden = torch.randn(n_tokens, options.features, generator=random, dtype=torch.float32)
    weight = torch.randn(options.vocabulary, options.features, generator=random, dtype=torch.float32)
    tokens = torch.randint(options.vocabulary, (n_tokens,), generator=random)
    return hidden.requires_grad_(), (weight / options.features**0.5).requires_grad_(), tokens


def subjects(hidden: Tensor, weight: Tensor, tokens: Tensor) -> dict[str, Step]:
    """The costs, by subject."""
    options = nn.LinearCrossEntropyOptions()
    made: dict[str, Step] = {
        BASELINE: lambda: F.linear_cross_entropy(hidden, weight, tokens, options=options),
        WITH_LOGITS: lambda: F.cross_entropy(F.linear(hidden, weight), tokens),
    }
    for name, spec in LOSSES.items():
        criterion = make_loss(spec)
        made[name] = lambda criterion=criterion: fused_linear_loss(hidden, weight, tokens, criterion)  # type: ignore[misc]
    return made


def measured(options: Vocabulary, n_tokens: int, rounds: int) -> Rows:
    """Rows of memory, and of time if there are rounds for it."""
    hidden, weight, tokens = layer(options, n_tokens)

    def step(costs: Step) -> Callable[[], None]:
        def work() -> None:
            hidden.grad = weight.grad = None
            costs().backward()  # type: ignore[no-untyped-call]

        return work

    made = subjects(hidden, weight, tokens)
    for costs in subjects(hidden[:8], weight, tokens[:8]).values():
        costs().backward()  # type: ignore[no-untyped-call]
    steps = {name: step(costs) for name, costs in made.items()}
    peaks = {}
    for name, work in steps.items():
        hidden.grad = weight.grad = None
        peaks[name] = [peak_bytes(work) / 2**20]
    hidden.grad = weight.grad = None
    shape = f"{n_tokens} x {options.vocabulary}, {options.features} features"
    rows = rows_of(f"peak memory {shape}", peaks, BASELINE, "mebibytes")
    print_rows(rows)
    if not rounds:
        return rows
    seconds = alternate(
        {name: timed(work, clock=process_time) for name, work in steps.items()},
        rounds=rounds,
        warmup=0,  # each has run for its memory
    )
    times = rows_of(f"step {shape}", seconds, BASELINE)
    print_rows(times)
    return rows + times


def targets_of(rows: Rows) -> Rows:
    """A target for memory and for time of each loss."""
    limits = {"mebibytes": MEMORY_LIMIT, "seconds": TIME_LIMIT}
    return [
        target(f"{row['subject']}, {row['case']}", limit, row["ratio"], reason=REASON)
        for measure, limit in limits.items()
        for row in rows
        if measure in row and row["subject"] in LOSSES
    ]


def table(content: dict[str, Any]) -> list[str]:
    """The table of the README."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in content["rows"]:
        measure = "seconds" if "seconds" in row else "mebibytes"
        of_shape = row["case"].removeprefix("peak memory ").removeprefix("step ")
        found.setdefault((of_shape, row["subject"]), {})[measure] = row
    lines = []
    for (of_shape, name), measures in found.items():
        memory, time = measures["mebibytes"], measures["seconds"]
        low, high = time["ratio_quartiles"]
        lines.append(
            (
                name,
                f"{int(of_shape.partition(' x ')[0]):,}",
                f"{memory['mebibytes']:,.0f}",
                f"{memory['ratio']:.2f}",
                f"{time['seconds']:.1f}",
                f"{time['ratio']:.2f} ({low:.2f} to {high:.2f})",
            )
        )
    return numbers_table(("", "tokens", "memory, MiB", "over torch", "seconds", "over torch"), lines)


def main(options: Vocabulary) -> None:
    """Measure and write the file, or write the table."""
    if options.write:
        lines = table(read_record(options.out))
        write_text(README, replace_between(README.read_text(encoding="utf-8"), *MARKS, lines))
        return
    torch.set_num_threads(1)
    keep_memory()
    rows = [row for n_tokens in options.tokens for row in measured(options, n_tokens, options.rounds)]
    write_results(options.out, "vocabulary", command.command_line(options), rows, targets_of(rows))


if __name__ == "__main__":
    command.run(Vocabulary, main)
