"""Multi-fidelity: what it saves, and costs, to train only the best candidates on the long groups of tasks.

    python -m benchmarks.synthetic.promotion --losses evolved-noise evolved-small --populations 6

Populations of a search's size and step size, around its start and around the shipped loss in turn, are judged
as a generation judges them, at several shares of promoted candidates, and then all of them on as many groups
of other tasks. What counts is what the selected quarter gains there over the mean of the population: a share
that selects as well in less time is worth having. Seconds are those of the groups a candidate was trained on,
measured for all candidates and counted for those promoted.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import tyro
from torch import Tensor

from benchmarks.synthetic.priors import mean_and_error
from evoloss import EvolvedLoss, PretrainConfig
from evoloss.atomic_files import write_text
from evoloss.fitness import Unit, measure_learnability
from evoloss.fitness.learnability import UnitScores, score_unit
from evoloss.fitness.trainability import trainable
from evoloss.networks import LossNetwork
from evoloss.pretraining.parts import make_network, make_units
from evoloss.pretraining.start import start_point
from evoloss.random_streams import stream
from recipes.build import RECIPES

ELSEWHERE = 1_000_000
"""Added to a population's number: the tasks that it is judged on afterwards."""


@dataclass(frozen=True, kw_only=True)
class Command:
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
    out: Path = Path("benchmarks/synthetic/results/promotion.json")
    """Where the results go; what it says of other losses stays."""


class Remembered:
    """Runs each unit once, for all candidates, and answers any chunk of them from that.

    Args:
        network: what the candidates are parameters of.
        params: all candidates, ``(popsize, n_params)``.
        units: groups of tasks.
    """

    def __init__(self, network: LossNetwork, params: Tensor, units: Iterable[Unit]) -> None:
        self.rows = {_key(each): position for position, each in enumerate(params)}
        self.scores: dict[int, UnitScores] = {}
        self.seconds: dict[int, float] = {}
        for unit in units:
            start = time.perf_counter()
            self.scores[unit.group] = score_unit(unit, network, params)
            self.seconds[unit.group] = time.perf_counter() - start

    def submit(self, function: Any, /, unit: Unit, network: LossNetwork, chunk: Tensor) -> Future[Any]:
        """The scores of cross-entropy and of a chunk of the candidates on a unit."""
        assert function is score_unit
        picked = [0, *(1 + self.rows[_key(each)] for each in chunk)]
        future: Future[Any] = Future()
        future.set_result(UnitScores(*(each[:, picked] for each in self.scores[unit.group])))
        return future

    def cost(self, units: Sequence[Unit], share: float) -> float:
        """Seconds of these units with a share of the candidates on the long ones."""
        return sum(self.seconds[unit.group] * (share if unit.long else 1.0) for unit in units)


def _key(params: Tensor) -> bytes:
    return params.numpy().tobytes()


def judge_population(
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
    units, others = make_units(config, number), make_units(config, ELSEWHERE + number)
    if len({unit.long for unit in units}) < 2 or len(params) < 4:
        return None
    here, there = (Remembered(network, params, each) for each in (units, others))
    settings = config.learnability
    apart = measure_learnability(settings, network, params, others, there)
    rows = {}
    for share in shares:
        found = measure_learnability(replace(settings, promote=share), network, params, units, here)
        best = found.fitness.argsort(stable=True)[: max(1, len(params) // 4)]
        rows[f"{share:g}"] = {
            "seconds": here.cost(units, share) / here.cost(units, 1.0),
            "points": float(apart.advantage[best].mean() - apart.advantage.mean()),
            "fitness": float(apart.fitness.mean() - apart.fitness[best].mean()),
        }
    return rows


def judge_loss(name: str, command: Command) -> dict[str, Any]:
    """Means and standard errors over populations, and of the differences to training all."""
    config = PretrainConfig.from_toml(RECIPES / name / "config.toml")
    config = replace(
        config, groups=command.groups or config.groups, popsize=command.popsize or config.popsize
    )
    network = make_network(config)
    means = start_point(config, network).float(), EvolvedLoss.from_pretrained(name).params.detach().float()
    shares = (1.0, *command.shares)
    found = [
        judge_population(config, means[number % 2], number, shares) for number in range(command.populations)
    ]
    kept = [each for each in found if each is not None]
    if len(kept) < 2:
        raise SystemExit(
            f"{name}: {len(kept)} populations had both short and long groups; give more --populations"
        )
    rows = {}
    for share in kept[0]:
        row: dict[str, Any] = {"seconds": statistics.fmean(each[share]["seconds"] for each in kept)}
        for measure in ("points", "fitness"):
            values = [each[share][measure] for each in kept]
            less = [each[share][measure] - each["1"][measure] for each in kept]
            row[measure] = mean_and_error(values)
            row[f"{measure}_less_all"] = mean_and_error(less)
        rows[share] = row
    sizes = {"popsize": config.popsize, "groups": config.groups, "tasks": config.tasks}
    return {"prior": config.prior, **sizes, "populations": len(kept), "shares": rows}


def main(command: Command) -> None:
    """Measure, print, write."""
    torch.set_num_threads(1)
    for name in command.losses:
        found = judge_loss(name, command)
        record = json.loads(command.out.read_text(encoding="utf-8")) if command.out.exists() else {}
        write_text(command.out, json.dumps({**record, name: found}, indent=1, allow_nan=False) + "\n")
        for share, row in found["shares"].items():
            print(
                "{}, {}: time {:.2f}, selected quarter {:+.2f} ± {:.2f} points".format(
                    name, share, row["seconds"], *row["points"].values()
                )
            )


if __name__ == "__main__":
    main(tyro.cli(Command, description=__doc__))
