"""Examples in docstrings: every function and class that users are meant to call has one, and it is right.

An example sees PyTorch and what the module of the name exports, as after ``from evoloss.losses import *``; it
imports all else.
"""

from __future__ import annotations

import doctest
import inspect
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
import torch

from evoloss.losses import LOSSES

ROOMS = (
    "evoloss",
    "evoloss.compare",
    "evoloss.data",
    "evoloss.diagnostics",
    "evoloss.evolve",
    "evoloss.executors",
    "evoloss.fitness",
    "evoloss.losses",
    "evoloss.models",
    "evoloss.mutation",
    "evoloss.networks",
    "evoloss.pairs",
    "evoloss.pretraining",
    "evoloss.strategies",
    "evoloss.trackers",
    "evoloss.students",
    "evoloss.tasks",
    "evoloss.training",
    "evoloss.zoo",
)

# Rooms that export nothing by a list of their own: what their commands call.
OTHERS = (
    "evoloss.ablate.ablation.AblateConfig",
    "evoloss.ablate.ablation.ablate",
    "evoloss.sweeps.run_files.Run",
    "evoloss.sweeps.sweep.sweep",
)

# What users read and never build: the function that returns it has an example.
RESULTS = {
    "evoloss.LossInfo": "evoloss.list_losses",
    "evoloss.Parameter": "evoloss.list_losses",
    "evoloss.PretrainResult": "evoloss.pretrain",
    "evoloss.compare.LossSummary": "evoloss.compare.compare",
    "evoloss.compare.PairedDifference": "evoloss.compare.compare",
    "evoloss.compare.Results": "evoloss.compare.compare",
    "evoloss.compare.TrainedClassifier": "evoloss.compare.load_classifier",
    "evoloss.diagnostics.Calibration": "evoloss.diagnostics.measure_calibration",
    "evoloss.diagnostics.ClassSum": "evoloss.diagnostics.measure_class_sum",
    "evoloss.diagnostics.Curve": "evoloss.diagnostics.loss_curve",
    "evoloss.diagnostics.DirectPrediction": "evoloss.diagnostics.measure_direct_prediction",
    "evoloss.diagnostics.Direction": "evoloss.diagnostics.measure_direction",
    "evoloss.diagnostics.Inspection": "evoloss.diagnostics.inspect_loss",
    "evoloss.diagnostics.Landmarks": "evoloss.diagnostics.measure_landmarks",
    "evoloss.diagnostics.NotApplicable": "evoloss.diagnostics.inspect_loss",
    "evoloss.diagnostics.Ranking": "evoloss.diagnostics.measure_ranking",
    "evoloss.diagnostics.Reading": "evoloss.diagnostics.readings",
    "evoloss.diagnostics.WrongSide": "evoloss.diagnostics.measure_wrong_side",
    "evoloss.evolve.Begin": "evoloss.evolve.evolve",
    "evoloss.evolve.Difference": "evoloss.evolve.evolve",
    "evoloss.evolve.EvolveResult": "evoloss.evolve.evolve",
    "evoloss.evolve.EvolveVerdict": "evoloss.evolve.evolve",
    "evoloss.evolve.LossRow": "evoloss.evolve.evolve",
    "evoloss.pretraining.Checkpoint": "evoloss.pretraining.read_checkpoint",
    "evoloss.pretraining.GenerationRecord": "evoloss.pretrain",
    "evoloss.training.EpochRecord": "evoloss.training.train",
    "evoloss.training.History": "evoloss.training.train",
    "evoloss.training.Outcome": "evoloss.training.train_and_observe",
    "evoloss.training.RunIdentity": "evoloss.training.identify_run",
    "evoloss.training.RunResult": "evoloss.training.train",
}

SLOW = {
    "evoloss.compare.compare",
    "evoloss.diagnostics.inspect_loss",
    "evoloss.diagnostics.readings",
}


def needs_none(exported: Any) -> bool:
    """Aliases and constants, protocols, exceptions, and named tuples, which are results and forms."""
    return (
        not (inspect.isclass(exported) or inspect.isfunction(exported))
        or getattr(exported, "_is_protocol", False)
        or (inspect.isclass(exported) and issubclass(exported, BaseException | tuple))
    )


def exports() -> Iterator[tuple[str, Any]]:
    for room in ROOMS:
        module = import_module(room)
        for name in module.__all__:
            yield f"{room}.{name}", getattr(module, name)
    for path in OTHERS:
        module, _, name = path.rpartition(".")
        yield path, getattr(import_module(module), name)


# Each once, by the first room that exports it.
PATHS = {id(exported): path for path, exported in reversed(list(exports())) if not needs_none(exported)}
EXPORTS = {path: exported for path, exported in exports() if path in PATHS.values()}


def example_of(path: str) -> doctest.DocTest | None:
    module = import_module(path.rpartition(".")[0])
    names = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
    scope = {name: getattr(module, name) for name in names} | {"torch": torch, "__name__": "example"}
    exported = EXPORTS[path]
    finder = doctest.DocTestFinder(recurse=False)
    found = finder.find(exported, path, module=False, globs=scope)  # type: ignore[arg-type]
    return found[0] if found and found[0].examples else None


def test_every_export_has_an_example_or_is_a_result() -> None:
    missing = {path for path in EXPORTS if example_of(path) is None}
    assert missing == set(RESULTS)


@pytest.mark.parametrize("path", RESULTS)
def test_what_returns_a_result_has_an_example(path: str) -> None:
    assert example_of(RESULTS[path]) is not None


def test_every_known_loss_has_an_example() -> None:
    with_examples = {EXPORTS[path] for path in EXPORTS if example_of(path)}
    assert set(LOSSES.values()) <= with_examples


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=pytest.mark.slow if path in SLOW else ())
        for path in EXPORTS
        if path not in RESULTS
    ],
)
def test_example(path: str) -> None:
    example = example_of(path)
    if example is None:
        pytest.fail(f"{path} has no example")
    report: list[str] = []
    state = torch.get_rng_state()
    try:
        runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
        runner.run(example, out=report.append)
    finally:
        torch.set_rng_state(state)
    assert not report, "".join(report)
    assert runner.tries > 0
