from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import evoloss.pretraining.loop as loop
from evoloss.errors import CallbackError, CanonicalFormError, CheckpointError, ConfigError, EvolossError
from evoloss.losses.evolved import EvolvedLoss
from evoloss.pretraining import GenerationRecord, PretrainConfig, pretrain
from evoloss.pretraining.history import read_history
from evoloss.pretraining.start import start_point
from tests.pretraining.runs import same_result, tiny, untimed_records

STRATEGIES = ("es_comma", "es_plus", "open_es", "snes", "pycma")


@pytest.mark.parametrize("changes", [{}, {"mutation": "chaotic", "strategy": "open_es"}], ids=str)
def test_same_seed_same_bits_other_seed_other_bits(changes: dict[str, Any]):
    config = tiny(generations=4, **changes)
    first = pretrain(config)
    assert same_result(first, pretrain(config))
    other = pretrain(replace(config, seed=1))
    assert not torch.equal(first.loss.params, other.loss.params)
    assert untimed_records(first.history) != untimed_records(other.history)


def test_the_global_generator_is_neither_read_nor_changed():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = pretrain(tiny(generations=2, mutation="chaotic"))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert same_result(first, pretrain(tiny(generations=2, mutation="chaotic")))


def test_no_file_and_no_network_is_touched(monkeypatch: pytest.MonkeyPatch):
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("pretraining reads no data and asks nobody")

    monkeypatch.setattr("evoloss.memory._CGROUP_FILES", ())  # how much memory there is
    pretrain(tiny(generations=1))  # what is imported on first use is imported now
    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr(Path, "open", refuse)
    assert len(pretrain(tiny(generations=2)).history) == 2


def usable(config: PretrainConfig) -> bool:
    """Run a few generations: a loss that gives a finite gradient, or no canonical form."""
    try:
        loss = pretrain(config).loss
    except CanonicalFormError:
        return False
    logits = torch.randn(6, config.classes[0], generator=torch.Generator().manual_seed(0)).requires_grad_()
    value = loss(logits, torch.arange(6) % config.classes[0])
    value.backward()
    assert value.isfinite().item()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    return True


GRID: list[dict[str, Any]] = [
    {"network": "monotone", "strategy": "es_comma", "objective": "sign"},
    {"network": "monotone", "strategy": "es_plus", "objective": "hinge", "error": "dominance"},
    {"network": "monotone", "strategy": "open_es", "mutation": "chaotic", "features": "probs"},
    {"network": "monotone", "strategy": "snes", "mutation": "chaotic", "chaos_drives": "step"},
    {"network": "monotone", "strategy": "pycma", "objective": "logistic", "n_grid": 0, "popsize": 4},
    {"network": "monotone", "activation": "tanh", "mutation": "chaotic", "chaos_drives": "both"},
    {"network": "classwise", "strategy": "es_comma", "objective": "logistic", "classes": (2, 5)},
    {"network": "classwise", "strategy": "open_es", "error": "total_variation", "n_grid": 0},
    {"network": "classwise", "strategy": "snes", "features": "probs", "activation": "softplus"},
    {"network": "concat", "strategy": "es_comma", "mutation": "chaotic", "chaotic_map": "henon"},
    {"network": "concat", "strategy": "es_plus", "objective": "hinge", "features": "probs"},
    {"network": "concat", "strategy": "pycma", "objective": "logistic", "error": "total_variation"},
]


@pytest.mark.parametrize("changes", GRID, ids=lambda changes: "-".join(map(str, changes.values())))
def test_every_combination_of_parts_runs(changes: dict[str, Any]):
    made = usable(tiny(generations=3, **changes))
    assert made or changes["network"] != "monotone"  # a monotone loss always has a canonical form


