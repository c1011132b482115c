"""The committed history of a shipped loss is that of its configuration, as far as it is cheap to see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evoloss.pretraining import PretrainConfig, pretrain
from evoloss.pretraining.history import GenerationRecord
from evoloss.zoo import SHIPPED, shipped_path

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", SHIPPED)
def test_history_and_summary_belong_together(name: str) -> None:
    folder = ROOT / "recipes" / name
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    summary = json.loads((folder / "summary.json").read_text())
    config = PretrainConfig.from_toml(shipped_path(name) / "pretrain.toml")
    assert [line["generation"] for line in lines] == list(range(1, config.generations + 1))
    assert summary["generations"] == config.generations
    record = json.loads((shipped_path(name) / "config.json").read_text())["record"]
    assert record["learnability"] == summary["learnability"]


class _EnoughError(Exception):
    """One generation is enough."""


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_the_first_generation_comes_out_again(name: str) -> None:
    """Bits depend on the machine; on machines of one kind they are equal, elsewhere nearly."""
    folder = ROOT / "recipes" / name
    first = json.loads((folder / "history.jsonl").read_text().splitlines()[0])
    config = PretrainConfig.from_toml(shipped_path(name) / "pretrain.toml")
    seen: list[GenerationRecord] = []

    def stop(record: GenerationRecord) -> None:
        seen.append(record)
        raise _EnoughError

    with pytest.raises(_EnoughError):
        pretrain(config, on_generation=stop)
    assert seen[0].rejected == first["rejected"]
    assert seen[0].fitness_mean == pytest.approx(first["fitness_mean"], rel=0.05, abs=0.02)
