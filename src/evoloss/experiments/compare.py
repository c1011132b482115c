"""Several losses over several seeds on one data set and one classifier."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evoloss._version import __version__
from evoloss.data import Dataset, load_dataset
from evoloss.errors import ConfigError, ResultsError
from evoloss.experiments.progress import RunProgress
from evoloss.experiments.results import FILE_NAME, Results
from evoloss.experiments.tuning import best_learning_rate, require_apart, tuning_seeds
from evoloss.losses.resolve import resolve_loss
from evoloss.training import RunIdentity, RunResult, TrainConfig, TrainRecipe, identify_run, train

GROWING = ("losses", "seeds", "lr_grid")
"""What a comparison may add when it goes on in the same directory; all else has to stay."""


@dataclass(frozen=True, kw_only=True)
class CompareConfig(TrainRecipe):
    """A comparison: the recipe shared by all runs, and what varies.

    Raises:
        ConfigError: if a value is outside its range.
    """

    dataset: str = "digits"
    """digits, cifar10, ... (a known name), a .npz file, or a folder of images by class."""
    model: str = "cnn"
    """mlp, cnn, resnet20, ... (a known name), or package.module:callable."""
    losses: tuple[str, ...] = ("cross_entropy", "evolved-base")
    """Known losses, shipped losses, or directories of saved ones."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One run for each seed and loss; runs of equal seed share everything but the loss."""
    baseline: str | None = None
    """Loss that the others are compared with; cross_entropy by default, else the first."""
    tune_lr: bool = False
    """Choose the learning rate of each loss from lr_grid on the validation split, with seeds of its own."""
    lr_grid: tuple[float, ...] = (0.01, 0.02, 0.05, 0.1, 0.2)
    """Rates that tune_lr tries, the same for every loss."""
    tune_seeds: int = 2
    """Runs for each rate and loss while tuning."""
    train_samples: int | None = None
    """Train on a class-balanced subset of this size; None trains on all."""
    validation: float = 0.1
    """Share of the training data that becomes the validation split, where none is published."""
    split_seed: int = 0
    """Seed of the validation split and of the subset."""
    image_size: int | None = None
    """Side in pixels that the images of a folder are brought to."""
    data_dir: Path | None = None
    """Folder of known data sets; $EVOLOSS_DATA_DIR by default."""
    download: bool = False
    """Fetch a known data set that is not there."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("losses", "seeds", "lr_grid"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise ConfigError(f"{name} must hold at least one value and none twice; got {values!r}")
        for seed in self.seeds:
            TrainConfig(seed=seed)
        for rate in self.lr_grid:
            TrainConfig(lr=rate)
        require_apart(self.seeds)
        if self.tune_seeds < 1:
            raise ConfigError(f"tune_seeds must be at least 1; got {self.tune_seeds}")
        labels = [label_loss(spec) for spec in self.losses]
        if len(set(labels)) < len(labels):
            raise ConfigError(
                f"two losses share a name; give their directories other names: {', '.join(labels)}"
            )
        if self.baseline is not None and label_loss(self.baseline) not in labels:
            raise ConfigError(f"the baseline {self.baseline!r} is not among the losses {', '.join(labels)}")

    @property
    def baseline_label(self) -> str:
        """Name of the loss that the others are compared with."""
        labels = [label_loss(spec) for spec in self.losses]
        if self.baseline is not None:
            return label_loss(self.baseline)
        return "cross_entropy" if "cross_entropy" in labels else labels[0]

    def train_config(self, *, seed: int, lr: float) -> TrainConfig:
        """Return the configuration of one run."""
        recipe = {entry.name: getattr(self, entry.name) for entry in fields(TrainRecipe)}
        return TrainConfig(**{**recipe, "lr": lr, "seed": seed})


def label_loss(spec: str) -> str:
    """Return the name of a loss in results: the last part of a path, any other name as it is."""
    return Path(spec).resolve().name if "/" in spec or "\\" in spec or Path(spec).is_dir() else spec


def compare(config: CompareConfig, *, out: Path | None = None, progress: bool = False) -> Results:
    """Train every loss with every seed, after tuning its learning rate if asked to.

    With ``out`` the results are written to ``out/results.json`` after every run, and runs found there are not
    done again, so a comparison that was stopped goes on, and losses, seeds and rates can be added.

    Args:
        config: what to compare.
        out: directory of the results; None keeps them in memory.
        progress: show a progress bar.

    Raises:
        ResultsError: if ``out`` holds the results of another comparison.
        EvolossError: if a loss, the data set or the model cannot be had.
    """
    losses = {label_loss(spec): resolve_loss(spec) for spec in config.losses}
    dataset = load_dataset(
        config.dataset,
        data_dir=config.data_dir,
        download=config.download,
        validation=config.validation,
        train_samples=config.train_samples,
        split_seed=config.split_seed,
        image_size=config.image_size,
    )
    sweep = _Sweep(config, dataset, losses, out)
    sweep.recall()
    n_tuning = len(losses) * len(config.lr_grid) * config.tune_seeds if config.tune_lr else 0
    n_runs = len(losses) * len(config.seeds)
    with RunProgress(n_tuning + n_runs, config.epochs, shown=progress) as bar:
        rates = _tune(sweep, bar) if config.tune_lr else dict.fromkeys(losses, config.lr)
        sweep.settle(rates)
        # Seeds outside, so that a comparison that is stopped early has whole pairs.
        for seed in config.seeds:
            for name in losses:
                sweep.run(name, config.train_config(seed=seed, lr=rates[name]), bar)
    return sweep.write(complete=True)


def _tune(sweep: _Sweep, bar: RunProgress) -> dict[str, float]:
    config = sweep.config
    for name in sweep.losses:
        for rate in config.lr_grid:
            for seed in tuning_seeds(config.tune_seeds):
                sweep.run(name, config.train_config(seed=seed, lr=rate), bar, tuning=True)
    return {
        name: best_learning_rate(run for run in sweep.tuning if run.loss == name) for name in sweep.losses
    }


@dataclass
class _Sweep:
    """Runs that are done, kept in step with the file."""

    config: CompareConfig
    dataset: Dataset
    losses: Mapping[str, nn.Module]
    out: Path | None
    runs: list[RunResult] = field(default_factory=list)
    tuning: list[RunResult] = field(default_factory=list)
    known: dict[RunIdentity, RunResult] = field(default_factory=dict)

    def recall(self) -> None:
        """Read earlier runs, unless they belong to another comparison."""
        if self.out is None or not (self.out / FILE_NAME).exists():
            return
        earlier = Results.read(self.out / FILE_NAME)
        _require_same(earlier, _plain(self.config, self.dataset.name), self.out)
        # Runs of a loss or of data that have changed since, or of another device, are done again.
        valid = {self._identify(name, self.config.train_config(seed=0, lr=1.0)) for name in self.losses}
        for run in (*earlier.runs, *earlier.tuning):
            if replace(_identity(run), seed=0, lr=1.0) in valid:
                self.known[_identity(run)] = run

    def settle(self, rates: Mapping[str, float]) -> None:
        """Forget earlier runs at other rates than those that are now chosen."""
        self.known = {
            identity: run
            for identity, run in self.known.items()
            if run.test_accuracy is None or run.lr == rates[run.loss]
        }

    def run(self, name: str, config: TrainConfig, bar: RunProgress, *, tuning: bool = False) -> None:
        """Do one run and write the file, or take it from the earlier ones."""
        bar.start(f"{name}, {'tuning' if tuning else f'seed {config.seed}'}, lr {config.lr:g}")
        loss, model = self.losses[name], self.config.model
        done = self.tuning if tuning else self.runs
        earlier = self.known.pop(self._identify(name, config), None)
        if earlier is not None:
            done.append(earlier)
        else:
            done.append(
                train(
                    self.dataset,
                    model,
                    loss,
                    config,
                    loss_name=name,
                    read_test=not tuning,
                    on_epoch=bar.advance,
                )
            )
            self.write(complete=False)
        bar.finish()

    def _identify(self, name: str, config: TrainConfig) -> RunIdentity:
        return identify_run(self.dataset, self.config.model, self.losses[name], config, loss_name=name)

    def write(self, *, complete: bool) -> Results:
        """Write what there is, if there is a place for it.

        While runs are missing the file also keeps earlier runs whose turn has not come, lest they be lost
        when the comparison is stopped a second time.
        """
        waiting = () if complete else tuple(self.known.values())
        results = Results(
            config=_plain(self.config, self.dataset.name),
            created_with=describe_environment(),
            baseline=self.config.baseline_label,
            complete=complete,
            runs=(*self.runs, *(run for run in waiting if run.test_accuracy is not None)),
            tuning=(*self.tuning, *(run for run in waiting if run.test_accuracy is None)),
        )
        if self.out is not None:
            results.write(self.out / FILE_NAME)
        return results


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


def _plain(config: CompareConfig, dataset: str) -> dict[str, Any]:
    """Return the configuration as JSON values, names in place of paths."""
    plain = {entry.name: getattr(config, entry.name) for entry in fields(config)}
    for name in ("data_dir", "download"):
        del plain[name]
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}
    losses = [label_loss(spec) for spec in config.losses]
    return {**plain, "dataset": dataset, "losses": losses, "baseline": config.baseline_label}


def _identity(run: RunResult) -> RunIdentity:
    return RunIdentity(**{entry.name: getattr(run, entry.name) for entry in fields(RunIdentity)})


def _require_same(earlier: Results, config: dict[str, Any], out: Path) -> None:
    here = describe_environment()
    differing = [name for name in ("evoloss", "torch") if earlier.created_with.get(name) != here[name]]
    for name in config.keys() | earlier.config.keys():
        before, now = earlier.config.get(name), config.get(name)
        if name in GROWING and isinstance(before, list) and isinstance(now, list):
            differing += [name] if any(value not in now for value in before) else []
        elif name != "baseline" and before != now:
            differing.append(name)
    if differing:
        raise ResultsError(
            f"{out / FILE_NAME} holds another comparison: {', '.join(sorted(differing))} differ. Only "
            f"{', '.join(GROWING)} may grow; choose another directory, or remove the file"
        )
