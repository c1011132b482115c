from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from evoloss.cli import main
from evoloss.cli.last_lines import duration
from tests.data.tables.tables import flowers, write

ARGUMENTS = ["--dataset", "digits", "--model", "cnn", "--epochs", "1", "--train-samples", "200", "--quiet"]


def test_end_to_end_on_digits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    command = ["compare", "--out", str(out), *ARGUMENTS, "--losses", "cross_entropy", "gce"]
    assert main([*command, "--seeds", "0", "1", "--label-noise", "0.4"]) == 0
    printed = capsys.readouterr().out
    assert "cross_entropy" in printed
    assert "baseline" in printed
    document = json.loads((out / "results.json").read_text())
    assert document["complete"] is True
    assert [(run["loss"], run["seed"]) for run in document["runs"]] == [
        ("cross_entropy", 0),
        ("gce", 0),
        ("cross_entropy", 1),
        ("gce", 1),
    ]
    assert {run["n_train"] for run in document["runs"]} == {200}
    assert {run["label_noise"] for run in document["runs"]} == {0.4}
    assert (document["summary"][0]["ci_low"], document["summary"][0]["p_value"]) == (None, None)
    assert "2 seeds: no test and no interval below 3." in " ".join(printed.split())
    assert main([*command, "--seeds", "0", "1", "2", "--label-noise", "0.4"]) == 0
    assert "2 seeds" not in capsys.readouterr().out
    document = json.loads((out / "results.json").read_text())
    assert document["summary"][0]["ci_low"] < document["summary"][0]["ci_high"]

    assert main(["report", str(out), "--out", str(tmp_path / "report"), "--formats", "png", "svg"]) == 0
    table = (tmp_path / "report" / "run" / "table.md").read_text()
    assert "| cross_entropy |" in table
    assert "![paired differences](paired_differences.png)" in table
    assert (tmp_path / "report" / "run" / "learning_curves.svg").is_file()


