"""Small searches of every kind: do they end with a loss that can be used, or say early that they cannot?

    python -m benchmarks.robustness.searches --out benchmarks/robustness/results/searches.json

Fifty configurations over networks, strategies, mutations, class counts, sizes and seeds, drawn once and for
all. A loss for any class count must be usable at 2, 10, 100 and 1,000 classes, whatever it was evolved on.
Where a run ends without a loss its search is followed once more, generation by generation, to see whether a
usable one turned up on the way.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro

from benchmarks.harness.results import machine_facts
from evoloss import EvolvedLoss, PretrainConfig, pretrain
from evoloss.atomic_files import write_text
from evoloss.errors import CanonicalFormError, ConfigError
from evoloss.pretraining import GenerationRecord
from evoloss.pretraining.components import make_fitness, make_network, make_strategy
from evoloss.pretraining.start import start_point
from evoloss.random_streams import stream

NUMBER = 50
NETWORKS = ("classwise", "classwise", "balanced", "balanced", "basis", "concat", "monotone", "tempered")
STRATEGIES = ("es_comma", "es_plus", "open_es", "snes", "pycma")
CLASSES = ((2,), (3,), (10,), (10,), (100,), (2, 10))


@dataclass(frozen=True, kw_only=True)
class Searches:
    """Run the searches."""

    out: Path
    """File for the results."""
    only: int = NUMBER
    """Run the first so many of them."""


def settings() -> list[dict[str, Any]]:
    """The fifty configurations, as the fields in which they differ from the defaults."""
    draw, found = random.Random(17), []
    for number in range(NUMBER):
        network, strategy = draw.choice(NETWORKS), draw.choice(STRATEGIES)
        values: dict[str, Any] = {
            "network": network,
            "strategy": strategy,
            "mutation": "gaussian" if strategy == "pycma" else draw.choice(("gaussian", "chaotic")),
            "generations": draw.choice((20, 50, 100)),
            "popsize": draw.choice((8, 16, 32)),
            "sigma": draw.choice((0.1, 0.3, 1.0)),
            "pairs": draw.choice((32, 128)),
            "eval_pairs": 64,
            "classes": draw.choice(CLASSES),
            "seed": number,
        }
        if network == "concat":
            values["classes"] = (draw.choice((3, 10)),)
        if network == "tempered":
            values["error"] = "dominance"
        elif network != "basis":
            values["hidden"] = draw.choice(((4,), (8, 8)))
        found.append(values)
    return found


def outcome(values: dict[str, Any]) -> dict[str, Any]:
    """One search: how it ended, after how many generations, and how good its loss is."""
    config, history = PretrainConfig(**values), list[GenerationRecord]()
    began = time.process_time()
    try:
        result = pretrain(config, on_generation=history.append)
    except CanonicalFormError as error:
        done = len(history)
        return {
            "ended": "failed at the end" if done >= values["generations"] else "failed early",
            "generations": done,
            "cpu_seconds": round(time.process_time() - began, 2),
            "message": str(error),
            "usable_on_the_way": usable_on_the_way(config, values["generations"]),
        }
    logits = torch.randn(8, config.classes[0], generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = result.loss(logits, torch.arange(8) % config.classes[0])
    loss.backward()
    assert logits.grad is not None
    works = bool(loss.isfinite()) and bool(logits.grad.isfinite().all())
    return {
        "ended": "usable" if works else "not finite",
        "generations": len(history),
        "cpu_seconds": round(time.process_time() - began, 2),
        "consistency": result.summary["ranking_consistency"],
    }


def usable_on_the_way(config: PretrainConfig, generations: int) -> int | None:
    """The first generation whose mean or best candidate makes a usable loss, from one start; None if none."""
    network, strategy = make_network(config), make_strategy(config)
    state = strategy.init(start_point(config, network), stream(config.seed, "strategy"))
    for generation in range(1, generations + 1):
        candidates, asked = strategy.ask(state, stream(config.seed, "ask", generation))
        evaluation = make_fitness(config, network, generation).evaluate(candidates)
        state = strategy.tell(asked, candidates, evaluation.fitness)
        for params in (strategy.mean(state), candidates[int(evaluation.fitness.argmin())]):
            try:
                EvolvedLoss(network, params.float())
            except (CanonicalFormError, ConfigError):
                continue
            return generation
    return None


def main(command: Searches) -> None:
    """Run them, count, and write."""
    torch.set_num_threads(1)
    runs = []
    for values in settings()[: command.only]:
        runs.append({"settings": values, **outcome(values)})
        print(f"{len(runs):3} {runs[-1]['ended']:18} {values}", flush=True)
    counts = dict(sorted(Counter(run["ended"] for run in runs).items()))
    print(counts)
    content = {
        "schema": 1,
        "benchmark": "searches",
        "command": f"python -m benchmarks.robustness.searches --out {command.out}",
        "facts": machine_facts(),
        "counts": counts,
        "runs": runs,
    }
    write_text(command.out, json.dumps(content, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Searches, description=__doc__))
