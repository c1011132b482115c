"""``evoloss pretrain`` as it comes, with fresh seeds: does every search settle, how well, and how soon?

    python -m benchmarks.robustness.settling --out benchmarks/robustness/results/settling.json

Each seed is one run of the defaults on one thread. Its loss is judged on *foreign* pairs: logits of a Student
distribution at scales from 0.1 to 20, with a label that is drawn at random, the likeliest, or one of the five
likeliest; no pair that is searched, checked or reported on is made like that. The loss is called as a user
calls it, on float64 and on float32 logits; in float32 cross-entropy, too, cannot tell apart what rounding has
made equal, so its figure stands beside it.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from torch import Tensor
from torch.nn import functional as F

from benchmarks.harness.results import machine_facts
from evoloss import EvolvedLoss, PretrainConfig, pretrain
from evoloss.atomic_files import write_text
from evoloss.fitness import ranking_scores
from evoloss.pairs import error_key
from evoloss.random_streams import stream

CLASSES = (2, 10, 100, 1000)
PAIRS = 3000
GOAL = 0.999


@dataclass(frozen=True, kw_only=True)
class Settling:
    """Run the defaults with every seed."""

    out: Path
    """File for the results."""
    seeds: tuple[int, ...] = tuple(range(100, 120))
    """Seeds; none of them was looked at while the rules were made."""


def foreign_pairs(n_classes: int) -> tuple[Tensor, Tensor]:
    """Logits ``(N, C)`` in float64 and labels ``(N,)``."""
    generator = stream(20_261_130, "foreign", n_classes)
    normal = torch.randn(PAIRS, n_classes, generator=generator, dtype=torch.float64)
    squares = torch.randn(PAIRS, n_classes, 3, generator=generator, dtype=torch.float64).square().mean(2)
    scale = 0.1 * 200 ** torch.rand(PAIRS, 1, generator=generator, dtype=torch.float64)
    logits = scale * normal / squares.sqrt()  # three degrees of freedom
    order = logits.argsort(dim=1, descending=True)
    which = torch.randint(n_classes, (PAIRS,), generator=generator)
    kind = torch.arange(PAIRS) % 3
    which = torch.where(kind == 1, 0, torch.where(kind == 2, which % 5, which))
    return logits, order.gather(1, which[:, None]).squeeze(1)


def consistency(costs: Tensor, logits: Tensor, target: Tensor) -> float:
    """Share of couples with different ``1 - p_y`` that the costs order alike; a tie counts one half."""
    errors = error_key("one_minus_p", F.log_softmax(logits, dim=1), target)
    return ranking_scores(costs.double(), errors).consistency


def evaluate(loss: EvolvedLoss) -> dict[str, dict[str, float]]:
    """Ranking consistency on foreign pairs by class count and precision, with cross-entropy's in float32."""
    loss.reduction, found = "none", {}
    for n_classes in CLASSES:
        logits, target = foreign_pairs(n_classes)
        found[str(n_classes)] = {
            "float64": consistency(loss(logits, target), logits, target),
            "float32": consistency(loss(logits.float(), target), logits, target),
            "cross_entropy_float32": consistency(
                F.cross_entropy(logits.float(), target, reduction="none"), logits, target
            ),
        }
    return found


def run(seed: int) -> dict[str, Any]:
    """One search and what came of it."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = pretrain(PretrainConfig(seed=seed))
    seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    foreign = evaluate(result.loss)
    return {
        "seed": seed,
        "generations": result.summary["generations"],
        "attempts": result.summary["attempts"],
        "settled": result.summary["settled"],
        "held_out": result.summary["ranking_consistency"],
        "foreign": foreign,
        "lowest_foreign": min(scores["float64"] for scores in foreign.values()),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
    }


def main(command: Settling) -> None:
    """Run all seeds, sum up, and write."""
    torch.set_num_threads(1)
    runs = []
    for seed in command.seeds:
        runs.append(run(seed))
        print({name: value for name, value in runs[-1].items() if name != "foreign"}, flush=True)
    content = {
        "schema": 1,
        "benchmark": "settling",
        "command": f"python -m benchmarks.robustness.settling --out {command.out}",
        "facts": machine_facts(),
        "goal": GOAL,
        "summary": {
            "seeds": len(runs),
            "settled": sum(row["settled"] for row in runs),
            "foreign_at_goal": sum(row["lowest_foreign"] >= GOAL for row in runs),
            "lowest_foreign": min(row["lowest_foreign"] for row in runs),
            "most_generations": max(row["generations"] for row in runs),
            "most_cpu_seconds": max(row["cpu_seconds"] for row in runs),
        },
        "runs": runs,
    }
    print(content["summary"])
    write_text(command.out, json.dumps(content, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Settling, description=__doc__))
