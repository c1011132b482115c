"""Multi-fidelity: what it saves, and costs, to train only the best candidates on the long groups of tasks.

    python -m benchmarks.synthetic.promotion --losses evolved-noise evolved-small --populations 6

Populations of a search's size and step size, around its start and around the shipped loss in turn, are
evaluated as a generation evaluates them, at several shares of promoted candidates, and then all of them on as
many groups of other tasks. What counts is what the selected quarter gains there over the mean of the
population: a share that selects as well in less time is worth having. Seconds are those of the groups a
candidate was trained on, measured for all candidates and counted for those promoted.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness import command
from benchmarks.harness.results import update_record
from benchmarks.synthetic.priors import RESULTS, mean_and_error
from evoloss import EvolvedLoss, PretrainConfig
from evoloss.errors import ConfigError
from evoloss.fitness import TaskGroupSpec, measure_learnability
from evoloss.fitness.group_scores import GroupScores, score_group
from evoloss.fitness.trainability import trainable
from evoloss.networks import LossNetwork
from evoloss.pretraining.components import make_group_specs, make_network
from evoloss.pretraining.start import start_point
from evoloss.random_streams import stream
from recipes.build import settings

HELD_OUT = 1_000_000
"""Added to the number of a population: the generation whose tasks the selected are compared on."""


@dataclass(frozen=True, kw_only=True)
class PromotionBenchmark:
    """Measure promotion."""

    losses: tuple[str, ...] = ("evolved-noise", "evolved-small")
    """Shipped losses; the configuration of each is taken."""
    shares: tuple[float, ...] = (0.5, 0.25)
    """Shares of the candidates that are trained on long groups, beside 1."""
    populations: int = 6
    """Populations a loss."""
    groups: int | None = None
    """Groups of tasks a population; by default those of the configuration."""
    popsize: int | None = None
    """Candidates a population; by default those of the configuration."""
    out: Path = RESULTS / "promotion.json"
    """File for the results; its entries of other losses stay."""


class PrecomputedScores:
    """An executor that scores all candidates on every group beforehand, and looks up any chunk of them.

    Args:
        network: what the candidates are parameters of.
        params: all candidates, ``(popsize, n_params)``.
        units: groups of tasks.
    """

    def __init__(self, network: LossNetwork, params: Tensor, specs: Iterable[TaskGroupSpec]) -> None:
        self.rows = {_key(candidate): position for position, candidate in enumerate(params)}
        self.scores: dict[int, GroupScores] = {}
        self.seconds: dict[int, float] = {}
        for spec in specs:
            start = time.perf_counter()
            self.scores[spec.group] = score_group(spec, network, params)
            self.seconds[spec.group] = time.perf_counter() - start

    def submit(
        self, function: Any, /, spec: TaskGroupSpec, network: LossNetwork, chunk: Tensor
    ) -> Future[Any]:
        """The scores of cross-entropy and of a chunk of the candidates on a group."""
        assert function is score_group
        rows = [0, *(1 + self.rows[_key(candidate)] for candidate in chunk)]
        future: Future[Any] = Future()
        accuracy, nll, is_clean = self.scores[spec.group]
        future.set_result(GroupScores(accuracy[:, rows], nll[:, rows], is_clean))
        return future

    def cost(self, specs: Sequence[TaskGroupSpec], share: float) -> float:
        """Seconds of these groups with a share of the candidates on the long ones."""
        return sum(self.seconds[spec.group] * (share if spec.long else 1.0) for spec in specs)


def _key(params: Tensor) -> bytes:
    return params.numpy().tobytes()


def measure_population(
    config: PretrainConfig, mean: Tensor, number: int, shares: Sequence[float]
) -> dict[str, dict[str, float]] | None:
    """For each share what it takes, and what the selected quarter gains on other tasks.

    Returns:
        By share ``seconds`` as a part of those of training all, and ``points`` and ``fitness`` of the
        selected on other tasks, less the mean of the population; None without short or without long groups.
    """
    network = make_network(config)
    noise = torch.randn(config.popsize, len(mean), generator=stream(config.seed, "promotion", number))
    params = mean + config.sigma * noise
    params = params[trainable(network, params.double())]
    specs, held_out_specs = make_group_specs(config, number), make_group_specs(config, HELD_OUT + number)
    if len({spec.long for spec in specs}) < 2 or len(params) < 4:
        return None
    precomputed = PrecomputedScores(network, params, specs)
    learnability = config.learnability
    held_out = measure_learnability(
        learnability, network, params, held_out_specs, PrecomputedScores(network, params, held_out_specs)
    )
    rows = {}
    for share in shares:
        promoted = replace(learnability, promote=share)
        result = measure_learnability(promoted, network, params, specs, precomputed)
        best = result.fitness.argsort(stable=True)[: max(1, len(params) // 4)]
        rows[f"{share:g}"] = {
            "seconds": precomputed.cost(specs, share) / precomputed.cost(specs, 1.0),
            "points": float(held_out.advantage[best].mean() - held_out.advantage.mean()),
            "fitness": float(held_out.fitness.mean() - held_out.fitness[best].mean()),
        }
    return rows


def measure_loss(name: str, options: PromotionBenchmark) -> dict[str, Any]:
    """Means and standard errors over populations, and of the differences to training all.

    Raises:
        ConfigError: if fewer than two populations have both short and long groups.
    """
    config = settings(name)
    config = replace(
        config, groups=options.groups or config.groups, popsize=options.popsize or config.popsize
    )
    network = make_network(config)
    means = start_point(config, network).float(), EvolvedLoss.from_pretrained(name).params.detach().float()
    shares = (1.0, *options.shares)
    measured = (
        measure_population(config, means[number % 2], number, shares) for number in range(options.populations)
    )
    populations = [rows for rows in measured if rows is not None]
    if len(populations) < 2:
        raise ConfigError(
            f"{name}: {len(populations)} populations had both short and long groups; give more --populations"
        )
    rows = {share: _over_populations(populations, share) for share in populations[0]}
    sizes = {"popsize": config.popsize, "groups": config.groups, "tasks": config.tasks}
    return {"prior": config.prior, **sizes, "populations": len(populations), "shares": rows}


def _over_populations(populations: Sequence[dict[str, dict[str, float]]], share: str) -> dict[str, Any]:
    row: dict[str, Any] = {"seconds": statistics.fmean(rows[share]["seconds"] for rows in populations)}
    for measure in ("points", "fitness"):
        row[measure] = mean_and_error([rows[share][measure] for rows in populations])
        less_all = [rows[share][measure] - rows["1"][measure] for rows in populations]
        row[f"{measure}_less_all"] = mean_and_error(less_all)
    return row


def main(options: PromotionBenchmark) -> None:
    """Measure, write, print."""
    torch.set_num_threads(1)
    for name in options.losses:
        entry = measure_loss(name, options)
        update_record(options.out, name, entry)
        for share, row in entry["shares"].items():
            print(
                "{}, {}: time {:.2f}, selected quarter {:+.2f} ± {:.2f} points".format(
                    name, share, row["seconds"], *row["points"].values()
                )
            )


if __name__ == "__main__":
    command.run(PromotionBenchmark, main)
