"""The ``evoloss`` commands of README do what it says, one after the other in one empty directory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from evoloss.strict_json import parse_json
from tests.documentation.pages import ROOT, commands, words_of

SHOWN = [words_of(command) for command in commands(ROOT / "README.md") if command.startswith("evoloss ")]

# What takes minutes to days is made shorter, by options after its own, of which the last counts.
SHORTER = {"mine": "--budget 100s"}


HANGS = 2400  # seconds: what takes minutes takes ten times as long where the machine does much else


def out_of(words: list[str]) -> str:
    return words[words.index("--out") + 1] if "--out" in words else ""


def run(words: list[str], folder: Path) -> str:
    environment = os.environ | {"HOME": str(folder), "COLUMNS": "200"}
    command = [sys.executable, "-m", *words, *SHORTER.get(out_of(words), "").split()]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=HANGS
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
def test_readme_from_top_to_bottom(tmp_path: Path) -> None:
    ran = []
    for words in SHOWN:
        if len(words) == 2 and words[1] != "losses":  # the name of a command, not a line to type
            continue
        run(words, tmp_path)
        ran.append(words[1])
    assert {"compare", "report", "losses"} <= set(ran)
    results = parse_json((tmp_path / "first/results.json").read_bytes())
    assert len(results["runs"]) == 9
    assert "<html" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_search_of_the_readme(tmp_path: Path) -> None:
    (command,) = re.findall(r"`(evoloss evolve [^`]+)`", (ROOT / "README.md").read_text(encoding="utf-8"))
    run(words_of(command), tmp_path)
    assert (tmp_path / "mine/loss.safetensors").is_file()


def test_the_list_of_losses(tmp_path: Path) -> None:
    assert ["evoloss", "losses"] in SHOWN
    listed = run(["evoloss", "losses"], tmp_path)
    assert all(name in listed for name in ("cross_entropy", "evolved-base", "smoothed_log"))
