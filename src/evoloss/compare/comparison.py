"""Several losses over several seeds on one data set and one classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from evoloss.compare.cautions import cautions
from evoloss.compare.config import CompareConfig, label_loss
from evoloss.compare.joint.results import JOINT_FILE
from evoloss.compare.keeping.files import require_own
from evoloss.compare.keeping.folds import require_folds
from evoloss.compare.progress import RunProgress
from evoloss.compare.record import VERSIONS, Record, describe_environment, settings
from evoloss.compare.results import OWN_FILES, Results
from evoloss.compare.runner import Callbacks, OnRun, Runner
from evoloss.compare.training_run import TrainingRuns, build_loss
from evoloss.compare.tuning import (
    MOST_WIDENED,
    best_learning_rate,
    rates_at_edges,
    rates_beyond,
    tuning_seeds,
)
from evoloss.data import Dataset, load_dataset
from evoloss.directory_lock import hold_directory
from evoloss.errors import CallbackError, ConfigError, DataError
from evoloss.executors import Executor
from evoloss.models import build_model, names_trees
from evoloss.own_files import require_replaceable
from evoloss.training import RunResult
from evoloss.training.criterion import try_criterion
from evoloss.training.run_result import OnEpoch
from evoloss.training.stages.class_weights import with_balanced_weights
from evoloss.training.stages.devices import require_tools
from evoloss.training.trees.parameters import TreeSpec
from evoloss.training.trees.train_trees import try_trees


def compare(
    config: CompareConfig,
    *,
    out: Path | None = None,
    progress: bool = False,
    executor: Executor | None = None,
    say: Callable[[str], None] | None = None,
    warn: Callable[[str], None] | None = None,
    on_run: OnRun | None = None,
    on_epoch: OnEpoch | None = None,
) -> Results:
    """Train every loss with every seed, after tuning its learning rate if asked to.

    With ``out`` every run leaves a file in ``out/runs``, and ``out/results.json`` follows as runs end; those
    that ``config.keep`` names leave weights, predictions and suspect labels in ``out/kept`` too. Runs found
    there are not done again, so a comparison that was stopped goes on, losses, seeds, rates and tuning
    seeds can be added, and processes with the same configuration may work on one comparison at the same time.

    Args:
        config: what to compare.
        out: directory of the results; None keeps them in memory.
        progress: show a progress bar.
        executor: where runs take place; None is one after the other in this process.
        say: is told what was done to the data, a sentence a call, before the first run.
        warn: is told of settings that do something else than one may think, likewise.
        on_run: called in this process with a :class:`~evoloss.sweeps.finished_run.FinishedRun` for every run
            as soon as its result is known and written, tuning runs and those that were found in ``out``
            (``recalled``) included.
        on_epoch: called in this process with an :class:`~evoloss.training.EpochRecord` for every epoch of the
            runs that this call does, in their order: as it ends, or, where an executor or several devices do
            the runs, when its run has ended. Not for runs that were found in ``out``.

    Callbacks change neither results nor names of runs. One that raises stops the comparison; runs that are
    done stay done.

    Raises:
        CallbackError: if ``on_run`` or ``on_epoch`` raised; without ``out`` its ``results`` are those of the
            runs that are done.
        ConfigError: if an executor gets runs that want more than one device.
        ResultsError: if ``out`` holds the results of another comparison.
        InUseError: if another process does something else in ``out``.
        OutputError: if ``out`` holds a ``results.json`` that evoloss did not write.
        EvolossError: if a loss, the data set or the model cannot be had, or if runs failed.

    Example:
        >>> losses = ("cross_entropy", "evolved-base")
        >>> config = CompareConfig(model="mlp", epochs=1, train_samples=50, losses=losses, seeds=(0,))
        >>> results = compare(config)
        >>> [(run.loss, run.seed) for run in results.runs]
        [('cross_entropy', 0), ('evolved-base', 0)]
    """
    planned, here = plan(config, out=out, executor=executor, say=say, warn=warn)
    with nullcontext() if out is None else hold_directory(out, "compare", shared_by=_identity(planned)):
        callbacks = Callbacks.of(on_run, on_epoch, out)
        return _run(Record(planned, out, here), executor, progress, callbacks)


def plan(
    config: CompareConfig,
    *,
    out: Path | None = None,
    executor: Executor | None = None,
    say: Callable[[str], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> tuple[TrainingRuns, dict[str, str]]:
    """Check and load all that a comparison needs; arguments and errors are those of :func:`compare`.

    Returns:
        What its runs are made of, and versions and the kind of machine where they take place.
    """
    if executor is not None and config.devices > 1:
        raise ConfigError(f"runs on {config.devices} devices need the serial executor; use devices=1")
    if out is None:
        config = replace(config, keep="none")
    else:
        require_place(config, out)
    library = TreeSpec.parse(config.model).library if names_trees(config.model) else None
    if executor is None:
        require_tools(trees=library is not None)
        here = describe_environment(library)
    else:
        executor.submit(require_tools, library is not None).result()
        here = executor.submit(describe_environment, library).result()
    versions = {name: here[name] for name in VERSIONS if name in here}
    return prepare(config, versions=versions, say=say, warn=warn), here


def require_place(config: CompareConfig, out: Path) -> None:
    """Make sure, before any work, that a comparison would replace nothing of somebody else's.

    Raises:
        ConfigError: if comparisons on several data sets lie there.
        OutputError: if it would.
    """
    if (out / JOINT_FILE).exists():
        raise ConfigError(
            f"{out} holds comparisons on several data sets ({JOINT_FILE}); go on with one of them in its own "
            f"folder there, such as {out / 'DATASET'}, or choose another directory"
        )
    require_replaceable(out, OWN_FILES)
    require_own(out, map(label_loss, config.losses), config.keep_plan)


def prepare(
    config: CompareConfig,
    *,
    versions: Mapping[str, str],
    say: Callable[[str], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> TrainingRuns:
    """Load and try all that the runs of a comparison need.

    Args:
        config: what to compare.
        versions: of evoloss, torch and a library of trees, where the runs take place.
        say: see :func:`compare`.
        warn: likewise.

    Raises:
        EvolossError: if a loss, the data set or the model cannot be had.
    """
    losses = {label_loss(spec): build_loss(spec) for spec in config.losses}
    dataset = _load(config)
    if not len(dataset.validation):
        raise DataError(
            f"data set {dataset.name!r} has no validation split with validation={config.validation:g}; the "
            f"best {config.unit} and learning rate are chosen on it: give more"
        )
    if config.keep_plan.seeds:
        require_folds(config.keep_plan.folds, len(dataset.train))
    if say is not None:
        for note in dataset.notes:
            say(note)
    if warn is not None:
        for caution in cautions(config, dataset):
            warn(caution)
    trees = names_trees(config.model)
    if not trees:
        _try_model(config, dataset)
    for name, loss in losses.items():
        if config.class_weights == "balanced":
            loss = with_balanced_weights(loss, dataset.train.labels, dataset.n_classes)
        if trees:
            try_trees(config.model, name, loss, n_classes=dataset.n_classes, hessian=config.hessian)
        else:
            try_criterion(name, loss, n_classes=dataset.n_classes)
    return TrainingRuns(config, dataset, losses, versions)


def _run(record: Record, executor: Executor | None, progress: bool, callbacks: Callbacks) -> Results:
    """Tune, then train; the directory is held."""
    record.recall()
    config, losses = record.planned.config, record.planned.losses
    n_tuning = len(losses) * len(config.lr_grid) * config.tune_seeds if config.tune_lr else 0
    n_runs = n_tuning + len(losses) * len(config.seeds)
    bar = RunProgress(n_runs, config.passes, shown=progress)
    with bar, record.written_at_end(), _with_results(record):
        runner = Runner(record, bar, executor, callbacks)
        rates = _tune(runner) if config.tune_lr else dict.fromkeys(losses, config.lr)
        # Seeds outside, so that a comparison that is stopped early has whole pairs.
        cells = [(name, seed, rates[name]) for seed in config.seeds for name in losses]
        record.runs = [RunResult.from_dict(found) for found in runner(cells, record.runs)]
        record.complete = True
    return record.results()


@contextmanager
def _with_results(record: Record) -> Iterator[None]:
    """Give the error of a callback what is done."""
    try:
        yield
    except CallbackError as error:
        error.results = record.results()
        raise


def _identity(planned: TrainingRuns) -> dict[str, Any]:
    """The identity of a comparison, the same for all that work on one directory: all that its results say."""
    config = settings(planned.config, planned.dataset)
    identities = {name: asdict(identity) for name, identity in planned.identities.items()}
    return {"config": config, "losses": identities, "versions": dict(planned.versions)}


def _load(config: CompareConfig) -> Dataset:
    return load_dataset(
        config.dataset,
        data_dir=config.data_dir,
        download=config.download,
        train_labels=config.train_labels,
        **config.data_options,
    )


def _try_model(config: CompareConfig, dataset: Dataset) -> None:
    """Find a mistake in the model before it fails every run, and fetch its weights if that is allowed."""
    with torch.random.fork_rng(devices=[]):
        build_model(
            config.model,
            input_shape=dataset.input_shape,
            n_classes=dataset.n_classes,
            pretrained=config.pretrained,
            frozen=config.backbone == "frozen",
            download=config.download,
        )


def _tune(runner: Runner) -> dict[str, float]:
    """Choose a rate for each loss; beyond the ends of the grid where that is asked for."""
    record = runner.record
    config, losses = record.planned.config, list(record.planned.losses)
    seeds, grid, rates = tuning_seeds(config.tune_seeds), list(config.lr_grid), list(config.lr_grid)
    widened = 0
    while True:
        cells = [(name, seed, rate) for name in losses for rate in rates for seed in seeds]
        earlier = list(record.tuning)
        for found in runner(cells, record.tuning, read_test=False):
            earlier.append(RunResult.from_dict(found))
        record.tuning[:] = earlier
        best = {name: best_learning_rate(run for run in earlier if run.loss == name) for name in losses}
        edges = rates_at_edges(earlier, best)
        widened += 1
        if not (config.widen_lr_grid and edges and widened <= MOST_WIDENED):
            return best
        rates = rates_beyond(grid, edges.values())
        grid += rates
        runner.bar.expect(len(losses) * len(rates) * len(seeds))
