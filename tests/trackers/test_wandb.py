"""Weights & Biases: files of its offline mode, whose records are read back by its own messages."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("wandb")

from evoloss.compare import compare
from evoloss.pretraining import PretrainConfig, pretrain
from evoloss.trackers import CompareTracker, SearchTracker
from evoloss.training import EpochRecord
from tests.trackers.stores import small_comparison, stop_in_mid_search

pytestmark = pytest.mark.filterwarnings("ignore")  # its own, and those of what it brings

_HEADER, _BLOCK = 7, 1 << 15


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_MODE", "WANDB_DIR", "WANDB_PROJECT", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))


def records(path: Path) -> Iterator[Any]:
    """The records of a file of wandb: a log of LevelDB in blocks of 32 KiB, after a header of 7 bytes."""
    from wandb.proto import wandb_internal_pb2

    content, place, part = path.read_bytes(), _HEADER, b""
    while place + 7 <= len(content):
        left = _BLOCK - place % _BLOCK
        if left < 7:
            place += left
            continue
        length = int.from_bytes(content[place + 4 : place + 6], "little")
        kind = content[place + 6]
        part += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # the whole record, or its last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(part)
            part = b""
            yield record


def read(folder: Path) -> dict[str, Any]:
    """Name, configuration, history and summary of a run, once its writer, another process, is through."""
    (path,) = folder.glob("run-*.wandb")
    deadline = time.monotonic() + 30
    while (found := read_now(path))["exit"] is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def read_now(path: Path) -> dict[str, Any]:
    """What is in a file."""
    found: dict[str, Any] = {"config": {}, "history": [], "summary": {}, "exit": None}
    for record in records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            found["name"], found["project"] = record.run.display_name, record.run.project
            assert record.run.host == "-", "no names of machines"
            found["config"] |= _values(record.run.config.update)
        elif kind == "config":
            found["config"] |= _values(record.config.update)
        elif kind == "history":
            found["history"].append(_values(record.history.item))
        elif kind == "summary":
            found["summary"] |= _values(record.summary.update)
        elif kind == "environment":
            assert not record.environment.host
            assert not record.environment.executable
        elif kind == "exit":
            found["exit"] = record.exit.exit_code
    return found


def _values(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def runs_of(folder: Path) -> dict[str, dict[str, Any]]:
    found = [read(path) for path in sorted(folder.glob("offline-run-*"))]
    names = [run["name"] for run in found]
    assert len(set(names)) == len(names), "no run is there twice"
    return dict(zip(names, found, strict=True))


def test_a_comparison_is_read_back(tmp_path: Path) -> None:
    out, config = tmp_path / "mine", small_comparison(tmp_path, losses=("cross_entropy", "gce"))

    def stop(record: EpochRecord) -> None:
        tracker.on_epoch(record)
        if record.seed == 1 and record.epoch == 2:
            raise KeyboardInterrupt

    with CompareTracker("wandb", out) as tracker, pytest.raises(KeyboardInterrupt):
        compare(config, out=out, on_run=tracker.on_run, on_epoch=stop)
    folder = out / "log" / "wandb"
    assert {name: run["exit"] for name, run in runs_of(folder).items()} == {
        "cross_entropy seed 0": 0,
        "gce seed 0": 0,
        "cross_entropy seed 1": 1,
    }
    for _ in range(2):
        with CompareTracker("wandb", out) as tracker:
            results = compare(config, out=out, on_run=tracker.on_run, on_epoch=tracker.on_epoch)
    found = runs_of(folder)
    assert found.keys() == {f"{run.loss} seed {run.seed}" for run in results.runs}
    for result in results.runs:
        run = found[f"{result.loss} seed {result.seed}"]
        assert run["project"] == "mine"
        assert [row["train/loss"] for row in run["history"]] == list(result.history.train_loss)
        assert [row["_step"] for row in run["history"]] == [1, 2, 3]
        assert run["summary"]["test/accuracy"] == result.test_accuracy
        assert run["config"]["loss_fingerprint"] == result.loss_fingerprint
        assert run["exit"] == 0


def test_a_search_that_goes_on_is_read_back_whole(tmp_path: Path) -> None:
    config = PretrainConfig(
        generations=4, eval_every=2, popsize=8, pairs=32, classes=(3,), eval_pairs=64, checkpoint_every=2
    )
    out = tmp_path / "search"

    stop_in_mid_search("wandb", config, out)
    with SearchTracker("wandb", out, config) as tracker:
        result = pretrain(config, out=out, resume=True, on_generation=tracker.on_generation)
        tracker.finish(result)
    run = runs_of(out / "log" / "wandb")["search"]
    assert [row["fitness/best"] for row in run["history"]] == [
        record.fitness_best for record in result.history
    ]
    assert run["summary"]["summary/kendall_tau"] == result.summary["kendall_tau"]


def test_wandb_mode_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    out, config = tmp_path / "out", small_comparison(tmp_path, seeds=(0,), epochs=1)
    with CompareTracker("wandb", out) as tracker:
        assert compare(config, out=out, on_run=tracker.on_run, on_epoch=tracker.on_epoch).complete
    assert not tracker.broken
    assert not list(out.glob("log/wandb/*run-*"))
