from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.harness.study_results import Overall, load, overall
from evoloss.errors import ResultsError
from tests.benchmarks.harness.studies import make_study, write_runs, write_tuning


def test_a_loss_over_conditions() -> None:
    row = Overall("gce", {"clean": -4.0, "noisy": 1.0, "noisier": 9.0}, seeds=3)
    assert (row.mean, row.median, row.worst) == (2.0, 1.0, ("clean", -4.0))
    assert row.left_out == (-1.5, 5.0), "without the best and without the worst condition"
    assert row.over(("noisy", "noisier")) == (5.0, 2)
    assert row.over(("noisy", "unknown")) == (1.0, 1)
    assert row.over(("unknown",)) is None
    assert Overall("gce", {"clean": -4.0}, seeds=3).left_out is None


def test_points_are_paired_by_seed_and_the_best_epoch_is_that_of_cross_entropy(tmp_path: Path) -> None:
    write_runs(tmp_path / "noisy", {"cross_entropy": (50.0, 52.0, 54.0), "gce": (51.0, 54.0)})
    (found,) = load(make_study(tmp_path)).values()
    assert list(found.losses) == ["gce", "cross_entropy"], "by accuracy"
    assert found.differences["gce"].mean_difference == 1.5
    assert found.differences["gce"].n_seeds == 2
    assert found.over_best_epoch("gce") == (1.0, None), "half a point less than over the last epoch"
    mean, half = found.over_best_epoch("cross_entropy") or (0.0, 0.0)
    assert mean == -0.5
    assert half is None, "equal differences have no interval"
    assert found.over_best_epoch("mae") is None


def test_conditions_that_are_not_there_yet_are_left_out(tmp_path: Path) -> None:
    assert load(make_study(tmp_path)) == {}
    write_tuning(tmp_path / "clean", {"gce": 0.1})
    assert load(make_study(tmp_path)) == {}
    write_runs(tmp_path / "noisier", {"cross_entropy": (50.0,), "gce": (52.0,)})
    write_runs(tmp_path / "noisy", {"cross_entropy": (60.0,), "adaptive": (70.0,), "gce": (61.0,)})
    measured = load(make_study(tmp_path))
    assert list(measured) == ["noisy", "noisier"], "in the order of the study"
    assert [(row.loss, len(row.points)) for row in overall(measured)] == [("gce", 2), ("adaptive", 1)]


def test_files_of_several_rates_are_one_condition(tmp_path: Path) -> None:
    write_runs(tmp_path / "noisy/lr-0.1", {"cross_entropy": (50.0, 52.0)}, lr=0.1)
    write_runs(tmp_path / "noisy/lr-0.3", {"gce": (53.0, 54.0)}, lr=0.3)
    (found,) = load(make_study(tmp_path)).values()
    assert found.differences["gce"].mean_difference == 2.5
    assert {name: row.lr for name, row in found.losses.items()} == {"gce": 0.3, "cross_entropy": 0.1}
    write_runs(tmp_path / "noisy/lr-1", {"gce": (55.0,)}, lr=1.0)
    with pytest.raises(ResultsError, match=r"noisy has runs of gce at the learning rates 0\.3 and 1"):
        load(make_study(tmp_path))
