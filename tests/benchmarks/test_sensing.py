from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.harness.results import read_record
from benchmarks.sensing import run as study
from benchmarks.sensing.run import OUT, Sensing, main
from evoloss.errors import UnknownNameError
from tests.training.blobs import image_blobs

READINGS = {"contradiction", "plateau", "recall", "memorised", "exponent"}


def test_it_runs_at_toy_size_and_only_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, loads = tmp_path / "courses.json", []

    def load(*_: object) -> object:
        loads.append(1)
        return image_blobs(n_train=600)

    monkeypatch.setattr(study, "load", load)
    settings = Sensing(only=("sym40-long",), epochs=3, lr=0.05, out=out)
    main(settings)
    found = read_record(out)
    assert [entry["loss"] for entry in found.values()] == ["cross_entropy", "sensing", "gce"]
    for entry in found.values():
        assert len(entry["validation_accuracy"]) == 3
        assert entry["seed"] == study.FIRST_SEED
        rows = entry["readings"]
        assert [set(row) for row in rows] == ([] if entry["loss"] == "gce" else [READINGS] * len(rows))
        assert entry["loss"] == "gce" or len(rows) >= 2
    main(settings)
    assert read_record(out) == found
    assert len(loads) == 1


def test_unknown_names(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="sym40-long"):
        main(Sensing(only=("sym40-lon",), out=tmp_path / "courses.json"))
    with pytest.raises(UnknownNameError, match="sensing"):
        main(Sensing(losses=("sensin",), out=tmp_path / "courses.json"))


def test_committed_courses_can_be_read() -> None:
    for entry in read_record(OUT).values():
        assert entry["seed"] >= study.FIRST_SEED
        assert entry["last"] == entry["validation_accuracy"][-1]
