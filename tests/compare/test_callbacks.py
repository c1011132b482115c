"""Functions that a comparison calls back: what they are told, and what they cannot break."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from evoloss.compare import CompareConfig, Results, compare, compare_datasets
from evoloss.errors import CallbackError
from evoloss.executors import make_executor
from evoloss.sweeps.finished_run import FinishedRun
from evoloss.training import EpochRecord, RunResult
from tests.training.blobs import blobs_file

Ended = FinishedRun[RunResult]


@pytest.fixture
def quick(tmp_path: Path) -> dict[str, Any]:
    """Settings of a comparison that takes a moment, on data that any process finds."""
    return {
        "dataset": str(blobs_file(tmp_path)),
        "model": "mlp",
        "losses": ("cross_entropy", "gce"),
        "seeds": (0, 1),
        "epochs": 2,
        "batch_size": 16,
        "accelerator": "cpu",
    }


class Listener:
    """Keeps what it is told, and draws random numbers as plots and samplers do."""

    def __init__(self) -> None:
        self.runs: list[Ended] = []
        self.epochs: list[EpochRecord] = []
        self.order: list[str] = []

    def on_run(self, run: Ended) -> None:
        torch.rand(3)
        self.runs.append(run)
        self.order.append(f"run {run.key}")

    def on_epoch(self, record: EpochRecord) -> None:
        torch.rand(3)
        self.epochs.append(record)
        self.order.append(f"{record.run} {record.epoch}")


def values(results: Results) -> list[dict[str, Any]]:
    return [{**run.as_dict(), "train_seconds": None} for run in (*results.tuning, *results.runs)]


def test_every_run_and_epoch_is_told_and_nothing_changes(quick: dict[str, Any], tmp_path: Path) -> None:
    config = CompareConfig(**quick, tune_lr=True, lr_grid=(0.01, 0.1), tune_seeds=1)
    quiet = compare(config, out=tmp_path / "quiet")
    told = Listener()
    results = compare(config, out=tmp_path / "told", on_run=told.on_run, on_epoch=told.on_epoch)
    assert values(results) == values(quiet)
    assert sorted(path.name for path in (tmp_path / "told/runs").iterdir()) == sorted(
        path.name for path in (tmp_path / "quiet/runs").iterdir()
    )
    assert [run.result for run in told.runs] == [*results.tuning, *results.runs]
    assert [(run.done, run.planned, run.recalled) for run in told.runs] == [
        (place, 8, False) for place in range(1, 9)
    ]
    assert told.epochs == [record for run in told.runs for record in run.result.epoch_records(run.key)]
    expected = [entry for run in told.runs for entry in (f"{run.key} 1", f"{run.key} 2", f"run {run.key}")]
    assert told.order == expected, "epochs of a run, then the run"
    assert {run.key for run in told.runs} == {path.stem for path in (tmp_path / "told/runs").iterdir()}


def test_a_run_is_written_before_it_is_told(quick: dict[str, Any], tmp_path: Path) -> None:
    out, seen = tmp_path / "out", []

    def on_run(run: Ended) -> None:
        seen.append(json.loads((out / "runs" / f"{run.key}.json").read_text())["result"]["loss"])

    compare(CompareConfig(**quick), out=out, on_run=on_run)
    assert seen == ["cross_entropy", "gce"] * 2


def test_workers_are_told_of_here_and_alike(quick: dict[str, Any], tmp_path: Path) -> None:
    here, there = Listener(), Listener()
    config = CompareConfig(**quick)
    compare(config, on_run=here.on_run, on_epoch=here.on_epoch)
    with make_executor("processes", workers=1, threads=1) as executor:
        compare(config, executor=executor, on_run=there.on_run, on_epoch=there.on_epoch)
    assert there.epochs == here.epochs
    assert there.order == here.order
    assert len(there.runs) == 4


def test_runs_that_were_found_are_told_as_such_and_their_epochs_are_not(
    quick: dict[str, Any], tmp_path: Path
) -> None:
    compare(CompareConfig(**{**quick, "seeds": (0,)}), out=tmp_path / "out")
    told = Listener()
    config = CompareConfig(**quick)
    results = compare(config, out=tmp_path / "out", on_run=told.on_run, on_epoch=told.on_epoch)
    assert [(run.result.seed, run.recalled) for run in told.runs] == [
        (0, True),
        (0, True),
        (1, False),
        (1, False),
    ]
    assert {record.seed for record in told.epochs} == {1}
    assert [run.result for run in told.runs] == list(results.runs)


@pytest.mark.parametrize("where", ["serial", "processes"])
def test_an_error_in_on_run_stops_and_loses_nothing(
    quick: dict[str, Any], tmp_path: Path, where: Any
) -> None:
    out, calls, config = tmp_path / "out", [], CompareConfig(**quick)

    def fail(run: Ended) -> None:
        calls.append(run)
        raise ValueError("no\nsuch panel")

    with (
        make_executor(where, workers=1) as executor,
        pytest.raises(CallbackError, match=r"on_run raised ValueError: no such panel; .* same call"),
    ):
        compare(config, out=out, executor=executor, on_run=fail)
    assert len(calls) == 1
    kept = Results.read(out)
    assert calls[0].result in kept.runs
    assert not kept.complete
    told = Listener()
    again = compare(config, out=out, on_run=told.on_run)
    assert again.complete
    assert told.runs[0].recalled
    assert calls[0].result in again.runs


def test_an_error_at_a_run_that_was_found_loses_no_other(quick: dict[str, Any], tmp_path: Path) -> None:
    config, out = CompareConfig(**quick), tmp_path / "out"
    whole = compare(config, out=out)

    def fail(run: Ended) -> None:
        raise ValueError("early")

    with pytest.raises(CallbackError, match="early"):
        compare(config, out=out, on_run=fail)
    assert Results.read(out).runs == whole.runs


def test_an_error_in_on_epoch_stops_at_once(quick: dict[str, Any], tmp_path: Path) -> None:
    out, calls = tmp_path / "out", []

    def fail(record: EpochRecord) -> None:
        calls.append(record)
        if len(calls) == 3:  # in the second run
            raise KeyError("panel")

    with pytest.raises(CallbackError, match="callback on_epoch raised KeyError: 'panel'") as caught:
        compare(CompareConfig(**quick), out=out, on_epoch=fail)
    assert isinstance(caught.value.__cause__, KeyError)
    assert len(calls) == 3
    assert [run.loss for run in Results.read(out).runs] == ["cross_entropy"]


def test_without_a_directory_the_error_has_the_results(quick: dict[str, Any]) -> None:
    def fail(run: Ended) -> None:
        if run.done == 3:
            raise RuntimeError("enough")

    with pytest.raises(CallbackError, match="in the results of this error") as caught:
        compare(CompareConfig(**quick), on_run=fail)
    results = caught.value.results
    assert isinstance(results, Results)
    assert [(run.loss, run.seed) for run in results.runs] == [
        ("cross_entropy", 0),
        ("gce", 0),
        ("cross_entropy", 1),
    ]
    assert not results.complete


def test_ctrl_c_in_a_callback_is_ctrl_c(quick: dict[str, Any], tmp_path: Path) -> None:
    def stop(run: Ended) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(CompareConfig(**quick), out=tmp_path / "out", on_run=stop)
    assert len(Results.read(tmp_path / "out").runs) == 1


def test_several_data_sets(quick: dict[str, Any], tmp_path: Path) -> None:
    one = CompareConfig(**{**quick, "seeds": (0,)})
    two = dataclasses.replace(one, label_noise=0.4)
    told, begun = Listener(), []

    def begin(label: str) -> None:
        begun.append((label, len(told.runs)))

    compare_datasets(
        [one, two], out=tmp_path / "out", on_begin=begin, on_run=told.on_run, on_epoch=told.on_epoch
    )
    assert [run.result.label_noise for run in told.runs] == [0.0, 0.0, 0.4, 0.4]
    assert [runs for _, runs in begun] == [0, 2]
    assert len(told.epochs) == 8

    def fail(run: Ended) -> None:
        raise RuntimeError("enough")

    with pytest.raises(CallbackError, match=r"^data set blobs.*: the callback on_run") as caught:
        compare_datasets([one, two], on_run=fail)
    assert isinstance(caught.value.results, Results)
