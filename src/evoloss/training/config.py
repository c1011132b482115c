"""Settings of the training of one classifier: a recipe, and a recipe with a seed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from evoloss.errors import ConfigError
from evoloss.integrations.boosting import Hessian
from evoloss.python_settings import make_python

Schedule = Literal["one_cycle", "cosine", "constant"]
Augment = Literal["auto", "none", "standard"]
NoiseKind = Literal["symmetric", "asymmetric"]
Precision = Literal["32-true", "bf16-mixed"]
Optimizer = Literal["sgd", "adamw"]
ClassWeights = Literal["none", "balanced"]
LastBatch = Literal["drop", "keep", "auto"]
Backbone = Literal["finetuned", "frozen"]
Accelerator = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True, kw_only=True)
class TrainRecipe:
    """Everything about a training but its seed: optimizer, schedule, augmentation, label noise.

    Raises:
        ConfigError: if a value is outside its range.

    Example:
        >>> TrainRecipe(epochs=30, lr=0.1, label_noise=0.4).schedule
        'one_cycle'
    """

    epochs: int = 15
    """Passes over the training split; at least 1. Trees have rounds."""
    batch_size: int = 64
    """Samples a step, over all devices together."""
    last_batch: LastBatch = "drop"
    """The incomplete last batch of an epoch: drop leaves it out, keep trains on it too (from two samples on),
    auto keeps it where there are fewer than 20 complete ones, so that small data sets are used whole."""
    optimizer: Optimizer = "sgd"
    """sgd, or adamw, which wants rates of 0.0003 to 0.003 in place of the defaults of lr and lr_grid."""
    lr: float = 0.05
    """Highest learning rate of the schedule; of trees the share of a tree that is added; above 0."""
    momentum: float = 0.9
    """Momentum of SGD, and first beta of AdamW; in [0, 1)."""
    nesterov: bool = True
    """Nesterov momentum of SGD; without effect at momentum 0."""
    weight_decay: float = 5e-4
    """L2 penalty on every parameter (sgd), or decay of every parameter apart from the gradient (adamw); at
    least 0."""
    schedule: Schedule = "one_cycle"
    """one_cycle (linear warm-up over 30 % of the steps, then a half cosine to 0), cosine, or constant."""
    clip_grad: float | None = 5.0
    """Largest gradient norm, as papers on noise-robust losses train; None leaves gradients alone."""
    augment: Augment = "auto"
    """standard is a random crop after padding, for colour images also a random flip; auto is standard for
    colour images of 32 pixels and more, none otherwise."""
    label_noise: float = 0.0
    """Share of the training labels that is replaced, in [0, 1); test labels stay clean."""
    noise_kind: NoiseKind = "symmetric"
    """symmetric (to any other class) or asymmetric (to one fixed other class)."""
    validation_noise: bool = False
    """Make the labels of the validation split as noisy as those that are trained on, as they are where nobody
    checked them; without, they are clean."""
    eval_every: int = 1
    """Epochs between two looks at the validation split; the last epoch is always looked at."""
    early_stopping: int | None = None
    """Epochs, or of trees rounds, without a better validation accuracy after which a training ends; it is
    then judged at its best one. None trains all epochs and judges the last; trees of a comparison have 50
    then. Schedules are planned for all epochs."""
    class_weights: ClassWeights = "none"
    """balanced: in the loss a sample of class k weighs n_samples / (n_classes * samples of class k), by the
    labels that are trained on; validation and test are not weighted."""
    hessian: Hessian = "abs"
    """Of trees, what stands for the second derivative of a loss: abs is |gradient|, softmax 2 p (1 - p) as
    for cross-entropy, exact the second derivative, but no less than a tenth of |gradient|. The library's own
    objective has its own."""
    backbone: Backbone = "finetuned"
    """Of a model of timm, torchvision or transformers: finetuned trains all of it, frozen its head alone,
    with the rest in evaluation mode."""
    pretrained: bool = False
    """Start such a model from the library's weights (but for the head), in place of random ones; they have to
    be on this machine, unless downloads are allowed."""
    precision: Precision = "32-true"
    """Arithmetic of the classifier; the loss itself is computed in float32 either way."""
    accelerator: Accelerator = "auto"
    """Kind of device."""
    devices: int = 1
    """Number of them; above 1 each trains its share of every batch (data parallel)."""

    def __post_init__(self) -> None:
        make_python(self)
        for names, holds, expected in _CHECKS:
            for name in names:
                _require(holds(getattr(self, name)), name, getattr(self, name), expected)
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            _require(value in choices, name, value, f"one of {', '.join(choices)}")
        if self.batch_size % self.devices:
            raise ConfigError(
                f"batch_size must be a multiple of devices, so that all have equal shares; "
                f"got {self.batch_size} and {self.devices}"
            )


@dataclass(frozen=True, kw_only=True)
class TrainConfig(TrainRecipe):
    """A recipe and the seed that fixes initialisation, batches, augmentation, dropout and label noise.

    All of these are functions of the seed alone, never of the loss, so runs with equal seeds and different
    losses are paired.

    Example:
        >>> TrainConfig(epochs=30, lr=0.1, label_noise=0.4, seed=3).seed
        3
    """

    seed: int = 0
    """Seed of everything random; at least 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(_is_int(self.seed) and self.seed >= 0, "seed", self.seed, "a whole number, at least 0")


LATER: dict[str, object] = {
    "last_batch": "drop",
    "optimizer": "sgd",
    "early_stopping": None,
    "class_weights": "none",
    "hessian": "abs",
    "backbone": "finetuned",
    "pretrained": False,
}
"""Settings that came after runs had been written. At these values, which are what was done before, they are
no part of a run's name, so that earlier runs are found."""


_CHOICES: dict[str, tuple[str, ...]] = {
    "schedule": get_args(Schedule),
    "augment": get_args(Augment),
    "optimizer": get_args(Optimizer),
    "class_weights": get_args(ClassWeights),
    "last_batch": get_args(LastBatch),
    "noise_kind": get_args(NoiseKind),
    "hessian": get_args(Hessian),
    "backbone": get_args(Backbone),
    "precision": get_args(Precision),
    "accelerator": get_args(Accelerator),
}


def _require(holds: bool, name: str, value: object, expected: str) -> None:
    if not holds:
        raise ConfigError(f"{name} must be {expected}; got {value!r}")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_CHECKS: tuple[tuple[tuple[str, ...], Callable[[Any], bool], str], ...] = (
    (
        ("epochs", "batch_size", "eval_every", "devices"),
        lambda v: _is_int(v) and v >= 1,
        "a whole number, at least 1",
    ),
    (("early_stopping",), lambda v: v is None or (_is_int(v) and v >= 1), "a whole number from 1, or None"),
    (("lr",), lambda v: _is_number(v) and v > 0, "a finite number above 0"),
    (("momentum", "label_noise"), lambda v: _is_number(v) and 0 <= v < 1, "a number in [0, 1)"),
    (("weight_decay",), lambda v: _is_number(v) and v >= 0, "a finite number, at least 0"),
    (("clip_grad",), lambda v: v is None or (_is_number(v) and v > 0), "a finite number above 0, or None"),
    (("nesterov", "validation_noise", "pretrained"), lambda v: isinstance(v, bool), "true or false"),
)
