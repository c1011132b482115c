"""The page of performance says what the committed results say."""

from __future__ import annotations

from benchmarks.speed.page import PAGE, table


def test_the_page_is_made_from_the_results() -> None:
    assert PAGE.out.read_text(encoding="utf-8") == PAGE.render(), "run python -m benchmarks.speed.page"


def test_memory_is_said_in_mebibytes_and_time_in_seconds() -> None:
    memory, time = table("loss_step", "peak memory"), table("loss_step", "eager")
    assert all(" MiB | " in row for row in memory[2:])
    assert all("s | " in row and "MiB" not in row for row in time[2:])
