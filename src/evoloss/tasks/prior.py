"""Priors: the distributions of synthetic tasks and students that a loss is to be good on.

A prior is the only thing that a learned loss knows of its later use, so it is drawn wide: what it leaves out,
the loss does not learn (docs/lab-notebook.md has examples). :data:`PRIORS` names those that come with the
package; a user's own regime is a named one with other class counts, samples or noise
(:func:`named_prior`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.tasks.student_config import ActivationName, Normalisation

Range = tuple[float, float]
NoiseKind = Literal["symmetric", "asymmetric", "instance"]


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
        noise_kinds: weights of symmetric, asymmetric (to one fixed other class) and instance-dependent noise
            (to the nearest other class, the likelier the closer it is).
        imbalanced: share of tasks with unequal classes, the largest up to 20 times the smallest.
        depth: hidden layers of a student.
        width: units of a hidden layer, log.
        gain: standard deviation of initial weights in units of He et al.'s, log.
        rate: peak learning rate of SGD with momentum, log.
        adam: share of groups trained by Adam.
        adam_rate: its peak learning rate, log.
        weight_decay: weights of the L2 penalties.
        activations: weights.
        norms: weights.
        batch: sizes of a batch, log.
        steps: training steps of a short group, log.
        long_steps: of a long group, log.
        long_samples: training samples of a task of a long group, log; few, so that they can be memorised.
        long_separation: ``separation`` of the tasks of a long group, log.
        long_modes: ``modes`` of the tasks of a long group.
        long: share of groups that are long.
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
    weight_decay: dict[float, float] = field(default_factory=lambda: {0.0: 1.0, 5e-4: 2.0})
    activations: dict[str, float] = field(default_factory=lambda: {"relu": 3.0, "silu": 1.0, "tanh": 1.0})
    norms: dict[str, float] = field(default_factory=lambda: {"none": 1.0, "layer": 1.0})
    batch: tuple[int, int] = (16, 48)
    steps: tuple[int, int] = (60, 240)
    long_steps: tuple[int, int] = (400, 1000)
    long_samples: tuple[int, int] = (80, 300)
    long_separation: Range = (2.5, 12.0)
    long_modes: tuple[int, int] = (1, 6)
    long: float = 0.3
    test_samples: int = 384

    def __post_init__(self) -> None:
        for name, least, most in _BOUNDS:
            low, high = getattr(self, name)
            if not (math.isfinite(high) and least <= low <= high <= most):
                raise ConfigError(
                    f"{name} of a prior must be a range (low, high) with {least} <= low <= high <= {most}, "
                    f"got {(low, high)}"
                )
        for name in ("patched", "noisy", "imbalanced", "adam", "long"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} of a prior must be a share from 0 to 1, got {getattr(self, name)}")
        if self.test_samples < 1:
            raise ConfigError(f"test_samples of a prior must be at least 1, got {self.test_samples}")
        for name, known in _WEIGHTS.items():
            weights = getattr(self, name)
            if not weights or not all(0 < weight < math.inf for weight in weights.values()):
                raise ConfigError(f"{name} of a prior must hold weights above 0, got {weights}")
            for key in weights:
                if known is not None and key not in known:
                    raise UnknownNameError.among(f"entry of {name}", str(key), known)

    def of_long_groups(self) -> Prior:
        """The distribution of the long groups, with their own ranges in the place of the short groups'."""
        return replace(
            self,
            samples=self.long_samples,
            separation=self.long_separation,
            modes=self.long_modes,
            steps=self.long_steps,
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
    ("steps", 1, 1_000_000),
    ("long_steps", 1, 1_000_000),
    ("long_samples", 4, 100_000),
    ("long_separation", 1e-3, 1e3),
    ("long_modes", 1, 6),
)
_WEIGHTS: dict[str, tuple[str, ...] | None] = {
    "noise_kinds": get_args(NoiseKind),
    "weight_decay": None,
    "activations": get_args(ActivationName),
    "norms": get_args(Normalisation),
}

