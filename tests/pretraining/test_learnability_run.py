"""Pretraining by learnability: end to end, the same bits when stopped or spread, and what it leaves."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from evoloss.errors import CheckpointError
from evoloss.pretraining import PretrainConfig, pretrain, read_checkpoint
from evoloss.pretraining.components import make_group_specs, make_network
from evoloss.pretraining.evaluation.elites import Elites
from evoloss.pretraining.evaluation.held_out_tasks import evaluate_held_out, held_out_specs
from evoloss.tasks import PRIORS
from tests.pretraining.runs import same_files, same_result, untimed_records

SMALL = PRIORS["general"]
PATCHED = replace(
    SMALL,
    samples=(30, 40),
    long_samples=(30, 30),
    steps=(6, 9),
    long_steps=(10, 12),
    width=(4, 6),
    classes=(2, 4),
)


@pytest.fixture(autouse=True)
def _small_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRIORS, "general", PATCHED)


def config(**changes: object) -> PretrainConfig:
    values = {
        "network": "monotone",
        "hidden": (4,),
        "classes": (3,),
        "fitness": "learnability",
        "groups": 2,
        "tasks": 2,
        "popsize": 8,
        "sigma": 0.1,
        "pairs": 24,
        "eval_pairs": 32,
        "n_grid": 16,
        "generations": 4,
        "eval_every": 2,
        "eval_groups": 2,
        "elites": 2,
        "checkpoint_every": 1,
    }
    return PretrainConfig(**{**values, **changes})  # type: ignore[arg-type]


def test_end_to_end(tmp_path: Path) -> None:
    result = pretrain(config(), out=tmp_path)
    looked = [record for record in result.history if record.held_out_score is not None]
    assert [record.generation for record in looked] == [2, 4]
    assert all(record.advantage_best is not None for record in result.history)
    found = json.loads((tmp_path / "summary.json").read_text())["learnability"]
    assert found["short"]["tasks"] == found["long"]["tasks"] == 8
    assert found["stretched"]["tasks"] == 16
    described = json.loads((tmp_path / "config.json").read_text())
    assert described["record"]["prior"]["steps"] == [6, 9]
    elites = read_checkpoint(tmp_path, config()).elites
    assert any(torch.equal(result.loss.params.float(), row) for row in elites.params)


def test_tempered_losses_are_evolved_under_dominance(tmp_path: Path) -> None:
    settings = config(network="tempered", error="dominance", generations=2, eval_every=1)
    result = pretrain(settings, out=tmp_path)
    again = pretrain(settings, out=tmp_path / "again", executor=ThreadPoolExecutor(2))
    assert same_result(result, again)
    row = result.summary["scores"]["3"]
    assert row["dominance"] > 0.95
    assert row["consistency"] < 1
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "A tempered loss network (7 parameters) for any number of classes" in card
    assert f"| {row['dominance']:.5f} |" in card


def test_stopped_and_resumed_is_the_same_run(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    pretrain(config(), out=whole)
    pretrain(config(generations=3, eval_every=2), out=parts)
    # The last generation of a run is looked at too, so the shorter run has one look more.
    with pytest.raises(AssertionError):
        assert same_files(whole, parts)
    stopped = tmp_path / "stopped"

    def stop(record: object) -> None:
        if getattr(record, "generation") == 3:  # noqa: B009
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(config(), out=stopped, on_generation=stop)
    pretrain(config(), out=stopped, resume=True)
    assert same_files(whole, stopped)
    with pytest.raises(CheckpointError, match="eval_every"):
        pretrain(config(eval_every=1), out=stopped, resume=True)


def test_spread_over_workers_is_the_same_run() -> None:
    alone = pretrain(config())
    with ThreadPoolExecutor(max_workers=2) as pool:
        spread = pretrain(config(), executor=pool)
    assert same_result(alone, spread)
    assert alone.summary["learnability"] == spread.summary["learnability"]
    assert untimed_records(alone.history) == untimed_records(spread.history)


def test_tasks_are_fresh_each_generation_and_never_the_held_out_ones() -> None:
    specs = {
        (spec.seed, spec.labels, spec.group) for g in range(1, 20) for spec in make_group_specs(config(), g)
    }
    assert len(specs) == 2 * 19
    held_out = [
        (spec.seed, spec.labels, spec.group)
        for purpose in ("stop", "choose", "report")
        for spec in held_out_specs(config(), purpose)
    ]
    assert len(set(held_out)) == len(held_out)
    assert not specs & set(held_out)
    assert [spec.stretch for spec in held_out_specs(config(), "report")] == [1.0, 1.0, 10.0, 10.0]


def test_elites_are_the_best_in_order() -> None:
    elites = Elites.none(2)
    for generation, score in enumerate([0.1, 0.4, 0.2, 0.4, 0.3], start=1):
        elites = elites.with_one_more(torch.full((2,), float(generation)), score, generation, keep=3)
    assert elites.generations.tolist() == [2, 4, 5]
    assert elites.scores.tolist() == [0.4, 0.4, 0.3]
    assert elites.params[:, 0].tolist() == [2.0, 4.0, 5.0]


def test_judgements_of_several_are_those_of_each() -> None:
    network = make_network(config())
    params = torch.stack([network.initial(torch.Generator().manual_seed(seed)) for seed in (0, 1)])
    both = evaluate_held_out(config(), network, params, "stop")  # type: ignore[arg-type]
    alone = evaluate_held_out(config(), network, params[1:], "stop")  # type: ignore[arg-type]
    assert both[1].score == pytest.approx(alone[0].score, abs=1e-6)
    assert both[1].short == pytest.approx(alone[0].short, abs=1e-4)


def test_a_run_that_is_ended_from_outside_is_that_of_so_many_generations(tmp_path: Path) -> None:
    asked: list[tuple[int, bool]] = []

    def until(generation: int, seconds: float) -> bool:
        asked.append((generation, seconds > 0))
        return generation >= 3

    stages: list[str] = []
    ended = pretrain(config(generations=None), out=tmp_path, until=until, on_stage=stages.append)
    assert ended.config == config(generations=3)
    assert stages == ["choosing", "reporting"]
    assert {generation for generation, _ in asked} == {1, 2, 3}
    assert same_result(ended, pretrain(config(generations=3)))
    assert PretrainConfig.from_toml(tmp_path / "pretrain.toml") == config(generations=3)


def test_looks_at_held_out_tasks_have_an_error() -> None:
    result = pretrain(config(eval_groups=4))
    for record in result.history:
        assert (record.held_out_error is None) == (record.held_out_advantage is None)
        assert record.held_out_error is None or record.held_out_error >= 0
