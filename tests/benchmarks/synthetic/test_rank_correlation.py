from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.synthetic import rank_correlation as module
from benchmarks.synthetic.rank_correlation import (
    LEAST_LOSSES,
    RankCorrelation,
    main,
    rank_correlation,
    real_differences,
    synthetic_differences,
    table,
)
from evoloss.compare.results import Results
from tests.compare.runs import make_results


def test_equal_orders_correlate_and_opposite_ones_do_not() -> None:
    one = {"gce": 1.0, "sce": 2.0, "mae": -30.0, "focal": 0.5, "cross_entropy": 0.0}
    scaled = {loss: 3 * value for loss, value in one.items()}
    opposite = {loss: -value for loss, value in one.items()}
    assert rank_correlation(one, scaled) == (pytest.approx(1.0), 5)
    assert rank_correlation(one, opposite) == (pytest.approx(-1.0), 5)


def test_only_losses_that_both_have_count_and_there_must_be_enough() -> None:
    one = {"gce": 1.0, "sce": 2.0, "mae": -30.0, "focal": 0.5}
    other = {"gce": 1.0, "sce": 2.0, "mae": -30.0, "brier": 7.0}
    assert LEAST_LOSSES == 5
    assert rank_correlation(one, other) is None
    assert rank_correlation({**one, "brier": 9.0}, other) == (pytest.approx(1.0), 5)


def test_synthetic_results_are_read_and_later_files_win(tmp_path: Path) -> None:
    def rows(**means: float) -> dict[str, dict[str, float]]:
        return {loss: {"mean": mean, "se": 0.1} for loss, mean in means.items()}

    first, second = tmp_path / "a.json", tmp_path / "b.json"
    short = {"difference": {**rows(gce=1.0), "log(p + 1/C)": {"mean": 2.0, "se": 0.1}}}
    first.write_text(json.dumps({"wide": {"groups": 2, "short": short}}))
    second.write_text(json.dumps({"wide": {"short": {"difference": rows(gce=3.0)}, "long": short}}))
    assert synthetic_differences((first,)) == {"wide, short": {"gce": 1.0, "smoothed_log": 2.0}}
    both = synthetic_differences((first, second))
    assert both["wide, short"] == {"gce": 3.0}
    assert both["wide, long"] == {"gce": 1.0, "smoothed_log": 2.0}


def test_conditions_without_enough_losses_show_nothing() -> None:
    real = real_differences({"digits-clean": make_results()})
    assert real["digits-clean"].keys() == {"gce", "mae"}
    assert table({"wide, short": {"gce": 1.0, "mae": 2.0}}, real)[2] == "| digits-clean | – |"


@pytest.mark.slow
def test_the_committed_results_make_a_table(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    transfer_results: dict[str, Results],
) -> None:
    monkeypatch.setattr(module, "load", lambda: transfer_results)
    main(RankCorrelation())
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("| cifar10-clean |") for line in lines)
    assert len({line.count("|") for line in lines}) == 1