@pytest.mark.slow
@pytest.mark.parametrize("network", ["classwise", "monotone", "concat"])
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("mutation", ["gaussian", "chaotic"])
@pytest.mark.parametrize("objective", ["sign", "hinge", "logistic"])
@pytest.mark.parametrize("error", ["one_minus_p", "total_variation", "dominance"])
def test_the_whole_grid(network: str, strategy: str, mutation: str, objective: str, error: str):
    changes = {"network": network, "strategy": strategy, "mutation": mutation}
    if (strategy, mutation) == ("pycma", "chaotic") or (network, error) == ("concat", "dominance"):
        with pytest.raises(ConfigError):
            pretrain(tiny(objective=objective, error=error, **changes))
    else:
        usable(tiny(generations=2, objective=objective, error=error, **changes))


def test_selection_makes_the_loss_better():
    result = pretrain(tiny(network="classwise", hidden=(8,), generations=30, popsize=24, pairs=64, seed=2))
    consistency = [record.consistency_best or 0.0 for record in result.history]
    assert sum(consistency[-5:]) > sum(consistency[:5]) + 0.1
    assert result.summary["ranking_consistency"] > 0.9


def test_records_say_what_happened():
    seen: list[GenerationRecord] = []
    result = pretrain(
        tiny(network="classwise", generations=7, eval_every=3, seed=3), on_generation=seen.append
    )
    assert seen == result.history
    assert [record.generation for record in seen] == [1, 2, 3, 4, 5, 6, 7]
    assert [record.seconds for record in seen] == sorted(record.seconds for record in seen)
    unmeasured = [record for record in seen if record.generation not in (3, 6, 7)]
    assert all(record.held_out_consistency is None for record in unmeasured)
    for record in seen:
        if record.fitness_best is not None:
            assert record.consistency_best == pytest.approx(1 - record.fitness_best, abs=1e-6)
            assert record.fitness_best <= record.fitness_mean
        assert 0 <= record.rejected <= 8
    assert result.summary["rejected"] == sum(record.rejected for record in seen)


def test_records_tell_the_parents():
    for record in pretrain(tiny(generations=3)).history:
        assert len(record.parents) == len(set(record.parents)) == 4
        assert set(record.parents) <= set(range(8))
        assert record.parent_scores[0] == pytest.approx(record.consistency_best, abs=1e-6)
        assert record.parent_scores == sorted(record.parent_scores, reverse=True)
    (record,) = pretrain(tiny(generations=1, strategy="snes")).history
    assert record.parents is record.parent_scores is None


def test_what_a_run_leaves_on_disk(tmp_path: Path):
    config = tiny(generations=4)
    result = pretrain(config, out=tmp_path / "new" / "run")
    out = tmp_path / "new" / "run"
    assert {path.name for path in out.iterdir()} == {
        "README.md",
        "checkpoint.safetensors",
        "config.json",
        "history.jsonl",
        "loss.safetensors",
        "pretrain.toml",
        "summary.json",
    }
    assert PretrainConfig.from_toml(out / "pretrain.toml") == config
    assert torch.equal(EvolvedLoss.from_pretrained(out).params, result.loss.params)
    lines = (out / "history.jsonl").read_text().splitlines()
    assert [GenerationRecord(**json.loads(line)) for line in lines] == result.history
    summary = json.loads((out / "summary.json").read_text())
    assert summary == result.summary
    assert summary["generations"] == 4
    assert summary["evaluations"] == 4 * config.popsize
    assert summary["generations_per_second"] == pytest.approx(4 / summary["seconds"])
    assert summary["ranking_consistency"] == summary["scores"]["3"]["consistency"]
    assert json.loads((out / "config.json").read_text())["record"]["pretraining"] == config.to_dict()


def test_the_held_out_score_of_the_end_is_that_of_the_last_record():
    result = pretrain(tiny(generations=4))
    assert result.history[-1].held_out_consistency == result.summary["ranking_consistency"]
    assert result.summary["kept_is_mean"] is True


def test_no_generations_write_the_start_and_a_search_goes_on_from_there(tmp_path: Path):
    out = tmp_path / "mine"
    config = tiny(network="sensing", start="set_by_hand", error="dominance", generations=0)
    result = pretrain(config, out=out)
    network = result.loss.network
    assert torch.equal(result.loss.params, start_point(config, network).float())
    assert result.history == read_history(out) == []
    assert result.summary["generations"] == result.summary["evaluations"] == 0
    assert result.summary["scores"]
    assert torch.equal(EvolvedLoss(out).params, result.loss.params)
    on = pretrain(replace(config, generations=2), out=out, resume=True)
    at_once = pretrain(replace(config, generations=2))
    assert same_result(on, at_once)


