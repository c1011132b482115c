"""The time that a comparison takes, from a short training of each loss."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from evoloss.compare.comparison import plan
from evoloss.compare.config import CompareConfig
from evoloss.compare.record import earlier_results, settings
from evoloss.compare.training_run import TrainingRuns, check_training
from evoloss.compare.tuning import tuning_seeds
from evoloss.data import Dataset
from evoloss.models import names_trees
from evoloss.sweeps.run_files import Run, read_run, run_path
from evoloss.training import train

_TIMED_EPOCHS = 2
_TIMED_ROUNDS = 10


@dataclass(frozen=True)
class Estimate:
    """The runs of a comparison, and how long they take.

    Attributes:
        dataset: as it was loaded.
        n_runs: reported runs.
        n_tuning: runs that choose learning rates, without those of a grid that is widened.
        n_done: runs of both kinds that have a file already.
        n_more: further trainings that held-out folds of suspects take.
        unit: what a training goes by, ``epoch`` or ``round``.
        epoch_seconds: an epoch, or of trees a round, of each loss, validation included, measured.
        seconds: of all trainings that are left, one after the other.
    """

    dataset: Dataset
    n_runs: int
    n_tuning: int
    n_done: int
    n_more: int
    unit: str
    epoch_seconds: Mapping[str, float]
    seconds: float


def estimate(
    config: CompareConfig,
    out: Path,
    *,
    say: Callable[[str], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> Estimate:
    """Check all that a comparison needs, and time two epochs of each loss; nothing is written.

    Whether another process writes to the directory is not asked: it may have ended when the comparison
    begins.

    Args:
        config: of the comparison.
        out: its directory; runs that lie there count as done.
        say: see :func:`~evoloss.compare.compare`.
        warn: likewise.

    Raises:
        EvolossError: if a loss, the data set or the model cannot be had.
        ResultsError: if ``out`` holds the results of another comparison, or a damaged run.
        OutputError: if ``out`` holds files that evoloss did not write and would replace.
    """
    planned, here = plan(config, out=out, say=say, warn=warn)
    runs, left = runs_and_left(planned, out, here)
    n_tuning = sum(not run.config["read_test"] for _, run in runs)
    _seconds(planned, next(iter(planned.losses)), epochs=1)  # imports, and the memory of a first training
    timed = _TIMED_ROUNDS if names_trees(config.model) else _TIMED_EPOCHS
    epoch_seconds = {name: _seconds(planned, name, epochs=timed) / timed for name in planned.losses}
    with_files = [name for name, run in left if config.keep_plan.wants(run.config)]
    more = with_files * config.suspects_folds
    return Estimate(
        dataset=planned.dataset,
        n_runs=len(runs) - n_tuning,
        n_tuning=n_tuning,
        n_done=len(runs) - len(left),
        n_more=len(more),
        unit=next(iter(planned.identities.values())).unit,
        epoch_seconds=epoch_seconds,
        seconds=config.passes * sum(epoch_seconds[name] for name in (*(name for name, _ in left), *more)),
    )


def runs_and_left(
    planned: TrainingRuns, out: Path, here: dict[str, str]
) -> tuple[list[tuple[str, Run]], list[tuple[str, Run]]]:
    """Return all runs of a comparison with the names of their losses, and those that do not lie there yet.

    Args:
        planned: the comparison.
        out: its directory.
        here: versions and the kind of machine, as :func:`~evoloss.compare.comparison.plan` returns them.

    Raises:
        ResultsError: if ``out`` holds the results of another comparison, or a damaged run.
    """
    earlier_results(out, settings(planned.config, planned.dataset), here)
    runs = _planned_runs(planned)
    return runs, [
        (name, run) for name, run in runs if read_run(run_path(out, run), run, check_training) is None
    ]


def _planned_runs(planned: TrainingRuns) -> list[tuple[str, Run]]:
    """All runs with the names of their losses: those that tune, then the reported.

    Rates that a grid is widened by are not known yet, nor are those that tuning will choose: reported runs
    stand at the rate that is set, which is theirs without tuning.
    """
    config, names = planned.config, list(planned.losses)
    rates, seeds = (config.lr_grid, tuning_seeds(config.tune_seeds)) if config.tune_lr else ((), ())
    tuning = [
        (name, planned.make(name, seed=seed, lr=rate, read_test=False))
        for name in names
        for rate in rates
        for seed in seeds
    ]
    return tuning + [
        (name, planned.make(name, seed=seed, lr=config.lr)) for name in names for seed in config.seeds
    ]


def _seconds(planned: TrainingRuns, name: str, *, epochs: int) -> float:
    """Time a training of so many epochs."""
    config = planned.config
    recipe = replace(config.train_config(seed=0, lr=config.lr), epochs=epochs, eval_every=1)
    start = time.perf_counter()
    train(planned.dataset, config.model, planned.losses[name], recipe, loss_name=name, read_test=False)
    return time.perf_counter() - start
