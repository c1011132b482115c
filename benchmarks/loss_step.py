"""What a loss step costs: forward plus backward of several losses against ``F.cross_entropy``, on one thread.

    python benchmarks/loss_step.py --out benchmarks/results/loss_step.json

The losses take turns within each round, so that a machine whose speed drifts treats them alike; what is
reported is the median over rounds of the ratio to cross-entropy in the same round, with its quartiles.
"""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from torch import Tensor
from torch.nn import functional as F
from torch.utils.benchmark import Timer

from evoloss._version import __version__
from evoloss.atomic_files import write_text
from evoloss.losses.resolve import resolve_loss

SHAPES = ((128, 10), (1024, 10), (1024, 100), (256, 1000))


@dataclass(frozen=True, kw_only=True)
class LossStep:
    """What to time."""

    out: Path
    """File for the results."""
    losses: tuple[str, ...] = ("cross_entropy", "label_smoothing", "focal", "gce", "evolved-base")
    """Losses of this package."""
    rounds: int = 9
    """Rounds in which every loss has its turn."""
    seconds: float = 0.3
    """Time for each turn."""


def time_step(criterion: Callable[[Tensor, Tensor], Tensor], shape: tuple[int, int], seconds: float) -> float:
    """Median seconds of one forward and backward pass."""
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    target = torch.randint(shape[1], shape[:1], generator=torch.Generator().manual_seed(1))
    timer = Timer("f(z, t).backward()", globals={"f": criterion, "z": logits, "t": target})
    return float(timer.blocked_autorange(min_run_time=seconds).median)


def measure(config: LossStep, shape: tuple[int, int]) -> list[dict[str, object]]:
    """Ratios of every loss at one shape."""
    criteria: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"F.cross_entropy": F.cross_entropy}
    criteria |= {name: resolve_loss(name) for name in config.losses}
    rounds = [
        {name: time_step(criterion, shape, config.seconds) for name, criterion in criteria.items()}
        for _ in range(config.rounds)
    ]
    rows: list[dict[str, object]] = []
    for name in criteria:
        ratios = sorted(each[name] / each["F.cross_entropy"] for each in rounds)
        low, middle, high = statistics.quantiles(ratios, n=4)
        microseconds = 1e6 * statistics.median(each[name] for each in rounds)
        rows.append(
            {
                "shape": list(shape),
                "loss": name,
                "ratio": middle,
                "ratio_quartiles": [low, high],
                "microseconds": microseconds,
            }
        )
        print(f"{shape!s:>12}  {name:16} {middle:7.2f} [{low:.2f}, {high:.2f}]  {microseconds:10.0f} us")
    return rows


def main(config: LossStep) -> None:
    """Time every shape and write the file."""
    torch.set_num_threads(1)
    rows = [row for shape in SHAPES for row in measure(config, shape)]
    facts = {"torch": torch.__version__, "evoloss": __version__, "machine": platform.machine(), "threads": 1}
    content = {"schema": 1, "facts": facts, "rounds": config.rounds, "rows": rows}
    write_text(config.out, json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main(tyro.cli(LossStep, description=__doc__))