def test_nothing_is_written_without_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    result = pretrain(tiny(generations=2))
    assert list(tmp_path.iterdir()) == []
    result.save(tmp_path / "later")
    assert torch.equal(load_file(tmp_path / "later" / "loss.safetensors")["params"], result.loss.params)


def test_a_directory_with_a_run_is_not_overwritten(tmp_path: Path):
    pretrain(tiny(generations=1), out=tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(CheckpointError, match=r"holds a run already; go on with it \(--resume\)"):
        pretrain(tiny(generations=1, seed=1), out=tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_file_in_the_place_of_the_directory(tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CheckpointError, match="is a file; a run needs a directory"):
        pretrain(tiny(), out=tmp_path / "file")
    with pytest.raises(CheckpointError, match="no directory to resume from"):
        pretrain(tiny(), resume=True)


def test_the_best_candidate_stands_in_where_the_mean_has_no_form(monkeypatch: pytest.MonkeyPatch):
    config = tiny(generations=2)
    expected = loop._Run(config, None, False)
    expected.finish(lambda record: None)
    strategy = type(expected.strategy)
    good = strategy.mean
    monkeypatch.setattr(strategy, "mean", lambda self, state: torch.full_like(good(self, state), torch.nan))
    result = pretrain(config)
    assert torch.equal(result.loss.params, expected.checkpoint.best)
    assert result.summary["kept_is_mean"] is False


def test_no_usable_loss_is_a_canonical_form_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    network = type(loop._Run(tiny(), None, False).network)
    upside_down = network.forms

    def flipped(self: Any, params: torch.Tensor, counts: Sequence[int]) -> Any:
        return [form._replace(scale=-form.scale) for form in upside_down(self, params, counts)]

    monkeypatch.setattr(network, "forms", flipped)
    with pytest.raises(CanonicalFormError, match="after 2 generations neither the mean nor the best"):
        pretrain(tiny(generations=2), out=tmp_path)
    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    records = [GenerationRecord(**json.loads(line)) for line in lines]
    assert [record.rejected for record in records] == [8, 8]
    assert all(record.fitness_best is None and record.fitness_mean is None for record in records)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"strategy": "open_es", "popsize": 9}, "popsize must be an even integer"),
        ({"strategy": "pycma", "mutation": "chaotic"}, "pycma draws its own Gaussian noise"),
        ({"network": "monotone", "activation": "silu"}, "a monotone network needs an activation"),
        ({"hidden": ()}, "hidden must name at least one layer"),
        ({"hidden": (1,) * 17}, "up to 16 layers"),
        ({"network": "concat", "classes": (5000,)}, "n_classes of a concat network must be from 2 to 1024"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused_before_anything_is_written(
    tmp_path: Path, changes: dict[str, Any], text: str
):
    with pytest.raises(EvolossError, match=text):
        pretrain(tiny(**changes), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_error_of_a_callback_leaves_a_checkpoint(tmp_path: Path) -> None:
    config = tiny(network="classwise", generations=7, eval_every=3, seed=3, checkpoint_every=100)

    def fail(record: GenerationRecord) -> None:
        if record.generation == 4:
            raise ValueError("the panel\nis gone")

    with pytest.raises(
        CallbackError, match=r"on_generation raised ValueError: the panel is gone; .* resume=True"
    ):
        pretrain(config, out=tmp_path / "run", on_generation=fail)
    rest: list[GenerationRecord] = []
    resumed = pretrain(config, out=tmp_path / "run", resume=True, on_generation=rest.append)
    assert [record.generation for record in rest] == [5, 6, 7], "those before are not told again"
    assert torch.equal(resumed.loss.params, pretrain(config).loss.params)
    with pytest.raises(CallbackError, match="without `out` nothing of the search is kept"):
        pretrain(config, on_generation=fail)
