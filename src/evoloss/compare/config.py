"""The configuration of a comparison."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args

from evoloss.compare.keeping.plan import Keep, KeepPlan
from evoloss.compare.tuning import require_apart
from evoloss.errors import ConfigError
from evoloss.losses.artefact.hub import HubName, is_on_hub
from evoloss.losses.spec import LossSpec
from evoloss.models import TREES, names_trees, training_unit
from evoloss.training import TrainConfig, TrainRecipe
from evoloss.training.trees.parameters import TreeSpec
from evoloss.training.trees.settings import PATIENCE, ROUNDS, require_for_network, require_for_trees
from evoloss.user_paths import real_path
from evoloss.zoo import ALIASES

OWN_OBJECTIVES = TREES
"""Losses that are the own objective of a library of trees, by its name."""


@dataclass(frozen=True, kw_only=True)
class ComparisonSettings(TrainRecipe):
    """All settings of a comparison but its data set: the recipe shared by all runs, and what varies.

    Raises:
        ConfigError: if a value is outside its range.
    """

    target: str | None = None
    """Column of the labels, where the data set is a table (.csv, .parquet)."""
    ignore_columns: tuple[str, ...] = ()
    """Columns of a table that are left out."""
    model: str = "cnn"
    """mlp, cnn, resnet20, ... (a known name), package.module:callable, or an image classifier of a library:
    timm:NAME, torchvision:NAME, transformers:NAME (a folder with config.json, or a name of the hub). Or
    trees, xgboost or lightgbm, also with parameters, xgboost:max_depth=4."""
    rounds: int = ROUNDS
    """Of trees: rounds at most, in place of epochs; those with the best validation accuracy are judged."""
    losses: tuple[str, ...] = ("cross_entropy", "evolved-base")
    """Known losses, shipped losses, directories of saved ones, hf://user/name on the Hugging Face Hub, or
    package.module:callable for an nn.Module of your own, called as criterion(logits, target) and returning
    the mean; with parameters gce:q=0.5. With trees the library's own objective comes first, under the
    library's name."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One run for each seed and loss; runs of equal seed share everything but the loss."""
    baseline: str | None = None
    """Loss that the others are compared with; cross_entropy by default, of trees the library's own objective,
    else the first."""
    tune_lr: bool = False
    """Choose the learning rate of each loss from lr_grid on the validation split, with seeds of its own."""
    lr_grid: tuple[float, ...] = (0.01, 0.02, 0.05, 0.1, 0.2)
    """Rates that tune_lr tries, the same for every loss."""
    tune_seeds: int = 2
    """Runs for each rate and loss while tuning."""
    widen_lr_grid: bool = False
    """Go on beyond an end of the grid that tune_lr chooses for some loss, up to four rates on each side, for
    all losses alike."""
    train_samples: int | None = None
    """Train on a class-balanced subset of this size; None trains on all."""
    validation: float = 0.1
    """Share of the training data that becomes the validation split, where none is published."""
    split_seed: int = 0
    """Seed of the validation split and of the subset."""
    train_labels: Path | None = None
    """File (.npz, an array ``labels``) of the labels to train with, such as those of annotators, one for each
    sample of the training part in its order; test labels stay, and with validation_noise those of the
    validation split are of the file too."""
    image_size: int | None = None
    """Side in pixels that the images of a folder are brought to."""
    data_dir: Path | None = None
    """Folder of known data sets; $EVOLOSS_DATA_DIR by default."""
    download: bool = False
    """Fetch what is not there: a known data set, files of a model of a library."""
    keep: Keep = "none"
    """Files beside the results: weights, predictions, evaluation and suspect training labels of each loss's
    first seed (first), of all reported runs (all), or none."""
    suspects_folds: int = 0
    """Tell suspect labels by classifiers that were not trained on them: so many more trainings for each run
    that leaves files, at least 2; 0 takes the predictions of the run's own training."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if names_trees(self.model):
            self._take_trees()
        else:
            require_for_network(self, self.model, ("rounds",))
        for name in ("losses", "seeds", "lr_grid"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise ConfigError(f"{name} must hold at least one value and none twice; got {values!r}")
        for seed in self.seeds:
            TrainConfig(seed=seed)
        for rate in self.lr_grid:
            TrainConfig(lr=rate)
        require_apart(self.seeds)
        if self.keep not in get_args(Keep):
            raise ConfigError(f"keep must be one of {', '.join(get_args(Keep))}; got {self.keep!r}")
        if self.suspects_folds < 0 or self.suspects_folds == 1:
            raise ConfigError(f"suspects_folds must be 0, or 2 and more; got {self.suspects_folds}")
        if isinstance(self.rounds, bool) or not isinstance(self.rounds, int) or self.rounds < 1:
            raise ConfigError(f"rounds must be a whole number, at least 1; got {self.rounds!r}")
        for library in OWN_OBJECTIVES:
            if library in self.losses and self.model.partition(":")[0] != library:
                raise ConfigError(f"the loss {library!r} is the objective of --model {library}, no other's")
        if self.tune_seeds < 1:
            raise ConfigError(f"tune_seeds must be at least 1; got {self.tune_seeds}")
        labels = [label_loss(spec) for spec in self.losses]
        if len(set(labels)) < len(labels):
            raise ConfigError(
                "two losses share a name; name each once, and give directories other names: "
                f"{', '.join(labels)}"
                + "".join(f" ({name} stands for {ALIASES[name]})" for name in self.losses if name in ALIASES)
            )
        if self.baseline is not None and label_loss(self.baseline) not in labels:
            raise ConfigError(f"the baseline {self.baseline!r} is not among the losses {', '.join(labels)}")

    def _take_trees(self) -> None:
        """Check settings of trees, and put the library's own objective first."""
        library = TreeSpec.parse(self.model).library
        require_for_trees(self, self.model, ("epochs",))
        if library not in self.losses:
            object.__setattr__(self, "losses", (library, *self.losses))

    @property
    def passes(self) -> int:
        """Epochs of a network, rounds of trees, at most."""
        return self.rounds if names_trees(self.model) else self.epochs

    @property
    def unit(self) -> str:
        """Unit that a training goes by: ``epoch``, or of trees ``round``."""
        return training_unit(self.model)

    @property
    def baseline_label(self) -> str:
        """Name of the loss that the others are compared with."""
        labels = [label_loss(spec) for spec in self.losses]
        if self.baseline is not None:
            return label_loss(self.baseline)
        if names_trees(self.model):
            return TreeSpec.parse(self.model).library
        return "cross_entropy" if "cross_entropy" in labels else labels[0]

    @property
    def keep_plan(self) -> KeepPlan:
        """The runs that leave files."""
        seeds = {"all": self.seeds, "first": self.seeds[:1], "none": ()}[self.keep]
        return KeepPlan(seeds, self.suspects_folds)

    @property
    def data_options(self) -> dict[str, Any]:
        """Options of ``load_dataset`` that decide about samples and labels, sources apart."""
        # Only where there is one: the runs of other data sets keep the names that they had before tables.
        table: dict[str, Any] = {} if self.target is None else {"target": self.target}
        if self.ignore_columns:
            table["ignore_columns"] = self.ignore_columns
        return table | {
            "validation": self.validation,
            "train_samples": self.train_samples,
            "split_seed": self.split_seed,
            "image_size": self.image_size,
            "noisy_validation": self.validation_noise,
        }

    def train_config(self, *, seed: int, lr: float) -> TrainConfig:
        """Return the configuration of one run."""
        recipe = {entry.name: getattr(self, entry.name) for entry in fields(TrainRecipe)}
        if names_trees(self.model):
            recipe |= {"epochs": self.passes, "early_stopping": self.early_stopping or PATIENCE}
        return TrainConfig(**{**recipe, "lr": lr, "seed": seed})


