"""Searches that begin again: when, what they keep, that they stop, and that a kill changes nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import evoloss.pretraining.config as config_module
import evoloss.pretraining.loop as loop
from evoloss.cli import main
from evoloss.errors import CanonicalFormError
from evoloss.pretraining import GenerationRecord, PretrainConfig, pretrain, read_checkpoint
from evoloss.pretraining.checks import EVERY, HOPELESS, RESTARTS, Attempt
from evoloss.pretraining.components import make_network
from evoloss.pretraining.evaluation.usable import is_usable
from tests.pretraining.runs import same_files, same_result, tiny, untimed_history, untimed_records
from tests.sampling import sampled

UNTIL_SETTLED: dict[str, Any] = {"generations": None, "eval_every": 40}


@pytest.fixture
def stuck_at_25_and_50(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run without a number of generations, over after 90, that is stuck twice."""
    monkeypatch.setattr(config_module, "_MOST_UNTIL_SETTLED", 90)
    monkeypatch.setattr(Attempt, "is_stuck", lambda self, generation: generation in (25, 50))


def attempts(history: Sequence[GenerationRecord]) -> list[int | None]:
    return [record.attempt for record in history]


@pytest.mark.usefixtures("stuck_at_25_and_50")
def test_a_search_that_is_stuck_begins_again_from_another_start(tmp_path: Path):
    config = tiny(**UNTIL_SETTLED, mutation="chaotic")
    result = pretrain(config, out=tmp_path)
    assert attempts(result.history) == [1] * 25 + [2] * 25 + [3] * 40
    assert result.summary["attempts"] == 3
    # The first generations of the first attempt are those of a run that is never stuck.
    alone = pretrain(replace(config, generations=25))
    assert untimed_records(alone.history)[:24] == untimed_records(result.history)[:24]
    sigmas = [record.sigma for record in result.history]
    assert sigmas[25] != sigmas[24], "the step size starts anew, too"
    starts = [loop.start_point(config, make_network(config), number) for number in range(3)]
    assert not any(torch.equal(starts[a], starts[b]) for a, b in ((0, 1), (0, 2), (1, 2)))


@pytest.mark.usefixtures("stuck_at_25_and_50")
@pytest.mark.parametrize("fail_at", sampled([25, 30, 64, 50], 3))
def test_stopped_around_a_restart_and_resumed_is_the_same_run(tmp_path: Path, fail_at: int):
    config = tiny(**UNTIL_SETTLED, mutation="chaotic", checkpoint_every=7)
    pretrain(config, out=tmp_path / "straight")

    class Killed(BaseException):
        pass

    def stop(record: GenerationRecord) -> None:
        if record.generation == fail_at:
            raise Killed

    with pytest.raises(Killed):
        pretrain(config, out=tmp_path / "killed", on_generation=stop)
    saved = read_checkpoint(tmp_path / "killed", config)
    assert saved.generation < fail_at
    pretrain(config, out=tmp_path / "killed", resume=True)
    assert same_files(tmp_path / "killed", tmp_path / "straight")
    described = [(tmp_path / name / "summary.json").read_text() for name in ("killed", "straight")]
    kept = [json.loads(text)["kept_generation"] for text in described]
    assert kept[0] == kept[1]


@pytest.mark.usefixtures("stuck_at_25_and_50")
def test_the_best_loss_of_all_starts_is_kept(monkeypatch: pytest.MonkeyPatch):
    config, seen = tiny(**UNTIL_SETTLED), dict[int, Tensor]()
    # The check at the end of the second start finds the best loss of the run.
    ranks = iter([0.6, 0.8, 0.7, 0.1, 0.1])

    def score(self: loop.Checks, params: Tensor) -> float:
        seen[len(seen)] = params.clone()
        return next(ranks)

    monkeypatch.setattr(loop.Checks, "score", score)
    result = pretrain(config)
    assert result.summary["kept_generation"] == 2 * EVERY
    assert torch.equal(result.loss.params, seen[1])


def test_a_number_of_generations_is_that_many_from_one_start(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Attempt, "is_stuck", lambda self, generation: True)
    assert attempts(pretrain(tiny(generations=40)).history) == [1] * 40


def test_a_search_ends_when_it_has_settled():
    config = tiny(**UNTIL_SETTLED, classes=(2,))  # a monotone network orders two classes from the beginning
    result = pretrain(config)
    assert len(result.history) == 300
    assert result.summary["settled"] is True
    assert result.history[-1].held_out_consistency is not None, "the last generation is looked at"
    assert result.verdict.text.startswith("The search has settled: ")
    assert (result.verdict.advice, result.verdict.generations) == ("", None)


