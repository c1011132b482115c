"""The README says what the committed results say."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.transfer.page import load
from benchmarks.transfer.readme_table import BASELINE, BEGIN, LOSSES, README, filled, table
from benchmarks.transfer.run import OUT


def test_the_readme_holds_the_table_of_the_results() -> None:
    found = load(OUT)
    if not found:
        pytest.skip("no results of the transfer benchmark are here")
    text = README.read_text(encoding="utf-8")
    assert text.count(BEGIN) == 1
    assert filled(text, table(found)) == text


def test_a_cell_is_the_difference_of_the_means(tmp_path: Path) -> None:
    found = load(OUT)
    if not found:
        pytest.skip("no results of the transfer benchmark are here")
    name, results = next(iter(found.items()))
    means = {row.loss: row.mean_test_accuracy for row in results.losses}
    heads, _, row = ([cell.strip() for cell in line.split("|")[1:-1]] for line in table({name: results}))
    cells = dict(zip(heads, row, strict=True))
    assert cells["cross-entropy"] == f"{means[BASELINE]:.1f}"
    assert set(heads[2:]) == {loss for loss in LOSSES if loss in means}
    for loss in heads[2:]:
        assert f"{means[loss] - means[BASELINE]:+.1f} ±" in cells[loss]
