"""Is there a loss for trees to be evolved, hessian included, with trees as the students?

    python -m benchmarks.boosting.evolve_trees --search     # evolve one on synthetic tasks
    python -m benchmarks.boosting.evolve_trees --fresh      # judge it on fresh synthetic tasks
    python -m benchmarks.boosting.evolve_trees --real       # and on tables that no choice has seen
    python -m benchmarks.boosting.evolve_trees --write      # the table of the notebook

A candidate is a basis network (ten weights on functions of p) and two numbers for the hessian of XGBoost,

    h = exp(scale) |g|^mix (2 p (1 - p))^(1 - mix),

of which ``abs`` and ``softmax`` are the ends, mix 1 and 0. Its fitness is the mean of points over XGBoost's
own objective on synthetic tasks, most of them with wrong labels, after 15 and after 40 rounds at rate 0.2.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.boosting.conditions import OWN
from benchmarks.boosting.page import write_search
from benchmarks.boosting.run import Parts, accuracy, parts
from benchmarks.boosting.tree_tables import REAL, write_real
from benchmarks.harness import command
from benchmarks.harness.results import read_record, update_record
from benchmarks.tabular.run import DATA
from benchmarks.tabular.tables import MLBENCH
from evoloss.compare.inference import t_interval
from evoloss.errors import CanonicalFormError
from evoloss.integrations.boosting import objective
from evoloss.losses import EvolvedLoss
from evoloss.networks import NETWORKS
from evoloss.random_streams import stream
from evoloss.strategies import SNES
from evoloss.tasks.groups import draw_group
from evoloss.tasks.prior import Prior

RESULTS = Path(__file__).parent / "results" / "evolve_trees.json"
NETWORK = NETWORKS["basis"]()
PRIOR = Prior(
    classes=(2, 6),
    samples=(200, 400),
    features=(5, 20),
    separation=(1.5, 6.0),
    modes=(1, 4),
    noisy=0.75,
    noise=(0.1, 0.5),
    long=0.0,
    test_samples=500,
)
"""Small tables, a quarter of them with right labels."""
RATE = 0.2
LENGTHS = (15, 40)
EVOLVED = "evolved-trees"
KNOWN = ("cross_entropy", "gce", "evolved-noise", "evolved-noise-strong")
FRESH_SEED = 1_000  # of tasks that no generation saw
FIRST_SEED = 300  # of real tables
NOISE = (0.0, 0.2, 0.4)


@dataclass(frozen=True, kw_only=True)
class EvolveTrees:
    """Search, judge on fresh tasks, or judge on real tables."""

    search: bool = False
    """Evolve a loss; goes on where it was stopped, from the mean of the last generation."""
    fresh: bool = False
    """Judge it on fresh synthetic tasks."""
    real: bool = False
    """Judge it on real tables."""
    write: bool = False
    """Write the table of the notebook."""
    generations: int = 20
    """Generations of the search."""
    popsize: int = 12
    """Candidates of a generation."""
    tasks: int = 8
    """Tasks of a generation; the same for all its candidates."""
    judged: int = 60
    """Fresh tasks."""
    seeds: int = 5
    """Seeds of each real table."""
    tables: tuple[str, ...] = REAL
    """Real tables."""
    out: Path = RESULTS
    """File of the results."""
    data: Path = DATA
    """Folder of the real tables as they are trained on."""
    mlbench: Path = MLBENCH
    """Folder of the tables of r-cran-mlbench."""


class TreeObjective:
    """A candidate as the objective of XGBoost.

    Args:
        values: ten weights of the basis network, then the logit of ``mix`` and ``scale``.
        n_classes: class count.

    Raises:
        CanonicalFormError: if the weights are no loss.
    """

    def __init__(self, values: Tensor, n_classes: int) -> None:
        weights, (mix, scale) = values[: NETWORK.n_params], values[NETWORK.n_params :].tolist()
        self._made = objective(EvolvedLoss(NETWORK, weights.float()), n_classes)
        self.mix, self.scale = 1 / (1 + math.exp(-mix)), math.exp(scale)

    def __call__(self, margins: NDArray[Any], data: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Gradient and hessian of every score."""
        gradient, size = self._made(margins, data)
        curve = _curvature(margins).reshape(size.shape)
        return gradient, np.maximum(self.scale * size**self.mix * curve ** (1 - self.mix), 1e-16)


