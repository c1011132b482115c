from __future__ import annotations

import csv
import io
import itertools
import json
import re
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import vl_convert

from evoloss.errors import ConfigError, MissingExtraError, OutputError
from evoloss.report.html import write_report
from evoloss.report.html.columns import as_csv, numbers
from evoloss.report.html.comparison import comparison_section, labels_sentence
from evoloss.report.html.comparison_charts import comparison_charts
from evoloss.report.html.page import MAX_PAGE_BYTES, Section, library, render, twin_text, write_page
from evoloss.training import History
from tests.compare.runs import make_results, make_run
from tests.report.html.document import Document
from tests.report.html.made_up import CONFIG, comparison, write_comparison


@pytest.fixture(scope="module")
def document(page: Path) -> Document:
    return Document(page.read_text())


@pytest.fixture(scope="module")
def twin(page: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(page.with_suffix(".json").read_text())
    return found


def rows_of(table: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]


def test_the_numbers_of_the_twin_are_those_of_the_results(page: Path, twin: dict[str, Any]) -> None:
    document = json.loads((page.parent / "photos" / "results.json").read_text())
    (report,) = twin["reports"]
    assert [record["loss"] for record in report["losses"]] == ["cross_entropy", "gce", "adaptive"]
    for record, written in zip(report["losses"], document["losses"], strict=True):
        assert {name: record[name] for name in written} == written
    summary = {row["loss"]: row for row in document["summary"]}
    results = comparison()
    for record in report["losses"][1:]:
        written = summary[record["loss"]]
        assert {
            name: record["difference"][name] for name in written if not isinstance(written[name], dict)
        } == {name: value for name, value in written.items() if not isinstance(value, dict)}
    best = next(row for row in results.summary if row.loss == "gce")
    assert report["verdict"] | {"text": "", "advice": ""} == {
        "kind": "better",
        "text": "",
        "advice": "",
        "loss": "gce",
        "difference": best.mean_difference,
        "low": best.ci_low_holm,
        "high": best.ci_high_holm,
        "n_seeds": 3,
    }


def test_the_rows_of_charts_are_those_of_the_results(page: Path, twin: dict[str, Any]) -> None:
    document = json.loads((page.parent / "photos" / "results.json").read_text())
    (report,) = twin["reports"]
    accuracy = {(run["loss"], run["seed"]): run["test_accuracy"] for run in document["runs"]}
    differences = rows_of(report["differences"])
    singles = [row for row in differences if row["part"] == "seed"]
    assert len(singles) == 6
    for row in singles:
        base = accuracy["cross_entropy", row["seed"]]
        assert row["difference"] == accuracy[row["loss"], row["seed"]] - base
    means = {row["loss"]: row["difference"] for row in differences if row["part"] == "mean"}
    assert means == {row["loss"]: row["mean_difference"] for row in document["summary"]}
    curves = rows_of(report["curves"])
    assert len(curves) == 2 * len(document["runs"])
    for run in document["runs"]:
        for split, name in (("validation", "validation_accuracy"), ("training", "train_accuracy")):
            (row,) = [
                r for r in curves if (r["loss"], r["seed"], r["split"]) == (run["loss"], run["seed"], split)
            ]
            assert row["accuracy"] == pytest.approx(run["history"][name], rel=1e-5)
            assert (row["best_epoch"], row["last_epoch"]) == (run["best_epoch"], 12)
    assert [(row["loss"], row["lr"], row["accuracy"]) for row in rows_of(report["rates"])] == [
        (run["loss"], run["lr"], run["validation_accuracy"]) for run in document["tuning"]
    ]
    assert {row["lr"] for row in rows_of(report["rates"]) if row["chosen"]} == {0.05}
    assert [(rate["seed"], rate["estimate"]) for rate in report["noise_rates"]] == [
        (0, 0.31),
        (1, 0.31),
        (2, 0.31),
    ]


def test_what_was_kept_is_in_the_twin(page: Path, twin: dict[str, Any]) -> None:
    (report,) = twin["reports"]
    folder = page.parent / "photos" / "kept" / "gce" / "seed-0"
    evaluation = json.loads((folder / "evaluation.json").read_text())
    cells = [row for row in rows_of(report["confusion"]) if row["loss"] == "gce"]
    assert [row["count"] for row in cells] == [
        count for counts in evaluation["confusion"] for count in counts
    ]
    recall = [row["recall"] for row in rows_of(report["recall"]) if row["loss"] == "gce"]
    assert recall == pytest.approx(evaluation["recall"], rel=1e-5)
    bins = [row for row in rows_of(report["reliability"]) if row["loss"] == "gce"]
    assert [(row["confidence"], row["accuracy"], row["count"]) for row in bins] == [
        (0.4, 0.5, 10),
        (0.65, 0.7, 30),
        (0.9, 0.85, 60),
    ]
    with (folder / "suspects.csv").open(newline="") as file:
        expected = list(csv.DictReader(file))[:24]
    (stored,) = [item for item in report["kept"] if item["loss"] == "gce"]
    assert stored["suspects"] == expected
    (record,) = [record for record in report["losses"] if record["loss"] == "gce"]
    assert record["balanced_accuracy"] == evaluation["balanced_accuracy"]


def test_the_page_holds_its_twin(page: Path, twin: dict[str, Any]) -> None:
    text = page.read_text()
    found = re.search(r'<script type="application/json" id="numbers">(.*?)</script>', text, re.S)
    assert found is not None
    assert json.loads(found[1]) == twin


def test_a_page_is_below_five_megabytes(page: Path) -> None:
    assert MAX_PAGE_BYTES == 5_000_000
    assert 900_000 < page.stat().st_size < 2_000_000


def test_a_long_and_wide_comparison_is_below_five_megabytes() -> None:
    # 24 losses of ten seeds and 1,000 epochs, as the largest committed study has losses and seeds.
    course = tuple(50 + 40 * (epoch % 97) / 97 for epoch in range(1000))
    history = History(train_loss=course, validation_accuracy=course, train_accuracy=course)
    runs = tuple(
        replace(make_run(f"loss{k}", seed, 50 + k + seed / 7, epochs=1000), history=history)
        for k in range(24)
        for seed in range(10)
    )
    section = comparison_section(make_results(runs=runs, baseline="loss0"), name="large")
    assert len(render([Section(numbers=section)]).encode()) < MAX_PAGE_BYTES
    rows = rows_of(section["curves"])
    assert max(len(row["epoch"]) for row in rows) <= 302
    assert all(row["epoch"][0] == 1 and row["epoch"][-1] == 1000 for row in rows)


def test_a_page_that_would_be_too_large_is_refused(tmp_path: Path) -> None:
    section = comparison_section(comparison(config={**CONFIG, "more": "x" * 6_000_000}), name="large")
    with pytest.raises(ConfigError, match="more than 5; name fewer directories"):
        write_page([Section(numbers=section)], tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_controls_have_names_and_headings_do_not_skip(document: Document) -> None:
    labelled = {
        attributes["for"] for tag, attributes in document.tags if tag == "label" and "for" in attributes
    }
    for tag, attributes in document.tags:
        if tag == "select" or (tag == "input" and attributes.get("type") == "range"):
            assert attributes["id"] in labelled
    levels = [int(tag[1]) for tag, _ in document.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    ids = [attributes["id"] for _, attributes in document.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    figures = [attributes for tag, attributes in document.tags if tag == "figure"]
    assert all(attributes["aria-labelledby"] in ids for attributes in figures)
    assert len(figures) == 7


def test_every_chart_compiles() -> None:
    section = comparison_section(comparison(), name="x")
    charts = comparison_charts(section)
    assert [chart["name"] for chart in charts] == ["differences", "curves", "rates", "shapes"]
    for chart in charts:
        vega = vl_convert.vegalite_to_vega({**chart["spec"], "width": 400})
        assert any(data["name"] == "rows" for data in vega["data"])


def test_few_seeds_and_old_files_have_a_page_too() -> None:
    runs = (make_run(history=History(train_loss=(1.0,), validation_accuracy=(None,)), best_epoch=0),)
    for results in (
        make_results(runs=()),
        make_results(runs=runs),
        make_results(runs=(make_run(), make_run("gce"))),
        replace(comparison(), config={"data_notes": 5}),
    ):
        assert "<title>" in render([Section(numbers=comparison_section(results, name="x"))])


def test_the_noise_of_the_labels_is_told_apart() -> None:
    own = {"own_data": True}
    assert labels_sentence(make_results(config=own)) == "Labels as given: their noise is unknown."
    assert labels_sentence(make_results()) == "Labels as the data set has them."
    runs = (make_run(label_noise=0.4, validation_noise=True),)
    added = (
        "Symmetric noise was added by this run: 40 % of the training labels were made wrong; "
        "test labels were not."
    )
    assert (
        labels_sentence(make_results(runs=runs, config=own))
        == f"Labels as given: their noise is unknown. {added}"
    )
    assert labels_sentence(make_results(runs=runs)).endswith(
        "Validation labels are as noisy as the training labels."
    )
    file = {"train_labels": "annotators.npz"}
    assert labels_sentence(make_results(config=file)) == (
        "Training labels as given in annotators.npz: their noise is unknown."
    )


def test_two_reports_share_a_page_and_one_library(tmp_path: Path) -> None:
    sections = [Section(numbers=comparison_section(comparison(), name=name)) for name in ("one", "two")]
    found = Document(render(sections))
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert [tag for tag, _ in found.tags].count("article") == 2
    assert [tag for tag, _ in found.tags].count("script") == 4
    assert len(json.loads(twin_text(sections))["reports"]) == 2


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("<h1>mine</h1>")
    with pytest.raises(OutputError, match=r"report\.html was not written by evoloss"):
        write_report([], tmp_path / "report.html")
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(OutputError, match=r"other\.json was not written by evoloss"):
        write_report([], tmp_path / "other.html")
    with pytest.raises(ConfigError, match=r"ends with \.html"):
        write_report([], tmp_path / "report.htm")


@pytest.mark.parametrize("package", ["vl_convert", "jinja2"])
def test_a_missing_package_is_named_with_its_extra(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    library.cache_clear()
    with pytest.raises(MissingExtraError, match=r"pip install 'evoloss\[html\]'"):
        write_report([], tmp_path / "report.html")


def test_a_page_replaces_an_earlier_one(page: Path) -> None:
    before = page.read_bytes()
    write_report([page.parent / "photos"], page)
    assert page.read_bytes() == before


def test_csv_has_no_formulas() -> None:
    table = numbers(["a", "b"], [["=1+1", -2.5], ["+x", None]])
    assert list(csv.reader(io.StringIO(as_csv(table)))) == [["a", "b"], ["'=1+1", "-2.5"], ["'+x", ""]]


def test_contrasts_stay_with_their_loss(twin: dict[str, Any]) -> None:
    (row,) = [row for row in comparison().summary if row.loss == "gce"]
    (record,) = [record for record in twin["reports"][0]["losses"] if record["loss"] == "gce"]
    assert record["difference"] == json.loads(json.dumps(asdict(row)))


def test_suspects_are_named_where_they_are(tmp_path: Path) -> None:
    folder = write_comparison(tmp_path / "cmp") / "kept" / "gce" / "seed-0"
    shown = tmp_path / "page.html"
    write_report([tmp_path / "cmp"], shown)
    assert ">sample 999<" in shown.read_text()  # as folders of the first versions have it
    for header, cells, expected in (
        ("row", "8", ">row 8 below the names<"),  # of version 0.4
        ("file", "cat/1.png", ">cat/1.png<"),
        ("where,row", '"pets.csv, row 9",8', ">pets.csv, row 9<"),
    ):
        (folder / "suspects.csv").write_text(
            f"rank,index,label,suggested,score,{header}\n1,999,cat,dog,0.5,{cells}\n"
        )
        write_report([tmp_path / "cmp"], shown)
        assert expected in shown.read_text()
        assert ">sample 999<" not in shown.read_text()
