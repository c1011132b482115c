"""The share of wrong labels that a sensing loss tells, against the truth, on images it was not fitted to.

    python -m benchmarks.sensing.noise_rate --only sym40-20k-short --losses sensing    # one run
    python -m benchmarks.sensing.noise_rate                                            # all of them

CIFAR-10 by ``cnn_small`` and digits by ``mlp``. In a run with cross-entropy the sensor watches and nobody
acts on it. The file grows run by run, and what is in it is not run again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.cifar10_20k.conditions import HUMAN_LABELS
from benchmarks.harness import command
from benchmarks.harness.comparison import require_known
from benchmarks.harness.results import read_record, update_record
from benchmarks.sensing.run import watched
from evoloss.data import Dataset, load_dataset
from evoloss.data.folders import data_folder
from evoloss.losses import LOSSES, EvolvedLoss
from evoloss.training import TrainConfig, train
from evoloss.training.label_noise import with_label_noise

OUT = Path(__file__).parent / "results/noise_rate.json"
FIRST_SEED = 101
"""Seed 100 was looked at while readings were chosen."""

_SHORT = TrainConfig(epochs=15, batch_size=128, lr=0.3, augment="auto")
_LONG = replace(_SHORT, epochs=20, augment="none")
_DIGITS = TrainConfig(epochs=30, batch_size=32, lr=0.1)


@dataclass(frozen=True)
class Case:
    """A training whose share of wrong labels is known."""

    config: TrainConfig
    dataset: str = "cifar10"
    model: str = "cnn_small"
    samples: int | None = 20_000
    human: bool = False


def _noisy(config: TrainConfig, noise: float, kind: Any = "symmetric") -> TrainConfig:
    return replace(config, label_noise=noise, noise_kind=kind)


CASES: dict[str, Case] = {
    "clean-20k-short": Case(_SHORT),
    "sym20-20k-short": Case(_noisy(_SHORT, 0.2)),
    "sym40-20k-short": Case(_noisy(_SHORT, 0.4)),
    "asym40-20k-short": Case(_noisy(_SHORT, 0.4, "asymmetric")),
    "human-20k-short": Case(_SHORT, human=True),
    "clean-5k-long": Case(_LONG, samples=5000),
    "sym40-5k-long": Case(_noisy(_LONG, 0.4), samples=5000),
    "clean-20k-long": Case(_LONG),
    "sym40-20k-long": Case(_noisy(_LONG, 0.4)),
    "human-20k-long": Case(_LONG, human=True),
    "asym40-20k-long": Case(_noisy(_LONG, 0.4, "asymmetric")),
    "sym80-20k-short": Case(_noisy(_SHORT, 0.8)),
    "sym10-20k-short": Case(_noisy(_SHORT, 0.1)),
    **{
        f"{name}-digits": Case(config, "digits", "mlp", None)
        for name, config in {
            "clean": _DIGITS,
            "sym20": _noisy(_DIGITS, 0.2),
            "sym40": _noisy(_DIGITS, 0.4),
            "sym60": _noisy(_DIGITS, 0.6),
            "asym20": _noisy(_DIGITS, 0.2, "asymmetric"),
            "asym40": _noisy(_DIGITS, 0.4, "asymmetric"),
        }.items()
    },
}


@dataclass(frozen=True, kw_only=True)
class Check:
    """Hold the estimate against the truth."""

    only: tuple[str, ...] = ()
    """Cases; all by default."""
    losses: tuple[str, ...] = ("sensing", "cross_entropy")
    """``sensing``, by the numbers that were set by hand, and known losses, which it watches."""
    seeds: int = 1
    """Runs for each case and loss, seeds from 101."""
    out: Path = OUT
    """File of the results."""


def load(case: Case, labels: Path | None) -> Dataset:
    """The data of a case, a fifth held out."""
    return load_dataset(case.dataset, validation=0.2, train_samples=case.samples, train_labels=labels)


def check(case: Case, loss_name: str, seed: int) -> dict[str, Any]:
    """Train once, and give truth and estimate."""
    config = replace(case.config, seed=seed)
    labels = (data_folder(None) or Path()) / HUMAN_LABELS if case.human else None
    dataset = load(case, labels)
    true = load(case, None).train.labels if case.human else dataset.train.labels
    given = with_label_noise(dataset, config).train.labels
    used: list[EvolvedLoss] = []

    def remember(loss: EvolvedLoss) -> None:
        used[:] = [loss]

    instead: tuple[nn.Module, ...] = () if loss_name == "sensing" else (LOSSES[loss_name](),)
    result = train(
        dataset, case.model, watched(remember, *instead), config, loss_name=loss_name, read_test=False
    )
    return {
        "truth": round(float((given != true).float().mean()), 4),
        "says": str(used[0].noise_rate),
        **{
            name: value if value is None or isinstance(value, str) else round(value, 4)
            for name, value in asdict(used[0].noise_rate).items()
        },
        "validation_accuracy": round(result.validation_accuracy, 2),
    }


def main(settings: Check) -> None:
    """Run what is not in the file yet.

    Raises:
        UnknownNameError: if there is no such case or loss.
    """
    torch.set_num_threads(1)
    require_known("case", settings.only, CASES)
    require_known("loss", settings.losses, (*LOSSES, "sensing"))
    for loss_name in settings.losses:
        for name in settings.only or CASES:
            for seed in range(FIRST_SEED, FIRST_SEED + settings.seeds):
                key = f"{name}, {loss_name}, seed {seed}"
                if key in read_record(settings.out):
                    continue
                found = check(CASES[name], loss_name, seed)
                update_record(settings.out, key, {"command": command.command_line(settings), **found})
                print(f"{key}: {found['truth']:.3f}, {found['says']}", flush=True)


if __name__ == "__main__":
    command.run(Check, main)
