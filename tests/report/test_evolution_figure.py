from __future__ import annotations

from pathlib import Path

import pytest

from evoloss.errors import ConfigError
from evoloss.pretraining import GenerationRecord
from evoloss.report.evolution_figure import evolution_figure

PNG = b"\x89PNG\r\n"


def record(generation: int, consistency: float | None, held_out: float | None) -> GenerationRecord:
    return GenerationRecord(
        generation=generation,
        fitness_best=None if consistency is None else 1 - consistency,
        fitness_mean=0.5,
        consistency_best=consistency,
        rejected=0,
        sigma=0.1,
        seconds=float(generation),
        held_out_consistency=held_out,
    )


def test_a_history_with_gaps_and_a_perfect_score_is_drawn(tmp_path: Path) -> None:
    history = [record(1, None, None), record(2, 0.7, 0.6), record(3, 1.0, None), record(4, 1.0, 1.0)]
    evolution_figure(history, tmp_path / "evolution.png", title="a run")
    assert (tmp_path / "evolution.png").read_bytes().startswith(PNG)
    assert [path.name for path in tmp_path.iterdir()] == ["evolution.png"]


def test_the_drawing_depends_on_the_history(tmp_path: Path) -> None:
    evolution_figure([record(1, 0.7, None), record(2, 0.8, None)], tmp_path / "a.png")
    evolution_figure([record(1, 0.7, None), record(2, 0.9, None)], tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


def test_an_empty_history_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the history is empty"):
        evolution_figure([], tmp_path / "evolution.png")
    assert not list(tmp_path.iterdir())
