"""The conditions and losses of ``benchmarks.tabular.run``."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.harness.accuracy_study import Condition

LOSSES = (
    *("cross_entropy", "adaptive", "gce", "sce", "label_smoothing"),
    *("evolved-base", "evolved-noise", "evolved-noise-strong"),
)


@dataclass(frozen=True)
class Size:
    """What depends on how many rows a table has.

    Attributes:
        rows: for training and for testing.
        batch_size: small enough for some batches an epoch.
        epochs: passes over the training split.
        lr_grid: rates that every loss is tuned over.
        tune_seeds: runs for each rate; a handful of validation rows says little.
        seeds: reported runs for each loss.
    """

    rows: tuple[int, int]
    batch_size: int
    epochs: int = 60
    lr_grid: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3)
    tune_seeds: int = 2
    seeds: int = 10


_LARGE = Size((15_000, 5000), batch_size=256, epochs=20, lr_grid=(0.03, 0.1, 0.3, 1.0), tune_seeds=1, seeds=5)
SIZES = {
    "breast_cancer": Size((426, 143), batch_size=32),
    "wine": Size((133, 45), batch_size=16),
    "digit_features": Size((1347, 450), batch_size=64, tune_seeds=1),
    "letter": _LARGE,
    "diamonds": _LARGE,
}
FIRST_SEEDS = 3
"""Every condition has so many before any has more."""
NOISE = {"clean": 0.0, "sym20": 0.2, "sym40": 0.4}
_TITLES = {"clean": "clean labels", "sym20": "20 % symmetric noise", "sym40": "40 % symmetric noise"}


def _condition(table: str, labels: str) -> Condition:
    size = SIZES[table]
    return Condition(
        name=f"{table}-{labels}",
        title=f"{table}, {_TITLES[labels]}",
        dataset=table,
        rows=size.rows,
        model="mlp",
        train_samples=None,
        validation=0.25,
        validation_noise=labels != "clean",
        label_noise=NOISE[labels],
        epochs=size.epochs,
        batch_size=size.batch_size,
        lr_grid=size.lr_grid,
        tune_seeds=size.tune_seeds,
        seeds=size.seeds,
    )


CONDITIONS = tuple(_condition(table, labels) for table in SIZES for labels in NOISE)
"""Five tables, with clean labels and with two shares of wrong ones."""
SITUATIONS = {
    "clean": tuple(condition.name for condition in CONDITIONS if not condition.label_noise),
    "20 %": tuple(condition.name for condition in CONDITIONS if condition.label_noise == 0.2),
    "40 %": tuple(condition.name for condition in CONDITIONS if condition.label_noise == 0.4),
}
"""Conditions that are looked at together."""
