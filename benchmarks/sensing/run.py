"""The course of a training as a sensing loss reads it, on training images that no reported result is read on.

    python -m benchmarks.sensing.run --only sym40-long --losses cross_entropy sensing    # two runs
    python -m benchmarks.sensing.run                                                     # all of them
    python -m benchmarks.sensing.run --losses sensing sensor-off without-rival           # without some parts

The conditions are those of ``benchmarks.cifar10_20k``. Validation labels are clean here, and the test split
is not read: this study is for choosing. Readings are also taken of a training with cross-entropy: what the
sensor would see if nobody acted on it. The file grows run by run, and what is in it is not run again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.cifar10_20k.conditions import CONDITIONS
from benchmarks.harness import command
from benchmarks.harness.accuracy_study import Condition
from benchmarks.harness.comparison import require_known
from benchmarks.harness.results import read_record, update_record
from benchmarks.sensing.ablations import ABLATIONS
from evoloss.data import Dataset, load_dataset
from evoloss.data.folders import data_folder
from evoloss.losses import LOSSES, EvolvedLoss
from evoloss.networks.sensing.numbers import SensorNumbers
from evoloss.networks.sensing.response import response
from evoloss.networks.sensing.sensor import contradiction
from evoloss.training import TrainConfig, train
from evoloss.training.config import Optimizer

OUT = Path(__file__).parent / "results/courses.json"
FIRST_SEED = 100
"""Reported seeds are below."""
SENSED = ("cross_entropy", *ABLATIONS)
"""Losses whose trainings the sensor reads."""


@dataclass(frozen=True, kw_only=True)
class Sensing:
    """Record the courses of trainings."""

    only: tuple[str, ...] = ()
    """Conditions; all by default."""
    losses: tuple[str, ...] = ("cross_entropy", "sensing", "gce")
    """``sensing``, by the numbers that were set by hand, or one of :data:`ABLATIONS`; and known losses."""
    seeds: int = 1
    """Runs for each condition and loss."""
    first_seed: int = FIRST_SEED
    """The first of their seeds. What was chosen by hand was chosen with 100 to 104."""
    lr: float = 0.3
    """Learning rate of all of them."""
    optimizer: Optimizer = "sgd"
    """Their optimizer; give the results of another one a file of their own."""
    epochs: int | None = None
    """In place of those of the condition."""
    train_samples: int | None = None
    """In place of those of the condition."""
    out: Path = OUT
    """File of the results."""


class Recorder:
    """Reads a sensing loss after every epoch, whatever is trained with."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def __call__(self, loss: EvolvedLoss) -> None:
        """Take a reading if an epoch has been completed since the last one."""
        state = loss.loss_state.values()
        if int(state["completed"]) > len(self.rows):
            numbers = SensorNumbers.of(loss.params)
            n_classes = len(state["confident"])
            made = response(numbers, state, n_classes)
            readings = {
                "contradiction": contradiction(state),
                "plateau": state["plateau"],
                "recall": state["recall"],
                "memorised": state["memorised"],
                "learning": made.learning,
                "doubt": made.doubt.mean(),
            }
            self.rows.append({name: round(float(value), 4) for name, value in readings.items()})


class Watched(EvolvedLoss):
    """A sensing loss that is read while it is trained with, or while another one is."""

    recorder: Callable[[EvolvedLoss], None]
    instead: tuple[nn.Module, ...] = ()
    """The other loss; in a tuple, so that it is no part of this module."""

    def forward(self, input: Tensor, target: Tensor, **said: Any) -> Tensor:
        """The loss, or the other one; the sensor takes the batch in either way."""
        value = super().forward(input, target)
        self.recorder(self)
        return self.instead[0](input, target) if self.instead else value

    def __deepcopy__(self, memo: dict[int, Any]) -> Watched:
        """A copy with the same recorder."""
        copied = Watched(self.network, self.params)
        copied.recorder, copied.instead = self.recorder, self.instead
        return copied


def watched(recorder: Callable[[EvolvedLoss], None], *instead: nn.Module, name: str = "sensing") -> Watched:
    """A sensing loss by the numbers that were set by hand, which may watch a training with another loss.

    Args:
        recorder: is shown the loss after every training call.
        *instead: the other loss.
        name: of :data:`ABLATIONS`, if it is to be without one of its parts.
    """
    network, changed = ABLATIONS[name]
    loss = Watched(network, changed(SensorNumbers.set_by_hand()))
    loss.recorder, loss.instead = recorder, instead
    return loss


def course(condition: Condition, dataset: Dataset, name: str, seed: int, settings: Sensing) -> dict[str, Any]:
    """One training, and what the sensor reads in it."""
    recorder = Recorder()
    loss: nn.Module
    if name in ABLATIONS:
        loss = watched(recorder, name=name)
    else:
        loss = LOSSES[name]()
        loss = watched(recorder, loss) if name in SENSED else loss
    config = replace(
        config_of(condition, seed, settings.lr),
        epochs=settings.epochs or condition.epochs,
        optimizer=settings.optimizer,
    )
    result = train(dataset, condition.model, loss, config, loss_name=name, read_test=False)
    accuracy = [None if value is None else round(value, 2) for value in result.history.validation_accuracy]
    return {
        "condition": condition.name,
        "loss": name,
        "seed": seed,
        "lr": settings.lr,
        "validation_accuracy": accuracy,
        "last": accuracy[-1],
        "best": max(value for value in accuracy if value is not None),
        "readings": recorder.rows,
    }


def config_of(condition: Condition, seed: int, lr: float) -> TrainConfig:
    """The settings of a training of a condition."""
    return TrainConfig(
        epochs=condition.epochs,
        batch_size=condition.batch_size,
        lr=lr,
        augment=condition.augment,
        label_noise=condition.label_noise,
        noise_kind=condition.noise_kind,
        seed=seed,
    )


def load(condition: Condition, train_samples: int | None) -> Dataset:
    """The data of a condition, with clean validation labels."""
    folder = data_folder(None)
    labels = condition.train_labels
    return load_dataset(
        condition.dataset,
        validation=0.2,
        train_samples=train_samples or condition.train_samples,
        train_labels=None if labels is None else (folder or Path()) / labels,
    )


def main(settings: Sensing) -> None:
    """Train what is not in the file yet.

    Raises:
        UnknownNameError: if there is no such condition or loss.
    """
    torch.set_num_threads(1)
    known = {condition.name: condition for condition in CONDITIONS}
    require_known("condition", settings.only, known)
    require_known("loss", settings.losses, (*LOSSES, *ABLATIONS))
    for condition in (known[name] for name in settings.only or known):
        dataset = None
        for seed in range(settings.first_seed, settings.first_seed + settings.seeds):
            for name in settings.losses:
                key = f"{condition.name}, {name}, seed {seed}"
                if key in read_record(settings.out):
                    continue
                dataset = dataset or load(condition, settings.train_samples)
                found = course(condition, dataset, name, seed, settings)
                update_record(settings.out, key, {"command": command.command_line(settings), **found})
                print(f"{key}: last {found['last']:.2f}, best {found['best']:.2f}", flush=True)


if __name__ == "__main__":
    command.run(Sensing, main)
