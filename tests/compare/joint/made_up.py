"""Made-up comparisons on several data sets, for tests that need results without trainings."""

from __future__ import annotations

from typing import Any

from evoloss.compare.joint.results import JointResults
from evoloss.compare.results import Results
from tests.compare.runs import make_results, make_run

ACCURACIES: dict[str, dict[str, tuple[float, ...]]] = {
    "digits": {"cross_entropy": (90.0, 91.0, 92.0), "gce": (95.0, 96.1, 97.0), "mae": (80.0, 81.1, 82.0)},
    "wine": {"cross_entropy": (80.0, 81.0, 82.0), "gce": (79.0, 81.5, 83.0), "mae": (81.0, 82.1, 83.0)},
    "iris": {"cross_entropy": (70.0, 71.0, 72.0), "gce": (60.0, 61.1, 62.0), "mae": (70.5, 70.0, 73.0)},
}


def results_on(dataset: str, table: dict[str, tuple[float, ...]], **changes: Any) -> Results:
    runs = [
        make_run(loss, seed, value, dataset=dataset)
        for loss, values in table.items()
        for seed, value in enumerate(values)
    ]
    config = {"epochs": 2, "dataset": dataset, "losses": list(table), "seeds": [0, 1, 2], "lr_grid": [0.1]}
    return make_results(**{"runs": tuple(runs), "config": config, **changes})


def make_joint(tables: dict[str, dict[str, tuple[float, ...]]] | None = None) -> JointResults:
    found = ACCURACIES if tables is None else tables
    return JointResults({name: results_on(name, table) for name, table in found.items()})
