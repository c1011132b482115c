"""The priors that come with the package, and regimes of a user's own made from them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.tasks.prior import Prior

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
# Learning comes before memorising, in epochs of thousands of samples. Short groups go through them a few
# times, most with fresh noise on the inputs, and memorise next to nothing; long ones do, where their students
# can. More than a third of the tasks are clean, since what a loss costs there has to be seen as well. Classes
# are made of many clusters that lie far apart: hard to learn, with hardly a point whose label is unclear.
# Where classes overlap, robust losses gain on clean labels, as they never do on images (notebook, entry 34).
_MEMORISATION = Prior(
    classes=(2, 100),
    samples=(2000, 8000),
    features=(24, 64),
    separation=(4.0, 12.0),
    modes=(4, 6),
    feature_noise=(0.3, 1.3),
    patched=0.4,
    patches=(4, 8),
    contrast=(1.2, 2.0),
    noisy=0.6,
    noise=(0.05, 0.8),
    noise_kinds={"symmetric": 3.0, "asymmetric": 2.0, "instance": 1.0, "annotator": 1.0},
    depth=(1, 3),
    width=(64, 160),
    gain=(0.7, 1.2),
    rate=(0.04, 0.12),
    adam=0.15,
    adam_rate=(1e-3, 3e-3),
    rate_batch=64,
    batch=(16, 512),
    augmented=0.7,
    augmentation=(0.3, 1.0),
    epochs=(6, 15),
    long_epochs=(20, 40),
    long_samples=(2000, 5000),
    long_separation=(4.0, 12.0),
    long_modes=(4, 6),
    long_feature_noise=(0.7, 1.5),
    long_depth=(2, 3),
    long_width=(80, 160),
    long_batch=(16, 256),
    long=0.5,
    stretch=2.0,
    test_samples=1000,
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
    "memorisation": _MEMORISATION,
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
- ``few-shot-images``: likewise, most inputs made of patches and students convolutional;
- ``memorisation``: thousands of samples, in a few epochs, most with fresh noise on the inputs, and in dozens,
  in which wrong labels are memorised; a third and more of the tasks have none.

``memorisation`` and those with ``hard``, ``wide`` or ``images`` in their name are for several learning rates
a task.
"""


def named_prior(
    name: str,
    *,
    classes: tuple[int, ...] = (),
    samples: tuple[int, ...] = (),
    noise: tuple[float, ...] = (),
    features: tuple[int, ...] = (),
    imbalanced: float | None = None,
) -> Prior:
    """A prior of :data:`PRIORS`, narrowed or moved to a regime.

    Args:
        name: of a prior.
        classes: class counts ``(low, high)``; empty for the prior's own.
        samples: training samples ``(low, high)``, of long tasks too; empty for the prior's own.
        noise: share of wrong labels ``(low, high)``; every task has noise then, unless both are 0. Empty for
            the prior's own.
        features: input features ``(low, high)``, of a patch where inputs are made of patches; empty for the
            prior's own.
        imbalanced: share of tasks with unequal classes; None for the prior's own.

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
    ranges = {"classes": classes, "samples": samples, "noise": noise, "features": features}
    for label, given in ranges.items():
        if len(given) not in (0, 2):
            raise ConfigError(f"prior_{label} must be a range of two numbers, low and high; got {given}")
    if classes:
        prior = replace(prior, classes=(classes[0], classes[1]))
    if samples:
        prior = replace(prior, samples=(samples[0], samples[1]), long_samples=(samples[0], samples[1]))
    if noise:
        prior = replace(prior, noise=(noise[0], noise[1]), noisy=1.0 if noise[1] > 0 else 0.0)
    if features:
        prior = replace(prior, features=(features[0], features[1]))
    if imbalanced is not None:
        prior = replace(prior, imbalanced=imbalanced)
    return prior
