"""Several losses over several seeds on one data set and one classifier."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

import torch

from evoloss._version import __version__
from evoloss.compare.config import CompareConfig, label_loss
from evoloss.compare.progress import RunProgress
from evoloss.compare.results import FILE_NAME, OWN_FILES, Results
from evoloss.compare.training_run import Sources, TrainingRuns, build_loss, check_training, train_run
from evoloss.compare.tuning import best_learning_rate, tuning_seeds
from evoloss.data import DATASETS, Dataset, load_dataset
from evoloss.directory_lock import hold_directory
from evoloss.errors import ConfigError, DataError, ResultsError
from evoloss.executors import Executor
from evoloss.models import build_model
from evoloss.own_files import require_replaceable
from evoloss.sweeps.run_files import Run, save_run
from evoloss.sweeps.sweep import sweep
from evoloss.training import RunResult, TrainConfig, train
from evoloss.training.criterion import try_criterion

GROWING = ("losses", "seeds", "lr_grid", "tune_seeds")
"""The settings a comparison may extend when it goes on in the same directory; all others have to stay."""
FOLLOWING = ("baseline", "class_names", "data_notes", "own_data")
"""Settings that follow from data and other settings; fingerprints of runs tell whether data have changed."""
_WRITE_SECONDS = 1.0  # at least, between two versions of the results file


def compare(
    config: CompareConfig,
    *,
    out: Path | None = None,
    progress: bool = False,
    executor: Executor | None = None,
    say: Callable[[str], None] | None = None,
) -> Results:
    """Train every loss with every seed, after tuning its learning rate if asked to.

    With ``out`` every run leaves a file in ``out/runs``, and ``out/results.json`` follows as runs end. Runs
    found there are not done again, so a comparison that was stopped goes on, losses, seeds, rates and tuning
    seeds can be added, and processes with the same configuration may work on one comparison at the same time.

    Args:
        config: what to compare.
        out: directory of the results; None keeps them in memory.
        progress: show a progress bar.
        executor: where runs take place; None is one after the other in this process.
        say: is told what was done to the data, a sentence a call, before the first run.

    Raises:
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
    if executor is not None and config.devices > 1:
        raise ConfigError(f"runs on {config.devices} devices need the serial executor; use devices=1")
    if out is not None:
        require_replaceable(out, OWN_FILES)
    losses = {label_loss(spec): build_loss(spec) for spec in config.losses}
    dataset = _load(config)
    if not len(dataset.validation):
        raise DataError(
            f"data set {dataset.name!r} has no validation split with validation={config.validation:g}; the "
            "best epoch and learning rate are chosen on it: give more"
        )
    if say is not None:
        for note in dataset.notes:
            say(note)
    _try_model(config.model, dataset)
    for name, loss in losses.items():
        try_criterion(name, loss, n_classes=dataset.n_classes)
    here = describe_environment() if executor is None else executor.submit(describe_environment).result()
    versions = {name: here[name] for name in ("evoloss", "torch")}
    planned = TrainingRuns(config, dataset, losses, versions)
    with nullcontext() if out is None else hold_directory(out, "compare", shared_by=_identity(planned)):
        return _run(_Record(planned, out, here), executor, progress)


def _run(record: _Record, executor: Executor | None, progress: bool) -> Results:
    """Tune, then train; the directory is held."""
    record.recall()
    config, losses = record.planned.config, record.planned.losses
    n_tuning = len(losses) * len(config.lr_grid) * config.tune_seeds if config.tune_lr else 0
    n_runs = n_tuning + len(losses) * len(config.seeds)
    with RunProgress(n_runs, config.epochs, shown=progress) as bar, record.written_at_end():
        runner = _Runner(record, bar, executor)
        rates = _tune(runner) if config.tune_lr else dict.fromkeys(losses, config.lr)
        # Seeds outside, so that a comparison that is stopped early has whole pairs.
        cells = [(name, seed, rates[name]) for seed in config.seeds for name in losses]
        record.runs = [RunResult.from_dict(found) for found in runner(cells, record.runs)]
        record.complete = True
    return record.results()


def _identity(planned: TrainingRuns) -> dict[str, Any]:
    """The identity of a comparison, the same for all that work on one directory: all that its results say."""
    config = _settings(planned.config, planned.dataset)
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


def _try_model(model: str, dataset: Dataset) -> None:
    """Find a mistake in the model before it fails every run."""
    with torch.random.fork_rng(devices=[]):
        build_model(model, input_shape=dataset.input_shape, n_classes=dataset.n_classes)


def _tune(runner: _Runner) -> dict[str, float]:
    config, record = runner.record.planned.config, runner.record
    seeds = tuning_seeds(config.tune_seeds)
    cells = [
        (name, seed, rate) for name in record.planned.losses for rate in config.lr_grid for seed in seeds
    ]
    record.tuning = [RunResult.from_dict(found) for found in runner(cells, record.tuning, read_test=False)]
    return {
        name: best_learning_rate(run for run in record.tuning if run.loss == name)
        for name in record.planned.losses
    }


