"""Trackers over a store in memory: what is logged, once each, and what a store that fails costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evoloss.ablate.ablation import AblateConfig, ablate
from evoloss.compare import CompareConfig, compare
from evoloss.errors import ConfigError, OutputError
from evoloss.executors import make_executor
from evoloss.pretraining import GenerationRecord, PretrainConfig, pretrain
from evoloss.sweeps.finished_run import FinishedRun
from evoloss.trackers import AblateTracker, CompareTracker, SearchTracker
from evoloss.trackers.ledger import Ledger
from evoloss.training import EpochRecord
from tests.trackers.stores import MemoryStore, small_comparison

SEARCH: dict[str, Any] = {
    "generations": 6,
    "eval_every": 3,
    "popsize": 8,
    "pairs": 32,
    "classes": (3,),
    "eval_pairs": 64,
    "checkpoint_every": 100,
}


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """The store that every tracker opens."""
    store = MemoryStore()
    monkeypatch.setattr("evoloss.trackers.run_log.open_store", lambda tool, out: store)
    return store


def test_a_comparison_is_logged(store: MemoryStore, tmp_path: Path) -> None:
    config = small_comparison(tmp_path, tune_lr=True, lr_grid=(0.01, 0.1), tune_seeds=1, seeds=(0,))
    with CompareTracker("tensorboard", tmp_path / "out") as tracker:
        results = compare(config, out=tmp_path / "out", on_run=tracker.on_run, on_epoch=tracker.on_epoch)
    runs = store.by_name()
    assert len(runs) == len(results.runs) + len(results.tuning) == 6
    assert {run.status for run in runs.values()} == {"complete"}
    for result in results.runs:
        run = runs[f"{result.loss} seed 0"]
        history = result.history
        expected = [
            (
                epoch + 1,
                {
                    "train/loss": history.train_loss[epoch],
                    "train/accuracy": history.train_accuracy[epoch],
                    "validation/accuracy": history.validation_accuracy[epoch],
                },
            )
            for epoch in range(3)
        ]
        assert run.steps == expected
        assert run.results["test/accuracy"] == result.test_accuracy
        assert run.settings["lr"] == result.lr
        assert run.settings["loss_fingerprint"] == result.loss_fingerprint
        assert run.settings["tuning"] is False
        assert {"versions/evoloss", "versions/torch", "model", "batch_size"} <= run.settings.keys()
    sensed = results.runs[1].noise_rate
    assert sensed is not None
    assert runs["adaptive seed 0"].results.get("noise_rate") == sensed.estimate
    assert ("noise_rate/reason" in runs["adaptive seed 0"].settings) == (sensed.estimate is None)
    assert "noise_rate" not in runs["cross_entropy seed 0"].results
    tuning = runs["tuning adaptive seed 1000000 lr 0.1"]
    assert tuning.settings["tuning"] is True
    assert "test/accuracy" not in tuning.results, "which was not read"


def test_trees_are_logged_by_rounds(store: MemoryStore, tmp_path: Path) -> None:
    pytest.importorskip("xgboost")
    blobs = small_comparison(tmp_path).dataset
    config = CompareConfig(dataset=blobs, model="xgboost", losses=("gce",), seeds=(0,), rounds=3)
    with CompareTracker("tensorboard", tmp_path / "out") as tracker:
        results = compare(config, out=tmp_path / "out", on_run=tracker.on_run, on_epoch=tracker.on_epoch)
    for result in results.runs:
        run = store.by_name()[f"{result.loss} seed 0"]
        assert [step for step, _ in run.steps] == [1, 2, 3]
        assert (run.settings["rounds"], run.settings["hessian"]) == (3, "abs")
        assert run.results["best_round"] == result.best_epoch
        assert run.results["test/best_round_accuracy"] == result.best_test_accuracy
        names = run.settings.keys() | run.results.keys()
        assert not [name for name in names if "epoch" in name]
        assert not {"batch_size", "momentum", "eval_every"} & names


def test_nothing_is_logged_twice_and_nothing_is_left_out(store: MemoryStore, tmp_path: Path) -> None:
    out = tmp_path / "out"
    compare(small_comparison(tmp_path, seeds=(0,)), out=out)  # without a tracker
    for seeds in ((0, 1), (0, 1), (0, 1, 2)):
        with CompareTracker("tensorboard", out) as tracker:
            config = small_comparison(tmp_path, seeds=seeds)
            compare(config, out=out, on_run=tracker.on_run, on_epoch=tracker.on_epoch)
        runs = store.by_name()
        assert len(runs) == 2 * len(seeds)
        assert {tuple(step for step, _ in run.steps) for run in runs.values()} == {(1, 2, 3)}


def test_a_run_that_was_stopped_is_logged_anew(store: MemoryStore, tmp_path: Path) -> None:
    out, config = tmp_path / "out", small_comparison(tmp_path)
    with CompareTracker("tensorboard", out) as tracker:

        def stop(record: EpochRecord) -> None:
            tracker.on_epoch(record)
            if record.loss == "adaptive" and record.epoch == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            compare(config, out=out, on_run=tracker.on_run, on_epoch=stop)
    assert [run.status for run in store.runs.values()] == ["complete", "stopped"]
    assert [len(run.steps) for run in store.runs.values()] == [3, 2]
    with CompareTracker("tensorboard", out) as tracker:
        compare(config, out=out, on_run=tracker.on_run, on_epoch=tracker.on_epoch)
    assert {run.status for run in store.by_name().values()} == {"complete"}
    assert {tuple(step for step, _ in run.steps) for run in store.runs.values()} == {(1, 2, 3)}
    assert len(store.runs) == 4


def test_runs_of_workers_are_logged(store: MemoryStore, tmp_path: Path) -> None:
    out, config = tmp_path / "out", small_comparison(tmp_path, seeds=(0,))
    with (
        CompareTracker("tensorboard", out) as tracker,
        make_executor("processes", workers=1, threads=1) as executor,
    ):
        compare(config, out=out, executor=executor, on_run=tracker.on_run, on_epoch=tracker.on_epoch)
    assert {tuple(step for step, _ in run.steps) for run in store.by_name().values()} == {(1, 2, 3)}
    assert {run.status for run in store.runs.values()} == {"complete"}


@pytest.mark.parametrize("fail_at", [1, 3, 7])
def test_a_store_that_fails_costs_a_warning_and_no_run(
    store: MemoryStore, tmp_path: Path, fail_at: int
) -> None:
    out, config, warned = tmp_path / "out", small_comparison(tmp_path), list[str]()
    store.fail_at = fail_at
    with CompareTracker("tensorboard", out, warned.append) as tracker:
        results = compare(config, out=out, on_run=tracker.on_run, on_epoch=tracker.on_epoch)
    assert results.complete
    assert len(results.runs) == 4
    (text,) = warned
    assert text.startswith("logging to tensorboard failed and ends here (ConnectionError: the server")
    assert "\n" not in text
    assert store.actions == fail_at, "it is left alone"
    store.fail_at = None
    with CompareTracker("tensorboard", out) as tracker:
        compare(config, out=out, on_run=tracker.on_run, on_epoch=tracker.on_epoch)
    complete = [run.name for run in store.runs.values() if run.status == "complete"]
    assert sorted(complete) == sorted(f"{run.loss} seed {run.seed}" for run in results.runs)
    assert {tuple(s for s, _ in run.steps) for run in store.runs.values() if run.status == "complete"} == {
        (1, 2, 3)
    }


def test_warnings_are_those_of_python_by_default(store: MemoryStore, tmp_path: Path) -> None:
    store.fail_at = 1
    config = small_comparison(tmp_path, seeds=(0,))
    with CompareTracker("tensorboard", tmp_path / "out") as tracker:
        with pytest.warns(RuntimeWarning, match="logging to tensorboard failed"):
            results = compare(config, on_run=tracker.on_run, on_epoch=tracker.on_epoch)
        assert results.complete


def test_two_processes_log_a_run_once(store: MemoryStore, tmp_path: Path) -> None:
    """Two trackers on one directory, of which one is at a run, stand for two processes."""
    out, config = tmp_path / "out", small_comparison(tmp_path, seeds=(0,))
    runs: list[FinishedRun[Any]] = []
    compare(config, out=out, on_run=runs.append)
    with CompareTracker("tensorboard", out) as first, CompareTracker("tensorboard", out) as second:
        for record in runs[0].result.epoch_records(runs[0].key):
            first.on_epoch(record)
        second.on_run(runs[0])
        first.on_run(runs[0])
        second.on_run(runs[0])
        second.on_run(runs[1])
        first.on_run(runs[1])
    assert {tuple(step for step, _ in run.steps) for run in store.by_name().values()} == {(1, 2, 3)}
    assert len(store.runs) == 2


@pytest.mark.parametrize("can_go_on", [True, False])
def test_a_search_is_one_run_however_often_it_goes_on(
    store: MemoryStore, tmp_path: Path, can_go_on: bool
) -> None:
    config, out = PretrainConfig(**SEARCH), tmp_path / "out"
    store.can_go_on = can_go_on

    def part(stop_at: int | None, *, resume: bool, logged: bool = True) -> None:
        with SearchTracker("tensorboard", out, config) as tracker:

            def on_generation(record: GenerationRecord) -> None:
                if logged:
                    tracker.on_generation(record)
                if record.generation == stop_at:
                    raise KeyboardInterrupt

            result = pretrain(config, out=out, resume=resume, on_generation=on_generation)
            tracker.finish(result)

    with pytest.raises(KeyboardInterrupt):
        part(2, resume=False)
    with pytest.raises(KeyboardInterrupt):
        part(4, resume=True, logged=False)  # without a tracker for a while
    part(None, resume=True)
    part(None, resume=True)  # nothing is left to do
    (run,) = store.runs.values()
    assert [step for step, _ in run.steps] == [1, 2, 3, 4, 5, 6]
    assert run.status == "complete"
    assert run.settings["network"] == "classwise"
    assert "pairs_mixture" not in run.settings, "settings are plain"
    assert all(0 <= metrics["rejected_share"] <= 1 for _, metrics in run.steps)
    assert all("fitness/best" in metrics and "generation_seconds" in metrics for _, metrics in run.steps)
    assert ["consistency/held_out" in metrics for _, metrics in run.steps] == [False, False, True] * 2
    assert run.results["summary/ranking_consistency"] > 0.5
    seconds = [metrics["seconds"] for _, metrics in run.steps]
    took = [metrics["generation_seconds"] for _, metrics in run.steps]
    if not can_go_on:  # else the first of a part counts from its beginning
        assert seconds[-1] == pytest.approx(sum(took))


def test_a_search_that_is_begun_again_is_another_run(store: MemoryStore, tmp_path: Path) -> None:
    config = PretrainConfig(**SEARCH)
    for _ in range(2):  # the first one's files are removed by hand, but for what was logged
        out = tmp_path / "out"
        with SearchTracker("tensorboard", out, config) as tracker:
            tracker.finish(pretrain(config, out=out, on_generation=tracker.on_generation))
        for path in out.iterdir():
            if path.is_file():
                path.unlink()
    assert [[step for step, _ in run.steps] for run in store.runs.values()] == [[1, 2, 3, 4, 5, 6]] * 2


def test_an_ablation_is_logged(store: MemoryStore, tmp_path: Path) -> None:
    config = AblateConfig(base=PretrainConfig(**SEARCH), vary=("sigma=0.3,1",), seeds=(0,), target=0.8)
    out = tmp_path / "out"
    with AblateTracker("tensorboard", out) as tracker:
        ablate(config, out=out, on_run=tracker.on_run, on_generation=tracker.on_generation)
    runs = store.by_name()
    assert runs.keys() == {"sigma=0.3 seed 0", "sigma=1 seed 0"}
    for run in runs.values():
        assert [step for step, _ in run.steps] == [1, 2, 3, 4, 5, 6]
        assert run.settings["popsize"] == 8
        assert run.results["summary/usable"] == 1.0
        assert run.status == "complete"


def test_runs_of_an_ablation_that_were_found_are_logged_by_what_there_is(
    store: MemoryStore, tmp_path: Path
) -> None:
    config = AblateConfig(base=PretrainConfig(**SEARCH), vary=("sigma=0.3,1",), seeds=(0,), target=0.8)
    quiet = ablate(config, out=tmp_path)
    for _ in range(2):
        with AblateTracker("tensorboard", tmp_path) as tracker:
            ablate(config, out=tmp_path, on_run=tracker.on_run, on_generation=tracker.on_generation)
    for result in quiet.runs:
        run = store.by_name()[f"{result.variant} seed 0"]
        found = [(step, metrics["consistency/held_out"]) for step, metrics in run.steps]
        assert found == list(zip(result.measured_at, result.consistency, strict=True))
        assert run.results["summary/kendall_tau"] == result.kendall_tau


def test_a_ledger_outlives_a_kill_and_refuses_a_stranger(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "memory")
    ledger.add("a", "id-a")
    ledger.add("a", "id-a", 3)
    ledger.add("b", "id-b")
    Ledger(tmp_path, "another").add("c", "id-c", 1)
    path = tmp_path / "logged.jsonl"
    path.write_bytes(path.read_bytes() + b'{"store": "mem')  # killed while it wrote
    again = Ledger(tmp_path, "memory")
    assert again.find("c") is None, "of another store"
    found = again.find("a")
    assert found is not None
    assert found.ended_at == 3
    assert again.others("a") == {"id-b"}
    again.add("d", "id-d", 2)
    assert Ledger(tmp_path, "memory").others("a") == {"id-b", "id-d"}, "the torn line costs no other"
    path.write_text("mine\n")
    with pytest.raises(OutputError, match="not written by evoloss"):
        Ledger(tmp_path, "memory").require_own()


def test_an_unknown_tool_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="log must be one of tensorboard, mlflow, wandb; got 'tensorbord'"):
        CompareTracker("tensorbord", tmp_path)  # type: ignore[arg-type]
