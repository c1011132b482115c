"""Comparisons, logged: a run of the tool for every training."""

from __future__ import annotations

from dataclasses import fields

from evoloss.compare.record import describe_environment
from evoloss.compare.tuning import FIRST_TUNING_SEED
from evoloss.sweeps.finished_run import FinishedRun
from evoloss.trackers.run_log import RunLog
from evoloss.training import EpochRecord, RunIdentity, RunResult
from evoloss.training.trees.settings import without_meaning

_SHOWN_FIRST = ("loss", "seed", "lr")


class CompareTracker(RunLog):
    """Logs the trainings of a comparison.

    Of every training, those that choose learning rates included: settings and versions; in each epoch, of
    trees in each round, ``train/loss``, ``train/accuracy`` and ``validation/accuracy``; at the end
    ``test/accuracy``, ``test/nll``, ``test/ece`` and others, and ``noise_rate`` where the loss senses how
    many labels are wrong. Accuracies are in percent. Runs that are found in the directory are logged too if
    they were not before.

    Args:
        tool: ``"tensorboard"``, ``"mlflow"`` or ``"wandb"``; an extra each.
        out: directory of the results; stores without an address of their own are in its folder ``log``.
        warn: told where the store fails, once; Python's warnings by default.

    Raises:
        MissingExtraError: if the tool is not installed.
        ConfigError: if it is unknown, or its server does not answer.
        OutputError: if a file that evoloss did not write stands where it would.

    Example:
        >>> from pathlib import Path
        >>> from evoloss.compare import CompareConfig, compare
        >>> def log(config: CompareConfig, out: Path) -> None:
        ...     with CompareTracker("tensorboard", out) as tracker:
        ...         compare(config, out=out, on_run=tracker.on_run, on_epoch=tracker.on_epoch)
    """

    def on_epoch(self, record: EpochRecord) -> None:
        """Log an epoch; for ``on_epoch`` of :func:`~evoloss.compare.compare`."""
        if record.run is not None and self.run != record.run:
            self._begin_run(record.run, record)
        self._log_epoch(record)

    def on_run(self, run: FinishedRun[RunResult]) -> None:
        """Log the end of a training; for ``on_run`` of :func:`~evoloss.compare.compare`."""
        result = run.result
        if self.run != run.key:
            if not self._begin_run(run.key, result):
                return
            for record in result.epoch_records(run.key):
                self._log_epoch(record)
        self.end(numbers_of(result), settings_of(result))

    def _begin_run(self, key: str, run: EpochRecord | RunResult) -> bool:
        tuning = run.seed >= FIRST_TUNING_SEED
        name = f"{run.loss} seed {run.seed}"
        if tuning:
            name = f"tuning {name} lr {run.lr:g}"
        first = {what: getattr(run, what) for what in _SHOWN_FIRST} | {f"{run.unit}s": run.epochs}
        versions = {f"versions/{what}": text for what, text in describe_environment().items()}
        return self.begin(key, name, {**first, "tuning": tuning, **versions})

    def _log_epoch(self, record: EpochRecord) -> None:
        self.log(
            {
                "train/loss": record.train_loss,
                "train/accuracy": record.train_accuracy,
                "validation/accuracy": record.validation_accuracy,
            },
            record.epoch,
        )


def settings_of(result: RunResult) -> dict[str, object]:
    """Settings of a run that are not known before it has ended, and why its noise rate is none."""
    found: dict[str, object] = {
        entry.name: getattr(result, entry.name)
        for entry in fields(RunIdentity)
        if entry.name not in (*_SHOWN_FIRST, "epochs", *without_meaning(result.model))
    }
    found["n_parameters"] = result.n_parameters
    if result.noise_rate is not None and result.noise_rate.estimate is None:
        found["noise_rate/reason"] = result.noise_rate.reason
    return found


def numbers_of(result: RunResult) -> dict[str, float | None]:
    """Numbers of a whole run; of trees ``best_round`` in place of ``best_epoch``."""
    sensed = result.noise_rate
    return {
        "test/accuracy": result.test_accuracy,
        "test/balanced_accuracy": result.balanced_accuracy,
        "test/nll": result.test_nll,
        "test/ece": result.test_ece,
        f"test/best_{result.unit}_accuracy": result.best_test_accuracy,
        "validation/last_accuracy": result.validation_accuracy,
        "validation/nll": result.validation_nll,
        "validation/best_accuracy": result.best_validation_accuracy,
        f"best_{result.unit}": result.best_epoch,
        "train_seconds": result.train_seconds,
        "diverged": float(result.diverged),
        "noise_rate": None if sensed is None else sensed.estimate,
        "noise_rate/low": None if sensed is None else sensed.low,
        "noise_rate/high": None if sensed is None else sensed.high,
    }
