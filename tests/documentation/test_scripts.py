"""The scripts of ``examples/`` run, with settings that make them short; ``make demo`` runs the first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from evoloss import EvolvedLoss
from evoloss.strict_json import parse_json
from tests.documentation.pages import ROOT

SHORT = {
    "demo.py": "--out demo-out --budget 60s --seeds 0 1 --epochs 1",
    "drop_in.py": "",
    "own_regime.py": "--out my-loss --classes 3 4 --samples 60 80 --generations 2 --workers 2",
}


HANGS = 2400  # seconds: a demo of a minute takes ten where the machine does much else


def run(script: str, folder: Path) -> str:
    environment = os.environ | {"COLUMNS": "200"}
    command = [sys.executable, str(ROOT / "examples" / script), *SHORT[script].split()]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=HANGS
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_script_is_here() -> None:
    assert {path.name for path in (ROOT / "examples").glob("*.py")} == set(SHORT)


@pytest.mark.slow
def test_demo(tmp_path: Path) -> None:
    run("demo.py", tmp_path)
    results = parse_json((tmp_path / "demo-out/digits/results.json").read_bytes())
    assert {record["seed"] for record in results["runs"]} == {0, 1}
    assert len(results["runs"]) == 8
    assert (tmp_path / "demo-out/mine/loss.safetensors").is_file()
    assert "<html" in (tmp_path / "demo-out/report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_drop_in(tmp_path: Path) -> None:
    lines = run("drop_in.py", tmp_path).splitlines()
    accuracies = {line.split()[0]: float(line.split()[1]) for line in lines}
    assert min(accuracies["cross-entropy"], accuracies["evolved-base"]) > 90


@pytest.mark.slow
def test_own_regime(tmp_path: Path) -> None:
    run("own_regime.py", tmp_path)
    assert EvolvedLoss.from_pretrained(tmp_path / "my-loss").network.kind == "mixture"
