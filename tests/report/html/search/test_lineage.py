from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import vl_convert

from evoloss import PretrainConfig, pretrain
from evoloss.pretraining import GenerationRecord
from evoloss.report.html.page import Section, render
from evoloss.report.html.search import search_section, search_view
from evoloss.report.html.search.descent import descent_chart
from evoloss.report.html.search.lineage import Lineage, lineage_of

TASKS = PretrainConfig(
    generations=4,
    popsize=4,
    fitness="learnability",
    network="mixture",
    start="gce",
    mutation="chaotic",
    chaos_drives="step",
    classes=(3,),
)
SUMMARY = {"kept_generation": 4, "kept_is_mean": True, "learnability": {}}


def record(generation: int, **changes: Any) -> GenerationRecord:
    values: dict[str, Any] = {
        "generation": generation,
        "fitness_best": -0.5,
        "fitness_mean": 0.0,
        "consistency_best": 0.9,
        "rejected": 0,
        "sigma": 0.3,
        "seconds": float(generation),
        "held_out_consistency": 1.0,
        "advantage_best": 2.0,
        "attempt": 1,
        "parents": [3, 0],
        "parent_scores": [2.0, 1.0],
    }
    return GenerationRecord(**{**values, **changes})


HELD_OUT: Sequence[tuple[float | None, float | None]] = ((None, None), (3.0, 0.3), (2.0, 0.2), (4.5, 0.4))
HISTORY = [
    record(generation, held_out_advantage=advantage, held_out_score=score, held_out_error=0.5)
    for generation, (advantage, score) in enumerate(HELD_OUT, start=1)
]


def rows_of(lineage: Lineage, part: str) -> list[dict[str, Any]]:
    columns = lineage["descent"]["columns"]
    rows = [dict(zip(columns, row, strict=True)) for row in lineage["descent"]["rows"]]
    return [row for row in rows if row["part"] == part]


def test_the_loss_of_a_search_descends_from_its_parents() -> None:
    lineage = lineage_of(HISTORY, SUMMARY, TASKS)
    assert lineage["sentences"] == [
        "The loss is the mean of the search after generation 4.",
        "It was chosen among the best on the way, on tasks that none of them had been kept for.",
        "It descends from a start that imitates GCE through 4 generations.",
        "In every generation 4 candidates were mutations of the mean; the 2 best became the parents of the "
        "next mean.",
        "Mutation: chaotic (logistic map; orbits give the length of a step, its direction is Gaussian, in "
        "the order of the orbit).",
    ]
    assert lineage["measure"] == "advantage"
    assert lineage["improvements"]["rows"] == [[2, 3.0, 0.5, None], [4, 4.5, 0.5, 1.5]]
    assert lineage["generations"]["rows"][1] == [2, "4 1", 2.0, 1.0, "chaotic", 0.3, 3.0, None]
    assert lineage["generations"]["rows"][3] == [4, "4 1", 2.0, 1.0, "chaotic", 0.3, 4.5, 1.5]
    parents = [(row["generation"], row["candidate"], row["rank"]) for row in rows_of(lineage, "parent")]
    assert parents == [(g, *who) for g in (1, 2, 3, 4) for who in ((4, 1), (1, 2))]
    assert [(row["low"], row["high"]) for row in rows_of(lineage, "range")] == [(1.0, 2.0)] * 4
    assert [row["gain"] for row in rows_of(lineage, "improvement")] == [None, 1.5]
    assert [row["value"] for row in rows_of(lineage, "mean")] == [2.0]


def test_the_line_begins_with_its_start_and_ends_with_the_loss() -> None:
    history = [*HISTORY[:2], *(replace(row, attempt=2) for row in HISTORY[2:])]
    history.append(replace(HISTORY[0], generation=5, attempt=2))
    lineage = lineage_of(history, {**SUMMARY, "kept_is_mean": False}, TASKS)
    assert [row[0] for row in lineage["generations"]["rows"]] == [3, 4]
    assert "the best candidate of generation 4, a mutation of the mean before it" in lineage["sentences"][0]
    assert "(start 2 of 2, after generation 2) through 2 generations" in lineage["sentences"][1]
    # The best of another start is no ancestor.
    assert lineage["improvements"]["rows"] == [[3, 2.0, 0.5, None], [4, 4.5, 0.5, 2.5]]


def test_a_parent_that_lives_on_keeps_its_thread() -> None:
    plus = replace(TASKS, strategy="es_plus")
    places = [[5, 2], [1, 4], [], [1, 0]]  # the second of two lives on, twice; nobody is accepted in between
    history = [
        replace(row, parents=chosen, parent_scores=[2.0, 1.0][: len(chosen)])
        for row, chosen in zip(HISTORY, places, strict=True)
    ]
    lineage = lineage_of(history, SUMMARY, plus)
    ids = [(row["generation"], row["id"]) for row in rows_of(lineage, "parent")]
    assert ids == [(1, "1.6"), (1, "1.3"), (2, "1.3"), (2, "2.5"), (4, "2.5"), (4, "1.3")]
    assert "were judged again, beside mutations of their mean" in lineage["sentences"][3]
    numbers = {"lineage": lineage, "summary": SUMMARY}
    chart = descent_chart(numbers)
    assert chart is not None
    assert "a thread: a parent that lived on" in chart["caption"]
    vl_convert.vegalite_to_vega({**chart["spec"], "width": 400})


@pytest.mark.parametrize(
    ("strategy", "text"),
    [("snes", "All 4 candidates"), ("open_es", "All 4 candidates"), ("pycma", "does not tell the parents")],
)
def test_strategies_without_parents_say_so(strategy: str, text: str) -> None:
    history = [replace(row, parents=None, parent_scores=None) for row in HISTORY]
    config = replace(TASKS, strategy=strategy, mutation="gaussian")
    lineage = lineage_of(history, SUMMARY, config)
    assert text in lineage["sentences"][3]
    assert rows_of(lineage, "parent") == rows_of(lineage, "range") == []
    assert len(rows_of(lineage, "improvement")) == 2


