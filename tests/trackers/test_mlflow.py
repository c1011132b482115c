"""MLflow: a real database, read back by MLflow's own client."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mlflow")

from evoloss.compare import compare
from evoloss.errors import CallbackError, ConfigError
from evoloss.pretraining import PretrainConfig, pretrain
from evoloss.trackers import CompareTracker, SearchTracker
from evoloss.trackers.tools import open_store
from evoloss.training import EpochRecord
from tests.trackers.stores import small_comparison, stop_in_mid_search

pytestmark = pytest.mark.filterwarnings("ignore")  # its own, and those of what it brings


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)


def runs_of(uri: str, experiment: str) -> dict[str, Any]:
    """The runs of an experiment by name."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    runs = client.search_runs([found.experiment_id])
    names = [run.info.run_name for run in runs]
    assert len(set(names)) == len(names), "no run is there twice"
    return dict(zip(names, runs, strict=True))


def steps(uri: str, run: Any, metric: str) -> list[tuple[int, float]]:
    from mlflow import MlflowClient

    history = MlflowClient(tracking_uri=uri).get_metric_history(run.info.run_id, metric)
    return sorted((found.step, found.value) for found in history)


def test_a_comparison_is_read_back(tmp_path: Path) -> None:
    out, config = tmp_path / "mine", small_comparison(tmp_path)
    with CompareTracker("mlflow", out) as tracker:
        assert not out.exists(), "nothing is written before there is something"

        def stop(record: EpochRecord) -> None:
            tracker.on_epoch(record)
            if record.seed == 1 and record.epoch == 2:
                raise ValueError("stop")

        with pytest.raises(CallbackError):
            compare(config, out=out, on_run=tracker.on_run, on_epoch=stop)
    uri = f"sqlite:///{out / 'log' / 'mlflow.db'}"
    statuses = {name: run.info.status for name, run in runs_of(uri, "mine").items()}
    done, stopped = "FINISHED", "KILLED"
    assert statuses == {
        "cross_entropy seed 0": done,
        "adaptive seed 0": done,
        "cross_entropy seed 1": stopped,
    }
    for _ in range(2):
        with CompareTracker("mlflow", out) as tracker:
            results = compare(config, out=out, on_run=tracker.on_run, on_epoch=tracker.on_epoch)
    found = runs_of(uri, "mine")
    assert found.keys() == {f"{run.loss} seed {run.seed}" for run in results.runs}
    for result in results.runs:
        run = found[f"{result.loss} seed {result.seed}"]
        assert run.info.status == "FINISHED"
        expected = list(enumerate(result.history.train_loss, start=1))
        assert steps(uri, run, "train/loss") == expected
        assert steps(uri, run, "test/accuracy") == [(3, result.test_accuracy)]
        assert run.data.params["loss"] == result.loss
        assert float(run.data.params["lr"]) == result.lr
        assert run.data.params["data_fingerprint"] == result.data_fingerprint
        assert run.data.params["versions/torch"]
        assert "noise_rate" in run.data.metrics or result.noise_rate is None or result.noise_rate.reason
    assert sorted(path.name for path in (out / "log").iterdir()) == ["logged.jsonl", "mlflow.db"]


def test_a_search_goes_on_in_its_run(tmp_path: Path) -> None:
    config = PretrainConfig(
        generations=6, eval_every=3, popsize=8, pairs=32, classes=(3,), eval_pairs=64, checkpoint_every=2
    )
    out = tmp_path / "search"

    stop_in_mid_search("mlflow", config, out)
    for _ in range(2):
        with SearchTracker("mlflow", out, config) as tracker:
            result = pretrain(config, out=out, resume=True, on_generation=tracker.on_generation)
            tracker.finish(result)
    uri = f"sqlite:///{out / 'log' / 'mlflow.db'}"
    run = runs_of(uri, "search")["search"]
    assert run.info.status == "FINISHED"
    assert steps(uri, run, "fitness/best") == [
        (record.generation, record.fitness_best) for record in result.history
    ]
    assert steps(uri, run, "summary/kendall_tau") == [(6, result.summary["kendall_tau"])]


def test_variables_of_mlflow_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"sqlite:///{tmp_path / 'shared.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "losses")
    out, config = tmp_path / "out", small_comparison(tmp_path, seeds=(0,), epochs=1)
    for _ in range(2):
        with CompareTracker("mlflow", out) as tracker:
            compare(config, out=out, on_run=tracker.on_run, on_epoch=tracker.on_epoch)
    assert runs_of(uri, "losses").keys() == {"cross_entropy seed 0", "adaptive seed 0"}
    assert [path.name for path in (out / "log").iterdir()] == ["logged.jsonl"]
    assert "shared.db" not in (out / "log" / "logged.jsonl").read_text(), "it may hold a password"


def test_a_server_that_does_not_answer_is_told_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(ConfigError, match="store at MLFLOW_TRACKING_URI cannot be used"):
        open_store("mlflow", tmp_path)


def test_a_search_that_is_made_longer_stays_one_run(tmp_path: Path) -> None:
    config = PretrainConfig(
        generations=2, eval_every=1, popsize=8, pairs=32, classes=(3,), eval_pairs=64, checkpoint_every=2
    )
    out = tmp_path / "search"
    for generations in (2, 5):
        longer = replace(config, generations=generations)
        with SearchTracker("mlflow", out, longer) as tracker:
            result = pretrain(longer, out=out, resume=generations > 2, on_generation=tracker.on_generation)
            tracker.finish(result)
        assert not tracker.broken
    uri = f"sqlite:///{out / 'log' / 'mlflow.db'}"
    run = runs_of(uri, "search")["search"]
    assert [step for step, _ in steps(uri, run, "fitness/best")] == [1, 2, 3, 4, 5]
    assert [step for step, _ in steps(uri, run, "summary/kendall_tau")] == [2, 5]
    told = {**run.data.params, **run.data.tags}
    assert told["verdict"] == result.verdict.text
    assert told["generations"] == "5", "the settings that hold now"
