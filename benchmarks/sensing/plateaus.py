"""Plateaus of contradictions in trainings with right and with wrong labels, before anybody doubts them.

    python -m benchmarks.sensing.plateaus --record    # trains, a minute each, and keeps what was predicted
    python -m benchmarks.sensing.plateaus --write     # reads the sensor over what was kept

A threshold of evidence has to lie above the plateaus of right labels, at every learning rate, and below those
of wrong ones. Of each training the predictions of the first epochs are kept, under ``build/plateaus``: with
them any numbers of the sensor can be tried without training again. Labels are those of
``benchmarks.sensing.run``: training images that no reported result is read on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from benchmarks.cifar10_20k.conditions import CONDITIONS
from benchmarks.harness import command
from benchmarks.harness.markdown import numbers_table
from benchmarks.harness.page import replace_between
from benchmarks.harness.results import update_record
from benchmarks.sensing.ablations import FrozenNetwork
from benchmarks.sensing.run import config_of, load
from evoloss.atomic_files import write_bytes, write_text
from evoloss.losses import EvolvedLoss
from evoloss.networks.sensing.numbers import SensorNumbers
from evoloss.networks.sensing.sensor import batch_sums, evidence, initial_state, moved_on
from evoloss.networks.sensing.surprise import surprise
from evoloss.training import train

OUT = Path(__file__).parent / "results/plateaus.json"
README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- plateaus: python -m benchmarks.sensing.plateaus --write -->", "<!-- plateaus end -->"
KEPT = Path("build/plateaus")
EPOCHS = 13
N_CLASSES = 10
AS_IT_IS = "plateau as it is read"


class Course(NamedTuple):
    """A training to look at."""

    condition: str
    seed: int
    lr: float
    train_samples: int = 20_000

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{self.condition}-{self.seed}-{self.lr}-{self.train_samples}"


COURSES = (
    *(Course("clean-long", 103, lr) for lr in (0.3, 1.0)),
    *(Course("clean-long", 102, lr) for lr in (0.1, 1.0)),
    *(Course("clean-long", 102, lr, 5_000) for lr in (0.3, 1.0)),
    Course("clean-long", 103, 0.1, 5_000),
    *(Course("clean-long", 103, lr, 2_500) for lr in (0.3, 1.0)),
    *(Course("human-long", seed, lr) for seed, lr in ((102, 0.1), (103, 0.3), (102, 1.0))),
    *(Course("human-long", seed, 0.3, few) for seed, few in ((102, 5_000), (103, 2_500))),
    *(
        Course(f"{kind}-long", *at)
        for kind in ("sym20", "asym40", "sym40")
        for at in ((103, 0.3), (102, 1.0))
    ),
    Course("sym40-long", 102, 0.3, 5_000),
)


@dataclass(frozen=True, kw_only=True)
class Plateaus:
    """Read plateaus."""

    record: bool = False
    """Train what is not kept yet."""
    kept: Path = KEPT
    """Folder of what trainings predicted."""
    out: Path = OUT
    """File of the readings."""
    write: bool = False
    """Put the table between the marks of this folder's README."""


@dataclass(frozen=True, kw_only=True)
class NeverDoubting(FrozenNetwork):
    """Learns as the loss does, and doubts nothing."""

    held: ClassVar[Mapping[str, float]] = {"memorised": 0.0}


class _OverError(Exception):
    """The epochs that are looked at are over."""


class _Kept(EvolvedLoss):
    """Keeps the predictions of every batch of a training."""

    batches: list[Tensor]

    def forward(self, input: Tensor, target: Tensor, **said: Any) -> Tensor:
        """The loss; ends the training after so many epochs."""
        value = super().forward(input, target)
        if input.requires_grad:
            log_probs = input.detach().log_softmax(dim=1)
            top, predicted = log_probs.max(dim=1)
            log_p = log_probs.gather(1, target[:, None]).squeeze(1)
            self.batches.append(torch.stack([top, predicted.float(), target.float(), log_p]))
            if float(self.loss_state.values()["completed"]) >= EPOCHS:
                raise _OverError
        return value

    def __deepcopy__(self, memo: dict[int, Any]) -> _Kept:
        """A copy that keeps into the same list."""
        copied = _Kept(self.network, self.params)
        copied.batches = self.batches
        return copied


