"""The table of a sensing loss without one of its parts."""

from __future__ import annotations

from benchmarks.harness.results import read_record
from benchmarks.sensing import ablation_table
from benchmarks.sensing.ablations import ABLATIONS


def course(loss: str, condition: str, seed: int, last: float) -> dict[str, object]:
    return {"loss": loss, "condition": condition, "seed": seed, "last": last}


def test_conditions_with_an_ablation_are_shown_by_their_means() -> None:
    courses = {
        "a": course("sensing", "sym40-long", 110, 55.0),
        "b": course("sensing", "sym40-long", 111, 57.0),
        "c": course("sensor-off", "sym40-long", 110, 40.44),
        "d": course("sensor-off", "sym40-long", 101, 99.0),  # of an earlier form
        "e": course("sensing", "sym20-long", 110, 62.0),  # no ablation
        "f": course("gce", "sym40-long", 110, 56.0),
    }
    assert ablation_table.table(courses) == [
        "| loss | sym40-long |",
        "| --- | ---: |",
        "| `adaptive` | 56.0 (2 seeds) |",
        "| nothing counts as memorised | 40.4 |",
    ]


def test_every_ablation_has_words() -> None:
    assert set(ABLATIONS) <= set(ablation_table.IN_WORDS)


def test_the_table_of_the_page_is_that_of_the_courses() -> None:
    text = ablation_table.README.read_text(encoding="utf-8")
    shown = text.split(ablation_table.MARKS[0])[1].split(ablation_table.MARKS[1])[0].strip()
    assert shown == "\n".join(ablation_table.table(read_record(ablation_table.COURSES)))
