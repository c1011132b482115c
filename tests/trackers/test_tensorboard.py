"""TensorBoard: event files, read back by its own reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tensorboard")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from evoloss.compare import compare
from evoloss.pretraining import GenerationRecord, PretrainConfig, pretrain
from evoloss.trackers import CompareTracker, SearchTracker
from evoloss.training import EpochRecord
from tests.trackers.stores import small_comparison


def read(folder: Path) -> tuple[dict[str, list[tuple[int, float]]], dict[str, Any]]:
    """Scalars of a run by name, and its row of hyperparameters."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    scalars = {
        tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }
    content = events.summary_metadata.get(metadata.SESSION_START_INFO_TAG)
    if content is None:
        return scalars, {}
    row = metadata.parse_session_start_info_plugin_data(content.plugin_data.content).hparams
    return scalars, {name: getattr(value, value.WhichOneof("kind")) for name, value in row.items()}


def test_a_comparison_is_read_back(tmp_path: Path) -> None:
    out, config = tmp_path / "out", small_comparison(tmp_path)

    def stop(record: EpochRecord) -> None:
        tracker.on_epoch(record)
        if record.seed == 1 and record.epoch == 2:
            raise KeyboardInterrupt

    with CompareTracker("tensorboard", out) as tracker, pytest.raises(KeyboardInterrupt):
        compare(config, out=out, on_run=tracker.on_run, on_epoch=stop)
    for _ in range(2):
        with CompareTracker("tensorboard", out) as tracker:
            results = compare(config, out=out, on_run=tracker.on_run, on_epoch=tracker.on_epoch)
    root = out / "log" / "tensorboard"
    assert sorted(path.name for path in root.iterdir()) == sorted(
        f"{run.loss}-seed-{run.seed}" for run in results.runs
    )
    for run in results.runs:
        scalars, row = read(root / f"{run.loss}-seed-{run.seed}")
        assert scalars["train/loss"] == [
            (epoch, pytest.approx(value)) for epoch, value in enumerate(run.history.train_loss, start=1)
        ]
        assert [step for step, _ in scalars["validation/accuracy"]] == [1, 2, 3]
        assert scalars["test/accuracy"] == [(3, pytest.approx(run.test_accuracy))]
        assert row["loss"] == run.loss
        assert row["seed"] == run.seed
        assert row["n_train"] == run.n_train
        assert row["early_stopping"] == "none"
    assert tracker.store.place.endswith(f"tensorboard --logdir {root}")


def test_a_search_that_goes_on_is_read_back_whole(tmp_path: Path) -> None:
    config = PretrainConfig(
        generations=6, eval_every=3, popsize=8, pairs=32, classes=(3,), eval_pairs=64, checkpoint_every=2
    )
    out = tmp_path / "out"

    def stop(record: GenerationRecord) -> None:
        tracker.on_generation(record)
        if record.generation == 3:
            raise ValueError("no more")

    with SearchTracker("tensorboard", out, config) as tracker, pytest.raises(Exception, match="no more"):
        pretrain(config, out=out, on_generation=stop)
    with SearchTracker("tensorboard", out, config) as tracker:
        result = pretrain(config, out=out, resume=True, on_generation=tracker.on_generation)
        tracker.finish(result)
    (folder,) = (out / "log" / "tensorboard").iterdir()
    scalars, row = read(folder)
    assert scalars["fitness/best"] == [
        (record.generation, pytest.approx(record.fitness_best, rel=1e-5)) for record in result.history
    ]
    assert [step for step, _ in scalars["consistency/held_out"]] == [3, 6]
    assert row["popsize"] == 8
    assert row["classes"] == "3"
