"""Losses as objectives of XGBoost and LightGBM, clean and with wrong labels.

    python -m benchmarks.boosting.run                          # goes on where it was stopped
    python -m benchmarks.boosting.run --tools xgboost --seeds 5
    python -m benchmarks.boosting.run --write                  # tables and figures of the pages

Tables are those of ``benchmarks.tabular``. Learning rate and number of rounds are chosen on validation labels
that are as noisy as those that are trained on; the test part is read once, for what was chosen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.boosting.conditions import LOSSES, NOISE, OWN, RESULTS, TABLES, TOOLS
from benchmarks.boosting.page import write_pages
from benchmarks.harness import command
from benchmarks.harness.results import read_record, update_record
from benchmarks.tabular.run import DATA
from benchmarks.tabular.tables import MLBENCH, write_table
from evoloss.integrations.boosting import objective

FIRST_SEED = 200
RATES = (0.1, 0.3)
ROUNDS = (5, 10, 20, 40, 70, 100)
"""Numbers of rounds to choose from; the last is how many are trained."""
MOST_ROWS = 2000
"""Rows for training and validation, drawn by each seed."""
VALIDATION_SHARE = 0.2


class Task(NamedTuple):
    """A training.

    Attributes:
        tool: library.
        table: data.
        noise: share of labels that are another class.
        loss: objective.
        seed: of rows, noise and trees.
    """

    tool: str
    table: str
    noise: float
    loss: str
    seed: int

    @property
    def name(self) -> str:
        """Its key in a results file."""
        return f"{self.table}, {self.noise:.0%}, {self.loss}, seed {self.seed}"


class Parts(NamedTuple):
    """Inputs and labels; those of training and validation as they are given, with their noise."""

    x_train: NDArray[np.float32]
    y_train: NDArray[np.int64]
    x_validation: NDArray[np.float32]
    y_validation: NDArray[np.int64]
    x_test: NDArray[np.float32]
    y_test: NDArray[np.int64]
    n_classes: int


@dataclass(frozen=True, kw_only=True)
class BoostingStudy:
    """Train, or write the pages."""

    tools: tuple[str, ...] = TOOLS
    """Libraries."""
    tables: tuple[str, ...] = TABLES
    """Data sets."""
    losses: tuple[str, ...] = LOSSES
    """Objectives; the first stands for the library's own."""
    seeds: int = 10
    """Runs of each, from 200 on."""
    rounds: tuple[int, ...] = ROUNDS
    """Numbers of rounds to choose from, rising."""
    rows: int = MOST_ROWS
    """Rows for training and validation at most."""
    out: Path = RESULTS
    """Folder of the results, a file a library."""
    data: Path = DATA
    """Folder of the tables as they are trained on."""
    mlbench: Path = MLBENCH
    """Folder of the tables of r-cran-mlbench."""
    write: bool = False
    """Write tables and figures of the pages that have them."""


def parts(path: Path, noise: float, seed: int, rows: int) -> Parts:
    """The data of a seed: rows that are drawn, and labels of which some are another class."""
    with np.load(path) as file:
        x, y, x_test, y_test = (file[name] for name in ("x_train", "y_train", "x_test", "y_test"))
    classes, y = np.unique(y, return_inverse=True)  # words or numbers, sorted
    y_test = np.searchsorted(classes, y_test)
    random = np.random.default_rng([seed, 1])
    n_classes = len(classes)
    chosen = random.permutation(len(y))[:rows]
    x, y = x[chosen], y[chosen].astype(np.int64)
    wrong = random.random(len(y)) < noise
    given = np.where(wrong, (y + random.integers(1, n_classes, len(y))) % n_classes, y)
    held = round(VALIDATION_SHARE * len(y))
    return Parts(x[held:], given[held:], x[:held], given[:held], x_test, y_test.astype(np.int64), n_classes)


