"""What known and shipped losses do on synthetic tasks: do those tell losses apart as real data does?

    python -m benchmarks.synthetic.priors --on general label-noise few-shot --rates 2 --groups 8
    python -m benchmarks.synthetic.priors --on underfit noisy-underfit memorised wide wide-noisy patched \
        patched-noisy --rates 3 --groups 8

For each prior the groups that a search is stopped by (``evoloss.pretraining.held_out_tasks``); for each of
:data:`REGIMES`, corners of a prior that show one trait alone, groups of the same kind. Every loss is judged
at its best of several learning rates. Differences to cross-entropy in points of test accuracy, mean and
standard error over tasks. What the file has on other priors stays.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import tyro

from evoloss import EvolvedLoss
from evoloss.atomic_files import write_text
from evoloss.errors import UnknownNameError
from evoloss.losses.known.brier import BrierLoss
from evoloss.losses.known.cross_entropy import CrossEntropyLoss
from evoloss.losses.known.gce import GceLoss
from evoloss.losses.known.label_smoothing import LabelSmoothingLoss
from evoloss.losses.known.mae import MaeLoss
from evoloss.losses.known.poly1 import Poly1Loss
from evoloss.losses.known.sce import SceLoss
from evoloss.losses.known.smoothed_log import SmoothedLogLoss
from evoloss.networks import PacedNetwork, SlopesByCount, TemperedNetwork
from evoloss.networks.tempered import EXPONENTS
from evoloss.pretraining import PretrainConfig
from evoloss.pretraining.held_out_tasks import held_out_units
from evoloss.random_streams import stream
from evoloss.students import SlopeTables, Students, tabulate_functions
from evoloss.students.slope_tables import join_tables, tabulate_network
from evoloss.tasks import PRIORS, Prior, draw_group
from evoloss.zoo import SHIPPED

LOSSES: dict[str, SlopesByCount] = {
    "cross_entropy": CrossEntropyLoss().slopes,
    "label_smoothing": LabelSmoothingLoss().slopes,
    "gce": GceLoss().slopes,
    "sce": SceLoss().slopes,
    "label_smoothing 0.3": LabelSmoothingLoss(smoothing=0.3).slopes,
    "gce 0.3": GceLoss(q=0.3).slopes,
    "mae": MaeLoss().slopes,
    "poly1": Poly1Loss(epsilon=1.0).slopes,
    "brier": BrierLoss().slopes,
    "log(p + 1/C)": SmoothedLogLoss().slopes,
    "log(p + 1/16C)": SmoothedLogLoss(share=16.0).slopes,
}
"""Slopes of classwise losses by name, cross-entropy first."""
_OFF = -12.0  # a logarithm or logit that is next to nothing
HAND: dict[str, tuple[TemperedNetwork, tuple[float, ...]]] = {
    f"p^{power}{letter}": (network, (*(0.0 if each == power else _OFF for each in EXPONENTS), _OFF, 0.0))
    for network, letter in ((TemperedNetwork(), "c"), (PacedNetwork(), "A"))
    for power in (1, 2)
}
"""Parameters of losses whose pull is one power of p: p^c with its certainty, or p^A with its agreement."""

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


@dataclass(frozen=True, kw_only=True)
class Command:
    """Judge known and shipped losses on synthetic tasks."""

    out: Path = Path("benchmarks/synthetic/results/priors.json")
    """Where the results go."""
    on: tuple[str, ...] = tuple(PRIORS)
    """Priors and regimes."""
    groups: int = 16
    """Groups of eight tasks a prior, half of them long."""
    rates: int = 2
    """Learning rates to choose from."""
    kinds: tuple[Literal["short", "long"], ...] = ("short", "long")
    """Groups to judge on; the others are left out."""
    stream: str = "stop"
    """Name of the random stream that tasks come from; the default is that of a search's held-out tasks."""
    losses: tuple[str, ...] = tuple(SHIPPED)
    """Shipped losses, and directories of others, to judge beside the known ones."""
    known: tuple[str, ...] = (*LOSSES, *HAND)
    """Known losses to judge; cross-entropy always is."""

    def __post_init__(self) -> None:
        for name in self.known:
            if name not in LOSSES and name not in HAND:
                raise UnknownNameError.among("known loss", name, (*LOSSES, *HAND))

    @property
    def beside(self) -> list[str]:
        """The known losses that are judged, cross-entropy first."""
        return [name for name in (*LOSSES, *HAND) if name in ("cross_entropy", *self.known)]


