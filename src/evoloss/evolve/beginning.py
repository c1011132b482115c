"""The begin of a run: its search is planned, or taken from the directory that it goes on in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from evoloss.errors import CheckpointError, ConfigError
from evoloss.evolve.budget import Plan, measure_pace, plan_search
from evoloss.evolve.config import EVOLVE_FILE, EvolveConfig
from evoloss.evolve.executor import CountsWorkers
from evoloss.evolve.fresh import RIVALS
from evoloss.evolve.journal import Journal
from evoloss.evolve.presets import config_of
from evoloss.evolve.ranges import time_text
from evoloss.evolve.regime import Regime
from evoloss.evolve.shape import DataShape
from evoloss.pretraining import GenerationRecord, PretrainConfig
from evoloss.pretraining.checkpoint import read_checkpoint
from evoloss.pretraining.history import read_history
from evoloss.pretraining.result import CONFIG_FILE


@dataclass(frozen=True)
class Begin:
    """Facts that are known when a search begins.

    Attributes:
        regime: what it is for.
        shape: of the data set that said so, if one did.
        plan: the search; where one goes on that has ended, nothing is timed and its seconds are 0.
        spent: seconds that the earlier part of a resumed run took.
        ended_with: the last generation of a search that has ended; None where generations are to come.
        judged: groups of fresh tasks that are judged already.
        has_ended: whether the whole run has: nothing is searched or judged again.
        history: records of the generations that a resumed run goes on from.
    """

    regime: Regime
    shape: DataShape | None
    plan: Plan
    spent: float = 0.0
    ended_with: int | None = None
    judged: int = 0
    has_ended: bool = False
    history: tuple[GenerationRecord, ...] = ()


def with_budget_that_holds(config: EvolveConfig, out: Path, journal: Journal) -> EvolveConfig:
    """The settings; once a search has ended a smaller budget has no effect any more."""
    head, path = journal.head, out / EVOLVE_FILE
    if head is None or config.seconds >= head.budget_seconds or not path.exists():
        return config
    return replace(config, budget=EvolveConfig.from_toml(path).budget)


def _plan(
    config: EvolveConfig,
    regime: Regime,
    earlier: Path | None,
    executor: CountsWorkers | None,
    journal: Journal,
    finishing: float,
) -> Plan:
    """The search: planned anew, or that of the directory that it goes on in."""
    made, workers = config_of(regime, {}, config.seed), 1 if executor is None else executor.workers
    n_losses = len(RIVALS) + 1
    if earlier is None:
        return plan_search(made, config.seconds, measure_pace(made), n_losses, workers, finishing)
    path = earlier / CONFIG_FILE
    if not path.exists():
        raise CheckpointError(f"{path} does not exist: there is nothing to resume; start without --resume")
    before = replace(PretrainConfig.from_toml(path), generations=None)
    sized = {name: getattr(before, name) for name in ("groups", "tasks", "popsize", "eval_groups", "elites")}
    if replace(made, **sized) != before:
        raise CheckpointError(
            f"{path} belongs to a search for something else; --resume goes on with the settings of "
            f"{earlier / EVOLVE_FILE}, and --budget alone may change"
        )
    if _has_ended_with(config, journal) is not None:
        return Plan(before, 0.0, 0.0)
    pace = measure_pace(made)
    judging = (pace.choosing(before) + pace.verdict(n_losses)) / workers
    _require_time(config, earlier, judging + finishing)
    return Plan(before, pace.generation(before) / workers, judging, pace, n_losses, workers)


def _has_ended_with(config: EvolveConfig, journal: Journal) -> int | None:
    """The last generation of a search that has ended; None if there is none, or a larger budget for more."""
    head = journal.head
    return None if head is None or config.seconds > head.budget_seconds else head.generation


def begin_of(
    config: EvolveConfig,
    regime: Regime,
    shape: DataShape | None,
    earlier: Path | None,
    executor: CountsWorkers | None,
    journal: Journal,
    finishing: float,
) -> Begin:
    """Plan the search, and gather what there is to say before the work.

    Args:
        config: what for, and for how long.
        regime: what it is for.
        shape: of the data set that said so, if one did.
        earlier: the directory of the run that goes on; None for a new one.
        executor: where students will be trained.
        journal: the record of the judging.
        finishing: seconds that files and figures take.

    Raises:
        ConfigError: if the budget is too short.
        CheckpointError: if there is nothing to resume, or it is a search for something else.
    """
    plan = _plan(config, regime, earlier, executor, journal, finishing)
    if earlier is None:
        return Begin(regime, shape, plan)
    ended_with = _has_ended_with(config, journal)
    done = read_checkpoint(earlier, plan.config).generation
    history = tuple(read_history(earlier, done)) if done else ()
    return Begin(
        regime,
        shape,
        plan,
        spent=history[-1].seconds if history else 0.0,
        ended_with=ended_with,
        judged=journal.count("fresh"),
        has_ended=ended_with is not None and journal.ended_after is not None,
        history=history,
    )


def _require_time(config: EvolveConfig, earlier: Path, needed: float) -> None:
    """Refuse a budget below that of the run when it has no room for what follows the search.

    A run at its own budget may always go on: its search may have been stopped a moment before its end.
    """
    path = earlier / EVOLVE_FILE
    before = EvolveConfig.from_toml(path) if path.exists() else config
    if config.seconds < before.seconds and config.seconds < needed:
        raise ConfigError(
            f"a budget of {time_text(config.seconds)} is too short to end the run in {earlier}: choosing, "
            f"judging and the files take about {time_text(needed)} after the search; leave --budget out (it "
            f"is {before.budget}), or give more"
        )