def test_an_ended_search_can_be_given_more_generations(tmp_path: Path):
    config = tiny(**UNTIL_SETTLED, classes=(2,))
    pretrain(config, out=tmp_path / "grown")
    again = pretrain(config, out=tmp_path / "grown", resume=True)
    assert len(again.history) == 300, "nothing is left to do"
    pretrain(replace(config, generations=310), out=tmp_path / "grown", resume=True)
    pretrain(replace(config, generations=310), out=tmp_path / "straight")
    assert untimed_history(tmp_path / "grown")[-1] == untimed_history(tmp_path / "straight")[-1]
    with pytest.raises(loop.CheckpointError, match="beyond the 300 asked for"):
        pretrain(replace(config, generations=300), out=tmp_path / "grown", resume=True)


def flip_all_forms(monkeypatch: pytest.MonkeyPatch, config: PretrainConfig) -> None:
    """No candidate whatever pushes the label's probability up."""
    network = type(make_network(config))
    upside_down = network.forms  # type: ignore[union-attr]

    def flipped(self: Any, params: Tensor, counts: Sequence[int]) -> Any:
        return [form._replace(scale=-form.scale) for form in upside_down(self, params, counts)]

    monkeypatch.setattr(network, "forms", flipped)


def test_a_run_without_hope_says_so_after_its_first_generations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    config = tiny(generations=1000)
    flip_all_forms(monkeypatch, config)
    (tmp_path / "config.toml").write_text(config.to_toml())
    out = tmp_path / "run"
    assert main(["pretrain", "--config", str(tmp_path / "config.toml"), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    done = HOPELESS * (RESTARTS + 1)
    assert f"after {done} generations neither the mean nor the best candidate" in error
    assert f"({RESTARTS + 1} starts were tried)" in error
    assert "try a smaller sigma (now 0.3), another seed, or network='monotone'" in error
    history = untimed_history(out)
    assert [line["attempt"] for line in history] == [1 + at // HOPELESS for at in range(done)]
    assert {line["rejected"] for line in history} == {config.popsize}
    assert not (out / "loss.safetensors").exists()


def test_a_start_from_a_known_loss_is_not_tried_twice(monkeypatch: pytest.MonkeyPatch):
    config = tiny(network="mixture", hidden=(8, 8), start="gce", generations=1000)
    flip_all_forms(monkeypatch, config)
    with pytest.raises(CanonicalFormError, match=rf"after {HOPELESS} generations .*1 start was tried"):
        pretrain(config)


def test_another_start_may_do_where_the_first_has_nothing_usable(monkeypatch: pytest.MonkeyPatch):
    real = loop.start_point

    def first_start_is_lost(config: PretrainConfig, network: Any, attempt: int = 0) -> Tensor:
        start = real(config, network, attempt)
        return torch.full_like(start, 1e30) if attempt == 0 else start

    monkeypatch.setattr(loop, "start_point", first_start_is_lost)
    config = tiny(network="balanced", generations=HOPELESS + 30, popsize=16)
    result = pretrain(config)
    assert attempts(result.history) == [1] * HOPELESS + [2] * 30
    assert result.summary["kept_generation"] > HOPELESS


# The sizes and seeds of the report: ten classes alone, and no form at a thousand.
REPORTED = {"generations": 100, "popsize": 32, "pairs": 128, "eval_pairs": 64, "classes": (10,)}


def test_a_search_on_ten_classes_ends_with_a_loss_for_a_thousand():
    config = PretrainConfig(**REPORTED, network="balanced", seed=3)  # type: ignore[arg-type]
    result = pretrain(config)
    assert result.summary["ranking_consistency"] > 0.98
    logits = torch.randn(4, 1000, generator=torch.Generator().manual_seed(0)).requires_grad_()
    result.loss(logits, torch.arange(4)).backward()
    assert logits.grad is not None
    assert bool(logits.grad.isfinite().all())


def test_unusable_candidates_are_rejected_where_the_mean_is_unusable():
    # Without the rejection this search ends where no loss can be built (searches.json, number 22).
    config = PretrainConfig(
        network="balanced",
        mutation="chaotic",
        hidden=(8, 8),
        generations=20,
        popsize=16,
        sigma=0.1,
        pairs=32,
        eval_pairs=64,
        classes=(3,),
        seed=22,
    )
    run = loop._Run(config, None, False)
    try:
        run.finish(lambda record: None)
    finally:
        run.close()
    assert run.checkpoint.attempt.constrained
    network, strategy = run.network, run.strategy
    assert is_usable(network, strategy.mean(run.checkpoint.state))
    assert same_result(run.result(lambda stage: None), pretrain(config))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [7, 11])
def test_the_defaults_settle_where_they_did_not(seed: int):
    result = pretrain(PretrainConfig(seed=seed))
    assert result.summary["settled"] is True
    assert result.summary["attempts"] > 1
    assert min(row["consistency"] for row in result.summary["scores"].values()) >= 0.999