def keep(course: Course, file: Path) -> None:
    """Train, and write what was predicted: sizes of batches, and four rows of values a sample."""
    condition = next(some for some in CONDITIONS if some.name == course.condition)
    loss = _Kept(NeverDoubting(), SensorNumbers.set_by_hand())
    loss.batches = []
    config = config_of(condition, course.seed, course.lr)
    with suppress(_OverError):
        train(load(condition, course.train_samples), condition.model, loss, config, read_test=False)
    sizes = np.array([batch.shape[1] for batch in loss.batches])
    content = BytesIO()
    np.savez(content, sizes=sizes, rows=torch.cat(loss.batches, dim=1).numpy())
    file.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(file, content.getvalue())


def readings(
    course: Course,
    sizes: NDArray[np.int64],
    rows: NDArray[np.float32],
    surprising: Callable[[Tensor, Tensor], Tensor],
) -> list[dict[str, float]]:
    """What the sensor reads after each epoch.

    Args:
        course: the training.
        sizes: of its batches.
        rows: of its samples, see :func:`keep`.
        surprising: how far a contradiction counts, by the log-probability of the prediction and the
            probability of the label.
    """
    numbers = SensorNumbers.of(SensorNumbers.set_by_hand())
    state = {**initial_state(N_CLASSES), "n_samples": torch.tensor(float(course.train_samples))}
    found: list[dict[str, float]] = []
    for end, size in zip(np.cumsum(sizes), sizes, strict=True):
        top, predicted, label, log_p = torch.from_numpy(rows[:, end - size : end])
        of_classes = partial(torch.matmul, other=F.one_hot(predicted.long(), N_CLASSES).float())
        given = log_p.exp()
        sums = batch_sums(
            numbers.emphasis,
            top,
            (predicted != label).float(),
            surprising(top, given),
            given,
            None,
            F.one_hot(label.long(), N_CLASSES).sum(dim=0).float(),
            of_classes,
        )
        state = {**moved_on(numbers, state, sums), "memorised": torch.zeros(())}
        if int(state["completed"]) > len(found):
            sure = evidence(numbers, state["plateau"], state["n_samples"])
            values = {"plateau": state["plateau"], "evidence": sure}
            found.append({name: round(float(value), 4) for name, value in values.items()})
    return found


def main(settings: Plateaus) -> None:
    """Train what is asked for, and read all that is kept."""
    torch.set_num_threads(1)
    ways: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "plateau if all count": lambda top, _: torch.ones_like(top),
        AS_IT_IS: lambda top, given: surprise(top, given, N_CLASSES),
    }
    lines = []
    for course in COURSES:
        file = settings.kept / f"{course.name}.npz"
        if settings.record and not file.exists():
            keep(course, file)
        if not file.exists():
            continue
        with np.load(file, allow_pickle=False) as kept:
            sizes, rows = kept["sizes"], kept["rows"]
        read = {way: readings(course, sizes, rows, counts) for way, counts in ways.items()}
        update_record(settings.out, course.name, {**course._asdict(), "readings": read})
        last = {way: of_epochs[-1] for way, of_epochs in read.items()}
        lines.append(
            [
                course.condition.removesuffix("-long"),
                f"{course.train_samples:,}",
                f"{course.lr:g}",
                *(f"{values['plateau']:.3f}" for values in last.values()),
                f"{last[AS_IT_IS]['evidence']:.2f}",
            ]
        )
    found = numbers_table(["labels", "images", "rate", *ways, "evidence"], lines)
    print("\n".join(found))
    if settings.write:
        write_text(README, replace_between(README.read_text(encoding="utf-8"), BEGIN, END, found))


if __name__ == "__main__":
    command.run(Plateaus, main)
