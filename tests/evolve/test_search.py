"""A search end to end: its budget, its files, its bits, and how it goes on."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch

from evoloss import EvolvedLoss, PretrainConfig, pretrain
from evoloss.errors import CallbackError, CheckpointError, ConfigError, OutputError
from evoloss.evolve import Begin, EvolveConfig, evolve
from evoloss.evolve.progress import Progress, Stage
from evoloss.pretraining import GenerationRecord
from tests.evolve.small import small_priors

CONFIG = EvolveConfig(purpose="noise", classes="3", samples="20-30", noise="0.2-0.5", budget="30s")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_priors(monkeypatch)
    monkeypatch.setattr("evoloss.evolve.search.FINISHING", 0.0)
    scale = {"groups": 2, "tasks": 2, "popsize": 6, "eval_groups": 2, "elites": 2}
    monkeypatch.setattr("evoloss.evolve.budget.SCALES", (scale,))
    monkeypatch.setattr("evoloss.evolve.fresh.MOST_VERDICT", 8)
    monkeypatch.setattr("evoloss.evolve.fresh.FEWEST_VERDICT", 6)


def test_a_search_leaves_a_loss_a_card_and_what_makes_it_again(tmp_path: Path) -> None:
    stages: list[Stage] = []
    began = time.monotonic()
    result = evolve(
        EvolveConfig(**{**vars(CONFIG), "budget": "4s"}),
        tmp_path / "mine",
        on_progress=lambda progress: stages.append(progress.stage),
    )
    assert list(dict.fromkeys(stages)) == ["timing", "searching", "choosing", "reporting", "judging", "done"]
    assert time.monotonic() - began < 120
    card = (tmp_path / "mine" / "README.md").read_text()
    assert result.verdict.text in card
    assert result.verdict.calibration in card
    assert "20 to 50 % of the labels wrong" in card
    found = json.loads((tmp_path / "mine" / "summary.json").read_text())["evolve"]
    assert found["verdict"]["text"] == result.verdict.text
    assert found["verdict"]["rows"][-1]["loss"] == "this loss"
    # The settings that are written make the same loss.
    config = PretrainConfig.from_toml(tmp_path / "mine" / "pretrain.toml")
    assert config.generations == len(result.pretrained.history)
    again = pretrain(config)
    assert torch.equal(again.loss.params, EvolvedLoss.from_pretrained(tmp_path / "mine").params)


def test_a_search_goes_on_with_another_budget(tmp_path: Path) -> None:
    out = tmp_path / "mine"

    def stop(progress: Progress) -> None:
        if progress.stage == "searching" and progress.generation == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evolve(CONFIG, out, on_progress=stop)
    with pytest.raises(CheckpointError, match="holds a run already; go on with it"):
        evolve(CONFIG, out)
    with pytest.raises(CheckpointError, match="a search for something else"):
        evolve(EvolveConfig(**{**vars(CONFIG), "noise": "0.1"}), out, resume=True)
    with pytest.raises(ConfigError, match=r"a budget of 0 s is too short to end the run .* \(it is 30s\)"):
        evolve(EvolveConfig(**{**vars(CONFIG), "budget": "0.001s"}), out, resume=True)
    assert 'budget = "30s"' in (out / "evolve.toml").read_text(), "nothing has changed"
    begun: list[Begin] = []
    changed = EvolveConfig(**{**vars(CONFIG), "budget": "3s"})
    result = evolve(changed, out, resume=True, on_begin=begun.append)
    assert 0 < begun[0].spent < result.seconds
    assert len(result.pretrained.history) >= 2
    assert 'budget = "3s"' in (out / "evolve.toml").read_text()
    assert torch.equal(
        pretrain(PretrainConfig.from_toml(out / "pretrain.toml")).loss.params, result.pretrained.loss.params
    )


def test_there_is_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nothing to resume"):
        evolve(CONFIG, tmp_path / "mine", resume=True)


def test_what_evoloss_did_not_write_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("my notes")
    with pytest.raises(OutputError):
        evolve(CONFIG, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


def test_generations_are_told_and_an_error_leaves_a_checkpoint(tmp_path: Path) -> None:
    out = tmp_path / "mine"
    told: list[GenerationRecord] = []

    def fail(record: GenerationRecord) -> None:
        told.append(record)
        if record.generation == 2:
            raise ValueError("no panel")

    with pytest.raises(CallbackError, match=r"on_generation raised ValueError: no panel; .* resume=True"):
        evolve(CONFIG, out, on_generation=fail)
    assert [record.generation for record in told] == [1, 2]
    rest: list[GenerationRecord] = []
    changed = EvolveConfig(**{**vars(CONFIG), "budget": "3s"})
    result = evolve(changed, out, resume=True, on_generation=rest.append)
    assert [*told, *rest] == result.pretrained.history
