"""Choosing a learning rate for each loss, by the validation split alone.

Every loss gets the same grid, the same seeds and so the same number of trainings. The seeds are kept apart
from those that are reported, so that a rate is not chosen by the luck of the very runs it is judged by.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from typing import Literal

from evoloss.errors import ConfigError
from evoloss.training import RunResult

FIRST_TUNING_SEED = 1_000_000
"""Tuning seeds count from here; seeds of reported runs have to be smaller."""


Edge = Literal["lowest", "highest"]
"""The end of its grid that a learning rate stands at."""


def tuning_seeds(count: int) -> tuple[int, ...]:
    """Return the first ``count`` tuning seeds."""
    return tuple(range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + count))


def require_apart(seeds: Iterable[int]) -> None:
    """Raise :class:`ConfigError` if a reported seed is a tuning seed."""
    for seed in seeds:
        if seed >= FIRST_TUNING_SEED:
            raise ConfigError(f"seed {seed} is kept for tuning; use seeds below {FIRST_TUNING_SEED}")


def best_learning_rate(runs: Iterable[RunResult]) -> float:
    """Choose among the rates of one loss.

    The rate with the highest mean validation accuracy of the last epoch wins; among equals the one with the
    lower mean validation NLL (small validation splits tie often), then the smaller rate.

    Args:
        runs: the trainings of one loss, at least one.
    """
    by_rate: dict[float, list[RunResult]] = {}
    for run in runs:
        by_rate.setdefault(run.lr, []).append(run)

    def rank(rate: float) -> tuple[float, float, float]:
        group = by_rate[rate]
        # Rounded, since equal counts of right answers may differ in the last digit of their mean.
        accuracy = round(statistics.fmean(run.validation_accuracy for run in group), 6)
        return (-accuracy, statistics.fmean(run.validation_nll for run in group), rate)

    return min(by_rate, key=rank)


MOST_WIDENED = 4
"""Rates that are added to a grid on one side."""


def rates_beyond(grid: Iterable[float], edges: Iterable[Edge]) -> list[float]:
    """The next rates beyond the ends of a grid that were chosen, as far away as the last step was.

    Args:
        grid: rates, at least two.
        edges: ends at which some loss has its rate.

    Example:
        >>> rates_beyond((0.01, 0.02, 0.1), ["highest", "lowest", "highest"])
        [0.005, 0.5]
    """
    rates, ends = sorted(grid), set(edges)
    beyond = []
    if "lowest" in ends:
        beyond.append(rates[0] * rates[0] / rates[1])
    if "highest" in ends:
        beyond.append(rates[-1] * rates[-1] / rates[-2])
    return [float(f"{rate:.4g}") for rate in beyond]


def rates_at_edges(tuning: Iterable[RunResult], rates: Mapping[str, float]) -> dict[str, Edge]:
    """The losses whose learning rate is an end of the grid that it was chosen from.

    A better rate may lie beyond it, so that the loss, and every difference to it, is not judged at its best.

    Args:
        tuning: the trainings that chose the rates; a loss without any, or with a single rate, has no ends.
        rates: the chosen rate of each loss.
    """
    grids: dict[str, set[float]] = {}
    for run in tuning:
        grids.setdefault(run.loss, set()).add(run.lr)
    found: dict[str, Edge] = {}
    for loss, rate in rates.items():
        grid = grids.get(loss, set())
        if len(grid) > 1 and rate in (min(grid), max(grid)):
            found[loss] = "lowest" if rate == min(grid) else "highest"
    return found
