from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.transfer.page import conditions, differences, draw, load, matrix, page
from evoloss.compare.results import Results
from tests.compare.runs import make_results, make_run, make_tuning_run


def _condition(**accuracies: tuple[float, ...]) -> Results:
    runs = tuple(
        make_run(loss, seed, value, lr=0.01 if loss == "gce" else 0.03, test_nll_scaled=(100 - value) / 100)
        for loss, row in accuracies.items()
        for seed, value in enumerate(row)
    )
    tuning = tuple(
        make_tuning_run(loss, lr, 1_000_000, 80.0) for loss in accuracies for lr in (0.01, 0.03, 0.1)
    )
    return make_results(runs=runs, tuning=tuning)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    first = _condition(cross_entropy=(90.0, 91.0, 92.0), mae=(50.0, 60.0, 20.0), gce=(92.0, 93.1, 94.0))
    first.write(tmp_path / "digits-sym40" / "results.json")
    second = _condition(cross_entropy=(80.0, 81.0, 82.0), gce=(80.0, 80.0, 81.0))
    second.write(tmp_path / "digits-clean" / "results.json")
    make_results(runs=(), complete=False).write(tmp_path / "digits-50" / "results.json")
    return tmp_path


def test_the_page_is_made_from_the_results(transfer_results: dict[str, Results]) -> None:
    made = page(transfer_results)
    assert made.out.read_text(encoding="utf-8") == made.render(), "run python -m benchmarks.transfer.page"


def test_reads_what_has_been_run_in_the_order_of_the_protocol(folder: Path) -> None:
    assert list(load(folder)) == ["digits-clean", "digits-sym40"]


def test_losses_with_all_conditions_come_first_and_missing_ones_show(folder: Path) -> None:
    lines = matrix(load(folder), "accuracy")
    assert lines[0] == "| loss | digits-clean | digits-sym40 | mean |"
    assert lines[2] == "| gce | -0.7 ↓ | **+2.0** ↓ | +0.7 |"
    assert lines[3] == "| mae | – | -47.7 | -47.7 (of 1) |"
    assert lines[-1].startswith(
        "↓ ↑ behind a difference: the loss's learning rate was chosen at the lower or"
    )


def test_a_lower_nll_is_better(folder: Path) -> None:
    found = differences(load(folder), "nll_scaled")
    assert found["gce"]["digits-sym40"].mean == pytest.approx(-0.02033, abs=1e-4)
    assert matrix(load(folder), "nll_scaled")[2].startswith("| gce | +0.007 ↓ | **-0.020** ↓ |")
    both = {"digits-clean": load(folder)["digits-sym40"]}
    assert list(differences(both, "nll_scaled")) == ["gce", "mae"]


def test_tables_are_sorted_by_accuracy_and_mark_rates_at_the_end_of_the_grid(folder: Path) -> None:
    lines = conditions(load(folder))
    start = lines.index("### digits, 40 % symmetric noise (`digits-sym40`)")
    rows = [line for line in lines[start:] if line.startswith("| ")][1:]
    assert rows[0].startswith("| --- |")
    assert [row.split(" | ")[0] for row in rows[1:]] == ["| gce", "| cross_entropy", "| mae"]
    assert "0.01 ↓" in rows[1]
    assert "0.03 |" in rows[2]
    assert len({row.count("|") for row in rows}) == 1


def test_page_and_figure(folder: Path, tmp_path: Path) -> None:
    text = page(load(folder)).render()
    assert "<!--" not in text
    assert "digits, 40 % symmetric noise" in text
    draw(load(folder), tmp_path / "figures/map.png")
    assert (tmp_path / "figures/map.png").stat().st_size > 5000


def test_only_what_is_significant_has_a_colour(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    made: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *args, **more: made.append(self))
    results = load(folder)
    draw(results, tmp_path / "map.png")
    (image,) = made[0].axes[0].images
    cells = differences(results, "accuracy")
    for row, drawn in zip(cells.values(), image.get_array(), strict=True):
        shown = [row[name].mean if name in row and row[name].significant else 0.0 for name in results]
        assert drawn.filled(0.0).tolist() == pytest.approx(shown)
    texts = {text.get_text() for text in made[0].axes[0].texts}
    assert texts == {f"{c.mean:+.1f}".replace("-", "−") for row in cells.values() for c in row.values()}


def test_a_page_without_results(tmp_path: Path) -> None:
    text = page(load(tmp_path)).render()
    assert "No condition has been run yet." in text
    assert "Nothing to compare yet." in text
    draw({}, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_a_matrix_of_an_unknown_value_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="got 'speed'"):
        matrix(load(folder), "speed")
