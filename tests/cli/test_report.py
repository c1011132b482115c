"""``evoloss report --html``, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evoloss.cli import main
from evoloss.losses import EvolvedLoss
from tests.compare.runs import make_results


def test_a_page_of_a_real_comparison(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    EvolvedLoss.from_pretrained("evolved-base").save_pretrained(tmp_path / "mine")
    out, page = tmp_path / "run", tmp_path / "pages" / "report.html"
    losses = ["--losses", "cross_entropy", "gce:q=0.5", "adaptive", str(tmp_path / "mine")]
    data = ["--dataset", "digits", "--model", "mlp", "--train-samples", "100", "--epochs", "1"]
    assert main(["compare", "--out", str(out), *data, *losses, "--seeds", "0", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["report", str(out), "--html", str(page), "--shapes", str(tmp_path / "mine")]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "With 1 seed no difference can be told from chance" in printed
    assert f"written: {page}" in printed
    assert f"written: {page.with_suffix('.json')}" in printed
    assert not (out / "table.md").exists()
    (report,) = json.loads(page.with_suffix(".json").read_text())["reports"]
    results = json.loads((out / "results.json").read_text())
    assert [loss["mean_test_accuracy"] for loss in report["losses"]] == [
        run["test_accuracy"] for run in results["runs"]
    ]
    # The losses that are drawn are those that were run.
    assert report["shapes"]["notes"] == []
    drawn = {row[0] for row in report["shapes"]["curves"]["rows"]}
    assert drawn == {"cross_entropy", "gce:q=0.5", "adaptive", "mine"}
    assert report["command"].startswith("evoloss compare --out DIR --dataset digits --model mlp --losses ")


def test_a_loss_of_ones_own_is_not_drawn_before_it_is_named(tmp_path: Path) -> None:
    results = make_results()
    runs = tuple(run for run in results.runs if run.loss != "mae")
    renamed = tuple(
        type(run).from_dict({**run.as_dict(), "loss": "mine"}) if run.loss == "gce" else run for run in runs
    )
    make_results(runs=renamed).write(tmp_path / "results.json")
    assert main(["report", str(tmp_path), "--html", str(tmp_path / "report.html")]) == 0
    (report,) = json.loads((tmp_path / "report.json").read_text())["reports"]
    assert (
        "mine is not drawn: results hold its name alone. Give the loss with --shapes."
        in report["shapes"]["notes"]
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--html", "report.htm"], "ends with .html"),
        (["--shapes", "gce"], "--shapes is for a page"),
        (
            ["--html", "page.html", "--shapes", "gcee"],
            "no loss in these results with the name 'gcee'. Did you",
        ),
        (["--html", "page.html", "--shapes", "sce"], "Known: cross_entropy, gce, mae"),
        (["--html", "page.html", "--shapes", "runs/gce"], "no loss or directory 'runs/gce'"),
        (["--html", "page.html", "--out", "there"], "or write the page there with --html there/page.html"),
        (["--html", "page.html", "--formats", "svg"], "--formats is for figures, and with --html there are"),
        (["--html", "results.html"], "results.json was not written by evoloss"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    make_results().write(tmp_path / "results.json")
    assert main(["report", ".", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("folder.html", "folder.html is a directory; --html names a file"),
        ("folder.html/", "folder.html is a directory; --html names a file"),
        ("file/report.html", "file is not a directory; nothing can be written to"),
        pytest.param(
            "/proc/evoloss/report.html",
            "nothing can be written to /proc/evoloss: ",
            marks=pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc here"),
        ),
    ],
)
def test_the_place_of_a_page_is_checked_before_results_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], page: str, said: str
) -> None:
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "file").write_text("mine")
    # There are no results, which would be said if they were read first.
    assert main(["report", str(tmp_path / "nothing"), "--html", f"{tmp_path / page}"]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder.html"]


def test_a_directory_without_anything_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path), "--html", str(tmp_path / "report.html")]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
