"""The synthetic tasks of the study beside the priors: regimes, which show one trait alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evoloss.tasks import PRIORS, Prior

_HARD = replace(
    PRIORS["label-noise-hard"], noisy=0.0, samples=(1000, 4000), separation=(1.5, 5.0), modes=(3, 6)
)
_SYMMETRIC: dict[str, Any] = {"noisy": 1.0, "noise": (0.3, 0.5), "noise_kinds": {"symmetric": 1.0}}
_WIDE = replace(
    PRIORS["label-noise-wide"],
    features=(128, 384),
    feature_noise=(1.0, 3.0),
    samples=(1000, 4000),
    separation=(2.5, 8.0),
    modes=(1, 4),
    long_samples=(300, 1000),
    long_separation=(2.5, 8.0),
    long_modes=(1, 3),
    noisy=0.0,
)
_PATCHED = replace(
    PRIORS["images"],
    classes=(5, 15),
    patched=1.0,
    contrast=(0.6, 1.3),
    noisy=0.0,
    imbalanced=0.0,
    samples=(1500, 4000),
    width=(48, 80),
    adam=0.0,
    long_samples=(300, 800),
    long_steps=(500, 900),
)
REGIMES: dict[str, Prior] = {
    "underfit": _HARD,
    "noisy-underfit": replace(_HARD, **_SYMMETRIC),
    "unequal": replace(_HARD, imbalanced=1.0),
    "few": replace(_HARD, samples=(100, 500), separation=(3.0, 8.0), modes=(1, 3)),
    "memorised": replace(PRIORS["label-noise-hard"], **_SYMMETRIC),
    "wide": _WIDE,
    "wide-noisy": replace(_WIDE, **_SYMMETRIC),
    "patched": _PATCHED,
    "patched-few": replace(
        _PATCHED, samples=(100, 500), contrast=(0.8, 2.0), long_samples=(100, 500), long_steps=(300, 900)
    ),
    "patched-noisy": replace(_PATCHED, **_SYMMETRIC),
}
"""Hard tasks in little time, clean and with 40 % noise (short groups); 40 % noise, memorised (long).
``unequal`` ones are clean, hard, and some classes are up to 20 times as large as others; ``few`` ones are
clean and have few samples. ``wide`` tasks have hundreds of noisy features: in little time, clean, and with
40 % noise, which is memorised in long groups from predictions that are still flat. ``patched`` ones have
inputs made of patches and convolutional students; ``patched-few`` ones are clean and have few samples."""
