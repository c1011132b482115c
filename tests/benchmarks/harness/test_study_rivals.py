from __future__ import annotations

from pathlib import Path

from benchmarks.harness.study_results import load
from benchmarks.harness.study_rivals import rivals
from tests.benchmarks.harness.studies import make_study, write_runs


def test_the_best_static_the_best_without_a_value_to_set_and_the_best_of_all(tmp_path: Path) -> None:
    rows = {
        "cross_entropy": (40.0, 41.0, 42.0),
        "adaptive": (50.0, 53.0, 53.0),
        "gce": (48.0, 49.0, 50.0),
        "evolved-noise": (47.0, 47.0, 48.0),
        "elr": (55.0, 55.0, 56.0),
        "epsilon_softmax_mae": (70.0, 70.0, 71.0),
    }
    write_runs(tmp_path / "noisy", rows)
    write_runs(tmp_path / "noisier", {"cross_entropy": (20.0,), "gce": (21.0,)})
    heads, _, row, _, note = rivals(load(make_study(tmp_path)), "adaptive")
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells[:2] == ["noisy", "52.0"]
    assert cells[2] == "+11.0 ± 2.5"
    assert cells[3].startswith("+10.5 ± 2.5")
    assert cells[4].endswith(" gce")
    assert cells[4].startswith("+3.0")
    assert cells[5].endswith(" evolved-noise")
    assert cells[6].endswith(" elr"), "an oracle is no rival"
    assert cells[6].startswith("-3.3")
    assert "less the best static loss" in heads
    assert "Oracles are no rivals" in note


def test_without_runs_of_the_loss(tmp_path: Path) -> None:
    write_runs(tmp_path / "noisy", {"cross_entropy": (20.0,), "gce": (21.0,)})
    assert rivals(load(make_study(tmp_path)), "adaptive") == ["No run with `adaptive` has ended yet."]
