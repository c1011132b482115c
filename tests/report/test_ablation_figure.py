from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.report.ablation_figure import draw_convergence, draw_differences, write_ablation_figures
from evoloss.report.ablation_table import (
    COMPARISON_HEADERS,
    SUMMARY_HEADERS,
    ablation_caption,
    advantage_rows,
    comparison_rows,
    markdown_rows,
    rich_ablation,
    summary_rows,
)
from evoloss.report.figures import COLOURS
from tests.ablate.ablations import make_ablation, make_ablation_run


def test_files_and_formats(tmp_path: Path) -> None:
    written = write_ablation_figures(make_ablation(), tmp_path / "figures", ("png", "svg"))
    names = ["convergence.png", "convergence.svg", "differences.png", "differences.svg"]
    assert [path.name for path in written] == names
    assert written[0].read_bytes().startswith(b"\x89PNG")
    first = written[3].read_bytes()
    write_ablation_figures(make_ablation(), tmp_path / "figures", ("svg",))
    assert len(written[3].read_bytes()) == len(first)


def test_one_variant_has_no_differences(tmp_path: Path) -> None:
    runs = (make_ablation_run(seed=0), make_ablation_run(seed=1))
    ablation = make_ablation(runs=runs, variants={"gaussian": {}}, contrasts=())
    assert [path.name for path in write_ablation_figures(ablation, tmp_path)] == ["convergence.png"]


def test_curves_are_the_median_of_the_wrong_couples() -> None:
    figure = draw_convergence(make_ablation(), title="here")
    (axes,) = figure.axes
    lines = {line.get_label(): line.get_ydata() for line in axes.get_lines()}
    assert lines["fast"] == pytest.approx([0.3, 0.0065, 0.001])
    assert lines["stuck"] == pytest.approx([0.4, 0.5, 0.5]), "without a usable loss it is chance"
    assert figure.get_suptitle().startswith("here; median and quartiles of 4 seeds")


def test_many_variants_go_to_several_panels_each_with_the_baseline() -> None:
    names = ["gaussian", *(f"v{i}" for i in range(9))]
    runs = tuple(make_ablation_run(name, seed) for name in names for seed in (0, 1))
    ablation = make_ablation(runs=runs, variants={name: {} for name in names}, contrasts=())
    figure = draw_convergence(ablation)
    drawn = [axes for axes in figure.axes if axes.get_visible()]
    legends = [[text.get_text() for text in axes.get_legend().get_texts()] for axes in drawn]
    assert [len(legend) for legend in legends] == [5, 5, 2]
    assert {legend[0] for legend in legends} == {"gaussian"}
    chosen = draw_convergence(ablation, panels=[["v1", "v2"]])
    assert len(chosen.axes) == 1
    with pytest.raises(UnknownNameError, match="no variant 'v99'"):
        draw_convergence(ablation, panels=[["v99"]])


def test_the_forest_has_a_row_for_each_comparison() -> None:
    figure = draw_differences(make_ablation())
    left, right = figure.axes
    labels = [label.get_text() for label in left.get_yticklabels()]
    assert labels == ["fast", "stuck", "fast − stuck"]
    marks = [line.get_xdata()[0] for line in left.get_lines() if line.get_marker() == "o"]
    assert marks == pytest.approx([-10.0, 1.0, -11.0])
    named = draw_differences(make_ablation(), name=lambda variant, reference: f"{variant}/{reference}")
    labels = [label.get_text() for label in named.axes[0].get_yticklabels()]
    assert labels == ["fast/None", "stuck/None", "fast/stuck"]
    finals = [line.get_xdata()[0] for line in right.get_lines() if line.get_marker() == "o"]
    assert finals == pytest.approx([0.75, -49.15, 49.9])


def test_only_what_is_distinguishable_from_0_has_a_colour() -> None:
    ablation = make_ablation()
    left, right = draw_differences(ablation).axes
    for axes, effects in (
        (left, [row.generations for row in ablation.comparisons]),
        (right, [row.final for row in ablation.comparisons]),
    ):
        marks = [line.get_color() for line in axes.get_lines() if line.get_marker() == "o"]
        clear = [effect.p_holm is not None and effect.p_holm < 0.05 for effect in effects]
        assert [mark == COLOURS[0] for mark in marks] == clear
    everything = [effect for row in ablation.comparisons for effect in (row.generations, row.final)]
    assert {effect.p_holm is not None and effect.p_holm < 0.05 for effect in everything} == {True, False}


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no figure format 'gif'"):
        write_ablation_figures(make_ablation(), tmp_path, ("gif",))
    with pytest.raises(ConfigError, match="there is nothing to draw"):
        draw_convergence(make_ablation(runs=()))


def test_tables() -> None:
    ablation = make_ablation()
    gaussian, fast, stuck = summary_rows(ablation)
    assert len(gaussian) == len(SUMMARY_HEADERS)
    assert fast[:4] == ("fast", "4/4", "20 (20 to 20)", "160")
    assert stuck[1:] == ("0/4", "– (– to –)", "–", "0.5000 ± 0.0000", "–", "0/4")
    rows = comparison_rows(ablation)
    assert {len(row) for row in rows} == {len(COMPARISON_HEADERS)}
    assert rows[0][:5] == ("fast", "gaussian", "-10.0", "–", "0.375"), "equal differences, no interval"
    lines = markdown_rows(SUMMARY_HEADERS, [("a|b", *gaussian[1:])])
    assert lines[2].startswith("| a\\|b | 4/4 |")
    assert "4 paired seeds; baseline gaussian" in ablation_caption(ablation)


def test_what_students_gained_has_a_table_of_its_own() -> None:
    assert advantage_rows(make_ablation()) == []
    assert len(rich_ablation(make_ablation())) == 3
    gains = {"gaussian": 0.0, "fast": 1.0}
    runs = tuple(
        make_ablation_run(name, seed, advantage=gain + 0.1 * seed * gain)
        for name, gain in gains.items()
        for seed in range(3)
    )
    ablation = make_ablation(runs=runs, variants={name: {} for name in gains}, contrasts=())
    (row,) = advantage_rows(ablation)
    assert row[:2] == ("fast", "gaussian")
    assert row[2].startswith("+1.10 [")
    summary, *rest = rich_ablation(ablation)
    assert [str(column.header) for column in summary.columns][-1] == "advantage"
    assert len(rest) == 3


def test_names_are_no_formulas_and_no_markup(tmp_path: Path) -> None:
    name = "a$b$^{[red]\x1b[2J" + "z" * 3000
    ablation = make_ablation()
    runs = tuple(
        replace(run, variant=name if run.variant == "fast" else run.variant) for run in ablation.runs
    )
    variants = {name if key == "fast" else key: value for key, value in ablation.variants.items()}
    pairs = tuple(
        tuple(name if member == "fast" else member for member in pair) for pair in ablation.contrasts
    )
    odd = replace(ablation, runs=runs, variants=variants, contrasts=pairs, baseline=name)
    assert len(write_ablation_figures(odd, tmp_path)) == 2
    console = Console(file=io.StringIO(), width=300)
    for table in rich_ablation(odd):
        console.print(table)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(char.isprintable() or char == "\n" for char in text)
    assert r"a$b$^{[red]\x1b[2Jzzz" in text
    assert "z" * 100 not in text