@pytest.mark.slow
def test_processes_and_their_resume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    command = ["compare", "--out", str(out), *ARGUMENTS, "--losses", "cross_entropy", "--threads", "1"]
    assert main([*command, "--seeds", "0", "1", "--executor", "processes", "--workers", "2"]) == 0
    assert len(list((out / "runs").glob("*.json"))) == 2
    document = json.loads((out / "results.json").read_text())
    assert document["complete"] is True
    assert document["created_with"]["threads"] == "1"
    assert main([*command, "--seeds", "0", "1"]) == 0, "and serially there is nothing left to do"
    assert json.loads((out / "results.json").read_text())["runs"] == document["runs"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers", "2"], "the serial executor has one worker"),
        (["--address", "auto"], "are for the ray executor"),
        (["--executor", "processes", "--gpus-per-run", "0.5"], "are for the ray executor"),
    ],
)
def test_a_choice_without_meaning_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    try:
        status = main(["compare", "--out", str(tmp_path), *arguments])
    except SystemExit as exit_:  # the parser reports values itself
        status = exit_.code
    assert status == 2
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_a_folder_of_photographs_of_several_sizes(tmp_path: Path) -> None:
    for name, shade in (("dark", 40), ("light", 200)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(40):
            photo = Image.new("RGB", (10 + i % 3, 12), (shade, shade, shade + i))
            photo.save(tmp_path / "photos" / name / f"{i}.png")
    data = [
        "--dataset",
        str(tmp_path / "photos"),
        "--image-size",
        "8",
        "--model",
        "cnn",
        "--batch-size",
        "16",
    ]
    command = ["compare", "--out", str(tmp_path / "run"), *data, "--losses", "cross_entropy", "--seeds", "0"]
    assert main([*command, "--epochs", "4", "--quiet"]) == 0
    (run,) = json.loads((tmp_path / "run" / "results.json").read_text())["runs"]
    assert (run["dataset"], run["n_classes"]) == ("photos", 2)
    assert run["test_accuracy"] == 100.0


def test_a_table_with_named_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = write(tmp_path / "flowers.csv", flowers())
    out = tmp_path / "run"
    data = ["--dataset", str(table), "--target", "species", "--model", "mlp", "--batch-size", "16"]
    command = ["compare", "--out", str(out), *data, "--losses", "cross_entropy", "--seeds", "0", "--quiet"]
    assert main([*command, "--epochs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "data: 60 rows with a label (species)" in printed
    assert "data: split here, each class in proportion: 43 training samples, " in printed
    assert "flowers, 3 classes (setosa, versicolor, virginica), 43" in " ".join(printed.split())
    document = json.loads((out / "results.json").read_text())
    assert document["config"]["class_names"] == ["setosa", "versicolor", "virginica"]
    assert document["config"]["target"] == "species"
    assert document["runs"][0]["dataset"] == "flowers"
    before = (out / "results.json").read_bytes()
    table.rename(tmp_path / "moved")
    (tmp_path / "moved").rename(tmp_path / "run" / "flowers.csv")
    command[4] = str(tmp_path / "run" / "flowers.csv")
    assert main([*command, "--epochs", "1"]) == 0
    assert json.loads((out / "results.json").read_bytes())["runs"] == json.loads(before)["runs"]
    write(tmp_path / "run" / "flowers.csv", flowers(90))
    assert main([*command, "--epochs", "1"]) == 0, "other data, so the run is done again"
    document = json.loads((out / "results.json").read_bytes())
    assert [run["n_train"] for run in document["runs"]] == [65]
    assert document["config"]["data_notes"][0] == "90 rows with a label (species)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--losses", "gcee"], "no loss or directory 'gcee'. Did you mean 'gce'"),
        (["--dataset", "digit"], "Did you mean 'digits'"),
        (["--model", "cnnn", "--losses", "gce"], "Did you mean 'cnn'"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    base = ["compare", "--out", str(tmp_path), *ARGUMENTS, "--losses", "cross_entropy"]
    assert main([*base, *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_values_out_of_range_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = main(["compare", "--out", str(tmp_path), "--epochs", "0"])
    except SystemExit as exit_:  # the parser reports values itself
        status = exit_.code
    assert status == 2
    assert "epochs must be a whole number, at least 1" in " ".join(capsys.readouterr().err.split())


def test_interrupt_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_args: object, **_kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("evoloss.cli.compare.compare", interrupted)
    assert main(["compare", "--out", str(tmp_path), "--losses", "gce"]) == 130
    assert "the same command goes on" in " ".join(capsys.readouterr().out.split())


def test_report_without_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path / "nowhere")]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_the_last_lines_name_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    command = ["compare", "--out", str(out), *ARGUMENTS, "--losses", "cross_entropy", "--seeds", "0", "1"]
    assert main([*command, "--keep", "none"]) == 0
    printed = capsys.readouterr().out
    assert "kept" not in printed
    assert main(command) == 0
    assert "1 run of before left no files" in capsys.readouterr().out
    out = command[2] = str(tmp_path / "other")
    tuned = ["--tune-lr", "--lr-grid", "1e-6", "2e-6", "--tune-seeds", "1"]
    assert main([*command, *tuned]) == 0
    lines = capsys.readouterr().out.splitlines()[-6:]
    assert lines[0].startswith("warning: the best learning rate is an end of the grid for cross_entropy (the")
    assert lines[1] == f"written: {out}/results.json"
    assert lines[2].startswith("kept, of the first seed of each loss, model.safetensors, predictions.csv")
    assert lines[3] == f"  {out}/kept/cross_entropy/seed-0"
    assert re.fullmatch(
        r"    most suspect: (digits, sample \d+ \(\d\); ){2}digits, sample \d+ \(\d\)", lines[4]
    )
    assert lines[5] == f"next: evoloss report {out} --html report.html"


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    losses = ["--losses", "cross_entropy", "gce", "--seeds", "0", "1"]
    command = ["compare", "--out", str(out), *ARGUMENTS, *losses]
    more = ["--tune-lr", "--lr-grid", "0.01", "0.1", "--suspects-folds", "3", "--batch-size", "150"]
    assert main([*command, *more, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "warning: each epoch leaves out 50 of 200 training samples" in printed
    assert (
        "plan: 4 reported runs and 8 that choose learning rates, and 6 trainings for held-out folds"
        in printed
    )
    assert "0 of them are done" in printed
    assert "nothing was written" in printed
    assert not out.exists()
    assert main(command) == 0
    capsys.readouterr()
    assert main([*command, "--dry-run"]) == 0
    assert "plan: 4 reported runs; 4 of them are done" in capsys.readouterr().out


def test_a_dry_run_refuses_the_folders_that_the_run_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    command = ["compare", "--out", str(out), *ARGUMENTS, "--losses", "gce", "--seeds", "0"]
    assert main(command) == 0
    (run_file,) = (out / "runs").glob("*.json")
    good = run_file.read_bytes()

    def refusals(*more: str) -> list[str]:
        before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
        said = []
        for arguments in ([*command, *more], [*command, *more, "--dry-run"]):
            capsys.readouterr()
            assert main(arguments) == 2, arguments
            said.append(capsys.readouterr().err)
        assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
        return said

    real, dry = refusals("--label-noise", "0.4")
    assert "results.json holds another comparison: label_noise differ" in real
    assert dry == real
    run_file.write_bytes(good.replace(b'"gce"', b'"mae"'))
    real, dry = refusals()
    assert "damaged or was changed" in real
    assert dry == real
    run_file.write_bytes(good)
    (out / "results.json").write_text("[]")
    real, dry = refusals()
    assert "results.json was not written by evoloss" in real
    assert dry == real
    (out / "results.json").unlink()
    (out / "kept" / "gce" / "seed-0" / "evaluation.json").write_text("{}")
    real, dry = refusals()
    assert "evaluation.json was not written by evoloss" in real
    assert dry == real


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0.2, "1 second"), (1.4, "1 second"), (1.6, "2 seconds"), (89, "89 seconds")),
        *((90, "2 minutes"), (600, "10 minutes"), (5400, "1 hour 30 minutes")),
        *((7200, "2 hours"), (7260, "2 hours 1 minute"), (7500, "2 hours 5 minutes")),
    ],
)
def test_a_time_in_words(seconds: float, text: str) -> None:
    assert duration(seconds) == text