def judge(prior: Prior, command: Command) -> dict[str, Any]:
    """Differences to cross-entropy on short and long tasks, by loss."""
    config = PretrainConfig(fitness="learnability", eval_groups=command.groups, rates=command.rates)
    found: dict[str, list[torch.Tensor]] = {kind: [] for kind in command.kinds}
    for unit in held_out_units(config, "stop"):
        kind = "long" if unit.long else "short"
        if kind not in found:
            continue
        generator = stream(unit.seed, command.stream, unit.group)
        group = draw_group(prior, unit.tasks, generator, long=unit.long, rates=command.rates)
        tables = _tables(command, group.tasks.n_classes, like=group.tasks.x)
        accuracy = Students(group.config, group.tasks, group.plan).train(tables).test_accuracy[-1]
        accuracy = 100 * accuracy.nan_to_num(nan=1 / group.tasks.n_classes)
        best = accuracy.view(len(accuracy), -1, command.rates).amax(dim=2)
        found[kind].append(best)
    names = (*command.beside, *(Path(loss).name for loss in command.losses))
    rows = {kind: _summary(names, torch.cat(parts, dim=1)) for kind, parts in found.items()}
    settings = {"groups": command.groups, "rates": command.rates, "stream": command.stream}
    return {**settings, **rows}


def _tables(command: Command, n_classes: int, *, like: torch.Tensor) -> SlopeTables:
    known = [LOSSES[name](n_classes) for name in command.beside if name in LOSSES]
    tables = [tabulate_functions(known, n_classes, like=like, canonical=True)]
    for network, numbers in (HAND[name] for name in command.beside if name in HAND):
        tables.append(tabulate_network(network, like.new_tensor([numbers]), n_classes))
    for loss in command.losses:
        evolved = EvolvedLoss.from_pretrained(loss)
        if not evolved.network.has_slopes:
            raise SystemExit(f"students are trained by the slopes of a loss, which {loss} has none of")
        params = evolved.params.detach().reshape(1, -1).to(like.dtype)
        tables.append(tabulate_network(evolved.network, params, n_classes))
    return join_tables(tables)


def mean_and_error(values: Sequence[float]) -> dict[str, float]:
    """Mean and standard error of two values or more, to three digits."""
    error = statistics.stdev(values) / math.sqrt(len(values))
    return {"mean": round(statistics.fmean(values), 3), "se": round(error, 3)}


def _summary(names: tuple[str, ...], accuracy: torch.Tensor) -> dict[str, Any]:
    rows = {}
    for name, row in zip(names, accuracy - accuracy[:1], strict=True):
        rows[name] = mean_and_error(row.tolist())
    return {
        "tasks": accuracy.shape[1],
        "cross_entropy_accuracy": round(float(accuracy[0].mean()), 2),
        "difference": rows,
    }


def main(command: Command) -> None:
    """Judge, print, write."""
    assert next(iter(LOSSES)) == "cross_entropy"
    torch.set_num_threads(1)
    known = {**PRIORS, **REGIMES}
    for name in command.on:
        if name not in known:
            raise UnknownNameError.among("prior or regime", name, known)
    record = json.loads(command.out.read_text(encoding="utf-8")) if command.out.exists() else {}
    for name in command.on:
        found = judge(known[name], command)
        earlier = record.get(name, {})
        if all(earlier.get(key) == found[key] for key in ("groups", "rates", "stream")):
            found = {**earlier, **found}  # the other kind of groups
        record[name] = found
        for kind in command.kinds:
            row = record[name][kind]
            differences = "  ".join(
                f"{loss} {each['mean']:+.1f}±{each['se']:.1f}" for loss, each in row["difference"].items()
            )
            print(f"{name}, {kind}: cross-entropy {row['cross_entropy_accuracy']:.1f} %; {differences}")
        write_text(command.out, json.dumps(record, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Command, description=__doc__))
