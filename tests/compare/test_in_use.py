"""Equal comparisons share a directory; another one at the same time is refused, and no result is lost."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from evoloss.compare import CompareConfig, Results, compare
from evoloss.compare.training_run import train_run
from evoloss.directory_lock import hold_directory
from evoloss.errors import InUseError
from evoloss.executors.serial import SerialExecutor

CONFIG = CompareConfig(
    dataset="digits",
    model="mlp",
    losses=("cross_entropy", "gce"),
    seeds=(0, 1),
    epochs=1,
    train_samples=100,
    accelerator="cpu",
)


class Between(SerialExecutor):
    """Lets something else happen before the second training."""

    def __init__(self, other: Callable[[], object]) -> None:
        self.trainings, self.other, self.came = 0, other, None

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Future[Any]:
        if getattr(function, "func", None) is train_run:
            self.trainings += 1
            if self.trainings == 2:
                self.came = self.other()
        return super().submit(function, *args)


@pytest.mark.parametrize(
    "change",
    [{"epochs": 2}, {"losses": ("cross_entropy", "gce", "mae")}, {"seeds": (0,)}, {"baseline": "gce"}],
    ids=["another", "grown", "smaller", "another baseline"],
)
def test_a_different_comparison_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    def come_second() -> InUseError:
        with pytest.raises(InUseError) as caught:
            compare(dataclasses.replace(CONFIG, **change), out=tmp_path)
        return caught.value

    between = Between(come_second)
    first = compare(CONFIG, out=tmp_path, executor=between)
    assert f"process {os.getpid()} (compare, with other settings)" in str(between.came)
    assert first.complete
    assert Results.read(tmp_path) == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.json", "runs"]


def test_an_equal_comparison_shares_the_runs(tmp_path: Path) -> None:
    second: list[Results] = []
    thread = threading.Thread(target=lambda: second.append(compare(CONFIG, out=tmp_path)))
    first = compare(CONFIG, out=tmp_path, executor=Between(thread.start))
    thread.join()
    assert first.complete
    assert second[0].runs == first.runs, "seconds of training and all, so none was done twice"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.json", "runs"]
    assert len(list((tmp_path / "runs").iterdir())) == 4


def test_nothing_else_goes_on_in_the_directory_of_a_comparison(tmp_path: Path) -> None:
    with hold_directory(tmp_path, "ablate", shared_by=[1]), pytest.raises(InUseError, match=r"\(ablate\)"):
        compare(CONFIG, out=tmp_path)
