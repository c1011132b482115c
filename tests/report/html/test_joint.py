from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import vl_convert

from evoloss import PretrainConfig, pretrain
from evoloss.compare.joint.results import JointResults
from evoloss.report.html import write_report
from evoloss.report.html.joint.section import joint_command, joint_section
from evoloss.report.html.joint.view import joint_charts, joint_view
from tests.compare.joint.made_up import ACCURACIES, make_joint, results_on
from tests.report.html.document import Document


def write(directory: Path) -> JointResults:
    joint = make_joint()
    for folder, results in joint.comparisons.items():
        (directory / folder).mkdir(parents=True)
        results.write(directory / folder / "results.json")
    joint.write(directory)
    return joint


def test_a_page_has_a_part_on_all_and_one_on_each(tmp_path: Path) -> None:
    joint = write(tmp_path / "mine")
    sections, files = write_report([tmp_path / "mine"], tmp_path / "page.html")
    twin = json.loads(files[1].read_text())
    assert [(report["kind"], report["name"]) for report in twin["reports"]] == [
        *(("joint", "mine"), ("comparison", "digits"), ("comparison", "wine"), ("comparison", "iris")),
    ]
    first = twin["reports"][0]
    document = json.loads(joint.text())
    assert {name: first[name] for name in ("datasets", "losses", "baseline", "complete")} == {
        name: document[name] for name in ("datasets", "losses", "baseline", "complete")
    }
    rows = [
        dict(zip(first["differences"]["columns"], row, strict=True)) for row in first["differences"]["rows"]
    ]
    assert [(row["difference"], row["low"], row["high"], row["p"]) for row in rows] == [
        (row["mean_difference"], row["ci_low_holm"], row["ci_high_holm"], row["p_holm"])
        for row in document["differences"]
    ]
    assert sections[0]["verdict"]["kind"] == "mixed"

    page = Document(files[0].read_text())
    titles = [text for text in page.texts if text == "3 data sets with 3 losses"]
    assert len(titles) == 2, "of the window and of the page"
    assert page.texts.count("All data sets together") == 2, "in the list of parts, and above its part"
    ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert {"r0", "r1", "r2", "r3", "r0-joint"} <= set(ids)


def test_beside_other_reports_it_is_one_of_them(tmp_path: Path) -> None:
    write(tmp_path / "mine")
    results_on("other", ACCURACIES["digits"]).write(tmp_path / "results.json")
    _, files = write_report([tmp_path / "results.json", tmp_path / "mine"], tmp_path / "page.html")
    page = Document(files[0].read_text())
    assert "5 reports" in page.texts
    assert page.texts.count("3 data sets with 3 losses") == 2
    assert "All data sets together" not in page.texts


def test_cells_are_the_numbers() -> None:
    view = joint_view(joint_section(make_joint(), name="mine"))
    assert [[cell.text for cell in row] for row in view["table"]][1] == [
        *("gce", "3", "79.41", "−1.59", "+0.17", "−9.97", "1", "1"),
    ]
    assert view["table"][1][5].more == "on iris"
    assert len(view["heads"]) == len(view["table"][0]) == len(view["table"][1])
    assert [cell.text for cell in view["dataset_table"][0]] == [
        *("digits", "cnn", "1,294", "91.00", "+5.03", "−9.97"),
    ]
    assert [cell.found for cell in view["dataset_table"][1]] == [False, False, False, False, False, True]
    assert len(view["dataset_heads"]) == 6


def test_what_was_not_run_is_a_dash() -> None:
    lacking = {name: values for name, values in ACCURACIES["wine"].items() if name != "mae"}
    joint = JointResults(
        {
            "digits": results_on("digits", ACCURACIES["digits"]),
            "wine": results_on("wine", lacking),
            "iris": results_on("iris", {}, complete=False),
        }
    )
    section = joint_section(joint, name="mine")
    table = joint_view(section)["dataset_table"]
    assert [cell.text for cell in table[1]][-1] == "–"
    assert [cell.text for cell in table[2]] == ["iris", *["–"] * 5]
    assert len(section["warnings"]) == 2
    json.dumps(section, allow_nan=False)


def test_the_chart_compiles_with_its_rows() -> None:
    section = joint_section(make_joint(), name="mine")
    (chart,) = joint_charts(section)
    vega = vl_convert.vegalite_to_vega({**chart["spec"], "width": 400})
    assert any(data["name"] == "rows" for data in vega["data"])
    fields = {"dataset", "loss", "difference", "low", "high", "finding"}
    assert fields <= set(section["differences"]["columns"]), "what the chart draws and tells"
    assert [option["value"] for option in chart["controls"][0]["options"]] == ["gce", "mae"]
    assert joint_charts(joint_section(make_joint({"a": {"gce": (1.0, 2.0)}}), name="x")) == []


def test_one_command_where_one_command_can_say_it() -> None:
    tables = {name: ACCURACIES[name] for name in ("digits", "wine")}

    def joint(**changes: dict[str, Any]) -> JointResults:
        found = {}
        for name, table in tables.items():
            results = results_on(name, table)
            found[name] = results_on(name, table, config={**results.config, **changes.get(name, {})})
        return JointResults(found)

    start = "evoloss compare --out DIR --dataset"
    rest = "--losses cross_entropy gce mae --seeds 0 1 2"
    assert joint_command(joint()).startswith(f"{start} digits wine {rest}")
    columns = {"target": "a b", "ignore_columns": ["c", "d"], "epochs": 9}
    assert joint_command(joint(wine=columns)).startswith(
        f"{start} digits:epochs=2 'wine:target=a b,ignore_columns=c,d,epochs=9' {rest}"
    )
    assert joint_command(joint(wine={"weight_decay": 0.1})) == ""
    assert joint_command(joint(wine={"data_notes": ["x"], "own_data": True})) != ""


@pytest.mark.parametrize("stranger", ["<script>alert(1)</script>", "</script><b>"])
def test_names_of_strangers_are_names(tmp_path: Path, stranger: str) -> None:
    folder = tmp_path / "mine" / "one"
    folder.mkdir(parents=True)
    results_on(stranger, {"cross_entropy": (1.0, 2.0, 3.0), stranger: (1.0, 2.5, 3.0)}).write(
        folder / "results.json"
    )
    _, files = write_report([tmp_path / "mine"], tmp_path / "page.html")
    text = files[0].read_text()
    assert stranger not in text
    assert text.count("<script") == Document(text).tags.count(("script", {})) + 2


def test_a_search_with_a_comparison_below_is_a_search(tmp_path: Path) -> None:
    run = tmp_path / "mine"
    config = PretrainConfig(generations=2, popsize=4, pairs=32, classes=(3,), network="monotone")
    pretrain(config).save(run)
    (run / "trial").mkdir()
    results_on("digits", ACCURACIES["digits"]).write(run / "trial" / "results.json")
    (section,), _ = write_report([run], tmp_path / "page.html")
    assert section["kind"] == "search"
