"""The README says what the committed results say."""

from __future__ import annotations

from benchmarks.transfer.readme_table import BASELINE, LOSSES, README, filled, table
from evoloss.compare.results import Results


def test_the_readme_holds_the_table_of_the_results(transfer_results: dict[str, Results]) -> None:
    text = README.read_text(encoding="utf-8")
    message = "run python -m benchmarks.transfer.readme_table --write"
    assert filled(text, table(transfer_results)) == text, message


def test_a_cell_is_the_difference_of_the_means(transfer_results: dict[str, Results]) -> None:
    name, results = next(iter(transfer_results.items()))
    means = {row.loss: row.mean_test_accuracy for row in results.losses}
    *lines, _, legend = table({name: results})
    heads, _, row = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)
    cells = dict(zip(heads, row, strict=True))
    assert legend.startswith("↓ ↑")
    assert cells["cross-entropy"].split()[0] == f"{means[BASELINE]:.1f}"
    assert set(heads[2:]) == {loss for loss in LOSSES if loss in means}
    for loss in heads[2:]:
        assert f"{means[loss] - means[BASELINE]:+.1f} ±" in cells[loss]
        assert (cells[loss][-1] in "↓↑") is (loss in results.edges)
