"""Priors: the distributions of synthetic tasks and students that a loss is to be good on.

A prior is the only thing that a learned loss knows of its later use, so it is drawn wide: what it leaves out,
the loss does not learn (docs/notebook has examples). Those that come with the package are in
:mod:`evoloss.tasks.named_priors`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.tasks.student_config import ActivationName, Normalisation

Range = tuple[float, float]
NoiseKind = Literal["symmetric", "asymmetric", "instance", "annotator"]


@dataclass(frozen=True, kw_only=True)
class Prior:
    """A distribution over tasks, students and how they are trained.

    Ranges are ``(low, high)``; "log" means log-uniform between them, otherwise uniform. Weights need not sum
    to 1.

    Attributes:
        classes: class count, log, from 2.
        samples: training samples of a task, log, but at least two for each class.
        features: input features, log.
        separation: mean distance of a class to the nearest other one in units of its spread, log: 2 leaves
            about a sixth of the points on the wrong side for each neighbour, 6 next to none.
        modes: clusters of a class, uniform, up to 6.
        feature_noise: standard deviation of the noise of each feature in units of what it owes to the point,
            log. Much of it in many features puts points far from each other in all directions, as images
            are: what tells classes apart is found slowly, and a label is learned by heart at once.
        patched: share of groups whose inputs are made of patches, as images are
            (:mod:`evoloss.tasks.synthetic_patches`), with ``features`` features a patch; their students
            have a convolutional first layer. ``modes`` are the views of a class there, ``separation`` and
            ``feature_noise`` say nothing.
        patches: patches of an input, log.
        contrast: size of what a patch shows of its class in units of the noise around it, log; of tasks of
            patches.
        noisy: share of tasks with label noise.
        noise: share of training labels that are wrong in a task with noise.
        noise_kinds: weights of the kinds of :func:`~evoloss.tasks.noise.corrupt`: symmetric, asymmetric (to
            one fixed other class), instance-dependent (to the nearest other class, the likelier the closer it
            is) and of an annotator (the likelier the less clear a point and the harder its class is).
        imbalanced: share of tasks with unequal classes, the largest up to 20 times the smallest.
        depth: hidden layers of a student.
        width: units of a hidden layer, log.
        gain: standard deviation of initial weights in units of He et al.'s, log.
        rate: peak learning rate of SGD with momentum, log.
        adam: share of groups trained by Adam.
        adam_rate: its peak learning rate, log.
        rate_batch: the size of a batch that both rates are for; others have them times the root of their
            size over it. None for the same rates at all sizes.
        weight_decay: weights of the L2 penalties.
        activations: weights.
        norms: weights.
        batch: sizes of a batch, log.
        augmented: share of the short groups whose inputs get fresh noise in every step, so that no sample is
            seen twice and hardly any is memorised.
        augmentation: standard deviation of that noise, log; features have 1.
        long_augmented: ``augmented`` of the long groups.
        steps: training steps of a short group, log.
        long_steps: of a long group, log.
        epochs: passes through the training samples of a short group, log, in the place of its steps; None
            for the steps.
        long_epochs: likewise of a long group.
        long_samples: training samples of a task of a long group, log; few, so that they can be memorised.
        long_separation: ``separation`` of the tasks of a long group, log.
        long_modes: ``modes`` of the tasks of a long group.
        long_feature_noise: ``feature_noise`` of the tasks of a long group; None for that of short groups.
        long_patched: ``patched`` of the long groups; None likewise.
        long_depth: ``depth`` of their students; None likewise.
        long_width: ``width`` of their students; None likewise.
        long_batch: ``batch`` of the long groups; None likewise.
        long: share of groups that are long.
        stretch: some of the tasks that a search is judged by at its end are trained so many times longer than
            its own, at least 1.
        test_samples: clean test samples of a task.

    Raises:
        ConfigError: if a range is empty or out of bounds, or weights are not above 0.

    Example:
        >>> prior = Prior(classes=(10, 10), noisy=1.0, noise=(0.2, 0.5))
        >>> draw_group(prior, 4, torch.Generator().manual_seed(0)).tasks.n_classes
        10
    """

    classes: tuple[int, int] = (2, 20)
    samples: tuple[int, int] = (60, 800)
    features: tuple[int, int] = (6, 48)
    separation: Range = (2.5, 12.0)
    modes: tuple[int, int] = (1, 6)
    feature_noise: Range = (0.02, 0.5)
    patched: float = 0.0
    patches: tuple[int, int] = (6, 24)
    contrast: Range = (0.4, 1.2)
    noisy: float = 0.0
    noise: Range = (0.1, 0.6)
    noise_kinds: dict[str, float] = field(
        default_factory=lambda: {"symmetric": 2.0, "asymmetric": 1.0, "instance": 1.0}
    )
    imbalanced: float = 0.2
    depth: tuple[int, int] = (1, 3)
    width: tuple[int, int] = (16, 64)
    gain: Range = (0.4, 1.3)
    rate: Range = (0.03, 0.4)
    adam: float = 0.15
    adam_rate: Range = (1e-3, 1e-2)
    rate_batch: int | None = None
    weight_decay: dict[float, float] = field(default_factory=lambda: {0.0: 1.0, 5e-4: 2.0})
    activations: dict[str, float] = field(default_factory=lambda: {"relu": 3.0, "silu": 1.0, "tanh": 1.0})
    norms: dict[str, float] = field(default_factory=lambda: {"none": 1.0, "layer": 1.0})
    batch: tuple[int, int] = (16, 48)
    augmented: float = 0.0
    augmentation: Range = (0.3, 1.0)
    long_augmented: float = 0.0
    steps: tuple[int, int] = (60, 240)
    long_steps: tuple[int, int] = (400, 1000)
    epochs: tuple[int, int] | None = None
    long_epochs: tuple[int, int] | None = None
    long_samples: tuple[int, int] = (80, 300)
    long_separation: Range = (2.5, 12.0)
    long_modes: tuple[int, int] = (1, 6)
    long_feature_noise: Range | None = None
    long_patched: float | None = None
    long_depth: tuple[int, int] | None = None
    long_width: tuple[int, int] | None = None
    long_batch: tuple[int, int] | None = None
    long: float = 0.3
    stretch: float = 10.0
    test_samples: int = 384

    def __post_init__(self) -> None:
        for name, least, most in _BOUNDS:
            if getattr(self, name) is None:
                continue
            low, high = getattr(self, name)
            if not (math.isfinite(high) and least <= low <= high <= most):
                raise ConfigError(
                    f"{name} of a prior must be a range (low, high) with {least} <= low <= high <= {most}, "
                    f"got {(low, high)}"
                )
        for name in ("patched", "noisy", "imbalanced", "adam", "augmented", "long_augmented", "long"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} of a prior must be a share from 0 to 1, got {getattr(self, name)}")
        if self.long_patched is not None and not 0 <= self.long_patched <= 1:
            raise ConfigError(f"long_patched of a prior must be a share from 0 to 1, got {self.long_patched}")
        if self.rate_batch is not None and self.rate_batch < 1:
            raise ConfigError(f"rate_batch of a prior must be at least 1, got {self.rate_batch}")
        if not 1 <= self.stretch < math.inf:
            raise ConfigError(f"stretch of a prior must be at least 1 and finite, got {self.stretch}")
        if self.test_samples < 1:
            raise ConfigError(f"test_samples of a prior must be at least 1, got {self.test_samples}")
        for name, known in _WEIGHTS.items():
            weights = getattr(self, name)
            if not weights or not all(0 < weight < math.inf for weight in weights.values()):
                raise ConfigError(f"{name} of a prior must hold weights above 0, got {weights}")
            for key in weights:
                if known is not None and key not in known:
                    raise UnknownNameError.among(f"entry of {name}", str(key), known)

    @property
    def most_seen(self) -> float:
        """The most samples that the training of a short group goes through, repeated ones counted."""
        if self.epochs is not None:
            return float(self.epochs[1] * self.samples[1])
        return float(self.steps[1] * self.batch[1])

    def of_long_groups(self) -> Prior:
        """The distribution of the long groups, with their own ranges in the place of the short groups'."""
        return replace(
            self,
            samples=self.long_samples,
            separation=self.long_separation,
            modes=self.long_modes,
            steps=self.long_steps,
            epochs=self.long_epochs,
            augmented=self.long_augmented,
            feature_noise=self.long_feature_noise or self.feature_noise,
            patched=self.patched if self.long_patched is None else self.long_patched,
            depth=self.long_depth or self.depth,
            width=self.long_width or self.width,
            batch=self.long_batch or self.batch,
        )


