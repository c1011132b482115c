from __future__ import annotations

from pathlib import Path

from evoloss.evolve import Difference, LossRow
from evoloss.pretraining import GenerationRecord
from evoloss.report.evolve_figures import search_figure, verdict_figure


def record(generation: int, advantage: float | None) -> GenerationRecord:
    return GenerationRecord(
        generation,
        1.0,
        1.0,
        0.9,
        0,
        0.3,
        1.0,
        None,
        2.0,
        advantage,
        None,
        1,
        None if advantage is None else 0.5,
    )


def test_a_search_is_drawn_with_and_without_looks_at_held_out_tasks(tmp_path: Path) -> None:
    for name, advantages in (("none", [None, None]), ("some", [None, 3.0])):
        history = [record(at, advantage) for at, advantage in enumerate(advantages, start=1)]
        search_figure(history, tmp_path / f"{name}.png", title="a $regime$")
    assert (tmp_path / "some.png").stat().st_size > (tmp_path / "none.png").stat().st_size > 5000


def test_a_verdict_has_a_row_a_loss(tmp_path: Path) -> None:
    gain = Difference(3.0, 1.0, 5.0)
    rows = [LossRow("cross_entropy", 70.0, None, gain, 1.0, 1.0, 1.0)]
    sizes = []
    for n in (1, 5):
        more = [LossRow(f"loss {at}", 73.0, gain, gain, 1.0, 1.0, 1.0) for at in range(n)]
        verdict_figure([*rows, *more], tmp_path / f"{n}.png")
        sizes.append((tmp_path / f"{n}.png").stat().st_size)
    assert sizes[1] > sizes[0]
