"""Chaos against Gauss: does chaotic mutation converge faster, or end better, than Gaussian mutation?

    benchmarks/chaos/run.sh                          # everything: runs, tables, figures, docs/chaos.md
    python -m benchmarks.chaos.run [--only NAME ...] # the runs alone

Fixed before the first run: one condition is one step size, step control, noise level and network; its runs
are paired by seed (start, pairs). Primary endpoint: generations until the mean of the search has a ranking
consistency of 0.99 on held-out pairs, cut off at the end of the run; secondary: the consistency at the end.
Each variant is compared with the Gaussian one, and each orbit with its independent and its shuffled twin, in
one Holm correction for each condition and endpoint.

One condition leaves ``results/NAME/ablation.json``; single runs are kept under ``--work``, so that a
study that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from evoloss.ablate.ablation import AblateConfig, ablate
from evoloss.ablate.results import FILE_NAME
from evoloss.atomic_files import write_text
from evoloss.executors import make_executor
from evoloss.fitness import RankingConfig, RankingFitness, make_couples
from evoloss.pairs import sample_pairs
from evoloss.pretraining import PretrainConfig
from evoloss.pretraining.parts import block_length, make_block, make_fitness, make_network, make_strategy
from evoloss.pretraining.start import start_point
from evoloss.random_streams import stream
from evoloss.strategies.shaping import recombination_weights

RESULTS = Path(__file__).parent / "results"
SEEDS = tuple(range(30))
TARGET = 0.99
MAPS = ("logistic", "tent", "sine", "chebyshev", "gauss", "henon")

QUIET = {"pairs": 512, "couples_per_pair": 1}
NOISY = {"pairs": 32, "couples_per_pair": 1}
BASE: dict[str, Any] = {"generations": 100, "classes": [10], "eval_every": 5, "eval_pairs": 256}
PAPER = {"network": "concat", "features": "probs", "pairs": 128, "couples_per_pair": 1}
TUNED_SIGMAS = (0.02, 0.1, 0.3, 1.0, 2.0)


def chaotic(name: str, drives: str = "direction", order: str = "orbit") -> str:
    """A variant with the orbits of a map, or one of its twins, such as ``"henon step shuffled"``."""
    label = " ".join(
        [name, *([] if drives == "direction" else [drives]), *([] if order == "orbit" else [order])]
    )
    return f"{label}: mutation=chaotic chaotic_map={name} chaos_drives={drives} chaos_order={order}"


def twins(
    name: str, drives: str = "direction", orders: tuple[str, ...] = ("independent", "shuffled")
) -> list[str]:
    """An orbit and the same without its dependence in time."""
    return [chaotic(name, drives, order) for order in ("orbit", *orders)]


GAUSSIAN = ["gaussian: mutation=gaussian"]
UNCHAOTIC = [*GAUSSIAN, "uniform: mutation=uniform", "student_t: mutation=student_t"]
# The twin of the tent's density is the uniform one, of Chebyshev's the arcsine, which the logistic map has.
WIDE = [
    *UNCHAOTIC,
    *twins("logistic"),
    chaotic("tent"),
    *twins("sine", orders=("independent",)),
    chaotic("chebyshev"),
    *twins("gauss", orders=("independent",)),
    *twins("henon"),
    *twins("logistic", "step"),
    *twins("henon", "step", ("independent",)),
    *twins("logistic", "both", ("independent",)),
]
UNDER_NOISE = [
    *GAUSSIAN,
    *twins("logistic"),
    *twins("henon", orders=("independent",)),
    *twins("logistic", "step"),
]
FEW = [*GAUSSIAN, *twins("logistic", orders=("independent",)), *twins("logistic", "step", ("independent",))]
ARCSINE = [*GAUSSIAN, *twins("logistic", orders=("independent",))]

CONDITIONS: dict[str, tuple[dict[str, Any], list[str]]] = {
    **{f"fixed-{s}": ({**QUIET, "sigma": s, "step_control": "none"}, WIDE) for s in (0.02, 0.1, 0.3)},
    **{f"fixed-{s}": ({**QUIET, "sigma": s, "step_control": "none"}, FEW) for s in (1.0, 2.0)},
    **{f"self-{s}": ({**QUIET, "sigma": s, "step_control": "self"}, FEW) for s in (0.02, 0.1, 0.3)},
    **{f"csa-{s}": ({**QUIET, "sigma": s, "step_control": "csa"}, ARCSINE) for s in (0.3, 1.0)},
    **{f"noisy-{s}": ({**NOISY, "sigma": s, "step_control": "none"}, UNDER_NOISE) for s in (0.02, 0.1, 0.3)},
    **{f"noisy-self-{s}": ({**NOISY, "sigma": s, "step_control": "self"}, FEW) for s in (0.02, 0.1, 0.3)},
    "concat-0.3": ({**PAPER, "sigma": 0.3, "step_control": "none"}, ARCSINE),
}
"""Settings and variants of each condition, by name."""

# Where a search has something to find: from cross-entropy, under label noise (lab-notebook.md, entry 17).
TAUGHT = {
    **{"fitness": "learnability", "prior": "label-noise", "scoring": "points", "worst_weight": 0.0},
    **{"network": "mixture", "start": "cross_entropy", "sigma": 0.4, "step_control": "none"},
    **{"groups": 3, "tasks": 2, "promote": 0.25, "popsize": 16, "generations": 12},
    **{"eval_every": 12, "eval_groups": 4, "elites": 1, "pairs": 128, "couples_per_pair": 1},
}
OPTIONAL: dict[str, tuple[dict[str, Any], list[str]]] = {
    "learnability-0.4": (TAUGHT, ARCSINE),
}
"""Run only when named: an hour where others take minutes. Its endpoint is the advantage on held-out tasks."""


def contrasts(variants: list[str]) -> tuple[str, ...]:
    """Every orbit against each of its twins."""
    names = [text.partition(":")[0] for text in variants]
    ends = (" independent", " shuffled")
    return tuple(f"{name.removesuffix(end)}:{name}" for name in names for end in ends if name.endswith(end))


def config(name: str) -> AblateConfig:
    """The ablation of a condition."""
    settings, variants = (CONDITIONS | OPTIONAL)[name]
    return AblateConfig(
        base=PretrainConfig.from_dict({**BASE, **settings}),
        variant=tuple(variants),
        seeds=SEEDS,
        target=TARGET,
        baseline="gaussian",
        contrast=contrasts(variants),
    )


def noise(settings: dict[str, Any], seeds: int = 5) -> dict[str, float]:
    """How noisy a generation is: rank correlation of its fitness with one on very many pairs.

    Measured on populations around means that a Gaussian search has after 0, 20 and 60 generations.
    """
    found: dict[int, list[float]] = {0: [], 20: [], 60: []}
    for seed in range(seeds):
        quiet = PretrainConfig.from_dict(
            {**BASE, **QUIET, "sigma": 0.3, "step_control": "none", "seed": seed}
        )
        here = PretrainConfig.from_dict({**BASE, **settings, "sigma": 0.3, "seed": seed})
        network, strategy = make_network(quiet), make_strategy(quiet)
        state = strategy.init(start_point(quiet, network), stream(seed, "strategy"))
        for generation in range(61):
            candidates, asked = strategy.ask(state, stream(seed, "ask", generation))
            if generation in found:
                short = make_fitness(here, network, generation + 1).evaluate(candidates).fitness
                found[generation].append(rank_correlation(short, truth(network, candidates)))
            fitness = make_fitness(quiet, network, generation + 1).evaluate(candidates).fitness
            state = strategy.tell(asked, candidates, fitness)
    return {str(generation): round(statistics.fmean(values), 4) for generation, values in found.items()}


def lengths(sigma: float, seeds: int = 5) -> dict[str, float]:
    """Which step lengths selection prefers: their mean with recombination weights, less the plain mean.

    In units of a Gaussian step, for random lengths (``logistic step independent``), over the first 20 and the
    last 50 generations.
    """
    settings = {**BASE, **QUIET, "sigma": sigma, "step_control": "none", "mutation": "chaotic"}
    settings |= {"chaos_drives": "step", "chaos_order": "independent"}
    early, late = [], []
    for seed in range(seeds):
        here = PretrainConfig.from_dict({**settings, "seed": seed})
        network, strategy = make_network(here), make_strategy(here)
        state = strategy.init(start_point(here, network), stream(seed, "strategy"))
        block, length = [], block_length(here, network)
        for generation in range(100):
            if generation % length == 0:
                block = make_block(here, network, generation // length)
            candidates, asked = strategy.ask(state, stream(seed, "ask", generation))
            fitness = block[generation % length].evaluate(candidates).fitness
            steps = (candidates - state["mean"]).double().square().mean(1).sqrt() / sigma
            weights = recombination_weights(fitness, here.popsize // 2).double()
            if weights.sum() > 0:
                chosen = float(weights @ steps / weights.sum() - steps.mean())
                (early if generation < 20 else late if generation >= 50 else []).append(chosen)
            state = strategy.tell(asked, candidates, fitness)
    return {"first 20": round(statistics.fmean(early), 3), "last 50": round(statistics.fmean(late), 3)}


def truth(network: Any, candidates: torch.Tensor) -> torch.Tensor:
    """Fitness on 16,384 pairs."""
    config = RankingConfig(couples_per_pair=4)
    pairs = sample_pairs(PretrainConfig().pairs_mixture, 16_384, 10, stream(0, "truth"))
    couples = make_couples(config, pairs, stream(0, "truth", "couples"))
    return RankingFitness(config, network, [couples]).evaluate(candidates).fitness


def rank_correlation(first: torch.Tensor, second: torch.Tensor) -> float:
    """Spearman's rho over the candidates that both accept."""
    both = first.isfinite() & second.isfinite()
    ranks = [each[both].argsort().argsort().double() for each in (first, second)]
    return float(torch.corrcoef(torch.stack(ranks))[0, 1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[*CONDITIONS, *OPTIONAL], default=list(CONDITIONS))
    parser.add_argument("--work", type=Path, default=Path("out/chaos"), help="where single runs are kept")
    parser.add_argument("--executor", choices=("serial", "processes", "ray"), default="serial")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--address")
    given = parser.parse_args()
    torch.set_num_threads(1)
    facts = {
        "rank_correlation": {"quiet": noise(QUIET), "noisy": noise(NOISY)},
        "selected_lengths": {str(sigma): lengths(sigma) for sigma in TUNED_SIGMAS},
    }
    write_text(RESULTS / "facts.json", json.dumps(facts, indent=1) + "\n")
    place = make_executor(given.executor, workers=given.workers, address=given.address, threads=1)
    with place as executor:
        for name in given.only:
            began = time.monotonic()
            ablation = ablate(config(name), out=given.work, executor=executor)
            ablation.write(RESULTS / name / FILE_NAME)
            print(f"{name}: {len(ablation.runs)} runs, {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
