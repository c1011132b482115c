"""The README's table says what the results files say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.robustness.campaign import RESULTS
from benchmarks.robustness.table import BEGIN, CAMPAIGNS, END, README, put_in, table


def test_the_readme_has_the_counts_of_the_results_files() -> None:
    text = README.read_text(encoding="utf-8")
    assert put_in(text, table()) == text, "python -m benchmarks.robustness.table"


def test_every_results_file_and_every_campaign_has_its_row() -> None:
    assert {path.stem for path in RESULTS.glob("*.json")} - {"searches-0.3.0"} <= set(CAMPAIGNS)
    lines = table()
    for name, row in CAMPAIGNS.items():
        (line,) = (line for line in lines if line.startswith(f"| {name} |"))
        assert f"`python -m benchmarks.robustness.{row.command}`" in line
        assert (README.parent / f"{row.command.split()[0].replace('.', '/')}.py").exists()


def test_counts_are_those_of_the_file(tmp_path: Path) -> None:
    outcomes = {"read": 5, "changed": 0, "refused": 1200, "crash": 2, "hang": 1}
    (tmp_path / "artefacts.json").write_text(json.dumps({"trials": 1208, "outcomes": outcomes}))
    kills = {"trials": 4, "stops": 7, "identical": 3, "faults": {"hang": 1, "traceback": 0}}
    (tmp_path / "kills.json").write_text(json.dumps(kills))
    lines = {line.split(" | ")[0]: line for line in table(tmp_path)}
    assert "| 1,208 | 5 read, 1,200 refused, 2 crash, 1 hang | 3 |" in lines["| artefacts"]
    assert "| 4 | 7 signals, 3 identical; 1 hang | 1 |" in lines["| kills"]
    assert "| - | not run yet | - |" in lines["| searches"]


def test_a_readme_without_its_markers_is_not_touched() -> None:
    assert put_in(f"a\n{BEGIN}\nold\n{END}\nb\n", ["new"]) == f"a\n{BEGIN}\nnew\n{END}\nb\n"
    for text in ("", BEGIN, f"{BEGIN}{END}{BEGIN}{END}"):
        with pytest.raises(ValueError, match="expected one table"):
            put_in(text, ["new"])
