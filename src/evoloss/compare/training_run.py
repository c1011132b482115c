"""One training as a run of a sweep: its configuration, and how a worker does it from that alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evoloss.compare.config import CompareConfig, label_loss
from evoloss.compare.keeping.files import FILES, run_files
from evoloss.compare.keeping.plan import NOTHING, KeepPlan
from evoloss.compare.results import check_run
from evoloss.data import DATASETS, Dataset, load_dataset
from evoloss.default_dtype import float32_by_default
from evoloss.errors import DataError, ResultsError
from evoloss.losses import LOSSES
from evoloss.losses.resolve import make_loss
from evoloss.losses.spec import LossSpec
from evoloss.models import TREES, build_model, names_backbone
from evoloss.safe_text import quoted
from evoloss.sweeps.decoding import DecodeError, build
from evoloss.sweeps.run_files import Run
from evoloss.training import RunIdentity, RunResult, TrainConfig, identify_run, train, train_and_observe
from evoloss.training.config import LATER
from evoloss.training.fingerprints import fingerprint_dataset, fingerprint_loss
from evoloss.training.trees.own_objective import LibraryObjective
from evoloss.user_paths import expand_user, names_callable, real_path
from evoloss.zoo import is_shipped

KIND = "compare"


@dataclass(frozen=True)
class TrainingRuns:
    """The runs that a comparison is made of.

    Attributes:
        config: the comparison.
        dataset: its data set, loaded.
        losses: its losses, by their names in results.
        versions: of evoloss, torch and a library of trees, where the runs take place.
    """

    config: CompareConfig
    dataset: Dataset
    losses: Mapping[str, nn.Module]
    versions: Mapping[str, str]

    @cached_property
    def identities(self) -> dict[str, RunIdentity]:
        """The identity of each loss's runs, but for ``seed`` and ``lr``, which are 0 and 1 here."""
        config = self.config.train_config(seed=0, lr=1.0)
        return {
            name: identify_run(self.dataset, self.config.model, loss, config, loss_name=name)
            for name, loss in self.losses.items()
        }

    def make(self, name: str, *, seed: int, lr: float, read_test: bool = True) -> Run:
        """Return one training, by all that determines its result."""
        config, identity = self.config, self.identities[name]
        recipe = asdict(config.train_config(seed=seed, lr=lr))
        # Only of a model that has one, for the same reason.
        known = identity.model_fingerprint
        fingerprint = {} if known is None else {"model_fingerprint": known}
        recipe = {key: value for key, value in recipe.items() if key not in LATER or value != LATER[key]}
        return Run(
            KIND,
            {
                "dataset": {
                    "name": identity.dataset,
                    "fingerprint": identity.data_fingerprint,
                    **config.data_options,
                },
                "model": config.model,
                **fingerprint,
                "loss": {"name": name, "fingerprint": identity.loss_fingerprint},
                # Not "auto": a CPU and a GPU give different bits.
                "train": {**recipe, "accelerator": identity.device},
                "read_test": read_test,
                "versions": dict(self.versions),
            },
        )

    def remake(self, result: RunResult) -> Run | None:
        """Return the run that would give an earlier result; None if loss, data or device have changed."""
        earlier = RunIdentity(**{name: getattr(result, name) for name in RunIdentity.__dataclass_fields__})
        if self.identities.get(result.loss) != replace(earlier, seed=0, lr=1.0):
            return None
        return self.make(
            result.loss, seed=result.seed, lr=result.lr, read_test=result.test_accuracy is not None
        )


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The places where a machine finds what a configuration names; sent with the runs, written to no file.

    Attributes:
        losses: for each name in results, the loss as :func:`~evoloss.make_loss` takes it.
        dataset: a known name, or a path.
        data_dir: folder of known data sets.
        download: fetch a known data set, or files of a model of a library, that are not there.
        train_labels: file of the labels to train with; None for those of the data set.
        keep: the runs that leave files.
    """

    losses: Mapping[str, str]
    dataset: str
    data_dir: Path | None
    download: bool
    train_labels: Path | None = None
    keep: KeepPlan = NOTHING

    @property
    def options(self) -> tuple[tuple[str, Any], ...]:
        """Options of ``load_dataset``."""
        return (
            ("data_dir", self.data_dir),
            ("download", self.download),
            ("train_labels", self.train_labels),
        )

    @classmethod
    def of(cls, config: CompareConfig) -> Sources:
        """Return the sources of a comparison, with absolute paths."""
        named = config.dataset in DATASETS or not expand_user(config.dataset).exists()
        return cls(
            losses={label_loss(spec): _from_anywhere(spec) for spec in config.losses},
            dataset=config.dataset if named else str(real_path(expand_user(config.dataset))),
            data_dir=None if config.data_dir is None else real_path(expand_user(config.data_dir)),
            download=config.download,
            train_labels=None if config.train_labels is None else real_path(expand_user(config.train_labels)),
            keep=config.keep_plan,
        )


@float32_by_default()
def build_loss(spec: str) -> nn.Module:
    """Make a loss by name, the same in every process: what the user's code draws comes from one seed.

    The name of a library of trees is its own objective.
    """
    if spec in TREES:
        return LibraryObjective(spec)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return make_loss(spec)


def _from_anywhere(spec: str) -> str:
    """The text of a loss for a process in another folder: directories by their absolute paths."""
    base = LossSpec.parse(spec).base
    named = base in (*TREES, *LOSSES) or is_shipped(base)
    named = named or (names_callable(base) and not Path(base).is_dir())
    return spec if named else f"{real_path(base)}{spec[len(base) :]}"


def check_training(run: Run, result: dict[str, Any]) -> None:
    """Raise :class:`DecodeError` where a result that was read is not one of its run."""
    found = build(RunResult, result, "result")
    config = run.config
    check_run(found, "result", tested=config["read_test"])
    expected = {
        "loss": config["loss"]["name"],
        "loss_fingerprint": config["loss"]["fingerprint"],
        "dataset": config["dataset"]["name"],
        "data_fingerprint": config["dataset"]["fingerprint"],
        "model": config["model"],
        "model_fingerprint": config.get("model_fingerprint"),
        "device": config["train"]["accelerator"],
        # The result says what was done to the images, not what was asked for.
        **{
            name: value
            for name, value in {**LATER, **config["train"]}.items()
            if name not in ("accelerator", "augment")
        },
    }
    for name, value in expected.items():
        if getattr(found, name) != value:
            raise DecodeError(f"result.{name} is {quoted(getattr(found, name))}; its run has {quoted(value)}")


def train_run(sources: Sources, config: dict[str, Any]) -> dict[str, Any]:
    """Do a run of :meth:`TrainingRuns.make` in whatever process this is.

    Raises:
        DataError: if the data set that is found here is not the one of the configuration.
        ResultsError: if the loss is not.
        EvolossError: see :func:`evoloss.training.train`.
    """
    torch.backends.cudnn.benchmark = True  # every batch of a run has one shape
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # a line a run
    data, name = config["dataset"], config["loss"]["name"]
    options = tuple((key, _fixed(data[key])) for key in data if key not in ("name", "fingerprint"))
    dataset = _load(sources.dataset, (*sources.options, *options), data["fingerprint"])
    loss = build_loss(sources.losses[name])
    if fingerprint_loss(loss) != config["loss"]["fingerprint"]:
        raise ResultsError(
            f"the loss {name!r} that a worker finds at {sources.losses[name]} differs from the one that the "
            "runs were planned with; use the same files and the same evoloss on all machines"
        )
    if sources.download and names_backbone(config["model"]):
        _fetch(config["model"], dataset.input_shape, config["train"].get("pretrained", False))
    return trained(sources.keep, dataset, loss, config)


def trained(
    plan: KeepPlan,
    dataset: Dataset,
    loss: nn.Module,
    config: Mapping[str, Any],
    on_epoch: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """Train with what a configuration names, once it is at hand.

    Returns:
        The result, and under :data:`~evoloss.compare.keeping.files.FILES` the files that the run leaves.
    """
    recipe, name = TrainConfig(**config["train"]), config["loss"]["name"]
    options: dict[str, Any] = {"loss_name": name, "read_test": config["read_test"], "on_epoch": on_epoch}
    if not plan.wants(config):
        return train(dataset, config["model"], loss, recipe, **options).as_dict()
    found = train_and_observe(dataset, config["model"], loss, recipe, **options)
    files = run_files(plan, dataset, loss, recipe, found)
    return found[0].as_dict() | ({FILES: files} if files else {})


def _fixed(value: Any) -> Any:
    """The value, as a key of a cache can hold it."""
    return tuple(value) if isinstance(value, list) else value


@lru_cache(maxsize=1)
def _fetch(model: str, input_shape: tuple[int, ...], pretrained: bool) -> None:
    """Let a library fetch what a model needs, once for all runs of a process."""
    with torch.random.fork_rng(devices=[]):
        build_model(model, input_shape=input_shape, n_classes=2, pretrained=pretrained, download=True)


@lru_cache(maxsize=1)
def _load(
    dataset: str,
    options: tuple[tuple[str, Any], ...],
    fingerprint: str,
) -> Dataset:
    """Load and check a data set, once for all runs of a process."""
    found = load_dataset(dataset, **dict(options))
    if fingerprint_dataset(found) != fingerprint:
        raise DataError(
            f"the data set {dataset!r} that a worker finds differs from the one that the runs were planned "
            "with; use the same files on all machines"
        )
    return found
