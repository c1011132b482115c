from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import vl_convert

from evoloss import PretrainConfig, pretrain
from evoloss.cli import main
from evoloss.errors import CheckpointError, ConfigError, ResultsError
from evoloss.report.html import write_report
from evoloss.report.html.page import Section, render
from evoloss.report.html.search import is_search, search_charts, search_section
from evoloss.report.html.search.course import COLOURS, series_control


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


@pytest.mark.parametrize(("temperature", "is_warning"), [(1.5, False), (3.0, True)])
@pytest.mark.parametrize(
    ("rates", "said"),
    [
        (1, "every loss at the same learning rate, which was drawn for each task"),
        (2, "every loss at the best of 2 learning rates on each task"),
    ],
)
def test_a_search_by_preset_has_its_verdict_on_fresh_tasks(
    run: Path, tmp_path: Path, temperature: float, is_warning: bool, rates: int, said: str
) -> None:
    for path in run.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    summary = json.loads((run / "summary.json").read_text())
    row = {"loss": "<b>gce", "accuracy": 71.5, "temperature": temperature}
    over = {"mean": 2.5, "low": -0.5, "high": 5.5}
    rows = [{"loss": "cross_entropy", "over_cross_entropy": None}, {**row, "over_cross_entropy": over}, 7]
    regime = {"purpose": "noise", "classes": [3, 3], "noise": [0.2, 0.5], "images": False, "imbalanced": None}
    verdict = {
        "text": "Not worth it: <b>nothing</b>",
        "calibration": "Too sure.",
        "rows": rows,
        "rates": rates,
    }
    (tmp_path / "summary.json").write_text(
        json.dumps({**summary, "evolve": {"regime": regime, "verdict": verdict}})
    )
    section = search_section(tmp_path, name="x")
    assert section["verdict"]["text"] == "Not worth it: <b>nothing</b>"
    assert section["verdict"]["advice" if is_warning else "note"] == "Too sure."
    assert section["verdict"]["note" if is_warning else "advice"] == ""
    evolved_for = dict(section["facts"])["Evolved for"]
    assert evolved_for == "purpose: noise; classes: 3; noise: 0.2 to 0.5; images: no"
    assert section["fresh"]["rows"] == [["<b>gce", 2.5, -0.5, 5.5, 71.5, temperature]]
    (chart,) = [chart for chart in search_charts(section) if chart["name"] == "fresh"]
    vl_convert.vegalite_to_vega({**chart["spec"], "width": 400})
    assert chart["caption"] == f"Points of accuracy over cross-entropy, {said}; line: 95 % interval."
    page = render([Section(numbers=section)])
    assert "<b>" not in page
    paragraph = '<p class="advice">' if is_warning else "<p>"
    assert f"{paragraph}Too sure.</p>" in page


def test_the_command_that_makes_it_again_can_be_typed(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(run.parents[0])
    for directory in (run, Path("mine"), Path("../") / run.parents[0].name / "mine"):
        section = search_section(directory, name="mine")
        assert section["command"] == "evoloss pretrain --config mine/pretrain.toml --out again"
        assert not section["needs_paths"]
    monkeypatch.chdir(run.parents[1])
    command = search_section(run, name="mine")["command"]
    assert main([*shlex.split(command)[1:-1], str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "loss.safetensors").read_bytes() == (run / "loss.safetensors").read_bytes()
    monkeypatch.chdir(tmp_path)  # from where the place is one of a machine, and a page may go to others
    section = search_section(run, name="mine")
    assert section["command"] == "evoloss pretrain --config mine/pretrain.toml --out again"
    assert section["needs_paths"]
    assert "put in the path of the directory" in render([Section(numbers=section)])


def test_one_control_of_series_has_the_colours_of_both_charts() -> None:
    control = series_control({"parents": "parents", "mean": "their mean"})
    assert [(option["text"], option["series"]) for option in control["options"]] == [
        ("parents", COLOURS["best"]),
        ("their mean", COLOURS["mean"]),
    ]
    assert control["chosen"] == [0, 1]
