from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.harness.results import machine_facts, read_record, update_record
from evoloss.errors import ResultsError


def test_a_record_grows_by_entries(tmp_path: Path) -> None:
    path = tmp_path / "new/record.json"
    assert read_record(path) == {}
    update_record(path, "first", {"mean": 1.0})
    update_record(path, "second", {"mean": 2.0})
    update_record(path, "first", {"mean": 3.0})
    assert read_record(path) == {"first": {"mean": 3.0}, "second": {"mean": 2.0}}
    assert list(read_record(path)) == ["first", "second"]


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff", b"[" * 100_000])
def test_what_is_no_record_is_named_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(content)
    with pytest.raises(ResultsError, match=r"record\.json"):
        update_record(path, "first", {})
    assert path.read_bytes() == content


def test_values_that_are_not_finite_are_refused_and_the_record_stays(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    update_record(path, "first", {"mean": 1.0})
    with pytest.raises(ValueError, match="not JSON compliant"):
        update_record(path, "second", {"mean": float("nan")})
    assert read_record(path) == {"first": {"mean": 1.0}}


def test_the_facts_say_what_machine_it_was() -> None:
    facts = machine_facts()
    assert facts["cpus"] >= 1
    assert facts["load"] >= 0
    assert json.loads(json.dumps(facts)) == facts
