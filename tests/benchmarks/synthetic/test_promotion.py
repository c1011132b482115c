from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.synthetic import promotion
from benchmarks.synthetic.promotion import PrecomputedScores, PromotionBenchmark, main, measure_population
from evoloss import PretrainConfig
from evoloss.errors import ConfigError
from evoloss.fitness import measure_learnability
from evoloss.pretraining.components import make_group_specs, make_network
from evoloss.pretraining.start import start_point
from evoloss.tasks import PRIORS

SMALL = replace(
    PRIORS["general"],
    classes=(3, 3),
    samples=(24, 24),
    long_samples=(24, 24),
    features=(4, 4),
    depth=(1, 1),
    width=(8, 8),
    steps=(6, 6),
    long_steps=(12, 12),
    test_samples=64,
    long=0.5,
)
CONFIG = PretrainConfig(
    network="basis", start="sce", fitness="learnability", groups=4, tasks=2, popsize=12, scoring="points"
)
START = start_point(CONFIG, make_network(CONFIG)).float()


@pytest.fixture(autouse=True)
def small_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRIORS, "general", SMALL)


def test_precomputed_scores_are_what_a_generation_would_have_found() -> None:
    network: Any = make_network(CONFIG)
    params = START + 0.3 * torch.randn(6, len(START), generator=torch.Generator().manual_seed(0))
    units = make_group_specs(CONFIG, 0)
    precomputed = PrecomputedScores(network, params, units)
    for share in (1.0, 0.5):
        settings = replace(CONFIG.learnability, promote=share)
        expected = measure_learnability(settings, network, params, units)
        found = measure_learnability(settings, network, params, units, precomputed)
        assert torch.equal(found.fitness, expected.fitness)
        torch.testing.assert_close(found.advantage, expected.advantage, rtol=0, atol=0, equal_nan=True)


def test_only_long_groups_are_saved() -> None:
    units = make_group_specs(CONFIG, 0)
    assert {unit.long for unit in units} == {True, False}
    precomputed = PrecomputedScores(make_network(CONFIG), START[None], units)  # type: ignore[arg-type]
    precomputed.seconds = {unit.group: 3.0 if unit.long else 1.0 for unit in units}
    n_long = sum(bool(unit.long) for unit in units)
    assert precomputed.cost(units, 0.5) == len(units) - n_long + 1.5 * n_long


def test_all_candidates_cost_most_and_the_selected_are_compared_on_other_tasks() -> None:
    rows = measure_population(CONFIG, START, 0, (1.0, 0.25))
    assert rows is not None
    assert rows["1"]["seconds"] == 1.0
    assert 0 < rows["0.25"]["seconds"] < 1
    assert all(abs(rows[share][measure]) < 50 for share in rows for measure in ("points", "fitness"))
    PRIORS["general"] = replace(SMALL, long=0.0)
    assert measure_population(CONFIG, START, 0, (1.0,)) is None


def test_results_of_other_losses_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(promotion, "settings", lambda name: CONFIG)
    out = tmp_path / "promotion.json"
    out.write_text('{"another": {}}')
    main(PromotionBenchmark(losses=("evolved-base",), shares=(0.5,), populations=3, out=out))
    record = json.loads(out.read_text())
    assert set(record) == {"another", "evolved-base"}
    shares = record["evolved-base"]["shares"]
    assert set(shares) == {"1", "0.5"}
    assert shares["1"]["points_less_all"] == {"mean": 0.0, "se": 0.0}
    assert 2 <= record["evolved-base"]["populations"] <= 3
    assert "evolved-base, 0.5: time 0." in capsys.readouterr().out


def test_too_few_populations_are_an_error_and_write_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(promotion, "settings", lambda name: CONFIG)
    out = tmp_path / "promotion.json"
    with pytest.raises(ConfigError, match="give more --populations"):
        main(PromotionBenchmark(losses=("evolved-base",), populations=1, out=out))
    assert not out.exists()
