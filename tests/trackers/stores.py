"""A store in memory, and small comparisons and searches to log."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pytest

from evoloss.compare import CompareConfig
from evoloss.pretraining import GenerationRecord, PretrainConfig, pretrain
from evoloss.trackers import SearchTracker
from evoloss.trackers.tools import Tool
from tests.training.blobs import blobs_file


class MemoryRun:
    """A run in memory."""

    def __init__(self, store: MemoryStore, run_id: str, name: str) -> None:
        self.store, self.id, self.name = store, run_id, name
        self.steps: list[tuple[int, dict[str, float]]] = []
        self.settings: dict[str, Any] = {}
        self.results: dict[str, float] = {}
        self.status = "open"
        self.last_step, self.went_on = 0, False

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        self.store.act()
        self.steps.append((step, dict(metrics)))

    def describe(self, settings: Mapping[str, Any]) -> None:
        self.store.act()
        again = settings.keys() & self.settings.keys()
        assert not again or self.went_on, "each name once"
        self.settings |= settings

    def end(self, metrics: Mapping[str, float], *, complete: bool) -> None:
        self.store.act()
        self.results |= metrics
        self.status = "complete" if complete else "stopped"


class MemoryStore:
    """A store that outlives trackers, and fails at an action if it is told to."""

    name = "memory"
    place = "memory"

    def __init__(self, *, can_go_on: bool = True) -> None:
        self.runs: dict[str, MemoryRun] = {}
        self.can_go_on = can_go_on
        self.fail_at: int | None = None
        self.actions = 0

    def act(self) -> None:
        self.actions += 1
        if self.actions == self.fail_at:
            raise ConnectionError("the server\nis gone")

    def begin(self, name: str, *, earlier: str | None, goes_on: bool, others: Collection[str]) -> MemoryRun:
        self.act()
        if earlier is not None and goes_on and self.can_go_on:
            run = self.runs[earlier]
            run.went_on = True
            run.last_step, run.status = max((step for step, _ in run.steps), default=0), "open"
            return run
        if earlier is not None:
            del self.runs[earlier]
        run = MemoryRun(self, f"id-{len(self.runs)}-{self.actions}", name)
        assert run.id not in others
        self.runs[run.id] = run
        return run

    def by_name(self) -> dict[str, MemoryRun]:
        assert len({run.name for run in self.runs.values()}) == len(self.runs), "no run is there twice"
        return {run.name: run for run in self.runs.values()}


def small_comparison(folder: Path, **changes: Any) -> CompareConfig:
    """A comparison that takes a moment, on data that any process finds."""
    values: dict[str, Any] = {
        "dataset": str(blobs_file(folder)),
        "model": "mlp",
        "losses": ("cross_entropy", "adaptive"),
        "seeds": (0, 1),
        "epochs": 3,
        "batch_size": 16,
        "accelerator": "cpu",
    }
    return CompareConfig(**{**values, **changes})


def stop_in_mid_search(tool: Tool, config: PretrainConfig, out: Path) -> None:
    """Log a search that is interrupted after its third generation."""

    def stop(record: GenerationRecord) -> None:
        tracker.on_generation(record)
        if record.generation == 3:
            raise KeyboardInterrupt

    with SearchTracker(tool, out, config) as tracker, pytest.raises(KeyboardInterrupt):
        pretrain(config, out=out, on_generation=stop)