def scores_of(
    task: Task, data: Parts, rate: float, rounds: tuple[int, ...]
) -> Iterator[tuple[int, NDArray[Any], NDArray[Any]]]:
    """Train once; yield each number of rounds with the scores of the validation and the test part."""
    train = _with_xgboost if task.tool == "xgboost" else _with_lightgbm
    made = None if task.loss == OWN else objective(task.loss, data.n_classes)
    predict = train(data, rate, rounds[-1], made, task.seed)
    for number in rounds:
        yield number, predict(data.x_validation, number), predict(data.x_test, number)


def _with_xgboost(data: Parts, rate: float, rounds: int, made: Any, seed: int) -> Any:
    import xgboost as xgb

    settings: dict[str, Any] = {"eta": rate, "nthread": 1, "seed": seed, "verbosity": 0}
    settings["objective"] = "binary:logistic" if data.n_classes == 2 else "multi:softprob"
    if data.n_classes > 2:
        settings["num_class"] = data.n_classes
    booster = xgb.train(settings, xgb.DMatrix(data.x_train, data.y_train), rounds, obj=made)
    return lambda x, number: booster.predict(xgb.DMatrix(x), iteration_range=(0, number), output_margin=True)


def _with_lightgbm(data: Parts, rate: float, rounds: int, made: Any, seed: int) -> Any:
    import lightgbm as lgb

    settings: dict[str, Any] = {"learning_rate": rate, "num_threads": 1, "seed": seed, "verbose": -1}
    settings["objective"] = made or ("binary" if data.n_classes == 2 else "multiclass")
    if data.n_classes > 2:
        settings["num_class"] = data.n_classes
    booster = lgb.train(settings, lgb.Dataset(data.x_train, data.y_train), rounds)
    return lambda x, number: booster.predict(x, num_iteration=number, raw_score=True)


def accuracy(scores: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """Share of right classes, in percent; scores ``(N, C)``, or ``(N,)`` the log-odds of class 1."""
    found = scores.argmax(1) if scores.ndim > 1 else (scores > 0).astype(np.int64)
    return float(100 * (found == labels).mean())


def run(task: Task, data: Parts, rounds: tuple[int, ...]) -> dict[str, Any]:
    """Choose rate and rounds by the noisy validation part, and read the test part for the choice."""
    best: tuple[float, float, int, float] | None = None
    for rate in RATES:
        last = float("nan")
        for number, on_validation, on_test in scores_of(task, data, rate, rounds):
            right = accuracy(on_validation, data.y_validation)
            last = accuracy(on_test, data.y_test)
            if best is None or right > best[0]:
                best = right, rate, number, last
        if best is not None and best[1] == rate:
            at_end = last
    assert best is not None
    return {
        **task._asdict(),
        "learning_rate": best[1],
        "rounds": best[2],
        "test_accuracy": best[3],
        "test_accuracy_all_rounds": at_end,
    }


def tasks(settings: BoostingStudy) -> Iterator[Task]:
    """Yield the trainings: all of a seed before the next."""
    for seed in range(FIRST_SEED, FIRST_SEED + settings.seeds):
        for tool in settings.tools:
            for table in settings.tables:
                for noise in NOISE:
                    for loss in settings.losses:
                        yield Task(tool, table, noise, loss, seed)


def main(settings: BoostingStudy) -> None:
    """Train what is not in the files yet, or write the pages."""
    if settings.write:
        write_pages(settings.out)
        return
    for table in settings.tables:
        path = settings.data / f"{table}.npz"
        if not path.exists():
            write_table(table, path, settings.mlbench)
    for task in tasks(settings):
        path = settings.out / f"{task.tool}.json"
        if task.name not in read_record(path):
            data = parts(settings.data / f"{task.table}.npz", task.noise, task.seed, settings.rows)
            entry = run(task, data, settings.rounds)
            update_record(path, task.name, {"command": command.command_line(settings), **entry})
            print(f"{task.tool}, {task.name}: {entry['test_accuracy']:.1f}", flush=True)


if __name__ == "__main__":
    command.run(BoostingStudy, main)
