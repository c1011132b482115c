from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.chaos import comparison_tables, noise_tables, results
from benchmarks.chaos.page import PAGE


@pytest.mark.slow
def test_the_page_is_made_from_the_results() -> None:
    assert PAGE.out.read_text(encoding="utf-8") == PAGE.render(), "run python -m benchmarks.chaos.page"


def test_every_line_of_the_page_is_there_but_for_the_noise_which_takes_seconds_to_sample() -> None:
    sampled = replace(PAGE, tables={**PAGE.tables, "kinds": lambda: []})
    missing = set(sampled.render().splitlines()) - set(PAGE.out.read_text(encoding="utf-8").splitlines())
    assert not missing, "run python -m benchmarks.chaos.page"


def test_conditions_without_results_show_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert comparison_tables.missing() == ["Every planned condition was run."]
    monkeypatch.setattr(comparison_tables, "finished", lambda: ["fixed-0.3"])
    monkeypatch.setattr(comparison_tables, "series", lambda prefix: [])
    monkeypatch.setattr(comparison_tables, "finished_optional", lambda: [])
    assert "fixed-0.02" in comparison_tables.missing()[0]
    assert "fixed-0.3" not in comparison_tables.missing()[0]
    assert len(comparison_tables.conditions()) == 3
    assert comparison_tables.differences("generations", "fixed") == comparison_tables.NOT_MEASURED
    assert comparison_tables.learnability() == comparison_tables.NOT_MEASURED


def test_a_lower_target_is_reached_earlier() -> None:
    late = comparison_tables.differences("generations", "noisy")
    early = comparison_tables.differences("generations", "noisy", "0.9")
    assert late[0] == early[0]
    assert late[2:] != early[2:]


@pytest.mark.slow
def test_noise_of_equal_variance_differs_in_its_kurtosis() -> None:
    lines = noise_tables.kinds()
    columns = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    kurtosis = {row[0]: float(row[1]) for row in columns[2:]}
    assert kurtosis["gaussian"] == pytest.approx(3, abs=0.1)
    assert kurtosis["logistic"] == pytest.approx(1.5, abs=0.05)
    assert kurtosis["student_t"] > 5
    assert set(results.SHOWN) <= kurtosis.keys()
