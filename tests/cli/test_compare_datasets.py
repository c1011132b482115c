"""``evoloss compare`` with several data sets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from evoloss.cli import main
from evoloss.compare.joint.results import JointResults
from tests.data.tables.tables import flowers, write

COMMON = [
    "--model",
    "mlp",
    "--losses",
    "cross_entropy",
    "gce",
    "--epochs",
    "1",
    "--train-samples",
    "40",
    "--quiet",
]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a table, a table of another target, and arrays with a validation part."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    write(tmp_path / "flowers.csv", flowers())
    write(tmp_path / "trees.csv", {"kind": [*flowers()["species"]], "height": [*flowers()["length"]]})
    rng = np.random.default_rng(0)
    parts = {
        f"x_{split}": rng.normal(size=(size, 4)) for split, size in (("train", 60), ("val", 9), ("test", 30))
    }
    parts |= {name.replace("x", "y"): np.arange(len(part)) % 2 for name, part in parts.items()}
    np.savez("mine.npz", **parts)


def words(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_several_data_sets_from_the_shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = [
        "--dataset",
        "digits",
        "flowers.csv:target=species,epochs=2",
        "trees.csv",
        "mine.npz",
        "--target",
        "kind",
    ]
    command = ["compare", "--out", "out", *data, *COMMON, "--seeds", "0", "1", "2"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert max(map(len, (line for line in printed.splitlines() if "─" in line))) <= 80
    said = " ".join(printed.split())
    assert "data: flowers: 60 rows with a label (species)" in said
    assert "data set 4 of 4: mine" in said
    assert "Over 4 data sets" in said
    assert "written: out/joint.json next: evoloss report out --html report.html" in said
    joint = JointResults.read(tmp_path / "out")
    assert [(row.label, row.folder, row.n_train) for row in joint.datasets] == [
        *(("digits", "digits", 40), ("flowers", "flowers", 40)),
        *(("trees", "trees", 40), ("mine", "mine", 40)),
    ]
    runs = {folder: results.runs[0] for folder, results in joint.comparisons.items()}
    assert [run.epochs for run in runs.values()] == [1, 2, 1, 1]
    assert runs["mine"].n_validation == 9, "its own validation part"
    assert {results.config["target"] for results in joint.comparisons.values()} == {None, "species", "kind"}
    assert (tmp_path / "out" / "trees" / "kept" / "gce" / "seed-0" / "model.safetensors").exists()

    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.json")}
    assert main(command) == 0, "and it goes on where nothing is left"
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.json")} == before

    capsys.readouterr()
    assert main(["report", "out", "--out", "tables"]) == 0
    said = words(capsys)
    assert "Over 4 data sets" in said
    table = (tmp_path / "tables" / "out" / "table.md").read_text()
    assert table.count("\n| digits |") == table.count("\n| gce |") == 1
    for name in ("digits", "flowers", "trees", "mine"):
        assert (tmp_path / "tables" / "out" / name / "table.md").exists()
        assert (tmp_path / "tables" / "out" / name / "paired_differences.png").exists()
    assert main(["report", "out"]) == 0
    assert (tmp_path / "out" / "table.md").read_text() == table
    assert main(["report", "out"]) == 0, "its own table is replaced"
    (tmp_path / "out" / "table.md").write_text("my notes")
    assert main(["report", "out"]) == 2
    assert (tmp_path / "out" / "table.md").read_text() == "my notes"


def test_one_data_set_is_what_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--out", "a", "--dataset", "flowers.csv", "--target", "species", *COMMON]) == 0
    assert "written: a/results.json" in words(capsys)
    assert main(["compare", "--out", "b", "--dataset", "flowers.csv:target=species", *COMMON]) == 0
    one, other = (json.loads((tmp_path / name / "results.json").read_text()) for name in "ab")
    assert one["config"] == other["config"]
    assert isinstance(one["config"]["dataset"], str)
    names = [{path.name for path in (tmp_path / name / "runs").glob("*.json")} for name in "ab"]
    assert names[0] == names[1]


MISTAKES: dict[str, tuple[list[str], str]] = {
    "no target": (
        ["digits", "flowers.csv"],
        "data set flowers: flowers.csv is a table; name the column of its labels with --target COLUMN "
        "(target=...), or behind its name, flowers.csv:target=COLUMN",
    ),
    "one target for both": (
        ["flowers.csv", "trees.csv", "--target", "kind"],
        "data set flowers: flowers.csv has no column 'kind'",
    ),
    "what to do": (
        ["flowers.csv", "trees.csv", "--target", "species"],
        "--target and --ignore-columns are for all tables; for one alone write trees.csv:target=COLUMN",
    ),
    "what to do with which": (
        ["flowers.csv", "trees.csv", "--target", "kind"],
        "for one alone write flowers.csv:target=COLUMN",
    ),
    "no such module": (["digits", "no_module_here:load"], "error: data set 'no_module_here:load': importing"),
    "no table": (
        ["digits", "mine.npz", "--target", "kind"],
        "none of the data sets is one: digits, mine.npz",
    ),
    "twice": (["digits", "digits"], "'digits' is named twice"),
    "no option": (["digits", "flowers.csv:taget=kind"], "Did you mean 'target'?"),
    "last one gone": (["digits", "mine.npz", "gone.npz"], "data set gone: gone.npz is not a file"),
    "none": ([], "name at least one data set"),
}


@pytest.mark.parametrize("name", MISTAKES)
@pytest.mark.parametrize("dry", [False, True])
def test_mistakes_are_one_line_and_nothing_is_written(
    name: str, dry: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    datasets, message = MISTAKES[name]
    more = ["--dry-run"] if dry else []
    assert main(["compare", "--out", "out", "--dataset", *datasets, *COMMON, "--seeds", "0", *more]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_mistake_in_a_loss_has_no_hint_on_columns(capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--dataset", "flowers.csv:target=species", "trees.csv:target=kind", *COMMON]
    assert main(["compare", "--out", "out", *data, "--losses", "gcee"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("evoloss: error: no loss or directory 'gcee'")
    assert "--target" not in error


def test_a_dry_run_has_the_time_of_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--out", "out", "--dataset", "digits", "mine.npz", *COMMON, "--dry-run"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("plan:")]
    assert lines[0].startswith("plan: digits, 10 classes, 40 training")
    assert lines[1] == "plan:   6 reported runs; 0 of them are done"
    assert lines[4].startswith("plan: mine, 2 classes, 40 training, 9 validation and 30 test samples")
    assert lines[-1] == "plan: 2 data sets: about 1 second in all; nothing was written"
    assert not (tmp_path / "out").exists()


def test_stopped_it_says_where_the_runs_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_args: object, **_kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("evoloss.cli.compare_datasets.compare_datasets", interrupted)
    assert main(["compare", "--out", "out", "--dataset", "digits", "mine.npz", *COMMON]) == 130
    assert "in the folders of out, and the same command goes on" in words(capsys)


def test_a_page_of_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--dataset", "digits", "trees.csv:target=kind"]
    assert main(["compare", "--out", "out", *data, *COMMON, "--seeds", "0"]) == 0
    assert main(["report", "out", "--html", "page.html"]) == 0
    assert "2 data sets with 2 losses" in words(capsys)
    twin = json.loads((tmp_path / "page.json").read_text())
    assert [report["kind"] for report in twin["reports"]] == ["joint", "comparison", "comparison"]
    assert twin["reports"][0]["command"].startswith(
        "evoloss compare --out DIR --dataset digits trees:target=kind --model mlp --losses cross_entropy gce"
    )
