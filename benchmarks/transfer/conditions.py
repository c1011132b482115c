"""The losses of ``benchmarks.transfer.run`` in order of interest, and the conditions of the trials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.harness.accuracy_study import Condition
from evoloss.losses import LOSSES

EVOLVED = Path(__file__).parent / "losses"
"""The folder of the losses of :data:`PAPER`."""
PAPER = {
    "paper-concat": "paper.toml",
    "paper-classwise": "paper-classwise.toml",
}
"""Losses that the published method alone gives, and the file in recipes/not-shipped/ of each."""

FIRST = (
    *("cross_entropy", "evolved-base", "evolved-noise", "evolved-noise-strong", "evolved-noise-long"),
    *("label_smoothing", "gce"),
)
SECOND = ("sce", "nce_rce", "anl_ce", "jal_ce", *PAPER)
THIRD = ("evolved-small", "adaptive", *(name for name in LOSSES if name not in (*FIRST, *SECOND)))
STAGES = (FIRST, SECOND, THIRD)
"""All losses, those of most interest first: a stop leaves whole rows of these."""


DIGITS_GRID = (0.01, 0.03, 0.1, 0.3)
LONG_DIGITS_GRID = (0.001, 0.003, 0.01, 0.03, 0.1)
CIFAR_GRID = (0.1, 0.3, 1.0)


def _digits(
    name: str, title: str, *, epochs: int = 15, train_samples: int | None = None, **changes: Any
) -> Condition:
    return Condition(
        name=f"digits-{name}",
        title=f"digits, {title}",
        dataset="digits",
        model="cnn",
        train_samples=train_samples,
        epochs=epochs,
        **{"lr_grid": DIGITS_GRID, "tune_seeds": 2, **changes},
    )


def _cifar(name: str, title: str, *, train_samples: int, epochs: int, **changes: Any) -> Condition:
    return Condition(
        name=f"cifar10-{name}",
        title=f"CIFAR-10, {title}",
        dataset="cifar10",
        train_samples=train_samples,
        epochs=epochs,
        validation=0.04,
        **{"model": "cnn_small", "lr_grid": CIFAR_GRID, **changes},
    )


_LONG_DIGITS: dict[str, Any] = {
    "epochs": 100,
    "train_samples": 600,
    "eval_every": 2,
    "lr_grid": LONG_DIGITS_GRID,
    "tune_seeds": 1,
}
_LONG_CIFAR: dict[str, Any] = {"epochs": 30, "train_samples": 2000, "eval_every": 3, "augment": "none"}

CONDITIONS = (
    _digits("clean", "clean labels", tune_seeds=3, core=True),
    _digits("sym20", "20 % symmetric noise", label_noise=0.2),
    _digits("sym40", "40 % symmetric noise", label_noise=0.4, core=True),
    _digits("sym60", "60 % symmetric noise", label_noise=0.6),
    _digits("sym80", "80 % symmetric noise", label_noise=0.8, core=True),
    _digits("asym40", "40 % asymmetric noise", label_noise=0.4, noise_kind="asymmetric"),
    _digits("50", "50 a class", train_samples=500, epochs=20, seeds=20, core=True),
    _digits("sym40-long", "40 % symmetric noise, 100 epochs", label_noise=0.4, core=True, **_LONG_DIGITS),
    _digits("sym80-long", "80 % symmetric noise, 100 epochs", label_noise=0.8, **_LONG_DIGITS),
    _cifar("clean", "500 a class", train_samples=5000, epochs=12, core=True),
    _cifar("50", "50 a class", train_samples=500, epochs=60, eval_every=4, seeds=10),
    _cifar("sym40", "40 % symmetric noise", train_samples=4000, epochs=12, label_noise=0.4, core=True),
    _cifar("sym80", "80 % symmetric noise", train_samples=4000, epochs=12, label_noise=0.8),
    _cifar(
        "asym40",
        "40 % asymmetric noise",
        train_samples=4000,
        epochs=12,
        label_noise=0.4,
        noise_kind="asymmetric",
    ),
    _cifar("sym40-long", "40 % symmetric noise, to memorisation", label_noise=0.4, **_LONG_CIFAR),
    _cifar("sym80-long", "80 % symmetric noise, to memorisation", label_noise=0.8, **_LONG_CIFAR),
    _cifar(
        "resnet8",
        "ResNet-8, 1,000 a class",
        train_samples=10_000,
        epochs=10,
        model="resnet8",
        seeds=10,
        stages=1,
    ),
)
"""The protocol; conditions of the core first where time is short (``--core``)."""
