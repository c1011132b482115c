"""``--log``: where it is checked, what it writes, and what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from evoloss.cli import main
from tests.trackers.stores import small_comparison

SEARCH = ["--generations", "4", "--popsize", "8", "--pairs", "32", "--classes", "3", "--eval-pairs", "64"]
EVOLVE = ["evolve", "--for", "noise", "--classes", "3", "--samples", "20-30", "--budget", "20s"]
COMMANDS = {
    "compare": ["compare", "--model", "mlp", "--epochs", "1", "--train-samples", "50"],
    "pretrain": ["pretrain", *SEARCH],
    "evolve": EVOLVE,
    "ablate": ["ablate", "--vary", "sigma=0.3,1", "--no-figures"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("tool", ["tensorboard", "mlflow", "wandb"])
def test_a_tool_that_is_missing_is_one_error_before_anything_is_done(
    command: str,
    tool: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, tool, None)
    for name in list(sys.modules):
        if name.startswith((f"evoloss.trackers.{tool}", "torch.utils.tensorboard")):
            monkeypatch.delitem(sys.modules, name)
    out = tmp_path / "out"
    assert main([*COMMANDS[command], "--out", str(out), "--log", tool]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    expected = f"evoloss: error: logging to {tool} needs {tool}, which is not installed: pip install"
    assert said.err == f"{expected} 'evoloss[{tool}]'\n"
    assert not out.exists()


def test_commands_that_log_nothing_import_no_tool() -> None:
    code = "import sys, evoloss.cli.compare, evoloss.cli.evolve, evoloss.cli.pretrain, evoloss.cli.ablate\n"
    code += "print(sorted({'tensorboard', 'mlflow', 'wandb', 'huggingface_hub'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_several_data_sets_are_logged_each_in_its_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorboard")
    data, out = small_comparison(tmp_path).dataset, tmp_path / "out"
    arguments = ["compare", "--dataset", data, f"{data}:epochs=2", "--model", "mlp", "--epochs", "1"]
    arguments += ["--seeds", "0", "--keep", "none", "--quiet", "--out", str(out), "--log", "tensorboard"]
    assert main([*arguments, "--dry-run"]) == 0
    assert not out.exists(), "a dry run writes nothing"
    assert main(arguments) == 0
    folders = sorted(path for path in out.iterdir() if path.is_dir())
    said = capsys.readouterr().out
    assert len(folders) == 2
    for folder in folders:
        assert len(list((folder / "log" / "tensorboard").glob("*/events*"))) == 2
        assert f"logged: {folder / 'log' / 'tensorboard'}" in said


def ended(out: Path) -> list[int]:
    """The last steps of the runs that were logged."""
    lines = (out / "log" / "logged.jsonl").read_text().splitlines()
    return [entry["ended_at"] for entry in map(json.loads, lines) if entry["ended_at"] is not None]


def test_a_search_an_ablation_and_an_evolution_are_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorboard")
    search, ablation = tmp_path / "search", tmp_path / "ablation"
    assert main(["pretrain", *SEARCH, "--out", str(search), "--log", "tensorboard"]) == 0
    assert ended(search) == [4]
    fixed = ["--fixed", "generations=4", "popsize=8", "pairs=32", "eval_pairs=64"]
    arguments = ["ablate", "--vary", "sigma=0.3,1", "--seeds", "0", "--no-figures", "--quiet", *fixed]
    for _ in range(2):
        assert main([*arguments, "--out", str(ablation), "--log", "tensorboard"]) == 0
    assert ended(ablation) == [4, 4], "nothing is logged twice"
    said = capsys.readouterr().out
    assert said.count(f"logged: {ablation / 'log' / 'tensorboard'}") == 2
    assert f"logged: {search / 'log' / 'tensorboard'}" in said


def test_an_evolution_is_logged_with_its_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from tests.evolve.small import small_priors

    small_priors(monkeypatch)
    monkeypatch.setattr("evoloss.evolve.search.FINISHING", 0.0)
    scale = {"groups": 2, "tasks": 2, "popsize": 6, "eval_groups": 2, "elites": 2}
    monkeypatch.setattr("evoloss.evolve.budget.SCALES", (scale,))
    monkeypatch.setattr("evoloss.evolve.fresh.MOST_VERDICT", 8)
    monkeypatch.setattr("evoloss.evolve.fresh.FEWEST_VERDICT", 6)
    out = tmp_path / "mine"
    assert main([*EVOLVE, "--out", str(out), "--log", "tensorboard"]) == 0
    assert main(["evolve", "--out", str(out), "--resume", "--log", "tensorboard"]) == 0
    history = (out / "history.jsonl").read_text().splitlines()
    assert ended(out) == [len(history)], "a run that has ended is not logged again"
    (folder,) = (out / "log" / "tensorboard").iterdir()
    events = EventAccumulator(str(folder)).Reload()
    assert [event.step for event in events.Scalars("rejected_share")] == [*range(1, len(history) + 1)]
    summary = json.loads((out / "summary.json").read_text())
    rows = {row["loss"]: row["accuracy"] for row in summary["evolve"]["verdict"]["rows"]}
    for loss, accuracy in rows.items():
        assert events.Scalars(f"fresh/accuracy/{loss}")[0].value == pytest.approx(accuracy)
