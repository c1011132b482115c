from __future__ import annotations

from pathlib import Path

import pytest

from evoloss.errors import ConfigError
from evoloss.report.figures import (
    draw_accuracy,
    draw_learning_curves,
    draw_paired_differences,
    write_figures,
)
from evoloss.training import History
from tests.compare.runs import make_results, make_run, make_tuning_run


def test_writes_every_figure_in_every_format(tmp_path: Path) -> None:
    written = write_figures(make_results(), tmp_path / "new", ("png", "svg"))
    stems = {"learning_curves", "accuracy", "paired_differences"}
    assert {(path.stem, path.suffix) for path in written} == {(s, f) for s in stems for f in (".png", ".svg")}
    for path in written:
        head = path.read_bytes()[:5]
        assert head == (b"\x89PNG\r" if path.suffix == ".png" else b"<?xml")


def test_equal_results_give_equal_files(tmp_path: Path) -> None:
    pairs = zip(*(write_figures(make_results(), tmp_path / name) for name in "ab"), strict=True)
    assert all(one.read_bytes() == two.read_bytes() for one, two in pairs)


def test_one_loss_has_nothing_to_pair(tmp_path: Path) -> None:
    written = write_figures(make_results(runs=(make_run(),)), tmp_path)
    assert [path.name for path in written] == ["learning_curves.png", "accuracy.png"]
    assert write_figures(make_results(runs=()), tmp_path) == []


def test_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no figure format 'gif'; known: png, svg"):
        write_figures(make_results(), tmp_path, ("gif",))


def test_learning_curves_are_means_over_seeds() -> None:
    runs = (
        make_run(
            history=History(
                train_loss=(2.0, 1.0), validation_accuracy=(10.0, 30.0), train_accuracy=(20.0, 60.0)
            )
        ),
        make_run(
            seed=1,
            history=History(
                train_loss=(-0.001, 1.0), validation_accuracy=(20.0, None), train_accuracy=(30.0, 80.0)
            ),
        ),
    )
    left, right = draw_learning_curves(make_results(runs=runs)).axes
    assert left.lines[0].get_ydata() == pytest.approx([15.0, 30.0])
    assert right.lines[0].get_ydata() == pytest.approx([25.0, 70.0])
    band = right.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((25 - 50**0.5, 70 + 200**0.5))
    assert right.get_ylabel() == "training accuracy, %"
    assert not right.texts
    assert left.get_xlabel() == "epoch"
    assert left.get_ylabel() == "validation accuracy, %"


def test_runs_from_before_training_accuracy_was_recorded_are_said_to_have_none() -> None:
    old = tuple(make_run(seed=seed) for seed in range(2))
    left, right = draw_learning_curves(make_results(runs=old)).axes
    assert len(left.lines) == 1
    assert not right.lines
    assert [text.get_text() for text in right.texts] == ["not recorded by 2 of 2 runs"]


def test_a_run_that_diverged_at_once_can_be_drawn(tmp_path: Path) -> None:
    nothing = History(train_loss=(None,), validation_accuracy=(None,))
    runs = (make_run(), make_run("gce", accuracy=10.0, diverged=True, history=nothing, best_epoch=0))
    results = make_results(runs=runs)
    assert len(write_figures(results, tmp_path)) == 3
    markers = [line.get_marker() for line in draw_accuracy(results).axes[0].lines]
    assert markers == ["o", "x"]


def test_rates_at_the_end_of_their_grid_are_marked() -> None:
    tuning = tuple(
        make_tuning_run(loss, lr, 1_000_000, 80.0) for loss in ("gce", "mae") for lr in (0.01, 0.05)
    )
    results = make_results(tuning=tuning)
    for draw in (draw_accuracy, draw_paired_differences):
        figure = draw(results)
        texts = [text.get_text() for text in figure.axes[0].texts]
        assert ["↑" in text for text in texts] == [False, True, True][-len(texts) :]
        assert figure.get_supxlabel().startswith("↓ ↑ learning rate at the lower or upper end")
        assert not draw(make_results()).get_supxlabel()


def test_few_seeds_have_no_interval_in_the_figure_either() -> None:
    runs = tuple(make_run(loss, seed, 90.0 + seed) for seed in range(2) for loss in ("cross_entropy", "gce"))
    axes = draw_paired_differences(make_results(runs=runs)).axes[0]
    assert "2 seeds: no interval" in axes.get_xlabel()
    assert [text.get_text() for text in axes.texts] == ["+0.00"]


def test_every_seed_has_a_mark() -> None:
    axes = draw_accuracy(make_results()).axes[0]
    assert sorted(float(line.get_xdata()[0]) for line in axes.lines) == sorted(
        [90.0, 91.0, 92.0, 91.0, 92.5, 92.5, 10.0, 20.0, 30.0]
    )
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cross_entropy", "gce", "mae"]


def test_differences_show_mean_interval_and_seeds() -> None:
    axes = draw_paired_differences(make_results()).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["gce", "mae"]
    texts = [text.get_text() for text in axes.texts]
    assert texts[0] == "+1.00 [-0.24, +2.24]"
    singles = [list(line.get_xdata()) for line in axes.lines if line.get_marker() == "|"]
    assert singles[0] == pytest.approx([1.0, 1.5, 0.5])
    assert "cross_entropy" in axes.get_xlabel()


def test_more_losses_than_colours_stay_apart() -> None:
    runs = tuple(make_run(f"loss{index}") for index in range(16))
    lines = draw_learning_curves(make_results(runs=runs, baseline="loss0")).axes[0].lines
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 16


@pytest.mark.parametrize("name", ["a$b$^{", r"\frac{$", "$", "x\ny\x1b[2J" + "z" * 3000])
def test_names_are_no_formulas_and_no_essays(name: str, tmp_path: Path) -> None:
    runs = tuple(
        make_run(loss, seed, 90.0, dataset=name, model=name)
        for loss in ("cross_entropy", name)
        for seed in range(2)
    )
    assert len(write_figures(make_results(runs=runs), tmp_path)) == 3
