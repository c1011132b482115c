from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.suspects.run import (
    CHOOSING,
    CLEANLAB,
    NOISE,
    OURS,
    REPORTED,
    RESULTS,
    SOURCES,
    SuspectStudy,
    main,
    rankings,
    study,
    table,
)

DEFAULT = next(iter(CLEANLAB))


def committed(name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["rows"]
    return rows


@pytest.mark.parametrize(("name", "seeds"), [("reported", REPORTED), ("choosing", CHOOSING)])
def test_committed_results_are_whole(name: str, seeds: tuple[int, ...]) -> None:
    done = [(row["noise_kind"], row["label_noise"], row["seed"]) for row in committed(name)]
    assert sorted(done) == sorted((kind, rate, seed) for kind, rate in NOISE for seed in seeds)
    for row in committed(name):
        assert row["n_wrong"] == pytest.approx(row["label_noise"] * row["n_train"], abs=5)
        assert {*row["average_precision"]} == {*SOURCES}
        for found in row["average_precision"].values():
            assert {*found} == {OURS, *CLEANLAB}


def test_the_ranking_is_at_least_cleanlabs_in_every_run_and_at_most_a_hair_below_its_best() -> None:
    """What the README claims."""
    for row in committed("reported"):
        for source, found in row["average_precision"].items():
            assert found[OURS] > found[DEFAULT]
            gain = found[OURS] - max(found[name] for name in CLEANLAB)
            assert gain > (-0.0025 if (source, row["noise_kind"]) == ("training", "symmetric") else 0)


def test_the_readme_has_the_table_of_the_results() -> None:
    text = (RESULTS.parent / "README.md").read_text(encoding="utf-8")
    assert table(committed("reported")) in text, "run python -m benchmarks.suspects.run --table"


def test_rankings_of_what_is_plain() -> None:
    pytest.importorskip("cleanlab", reason="the extra suspects-benchmark is not installed")
    labels = torch.arange(60) % 3
    wrong = torch.arange(60) < 9
    probs = torch.full((60, 3), 0.1).scatter(1, labels[:, None], 0.8)
    given = torch.where(wrong, (labels + 1) % 3, labels)
    assert set(rankings(probs, given, wrong).values()) == {1.0}


def test_the_study_runs_at_toy_size_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("cleanlab", reason="the extra suspects-benchmark is not installed")
    out = tmp_path / "found.json"
    rows = committed("choosing")[:-1]
    out.write_text(json.dumps({"rows": rows}))
    options = SuspectStudy(choosing=True, epochs=1, folds=2, out=out)
    assert len(study(options)["rows"]) == len(rows) + 1
    capsys.readouterr()
    main(SuspectStudy(choosing=True, out=out, table=True))
    assert "| held-out folds | evoloss |" in capsys.readouterr().out