_BOUNDS: tuple[tuple[str, float, float], ...] = (
    ("classes", 2, 1000),
    ("samples", 4, 100_000),
    ("features", 2, 4096),
    ("separation", 1e-3, 1e3),
    ("modes", 1, 6),
    ("feature_noise", 1e-6, 1e3),
    ("patches", 2, 1024),
    ("contrast", 1e-3, 1e3),
    ("noise", 0, 0.95),
    ("depth", 1, 4),
    ("width", 2, 4096),
    ("gain", 1e-3, 1e2),
    ("rate", 1e-6, 1e2),
    ("adam_rate", 1e-7, 1.0),
    ("batch", 1, 4096),
    ("augmentation", 1e-6, 1e3),
    ("steps", 1, 1_000_000),
    ("long_steps", 1, 1_000_000),
    ("epochs", 1, 100_000),
    ("long_epochs", 1, 100_000),
    ("long_samples", 4, 100_000),
    ("long_separation", 1e-3, 1e3),
    ("long_modes", 1, 6),
    ("long_feature_noise", 1e-6, 1e3),
    ("long_depth", 1, 4),
    ("long_width", 2, 4096),
    ("long_batch", 1, 4096),
)
_WEIGHTS: dict[str, tuple[str, ...] | None] = {
    "noise_kinds": get_args(NoiseKind),
    "weight_decay": None,
    "activations": get_args(ActivationName),
    "norms": get_args(Normalisation),
}