@dataclass(frozen=True, kw_only=True)
class CompareConfig(ComparisonSettings):
    """A comparison on one data set.

    Raises:
        ConfigError: if a value is outside its range.

    Example:
        >>> config = CompareConfig(losses=("cross_entropy", "gce"), seeds=(0, 1, 2), label_noise=0.4)
        >>> config.dataset, config.model, config.label_noise
        ('digits', 'cnn', 0.4)
    """

    dataset: str = "digits"
    """digits, cifar10, ... (a known name), a file (.npz, .csv, .parquet), a folder of images by class, or
    package.module:callable."""


def label_loss(spec: str) -> str:
    """Return the name of a loss in results: what an alias stands for, the last part of a path, else the name.

    Of a loss on the hub it is its name there, with the revision. So results say which loss ``evolved`` was
    when they were made. Parameters follow in alphabetical order, with numbers in their shortest form, so that
    two ways to write one loss have one name.

    Raises:
        ConfigError: if parameters are not of the form ``name=value,name=value``.
    """
    parsed = LossSpec.parse(spec)
    base = ALIASES.get(parsed.base, parsed.base)
    if is_on_hub(base):
        place = HubName.parse(base)
        revision = "" if place.revision is None else "@" + place.revision.replace("/", "-")
        return parsed.with_base(place.repository.partition("/")[2] + revision)
    if "/" in base or "\\" in base or Path(base).is_dir():
        base = real_path(base).name
    return parsed.with_base(base)