def _curvature(margins: NDArray[Any]) -> NDArray[Any]:
    """The hessian of the library's own objective, 2 p (1 - p), of two classes p (1 - p)."""
    if margins.ndim == 1 or margins.shape[1] == 1:
        p = 1 / (1 + np.exp(-margins))
        found: NDArray[Any] = np.maximum(p * (1 - p), 1e-12)
        return found
    odds = np.exp(margins - margins.max(axis=1, keepdims=True))
    p = odds / odds.sum(axis=1, keepdims=True)
    found = np.maximum(2 * p * (1 - p), 1e-12)
    return found


def start() -> Tensor:
    """Half of cross-entropy and half of what lies between it and mean absolute error; the hessian |g|."""
    values = torch.zeros(NETWORK.n_params + 2, dtype=torch.float64)
    values[0] = values[4] = 0.5
    values[-2] = 3.0
    return values


def draw_tasks(number: int, seed: int, *labels: int) -> list[Parts]:
    """Synthetic tasks, each with class counts and sizes of its own; no validation part."""
    found = []
    for place in range(number):
        group = draw_group(PRIOR, 1, stream(seed, "trees", *labels, place), long=False)
        tasks = group.tasks
        x, y, x_test, y_test = (part[0].numpy() for part in (tasks.x, tasks.y, tasks.x_test, tasks.y_test))
        found.append(Parts(x, y, x[:0], y[:0], x_test, y_test, tasks.n_classes))
    return found


def course(data: Parts, made: Any, rate: float, lengths: tuple[int, ...], *names: str) -> list[list[float]]:
    """Train once; the accuracy of each part that is named, at each number of rounds."""
    import xgboost as xgb

    settings: dict[str, Any] = {"eta": rate, "nthread": 1, "seed": 0, "verbosity": 0}
    settings["objective"] = "binary:logistic" if data.n_classes == 2 else "multi:softprob"
    if data.n_classes > 2:
        settings["num_class"] = data.n_classes
    booster = xgb.train(settings, xgb.DMatrix(data.x_train, data.y_train), lengths[-1], obj=made)
    rows = {name: xgb.DMatrix(getattr(data, f"x_{name}")) for name in names}
    return [
        [
            accuracy(
                booster.predict(rows[name], iteration_range=(0, rounds), output_margin=True),
                getattr(data, f"y_{name}"),
            )
            for name in names
        ]
        for rounds in lengths
    ]


def points(tasks: list[Parts], makes: list[Any], own: list[float]) -> list[float]:
    """Points over the library's own objective on each task, with the objectives that were made for them."""
    found = []
    for data, made, before in zip(tasks, makes, own, strict=True):
        found.append(_mean_accuracy(data, made) - before)
    return found


def _mean_accuracy(data: Parts, made: Any) -> float:
    return statistics.fmean(value for (value,) in course(data, made, RATE, LENGTHS, "test"))


def fitness(values: Tensor, tasks: list[Parts], own: list[float]) -> float:
    """Mean of points over the library's own objective, negated; infinite for what is no loss."""
    try:
        makes = [TreeObjective(values, data.n_classes) for data in tasks]
    except CanonicalFormError:
        return math.inf
    return -statistics.fmean(points(tasks, makes, own))


def search(settings: EvolveTrees) -> None:
    """Evolve the parameters; every generation leaves an entry with its mean and what it scored."""
    strategy = SNES(popsize=settings.popsize, sigma=0.3)
    generator = stream(0, "trees", "search")
    state = strategy.init(start(), generator)
    for generation in range(settings.generations):
        name = f"generation {generation}"
        known = read_record(settings.out).get(name)
        candidates, state = strategy.ask(state, generator)
        if known is None:
            tasks = draw_tasks(settings.tasks, 0, generation)
            own = [_mean_accuracy(data, None) for data in tasks]
            scores = [fitness(candidate, tasks, own) for candidate in candidates]
        else:
            scores = [math.inf if value is None else -value for value in known["points"]]
        state = strategy.tell(state, candidates, torch.tensor(scores, dtype=torch.float64))
        if known is None:
            entry = {
                "command": command.command_line(settings),
                "points": [None if math.isinf(value) else -value for value in scores],
                "mean": strategy.mean(state).tolist(),
            }
            update_record(settings.out, name, entry)
            finite = [-value for value in scores if not math.isinf(value)]
            told = f"{statistics.fmean(finite):+.2f}" if finite else "none usable"
            print(f"{name}: {told}, {len(finite)} of {len(scores)} usable", flush=True)


