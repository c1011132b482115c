"""The page of performance says what the committed results say."""

from __future__ import annotations

from benchmarks.speed.loss_step import SENSING_REASON
from benchmarks.speed.page import PAGE, table
from evoloss.losses import EvolvedLoss
from evoloss.losses.state import SIZE


def test_the_page_is_made_from_the_results() -> None:
    assert PAGE.out.read_text(encoding="utf-8") == PAGE.render(), "run python -m benchmarks.speed.page"


def test_memory_is_said_in_mebibytes_and_time_in_seconds() -> None:
    memory, time = table("loss_step", "peak memory"), table("loss_step", "eager")
    assert all(" MiB | " in row for row in memory[2:])
    assert all("s | " in row and "MiB" not in row for row in time[2:])


def test_the_statistics_of_a_sensing_loss_are_as_many_as_is_said() -> None:
    state = EvolvedLoss.from_pretrained("adaptive").loss_state.values()
    told = f"moves {len(state.keys() - {SIZE})} statistics on"  # the size of the training set is given
    assert told in SENSING_REASON
    assert told in PAGE.out.read_text(encoding="utf-8")