def test_a_run_of_an_earlier_version_says_that_parents_are_not_recorded() -> None:
    history = [replace(row, parents=None, parent_scores=None, attempt=None) for row in HISTORY]
    summary = {"kept_generation": 4}
    lineage = lineage_of(history, summary, TASKS)
    assert lineage["sentences"][0] == "The loss is that of generation 4."
    assert "Who the parents were was not recorded" in " ".join(lineage["sentences"])
    assert lineage["generations"]["rows"][3][1] is None
    chart = descent_chart({"lineage": lineage, "summary": {}})
    assert chart is not None
    assert chart["controls"] == []
    assert chart["caption"].startswith("Line: the mean of the search, on held-out tasks; large dots")


def test_without_students_the_values_are_couples_in_the_wrong_order() -> None:
    shares = (None, 0.9, 0.98, 1.0)
    history = [
        record(generation, advantage_best=None, held_out_consistency=share, parent_scores=[1.0, 0.75])
        for generation, share in enumerate(shares, start=1)
    ]
    config = PretrainConfig(popsize=4, strategy="es_comma", mutation="student_t")
    lineage = lineage_of(history, {"kept_generation": 4, "kept_is_mean": True}, config)
    assert lineage["measure"] == "disorder"
    assert lineage["sentences"][-1] == "Mutation: Student-t."
    gains = [row[3] for row in lineage["improvements"]["rows"]]
    assert gains == [None, pytest.approx(5.0), pytest.approx(20_000, rel=1e-4)]
    assert [(row["low"], row["high"]) for row in rows_of(lineage, "range")] == [(1e-6, 0.25)] * 4
    chart = descent_chart({"lineage": lineage, "summary": {}})
    assert chart is not None
    assert "a share of 0 is drawn at 0.0001 %" in chart["caption"]
    view = search_view({"lineage": lineage, "config": None})
    assert view["improvement_rows"][1] == ["3", "2 %", "÷ 5"]
    assert view["descent_rows"][0][2:4] == [0.0, 0.25]


def test_a_long_line_has_a_band_and_a_table_of_its_improvements() -> None:
    history = [
        record(
            generation,
            held_out_advantage=generation / 100 if generation % 5 == 0 else None,
            held_out_score=generation / 100 if generation % 5 == 0 else None,
            parents=list(range(40)),
            parent_scores=[float(place) for place in range(40)],
        )
        for generation in range(1, 141)
    ]
    lineage = lineage_of(history, {**SUMMARY, "kept_generation": 140}, TASKS)
    assert rows_of(lineage, "parent") == []
    assert len(rows_of(lineage, "range")) == 140
    chart = descent_chart({"lineage": lineage, "summary": {}})
    assert chart is not None
    vl_convert.vegalite_to_vega({**chart["spec"], "width": 400})
    view = search_view({"lineage": lineage, "config": None})
    assert view["improvement_rows"] == []  # more than stand open on a page
    assert [row[0] for row in view["descent_rows"]] == list(range(5, 141, 5))
    assert view["descent_rows"][0][1] == "1 2 3 4 5 6 7 8 9 10 11 12 … (40)"
    drawn = lineage_of(history[:30], {**SUMMARY, "kept_generation": 30}, TASKS)
    ranks = [row["rank"] for row in rows_of(drawn, "parent") if row["generation"] == 7]
    assert (len(ranks), ranks[0], ranks[-1]) == (12, 1, 40)


def test_no_generation_is_no_line() -> None:
    lineage = lineage_of([], {"kept_generation": 0}, TASKS)
    assert lineage["sentences"] == ["The loss is the start itself: no generation was kept."]
    assert lineage_of([], {}, None)["sentences"] == ["No generation is done."]
    assert descent_chart({"lineage": lineage, "summary": {}}) is None


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lineage") / "mine"
    config = PretrainConfig(
        generations=6, popsize=8, pairs=32, classes=(3,), eval_every=1, network="monotone", strategy="es_plus"
    )
    pretrain(config).save(folder)
    return folder


def test_a_real_search_has_its_lineage_on_the_page(run: Path) -> None:
    history = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    summary = json.loads((run / "summary.json").read_text())
    section = search_section(run, name="mine")
    kept = summary["kept_generation"]
    rows = section["lineage"]["generations"]["rows"]
    assert [row[0] for row in rows] == list(range(1, kept + 1))
    assert [row[1] for row in rows] == [
        " ".join(str(place + 1) for place in line["parents"]) for line in history[:kept]
    ]
    page = render([Section(numbers=section)])
    assert "Lineage: what the loss descends from" in page
    assert "the 2 best became the parents of the next mean" in page
    assert "Line of descent (CSV)" in page
    for gain in [row[3] for row in section["lineage"]["improvements"]["rows"]][1:]:
        assert f"÷ {gain:.3g}" in page


def test_an_unfinished_search_has_the_line_of_its_mean(run: Path, tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").write_bytes((run / "history.jsonl").read_bytes())
    section = search_section(tmp_path, name="half")
    assert section["lineage"]["sentences"][0].startswith("The search is not finished. This is the line")
    assert len(section["lineage"]["generations"]["rows"]) == 6
    chart = descent_chart(section)
    assert chart is not None
    assert chart["caption"].endswith("The line ends with the last generation so far.")
    whole = descent_chart(search_section(run, name="mine"))
    assert whole is not None
    assert whole["caption"].endswith("The line ends with the generation whose loss was kept.")
