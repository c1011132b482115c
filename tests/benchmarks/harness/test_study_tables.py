from __future__ import annotations

from pathlib import Path

from benchmarks.harness.study_tables import tables
from tests.benchmarks.harness.studies import SITUATIONS, make_study, write_runs


def _cells(lines: list[str], start: str) -> list[str]:
    (line,) = (line for line in lines if line.startswith(f"| {start} |"))
    return [cell.strip() for cell in line.split("|")[1:-1]]


def test_nothing_yet(tmp_path: Path) -> None:
    assert tables(make_study(tmp_path), SITUATIONS) == ["No run has ended yet."]


def test_what_is_there_and_what_is_missing(tmp_path: Path) -> None:
    study = make_study(tmp_path, ("cross_entropy", "gce", "epsilon_softmax_mae", "mae"))
    clean = {"cross_entropy": (90.0, 91.0, 92.0), "gce": (88.0, 90.0, 91.0), "mae": (70.0, 80.0)}
    write_runs(tmp_path / "clean", clean)
    write_runs(tmp_path / "noisy", {"cross_entropy": (50.0,), "epsilon_softmax_mae": (61.0,), "gce": (58.0,)})
    lines = tables(study, SITUATIONS)
    over = lines[: lines.index("### What is there")]
    assert _cells(over, "gce †")[1:5] == ["+3.33", "+3.33", "-1.3 clean", "-1.33 to +8.00"]
    assert _cells(over, "gce †")[5:] == ["-1.3", "+8.0 (of 1)", "2", "1"]
    assert _cells(over, "epsilon_softmax_mae ‡")[1] == "+11.00"
    text = "\n".join(lines)
    assert "2 of 3 conditions have runs so far." in text
    assert "† to be told: `gce` q" in text
    assert "‡ an oracle" in text
    assert _cells(lines, "clean")[2:] == ["clean", "3", "2 to 3 of 3", "epsilon_softmax_mae"]
    assert _cells(lines, "noisy")[2:] == ["noisy", "3", "1 of 3", "mae"]
    assert _cells(lines, "noisier")[2:] == ["noisy", "none", "–", "all"]
    assert "### Clean labels (`clean`)" in lines
    write_runs(tmp_path / "noisier", {"cross_entropy": (50.0,), "gce": (51.0,)}, loss_fingerprint="0" * 16)
    there = tables(study, SITUATIONS)
    assert "which count here as they are: cross_entropy, gce." in "\n".join(there)
    there = there[there.index("### What is there") :]
    assert "gce (again: it has changed)" in _cells(there, "noisier")[-1]
    condition = lines[lines.index("### Noisy labels (`noisy`)") :]
    assert _cells(condition, "gce †")[1:] == ["0.05", "1", "58.00", "58.50", "+8.0", "+7.5"]
    assert _cells(condition, "cross_entropy")[-2:] == ["baseline", "-0.5"]