@dataclass(frozen=True)
class _Runner:
    """Runs trainings, and reports them to the record and to the progress bar."""

    record: _Record
    bar: RunProgress
    executor: Executor | None

    def __call__(
        self, cells: list[tuple[str, int, float]], done: list[RunResult], *, read_test: bool = True
    ) -> list[dict[str, Any]]:
        planned = self.record.planned
        runs = [planned.make(name, seed=seed, lr=lr, read_test=read_test) for name, seed, lr in cells]
        places = {run.key: place for place, run in enumerate(runs)}
        found: dict[int, RunResult] = {}

        def on_done(run: Run, result: dict[str, Any]) -> None:
            found[places[run.key]] = RunResult.from_dict(result)
            done[:] = [found[place] for place in sorted(found)]
            if self.executor is not None:
                self.bar.start(_describe(run.config))
            self.bar.finish()
            self.record.update()

        function: Callable[[dict[str, Any]], dict[str, Any]] = self._train_here
        if self.executor is not None:
            function = partial(train_run, Sources.of(planned.config))
        return sweep(
            runs,
            function,
            folder=self.record.out,
            executor=self.executor,
            on_done=on_done,
            check=check_training,
        )

    def _train_here(self, config: dict[str, Any]) -> dict[str, Any]:
        """Train with what is loaded already, and count epochs."""
        self.bar.start(_describe(config))
        name, planned = config["loss"]["name"], self.record.planned
        return train(
            planned.dataset,
            config["model"],
            planned.losses[name],
            TrainConfig(**config["train"]),
            loss_name=name,
            read_test=config["read_test"],
            on_epoch=self.bar.advance,
        ).as_dict()


def _describe(config: Mapping[str, Any]) -> str:
    seed, lr = config["train"]["seed"], config["train"]["lr"]
    return f"{config['loss']['name']}, {f'seed {seed}' if config['read_test'] else 'tuning'}, lr {lr:g}"


@dataclass
class _Record:
    """Runs that are done, kept in step with the results file."""

    planned: TrainingRuns
    out: Path | None
    environment: dict[str, str]
    runs: list[RunResult] = field(default_factory=list)
    tuning: list[RunResult] = field(default_factory=list)
    complete: bool = False
    written: float = -_WRITE_SECONDS

    def recall(self) -> None:
        """Give earlier runs of the results file a file each, unless they belong to another comparison.

        Runs of a loss or of data that have changed since, or of another device, are left out.
        """
        if self.out is None or not (self.out / FILE_NAME).exists():
            return
        earlier = Results.read(self.out / FILE_NAME)
        _require_same(earlier, self._settings(), self.environment, self.out)
        for result in (*earlier.runs, *earlier.tuning):
            run = self.planned.remake(result)
            if run is not None:
                save_run(self.out, run, result.as_dict())

    def results(self) -> Results:
        """Return what there is."""
        return Results(
            config=self._settings(),
            created_with=self.environment,
            baseline=self.planned.config.baseline_label,
            complete=self.complete,
            runs=tuple(self.runs),
            tuning=tuple(self.tuning),
        )

    def update(self) -> None:
        """Write the file, if there is a place for it and it was not written just now."""
        if time.monotonic() - self.written >= _WRITE_SECONDS:
            self._write()

    @contextmanager
    def written_at_end(self) -> Iterator[None]:
        """Write the file at the end, however it comes."""
        try:
            yield
        finally:
            if self.runs or self.tuning:
                self._write()

    def _write(self) -> None:
        if self.out is not None:
            self.results().write(self.out / FILE_NAME)
        self.written = time.monotonic()

    def _settings(self) -> dict[str, Any]:
        return _settings(self.planned.config, self.planned.dataset)


def describe_environment() -> dict[str, str]:
    """Return versions and the kind of machine; no names, no paths."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return {
        "evoloss": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": device,
        "threads": str(torch.get_num_threads()),
    }


def _settings(config: CompareConfig, dataset: Dataset) -> dict[str, Any]:
    """Return the configuration as JSON values, names in place of paths, and what the data set says."""
    settings = {entry.name: getattr(config, entry.name) for entry in fields(config)}
    for name in ("data_dir", "download"):
        del settings[name]
    if config.train_labels is not None:
        settings["train_labels"] = config.train_labels.name
    settings = {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}
    losses = [label_loss(spec) for spec in config.losses]
    told = {
        "class_names": list(dataset.class_names),
        "data_notes": list(dataset.notes),
        "own_data": dataset.name not in DATASETS,
    }
    names = {"dataset": dataset.name, "losses": losses, "baseline": config.baseline_label}
    return {**settings, **names, **told}


_DEFAULTS = {entry.name: entry.default for entry in fields(CompareConfig)}


def _require_same(
    earlier: Results, config: dict[str, Any], environment: Mapping[str, str], out: Path
) -> None:
    differing = [name for name in ("evoloss", "torch") if earlier.created_with.get(name) != environment[name]]
    for name in config.keys() | earlier.config.keys():
        # What a version before did not know is at its default.
        before, now = earlier.config.get(name, _DEFAULTS.get(name)), config.get(name)
        if name in GROWING and isinstance(before, list) and isinstance(now, list):
            differing += [name] if any(value not in now for value in before) else []
        elif name in GROWING and isinstance(before, int) and isinstance(now, int):
            differing += [name] if before > now else []
        elif name not in FOLLOWING and before != now:
            differing.append(name)
    if differing:
        raise ResultsError(
            f"{out / FILE_NAME} holds another comparison: {', '.join(sorted(differing))} differ. Only "
            f"{', '.join(GROWING)} may grow; choose another directory"
        )
