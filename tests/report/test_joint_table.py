from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from evoloss.compare.joint.results import JointResults
from evoloss.report.joint_table import (
    dataset_rows,
    is_joint_table,
    joint_caption,
    markdown_joint_table,
    rich_joint_tables,
    summary_rows,
)
from evoloss.report.joint_words import joint_cautions, joint_verdict
from tests.compare.joint.made_up import ACCURACIES, make_joint, results_on
from tests.compare.runs import make_tuning_run

Table = dict[str, tuple[float, ...]]


def test_cells_are_the_numbers() -> None:
    joint = make_joint()
    assert summary_rows(joint) == [
        ("cross_entropy", "3", "81.00", "baseline", *["–"] * 5),
        ("gce", "3", "79.41", "-1.59", "+0.17", "-9.97", "iris", "1", "1"),
        ("mae", "3", "78.08", "-2.92", "+0.17", "-9.97", "digits", "1", "1"),
    ]
    assert dataset_rows(joint, ["gce", "mae"]) == [
        ("digits", "91.00", "+5.03 *", "-9.97 *"),
        ("wine", "81.00", "+0.17", "+1.03 *"),
        ("iris", "71.00", "-9.97 *", "+0.17"),
    ]
    assert "corrected for all 6 tests of this table" in joint_caption(joint)


def test_markdown_has_verdict_caption_and_both_tables() -> None:
    text = markdown_joint_table(make_joint())
    lines = text.splitlines()
    assert lines[0].endswith("Choose by data set.")
    assert "| gce | 3 | 79.41 | -1.59 | +0.17 | -9.97 | iris | 1 | 1 |" in lines
    assert "| digits | 91.00 | +5.03 * | -9.97 * |" in lines
    assert is_joint_table(text.encode())
    empty = JointResults({"digits": results_on("digits", {}, complete=False)})
    assert markdown_joint_table(empty) == "No run has finished yet.\n"
    assert is_joint_table(markdown_joint_table(empty).encode())
    assert not is_joint_table(b"| mine |\n")


def test_names_of_strangers_are_cells() -> None:
    table = {"cross_entropy": (1.0, 2.0, 3.0), "a|b": (1.0, 2.5, 3.0)}
    joint = make_joint({"x|y\x1b[31m": table})
    assert r"| x\|y\x1b[31m |" in markdown_joint_table(joint)
    assert r"| a\|b |" in markdown_joint_table(joint)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal_and_no_number_is_cut(width: int) -> None:
    losses = ["evolved-noise-strong", "gce:q=0.5", "adaptive", "sce", "label_smoothing", "bi_tempered", "mae"]
    tables = {
        name: {"cross_entropy": (50.0, 51.0, 52.0)}
        | {loss: (60.0 + place, 61.5 + place, 62.0 + place) for place, loss in enumerate(losses)}
        for name in ("a-data-set-with-a-rather-long-name", "my_package.my_module:load", "digits")
    }
    joint = make_joint(tables)
    out = io.StringIO()
    console = Console(file=out, width=width, no_color=True)
    for table in rich_joint_tables(joint, width):
        console.print(table)
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for row in joint.differences:
        assert f"{row.mean_difference:+.2f}" in text
    shown = text.replace(" ", "").replace("\n", "")
    assert all(loss in shown for loss in ("adaptive", "sce", "mae"))


VERDICTS: dict[str, tuple[dict[str, Table], str, str, str]] = {
    "better on all": (
        {name: {"cross_entropy": (90.0, 91.0, 92.0), "gce": (95.0, 96.1, 97.0)} for name in ("a", "b")},
        "better",
        "gce is better than cross_entropy on 2 of 2 data sets and worse on none (mean +5.03 points, median "
        "+5.03, worst +5.03 on a; corrected for 2 comparisons).",
        "Use it.",
    ),
    "better on one": (
        {
            "a": {"cross_entropy": (90.0, 91.0, 92.0), "gce": (95.0, 96.1, 97.0)},
            "b": {"cross_entropy": (90.0, 91.0, 92.0), "gce": (89.0, 92.5, 91.0)},
        },
        "better",
        "gce is better than cross_entropy on 1 of 2 data sets and worse on none",
        "Use it where it is better; elsewhere keep cross_entropy.",
    ),
    "better and worse": (
        ACCURACIES,
        "mixed",
        "gce is better than cross_entropy on 1 of 3 data sets, and worse on 1 (mean −1.59",
        "Choose by data set.",
    ),
    "worse": (
        {"a": {"cross_entropy": (95.0, 96.1, 97.0), "gce": (90.0, 91.0, 92.0)}},
        "none",
        "No loss is better than cross_entropy on this data set; worse: gce on 1.",
        "Keep cross_entropy.",
    ),
    "none": (
        {"a": {"cross_entropy": (90.0, 91.0, 92.0), "gce": (89.0, 92.5, 91.0)}},
        "none",
        "No loss is distinguishable from cross_entropy on this data set; the highest mean is that of gce",
        "Keep cross_entropy.",
    ),
    "two seeds": (
        {"a": {"cross_entropy": (90.0, 91.0), "gce": (95.0, 96.1)}},
        "untested",
        "No difference could be tested; the highest mean is that of gce (mean +5.05 points",
        "Run at least 3 seeds, better 5, before you choose: --seeds 0 1 2 3 4.",
    ),
    "equal differences": (
        {"a": {"cross_entropy": (90.0, 91.0, 92.0), "gce": (91.0, 92.0, 93.0)}},
        "untested",
        "No difference could be tested",
        "Compare on more test samples, or with more seeds.",
    ),
    "one loss": (
        {"a": {"cross_entropy": (90.0, 91.0)}},
        "alone",
        "There is nothing to compare cross_entropy with.",
        "Name a second loss with --losses.",
    ),
    "no run": ({"a": {}}, "empty", "No run has finished yet.", "Run the command again."),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_the_verdict_in_words(name: str) -> None:
    tables, kind, text, advice = VERDICTS[name]
    found = joint_verdict(make_joint(tables))
    assert found.kind == kind
    assert text in found.text
    assert found.advice == advice


def test_cautions() -> None:
    assert joint_cautions(make_joint()) == []
    digits = results_on("digits", ACCURACIES["digits"], complete=False)
    lacking = {name: values for name, values in ACCURACIES["wine"].items() if name != "mae"}
    tuning = [
        make_tuning_run(loss, lr, 0, 90.0 + lr) for loss in ("cross_entropy", "gce") for lr in (0.01, 0.05)
    ]
    wine = replace(results_on("wine", lacking), tuning=tuple(tuning))
    assert wine.edges
    assert joint_cautions(JointResults({"digits": digits, "wine": wine})) == [
        "Not complete: digits; some runs are still to come.",
        "Not all losses were run on wine, so means are over different data sets.",
        "A learning rate was chosen at an end of its grid on wine.",
    ]
