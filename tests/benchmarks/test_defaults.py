from __future__ import annotations

import math

import pytest
import torch

from benchmarks.defaults.run import (
    AGCE,
    BASELINE,
    LR_GRID,
    NOISE,
    RIVALS,
    SCE,
    SETTINGS,
    Defaults,
    compare_settings,
    condition_table,
    make_page,
    results_path,
)
from evoloss.compare.results import Results
from evoloss.losses import LOSSES
from evoloss.training.fingerprints import fingerprint_loss
from tests.training.blobs import feature_blobs


def test_the_settings_are_the_default_and_the_other() -> None:
    logits, target = torch.randn(50, 7, generator=torch.Generator().manual_seed(0)), torch.arange(50) % 7
    p = logits.softmax(1).gather(1, target[:, None]).flatten()
    cross_entropy = -p.log()
    expected = {
        SCE: 0.1 * cross_entropy + 4 * (1 - p),
        RIVALS[SCE]: 0.1 * cross_entropy - math.log(1e-4) * (1 - p),
        AGCE: (7**1.5 - (6 + p) ** 1.5) / 1.5,
        RIVALS[AGCE]: (1.6**0.6 - (0.6 + p) ** 0.6) / 0.6,
    }
    for name, costs in expected.items():
        torch.testing.assert_close(SETTINGS[name]()(logits, target), costs.mean(), rtol=1e-4, atol=1e-5)
    for name, known in ((SCE, "sce"), (AGCE, "agce")):
        assert SETTINGS[name]()(logits, target) == LOSSES[known]()(logits, target)


@pytest.mark.parametrize("condition", NOISE)
def test_committed_results_are_of_both_settings(condition: str) -> None:
    results = Results.read(results_path(condition))
    assert results.complete
    assert {run.loss for run in results.runs} == set(SETTINGS)
    assert all(row.n_seeds >= 3 for row in results.summary)
    assert {run.lr for run in results.tuning} == set(LR_GRID)
    assert {run.label_noise for run in results.runs} == {NOISE[condition]}
    for run in (*results.runs, *results.tuning):
        assert run.loss_fingerprint == fingerprint_loss(SETTINGS[run.loss]())


def test_the_page_is_made_from_the_results() -> None:
    page = make_page()
    assert page.out.read_text(encoding="utf-8") == page.render(), (
        "run python -m benchmarks.defaults.run --page"
    )


@pytest.mark.slow
def test_runs_at_toy_size(tmp_path) -> None:
    options = Defaults(seeds=3, tune_seeds=1, epochs=1)
    results = compare_settings(feature_blobs(60), 0.2, options)
    results.write(results_path("clean", tmp_path))
    assert results.baseline == BASELINE
    assert len(results.runs) == 3 * len(SETTINGS)
    assert (
        results.config["command"] == "python -m benchmarks.defaults.run --seeds 3 --tune-seeds 1 --epochs 1"
    )
    lines = condition_table("clean", tmp_path)
    assert sum(line.startswith("- `") for line in lines) == len(RIVALS)
