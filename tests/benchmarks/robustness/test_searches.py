"""Small searches of every kind end with a usable loss: a few of the fifty, and the committed counts."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks.robustness.searches import NUMBER, outcome, settings, usable_on_the_way
from evoloss import PretrainConfig

RESULTS = Path(__file__).parents[3] / "benchmarks/robustness/results"
# Those that ended without a loss before usability was part of the search.
ONCE_FAILED = (6, 22, 35, 37, 40, 48)


def committed(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((RESULTS / name).read_text(encoding="utf-8"))
    return content


def test_the_fifty_configurations_are_valid_and_differ():
    drawn = settings()
    assert len({json.dumps(values) for values in drawn}) == len(drawn) == NUMBER == 50
    assert {PretrainConfig(**values).network for values in drawn} == {
        *("classwise", "balanced", "basis", "concat", "monotone", "tempered"),
    }
    assert drawn == settings(), "drawn once and for all"


@pytest.mark.parametrize("number", [*ONCE_FAILED, 7, 10])
def test_a_small_search_ends_with_a_usable_loss(number: int):
    found = outcome(settings()[number])
    assert found["ended"] == "usable"
    assert found["generations"] == settings()[number]["generations"]


def test_what_turns_up_on_the_way_is_seen():
    values = settings()[22]
    first = usable_on_the_way(PretrainConfig(**values), values["generations"])
    assert first is not None
    assert 1 <= first <= values["generations"]


@pytest.mark.parametrize("name", ["searches.json", "searches-0.3.0.json"])
def test_the_committed_counts_are_those_of_their_runs(name: str):
    content = committed(name)
    assert [run["settings"] for run in content["runs"]] == json.loads(json.dumps(settings()))
    assert content["counts"] == dict(Counter(run["ended"] for run in content["runs"]))
    for run in content["runs"]:
        if run["ended"] == "usable":
            assert run["generations"] == run["settings"]["generations"]


def test_before_and_after():
    before, after = committed("searches-0.3.0.json"), committed("searches.json")
    failed = [run for run in before["runs"] if run["ended"] != "usable"]
    assert [run["settings"]["seed"] for run in failed] == list(ONCE_FAILED)
    assert {run["ended"] for run in failed} == {"failed at the end"}
    assert all(run["usable_on_the_way"] is not None for run in failed)
    assert after["counts"] == {"usable": 50}