def evolved(record: dict[str, Any]) -> Tensor:
    """The mean of the last generation."""
    last = max(int(name.split()[1]) for name in record if name.startswith("generation "))
    return torch.tensor(record[f"generation {last}"]["mean"], dtype=torch.float64)


def objectives(values: Tensor, n_classes: int) -> Iterator[tuple[str, Any]]:
    """All that is compared, by name: the evolved loss, also with other hessians, its start, known losses."""
    yield OWN, None
    yield EVOLVED, TreeObjective(values, n_classes)
    loss = EvolvedLoss(NETWORK, values[: NETWORK.n_params].float())
    yield f"{EVOLVED}, abs", objective(loss, n_classes)
    yield f"{EVOLVED}, softmax", objective(loss, n_classes, hessian="softmax")
    start_values = start()
    yield "start", TreeObjective(start_values, n_classes)
    for name in KNOWN:
        yield name, objective(name, n_classes)


def judge_fresh(settings: EvolveTrees) -> None:
    """Accuracies on tasks that no generation saw, at the rate and the rounds of the search."""
    values = evolved(read_record(settings.out))
    for place in range(settings.judged):
        name = f"fresh {place}"
        if name in read_record(settings.out):
            continue
        (data,) = draw_tasks(1, FRESH_SEED + place)
        found = {what: _mean_accuracy(data, made) for what, made in objectives(values, data.n_classes)}
        update_record(settings.out, name, {"command": command.command_line(settings), "accuracy": found})
    _print_differences([one["accuracy"] for one in _entries(settings.out, "fresh ")])


def judge_real(settings: EvolveTrees) -> None:
    """Accuracies on real tables; rate and rounds are chosen on noisy validation labels."""
    values = evolved(read_record(settings.out))
    seeds = range(FIRST_SEED, FIRST_SEED + settings.seeds)
    cells = itertools.product(seeds, settings.tables, NOISE)
    for seed, table, noise in cells:
        name = f"real {table}, {noise:.0%}, seed {seed}"
        if name in read_record(settings.out):
            continue
        path = settings.data / f"{table}.npz"
        if not path.exists():
            write_real(table, path, settings.mlbench)
        data = parts(path, noise, seed, 2000)
        found = {what: _chosen(data, made) for what, made in objectives(values, data.n_classes)}
        entry = {"command": command.command_line(settings), "table": table, "noise": noise, "accuracy": found}
        update_record(settings.out, name, entry)
        print(name, {what: round(value, 1) for what, value in found.items()}, flush=True)
    entries = _entries(settings.out, "real ")
    for table, noise in itertools.product(settings.tables, NOISE):
        rows = [one["accuracy"] for one in entries if (one["table"], one["noise"]) == (table, noise)]
        print(f"{table}, {noise:.0%}:")
        _print_differences(rows)
    print("all:")
    _print_differences([one["accuracy"] for one in entries])


def _chosen(data: Parts, made: Any) -> float:
    """Test accuracy at the rate and the rounds of the best validation accuracy, the first of equals."""
    lengths = (5, 10, 20, 40, 70, 100)
    looks = [look for rate in (0.1, 0.3) for look in course(data, made, rate, lengths, "validation", "test")]
    return max(looks, key=lambda look: look[0])[1]


def _entries(path: Path, head: str) -> list[dict[str, Any]]:
    return [entry for name, entry in read_record(path).items() if name.startswith(head)]


def _print_differences(rows: list[dict[str, float]]) -> None:
    if not rows:
        return
    print(f"  {OWN}: {statistics.fmean(row[OWN] for row in rows):.1f} ({len(rows)})")
    for name in rows[0]:
        if name != OWN:
            found = [row[name] - row[OWN] for row in rows]
            interval = t_interval(found)
            half = "" if interval is None else f" ± {(interval[1] - interval[0]) / 2:.2f}"
            print(f"  {name}: {statistics.fmean(found):+.2f}{half}")


def main(settings: EvolveTrees) -> None:
    """Do what is asked for, in the order of the options."""
    torch.set_num_threads(1)
    if settings.search:
        search(settings)
    if settings.fresh:
        judge_fresh(settings)
    if settings.real:
        judge_real(settings)
    if settings.write:
        write_search(settings.out)


if __name__ == "__main__":
    command.run(EvolveTrees, main)