# Short groups are hard to learn, and long ones are easy beside the noise and memorise it: as images do.
_LABEL_NOISE = Prior(
    classes=(3, 15),
    samples=(300, 1500),
    features=(16, 64),
    separation=(2.5, 10.0),
    modes=(1, 6),
    noisy=0.9,
    noise=(0.15, 0.75),
    noise_kinds={"symmetric": 3.0, "asymmetric": 1.0, "instance": 1.0},
    width=(32, 64),
    rate=(0.02, 0.3),
    adam=0.1,
    steps=(80, 300),
    long_samples=(100, 300),
    long_separation=(4.0, 12.0),
    long_modes=(1, 2),
    long_steps=(400, 800),
    long=0.5,
    test_samples=640,
)
# Rates that start low, for several a task (LearnabilityConfig.rates): a low one is how people keep noise from
# being memorised.
_LOW_RATES: dict[str, Any] = {"rate": (0.005, 0.05), "adam_rate": (3e-4, 3e-3)}
# Short groups are hard to learn in the time given, some without noise, so that a loss that learns less pays
# for it; long ones are easy beside the noise and memorise it.
_LABEL_NOISE_HARD = replace(
    _LABEL_NOISE,
    samples=(500, 3000),
    separation=(1.5, 6.0),
    noisy=0.75,
    noise=(0.1, 0.8),
    **_LOW_RATES,
    steps=(100, 400),
    long_separation=(3.0, 12.0),
    long=0.4,
)
# Most inputs are made of patches and students convolutional, where a loss that trusts labels less costs much
# more than in students without: as on real images.
_IMAGES = Prior(
    classes=(3, 20),
    samples=(300, 3000),
    features=(8, 20),
    patched=0.75,
    modes=(1, 5),
    noisy=0.25,
    noise=(0.05, 0.4),
    depth=(1, 2),
    width=(32, 64),
    adam=0.1,
    **_LOW_RATES,
    steps=(120, 350),
    long_samples=(150, 600),
    long_steps=(300, 700),
    long_modes=(1, 4),
    test_samples=640,
)
PRIORS: dict[str, Prior] = {
    # Long enough that what helps early and harms late is seen to do so.
    "general": Prior(noisy=0.15, noise=(0.05, 0.3), long_steps=(500, 3000)),
    "label-noise": _LABEL_NOISE,
    "label-noise-hard": _LABEL_NOISE_HARD,
    # Up to hundreds of noisy features: noise is memorised there while predictions are still flat.
    "label-noise-wide": replace(
        _LABEL_NOISE_HARD,
        features=(16, 256),
        feature_noise=(0.1, 2.5),
        long_samples=(100, 600),
        long_separation=(2.5, 12.0),
    ),
    "images": _IMAGES,
    "label-noise-images": replace(
        _IMAGES,
        classes=(3, 15),
        samples=(1000, 4000),
        separation=(1.5, 8.0),
        patched=0.6,
        contrast=(0.5, 1.4),
        noisy=0.8,
        noise=(0.1, 0.8),
        noise_kinds=_LABEL_NOISE.noise_kinds,
        long_samples=(150, 800),
        long_separation=(3.0, 12.0),
        long_modes=(1, 3),
        long_steps=(400, 900),
        long=0.4,
    ),
    "few-shot": Prior(
        samples=(20, 200),
        long_samples=(20, 200),
        features=(6, 64),
        modes=(1, 3),
        long_modes=(1, 3),
        separation=(3.0, 12.0),
        long_separation=(3.0, 12.0),
        noisy=0.1,
        noise=(0.05, 0.2),
        long=0.4,
        long_steps=(300, 2000),
    ),
    # Patches of good contrast: a hundred images of faint ones teach nothing that losses could differ in.
    "few-shot-images": replace(
        _IMAGES,
        samples=(60, 500),
        contrast=(0.8, 2.0),
        modes=(1, 4),
        noisy=0.1,
        noise=(0.05, 0.2),
        long_samples=(60, 500),
        long_steps=(300, 900),
        long=0.5,
    ),
}
"""Every prior by name:

- ``general``: mostly clean labels;
- ``images``: likewise, most inputs made of patches and students convolutional;
- ``label-noise``: unknown kind and share of wrong labels;
- ``label-noise-hard``: likewise, with tasks that are hard to learn in the time given;
- ``label-noise-wide``: likewise, with up to hundreds of noisy features, where labels are learned by heart
  from flat predictions;
- ``label-noise-images``: likewise, with more than half of the inputs made of patches;
- ``few-shot``: few samples per class;
- ``few-shot-images``: likewise, most inputs made of patches and students convolutional.

Those with ``hard``, ``wide`` or ``images`` in their name are for several learning rates a task.
"""


def named_prior(
    name: str,
    *,
    classes: tuple[int, ...] = (),
    samples: tuple[int, ...] = (),
    noise: tuple[float, ...] = (),
) -> Prior:
    """A prior of :data:`PRIORS`, narrowed or moved to a regime.

    Args:
        name: of a prior.
        classes: class counts ``(low, high)``; empty for the prior's own.
        samples: training samples ``(low, high)``, of long tasks too; empty for the prior's own.
        noise: share of wrong labels ``(low, high)``; every task has noise then, unless both are 0. Empty for
            the prior's own.

    Raises:
        UnknownNameError: if there is no such prior.
        ConfigError: if a range is not one.

    Example:
        >>> prior = named_prior("label-noise", classes=(3, 5), noise=(0.2, 0.4))
        >>> prior.classes, prior.noise
        ((3, 5), (0.2, 0.4))
    """
    if name not in PRIORS:
        raise UnknownNameError.among("prior", name, PRIORS)
    prior = PRIORS[name]
    for label, given in (("classes", classes), ("samples", samples), ("noise", noise)):
        if len(given) not in (0, 2):
            raise ConfigError(f"prior_{label} must be a range of two numbers, low and high; got {given}")
    if classes:
        prior = replace(prior, classes=(classes[0], classes[1]))
    if samples:
        prior = replace(prior, samples=(samples[0], samples[1]), long_samples=(samples[0], samples[1]))
    if noise:
        prior = replace(prior, noise=(noise[0], noise[1]), noisy=1.0 if noise[1] > 0 else 0.0)
    return prior
