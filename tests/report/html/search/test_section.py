from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import vl_convert

from evoloss import PretrainConfig, pretrain
from evoloss.errors import CheckpointError, ConfigError, ResultsError
from evoloss.report.html import write_report
from evoloss.report.html.page import Section, render
from evoloss.report.html.search import is_search, search_charts, search_section


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search") / "mine"
    config = PretrainConfig(
        generations=6, popsize=4, pairs=32, classes=(3,), eval_every=2, network="monotone"
    )
    pretrain(config).save(folder)
    return folder


@pytest.fixture(scope="module")
def section(run: Path) -> dict[str, Any]:
    return search_section(run, name="mine")


def test_the_numbers_are_those_of_the_files(run: Path, section: dict[str, Any]) -> None:
    summary = json.loads((run / "summary.json").read_text())
    history = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    assert section["summary"] == summary
    assert section["kept_generation"] == summary["kept_generation"]
    rows = [(row[2], row[4]) for row in section["convergence"]["rows"] if row[:2] == ["disorder", "best"]]
    expected = [(r["generation"], max(1 - r["consistency_best"], 1e-6)) for r in history]
    assert rows == [pytest.approx(pair, rel=1e-5) for pair in expected]
    assert section["scores"]["rows"] == [
        [3, *(summary["scores"]["3"][name] for name in ("consistency", "kendall_tau", "spearman_rho"))]
    ]
    facts = dict(section["facts"])
    assert facts["Candidates judged"] == "24"
    assert facts["Generations"].startswith("6, from ")
    assert "settled" in section["verdict"]["text"]


def test_the_shape_is_drawn_against_known_losses(section: dict[str, Any]) -> None:
    drawn = list(dict.fromkeys(row[0] for row in section["shapes"]["curves"]["rows"]))
    assert drawn[0] == "mine"
    assert {"cross_entropy", "gce", "evolved-base"} <= set(drawn)
    assert section["shapes"]["notes"] == []


def test_its_charts_compile_and_stand_on_the_page(section: dict[str, Any]) -> None:
    for chart in search_charts(section):
        vl_convert.vegalite_to_vega({**chart["spec"], "width": 400})
    page = render([Section(numbers=section)])
    assert "Search for a loss: mine" in page
    assert "Course of the search (CSV)" in page


def test_a_page_holds_a_search_and_its_twin(run: Path, tmp_path: Path) -> None:
    assert is_search(run)
    sections, files = write_report([run], tmp_path / "search.html")
    assert [file.name for file in files] == ["search.html", "search.json"]
    with pytest.raises(ConfigError, match="there is no comparison; leave them out"):
        write_report([run], tmp_path / "other.html", {"gce": "gce"})
    assert not (tmp_path / "other.html").exists()
    twin = json.loads(files[1].read_text())
    assert twin["reports"] == [json.loads(json.dumps(section)) for section in sections]


def test_held_out_tasks_have_intervals_and_a_verdict(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "taught"
    copy.mkdir()
    for path in run.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    summary = json.loads((run / "summary.json").read_text())
    kinds = {name: {"mean": 2.0, "se": 0.5, "tasks": 40} for name in ("short", "long", "stretched")}
    summary["learnability"] = {"score": 0.1, **kinds}
    (copy / "summary.json").write_text(json.dumps(summary))
    text = (run / "pretrain.toml").read_text()
    (copy / "pretrain.toml").write_text(text.replace('fitness = "ranking"', 'fitness = "learnability"'))
    section = search_section(copy, name="taught")
    assert section["held_out"]["rows"][0][:7] == [
        "short",
        "as in the search",
        2.0,
        0.5,
        pytest.approx(1.02),
        pytest.approx(2.98),
        40,
    ]
    assert section["verdict"]["text"].startswith("Better: +2.00")
    assert "held_out" in [chart["name"] for chart in search_charts(section)]


def test_a_search_that_is_not_finished_says_so(run: Path, tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").write_bytes((run / "history.jsonl").read_bytes())
    section = search_section(tmp_path, name="half")
    assert section["verdict"]["text"] == "The search is not finished."
    assert "<title>" in render([Section(numbers=section)])


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"generations": 3, "scores": 7}'])
def test_a_damaged_summary_is_an_error(run: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "history.jsonl").write_bytes((run / "history.jsonl").read_bytes())
    (tmp_path / "summary.json").write_text(content)
    with pytest.raises(ResultsError, match=r"summary\.json"):
        search_section(tmp_path, name="x")


def test_a_damaged_history_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").write_text("no\n")
    with pytest.raises(CheckpointError, match="damaged"):
        search_section(tmp_path, name="x")


def test_a_search_by_preset_has_its_verdict_on_fresh_tasks(run: Path, tmp_path: Path) -> None:
    for path in run.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    summary = json.loads((run / "summary.json").read_text())
    row = {"loss": "<b>gce", "accuracy": 71.5, "temperature": 1.5}
    over = {"mean": 2.5, "low": -0.5, "high": 5.5}
    rows = [{"loss": "cross_entropy", "over_cross_entropy": None}, {**row, "over_cross_entropy": over}, 7]
    regime = {"purpose": "noise", "classes": [3, 3], "noise": [0.2, 0.5], "images": False, "imbalanced": None}
    verdict = {"text": "Not worth it: <b>nothing</b>", "calibration": "Too sure.", "rows": rows}
    (tmp_path / "summary.json").write_text(
        json.dumps({**summary, "evolve": {"regime": regime, "verdict": verdict}})
    )
    section = search_section(tmp_path, name="x")
    assert section["verdict"]["text"] == "Not worth it: <b>nothing</b>"
    assert section["verdict"]["advice"] == "Too sure."
    evolved_for = dict(section["facts"])["Evolved for"]
    assert evolved_for == "purpose: noise; classes: 3; noise: 0.2 to 0.5; images: no"
    assert section["fresh"]["rows"] == [["<b>gce", 2.5, -0.5, 5.5, 71.5, 1.5]]
    (chart,) = [chart for chart in search_charts(section) if chart["name"] == "fresh"]
    vl_convert.vegalite_to_vega({**chart["spec"], "width": 400})
    assert "<b>" not in render([Section(numbers=section)])
