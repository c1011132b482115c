"""The runs of a comparison that are done, in step with its results file."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch

from evoloss._version import __version__
from evoloss.compare.config import CompareConfig, label_loss
from evoloss.compare.results import FILE_NAME, Results
from evoloss.compare.training_run import TrainingRuns
from evoloss.data import DATASETS, Dataset
from evoloss.errors import ResultsError
from evoloss.models import TREES
from evoloss.sweeps.run_files import save_run
from evoloss.training import RunResult
from evoloss.training.trees.parameters import library_version

GROWING = ("losses", "seeds", "lr_grid", "tune_seeds")
"""The settings a comparison may extend when it goes on in the same directory; all others have to stay."""
FOLLOWING = ("baseline", "class_names", "data_notes", "own_data")
"""Settings that follow from data and other settings; fingerprints of runs tell whether data have changed."""
FREE = ("keep", "suspects_folds", "widen_lr_grid")
"""Settings that change no result of a run, and may be others when a comparison goes on."""
VERSIONS = ("evoloss", "torch", *TREES)
"""The packages whose versions are part of what a run is; of libraries of trees the one that grows them."""
_WRITE_SECONDS = 1.0  # at least, between two versions of the results file


@dataclass
class Record:
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
        earlier = None if self.out is None else earlier_results(self.out, self._settings(), self.environment)
        if self.out is None or earlier is None:
            return
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
        return settings(self.planned.config, self.planned.dataset)


def earlier_results(out: Path, config: dict[str, Any], environment: Mapping[str, str]) -> Results | None:
    """Read the results that lie in a directory, which a comparison may go on with; None if there are none.

    Args:
        out: the directory.
        config: of the comparison, by :func:`settings`.
        environment: where it runs, by :func:`describe_environment`.

    Raises:
        ResultsError: if they cannot be read, or are those of another comparison.
    """
    if not (out / FILE_NAME).exists():
        return None
    earlier = Results.read(out / FILE_NAME)
    _require_same(earlier, config, environment, out)
    return earlier


def describe_environment(library: str | None = None) -> dict[str, str]:
    """Return versions and the kind of machine; no names, no paths.

    Args:
        library: of trees, whose version is told too.

    Raises:
        MissingExtraError: if the library is not installed.
    """
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return {
        "evoloss": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": device,
        "threads": str(torch.get_num_threads()),
        **({} if library is None else {library: library_version(library)}),
    }


def settings(config: CompareConfig, dataset: Dataset) -> dict[str, Any]:
    """Return the configuration as JSON values, names in place of paths, and what the data set says."""
    found = {entry.name: getattr(config, entry.name) for entry in fields(config)}
    for name in ("data_dir", "download"):
        del found[name]
    if config.train_labels is not None:
        found["train_labels"] = config.train_labels.name
    found = {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}
    losses = [label_loss(spec) for spec in config.losses]
    told = {
        "class_names": list(dataset.class_names),
        "data_notes": list(dataset.notes),
        "own_data": dataset.name not in DATASETS,
    }
    names = {"dataset": dataset.name, "losses": losses, "baseline": config.baseline_label}
    return {**found, **names, **told}


_DEFAULTS = {
    entry.name: list(entry.default) if isinstance(entry.default, tuple) else entry.default
    for entry in fields(CompareConfig)
}


def _require_same(
    earlier: Results, config: dict[str, Any], environment: Mapping[str, str], out: Path
) -> None:
    then = earlier.created_with
    differing = [name for name in VERSIONS if then.get(name) != environment.get(name)]
    for name in config.keys() | earlier.config.keys():
        # What a version before did not know is at its default.
        before, now = earlier.config.get(name, _DEFAULTS.get(name)), config.get(name)
        if name in GROWING and isinstance(before, list) and isinstance(now, list):
            differing += [name] if any(value not in now for value in before) else []
        elif name in GROWING and isinstance(before, int) and isinstance(now, int):
            differing += [name] if before > now else []
        elif name not in (*FOLLOWING, *FREE) and before != now:
            differing.append(name)
    if differing:
        raise ResultsError(
            f"{out / FILE_NAME} holds another comparison: {', '.join(sorted(differing))} differ. Only "
            f"{', '.join(GROWING)} may grow; choose another directory"
        )
