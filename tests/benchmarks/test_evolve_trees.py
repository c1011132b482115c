"""The experiment of losses that are evolved for trees, on a few rounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.boosting import evolve_trees, page
from benchmarks.boosting.evolve_trees import EvolveTrees, TreeObjective, draw_tasks, fitness, main, start
from benchmarks.boosting.tree_tables import REAL, read_real
from benchmarks.harness.page import replace_between
from benchmarks.harness.results import read_record
from evoloss.errors import DataError
from evoloss.integrations.boosting import objective


class Rows:
    """What an objective reads of a data set."""

    def __init__(self, labels: Any) -> None:
        self.labels = labels

    def get_label(self) -> Any:
        return self.labels

    def get_weight(self) -> Any:
        return np.zeros(0)


def values(mix: float, scale: float = 0.0) -> torch.Tensor:
    """Cross-entropy with a hessian."""
    found = torch.zeros(12, dtype=torch.float64)
    found[0], found[-2], found[-1] = 1.0, mix, scale
    return found


@pytest.mark.parametrize("n_classes", [2, 4])
def test_the_ends_of_the_hessian_are_those_of_objectives(n_classes: int) -> None:
    random = np.random.default_rng(0)
    margins = random.standard_normal((30, n_classes) if n_classes > 2 else 30).astype(np.float32)
    data = Rows(random.integers(0, n_classes, 30))
    for mix, hessian in ((40.0, "abs"), (-40.0, "softmax")):
        expected = objective("cross_entropy", n_classes, hessian=hessian)(margins, data)  # type: ignore[arg-type]
        found = TreeObjective(values(mix), n_classes)(margins, data)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    twice = TreeObjective(values(-40.0, float(np.log(2))), n_classes)(margins, data)
    np.testing.assert_allclose(twice[1], 2 * found[1], rtol=1e-5)
    between = TreeObjective(values(0.0), n_classes)(margins, data)[1]
    ends = [
        objective("cross_entropy", n_classes, hessian=one)(margins, data)[1] for one in ("abs", "softmax")
    ]  # type: ignore[arg-type]
    np.testing.assert_allclose(between, np.sqrt(ends[0] * ends[1]), rtol=1e-4)


def test_tasks_are_a_function_of_the_seed_and_what_is_no_loss_is_rejected() -> None:
    first, again = draw_tasks(2, 5), draw_tasks(2, 5)
    assert all(np.array_equal(a.x_train, b.x_train) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0].y_test[:200], draw_tasks(1, 6)[0].y_test[:200])
    assert all(2 <= one.n_classes <= 6 for one in first)
    assert fitness(-start(), first, [0.0, 0.0]) == float("inf")


def test_a_search_goes_on_to_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xgboost")
    monkeypatch.setattr(evolve_trees, "LENGTHS", (1, 2))
    settings = {"search": True, "popsize": 3, "tasks": 1, "generations": 3}
    main(EvolveTrees(**settings, out=tmp_path / "whole.json"))  # type: ignore[arg-type]
    main(EvolveTrees(**{**settings, "generations": 1}, out=tmp_path / "parts.json"))  # type: ignore[arg-type]
    main(EvolveTrees(**settings, out=tmp_path / "parts.json"))  # type: ignore[arg-type]
    whole, parts = (read_record(tmp_path / f"{name}.json") for name in ("whole", "parts"))
    assert [one["mean"] for one in whole.values()] == [one["mean"] for one in parts.values()]
    assert whole["generation 0"]["mean"] != whole["generation 2"]["mean"]


def test_fresh_tasks_are_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("xgboost")
    monkeypatch.setattr(evolve_trees, "LENGTHS", (1, 2))
    shared = {"popsize": 2, "tasks": 1, "generations": 1, "judged": 2, "out": tmp_path / "found.json"}
    main(EvolveTrees(search=True, fresh=True, **shared))  # type: ignore[arg-type]
    printed = capsys.readouterr().out
    accuracy = read_record(tmp_path / "found.json")["fresh 1"]["accuracy"]
    assert list(accuracy)[:3] == ["own", "evolved-trees", "evolved-trees, abs"]
    assert all(10 < value <= 100 for value in accuracy.values())
    assert "own: " in printed
    assert "evolved-noise: " in printed


def test_a_table_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Vehicle\.rda: it comes with Debian's package"):
        read_real(REAL[0], tmp_path)


def test_the_notebook_has_the_committed_results() -> None:
    lines = page.of_the_search(read_record(evolve_trees.RESULTS))
    text = page.SEARCH_NOTEBOOK.read_text(encoding="utf-8")
    assert replace_between(text, *page.SEARCH_MARKS, lines) == text, "run it with --write"
    assert lines[2] == "| tasks or trainings | 24 | 60 | 20 | 20 | 20 |"
