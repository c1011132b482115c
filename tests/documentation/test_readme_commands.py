"""The ``evoloss`` commands of README do what it says, one after the other in one empty directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from evoloss.strict_json import parse_json
from tests.documentation.pages import ROOT, commands, words_of

SHOWN = [words_of(command) for command in commands(ROOT / "README.md") if command.startswith("evoloss ")]

# What takes minutes to days is made shorter, by options after its own, of which the last counts.
SHORTER = {
    "mine": "--generations 2 --eval-every 2 --popsize 8 --groups 2 --eval-groups 2 --tasks 1",
    "cmp40": "--model mlp --seeds 0 1 --epochs 1 --train-samples 200 --lr-grid 0.05 0.1",
    "cmp": "--epochs 2",
}


def out_of(words: list[str]) -> str:
    return words[words.index("--out") + 1] if "--out" in words else ""


def run(words: list[str], folder: Path) -> str:
    environment = os.environ | {"HOME": str(folder), "COLUMNS": "200"}
    command = [sys.executable, "-m", *words, *SHORTER.get(out_of(words), "").split()]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
def test_readme_from_top_to_bottom(tmp_path: Path) -> None:
    data = os.environ.get("EVOLOSS_DATA_DIR")
    if data is not None:
        (tmp_path / "data").symlink_to(Path(data).resolve())
    ran = []
    for words in SHOWN:
        if len(words) == 2 and words[1] != "losses":  # the name of a command, not a line to type
            continue
        if "cifar10" in words and data is None:
            continue
        if words[:2] == ["evoloss", "report"]:
            words = [word for word in words if word in ("evoloss", "report") or (tmp_path / word).is_dir()]
        run(words, tmp_path)
        ran.append(words[1])
    assert {"pretrain", "compare", "report", "inspect", "losses"} <= set(ran)
    summary = parse_json((tmp_path / "my-loss/summary.json").read_bytes())
    assert summary["settled"] is True
    for name in ("mine", "my-loss", "robust"):
        assert (tmp_path / name / "loss.safetensors").is_file()
    results = parse_json((tmp_path / "cmp/results.json").read_bytes())
    assert len(results["runs"]) == 9
    assert any((tmp_path / "inspection").iterdir())


def test_the_list_of_losses(tmp_path: Path) -> None:
    assert ["evoloss", "losses"] in SHOWN
    listed = run(["evoloss", "losses"], tmp_path)
    assert all(name in listed for name in ("cross_entropy", "evolved-base", "smoothed_log"))
