from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import tyro

from evoloss.cli import main
from evoloss.cli.inspect import InspectCommand, readings_table, run, text_plots
from evoloss.diagnostics import inspect_loss, loss_curve
from evoloss.errors import ConfigError, UnknownNameError
from evoloss.networks import NETWORKS
from tests.diagnostics import reference_losses
from tests.losses.evolved_losses import evolved
from tests.networks.remembering import RememberingNetwork


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def test_the_command_line_is_made_from_the_config() -> None:
    assert tyro.cli(InspectCommand, args=["gce"]) == InspectCommand(loss="gce")
    parsed = tyro.cli(InspectCommand, args=["gce", "--classes", "5", "--seed", "2", "--out", "folder"])
    assert parsed == InspectCommand(loss="gce", classes=5, seed=2, out=Path("folder"))


def test_class_counts_below_two_are_refused_at_the_door() -> None:
    with pytest.raises(ConfigError, match="--classes must be from 2 to 100,000, got 1"):
        InspectCommand(loss="gce", classes=1)


def test_an_unknown_loss_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'gce'"):
        run(InspectCommand(loss="gcee"))


def test_a_known_loss_is_printed_beside_cross_entropy(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(InspectCommand(loss="mae", classes=4)) == 0
    printed = capsys.readouterr().out
    assert "mae, 4 classes, seed 0" in printed
    assert "constant: tolerates uniform label noise" in printed
    ranking = next(line for line in printed.splitlines() if "ranking consistency" in line)
    assert ranking.count("1.0000") == 2
    assert "▁" in printed or "." in printed
    assert "wrote" not in printed


def test_a_loss_with_a_state_is_read_at_the_start_of_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(NETWORKS, "remembering", RememberingNetwork)
    evolved("remembering").save_pretrained(tmp_path / "own")
    assert run(InspectCommand(loss=str(tmp_path / "own"), classes=4)) == 0
    assert "is read as at the start of one" in " ".join(capsys.readouterr().out.split())
    assert run(InspectCommand(loss="gce", classes=4)) == 0
    assert "read as at the start" not in capsys.readouterr().out


def test_out_writes_the_record_and_the_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new" / "folder"
    assert run(InspectCommand(loss="cross_entropy", classes=3, seed=1, out=folder)) == 0
    assert {path.name for path in folder.iterdir()} == {
        "gradient_profile.png",
        "inspect.json",
        "loss_curve.png",
    }
    record = json.loads((folder / "inspect.json").read_text())
    assert (record["loss"], record["n_classes"], record["seed"], record["schema"]) == (
        "cross_entropy",
        3,
        1,
        1,
    )
    assert record["ranking"]["consistency"] == 1.0
    assert (folder / "loss_curve.png").read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert printed.count("wrote") == 3
    assert str(folder / "inspect.json") in printed


def test_a_paced_loss_is_drawn_at_several_agreements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("evoloss.cli.inspect.AGREEMENTS", (0.0,))  # each takes a second
    evolved("paced").save_pretrained(tmp_path / "own")
    command = InspectCommand(loss=str(tmp_path / "own"), classes=4, agreement=0.25, out=tmp_path / "out")
    assert run(command) == 0
    printed = capsys.readouterr().out
    for agreement in ("1", "0.5", "0.25", "0"):
        assert f"own at A = {agreement} " in printed
    record = json.loads((tmp_path / "out" / "inspect.json").read_text())
    held = loss_curve(evolved("paced").at_agreement(0.25), n_classes=4)
    assert record["curve"]["loss"] == pytest.approx(held.loss)
    assert record["curve"]["loss"] != pytest.approx(
        loss_curve(evolved("paced").at_agreement(1.0), n_classes=4).loss
    )


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_paced_loss_is_read_over_the_course_of_a_training(
    every: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not every:
        monkeypatch.setattr("evoloss.cli.inspect.AGREEMENTS", (0.0, 1.0))
    assert run(InspectCommand(loss="evolved-noise")) == 0
    printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "first steps (A = 0): cross-entropy's learning rates carry over" in printed
    assert "tune the learning rate" not in printed
    assert "A: agreement of the batch" in printed


@pytest.mark.parametrize("agreement", [-0.1, 1.5])
def test_an_agreement_out_of_range_is_refused(agreement: float) -> None:
    with pytest.raises(ConfigError, match="--agreement must be from 0 to 1"):
        InspectCommand(loss="gce", agreement=agreement)
    with pytest.raises(ConfigError, match="agreement must be from 0 to 1"):
        evolved("paced").at_agreement(agreement)


def test_a_directory_goes_by_its_last_name() -> None:
    inspection = inspect_loss(reference_losses.mae, n_classes=3)
    table = readings_table("some/where/my-loss", inspection, inspection)
    assert [str(column.header) for column in table.columns] == [
        "diagnostic",
        "my-loss",
        "cross_entropy",
        "reading",
    ]
    hidden = readings_table("some/cross_entropy", inspection, inspection)
    assert str(hidden.columns[1].header) == "some/cross_entropy"


def test_text_plots_fall_from_left_to_right() -> None:
    curves = {
        "mae": loss_curve(reference_losses.mae),
        "cross_entropy": loss_curve(reference_losses.cross_entropy),
    }
    lines = text_plots(curves, unicode=True)
    loss_row = next(line for line in lines if "mae" in line)
    bars = loss_row.split("mae  ")[1]
    assert len(bars) == 49
    assert (bars[0], bars[24], bars[-1]) == ("█", "▄", " ")
    assert "".join(text_plots(curves, unicode=False)).isascii()


def test_text_plots_mark_what_is_not_finite() -> None:
    curve = loss_curve(lambda z, y: reference_losses.mae(z, y) * torch.nan)
    assert "?" * 49 in text_plots({"broken": curve}, unicode=True)[2]


def test_mistakes_are_one_line_and_status_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "gc"]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("evoloss: error: no loss")
    assert printed.count("\n") == 1


def test_a_loss_with_parameters_and_one_of_the_users(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("gce:q=0.5", "torch.nn:CrossEntropyLoss:label_smoothing=0.1"):
        assert main(["inspect", name, "--classes", "3"]) == 0
        assert f"{name}, 3 classes" in capsys.readouterr().out
    assert main(["inspect", "gce:q=2"]) == 2
    assert "q must be a number above 0 and at most 1, got 2" in capsys.readouterr().err
