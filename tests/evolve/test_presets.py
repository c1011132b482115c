from __future__ import annotations

from typing import get_args

import pytest

from evoloss.evolve.presets import PRESETS, config_of
from evoloss.evolve.regime import Purpose, Regime
from evoloss.zoo import SHIPPED


def test_every_purpose_has_a_preset_and_a_shipped_loss() -> None:
    assert set(PRESETS) == set(get_args(Purpose))
    assert all(preset.recommended in SHIPPED for preset in PRESETS.values())


@pytest.mark.parametrize("purpose", PRESETS)
@pytest.mark.parametrize("images", [False, True])
def test_a_regime_reaches_the_tasks(purpose: Purpose, images: bool) -> None:
    regime = Regime(
        purpose=purpose,
        classes=(3, 4),
        samples=(100, 400),
        features=None if images else (13, 14),
        images=images,
        noise=None if purpose == "clean" else (0.2, 0.5),
        imbalanced=True,
    )
    config = config_of(regime, {"popsize": 8, "groups": 2}, seed=5)
    prior = config.task_prior
    assert (config.seed, config.popsize, config.groups, config.promote) == (5, 8, 2, 0.5)
    assert (prior.classes, prior.samples, prior.long_samples) == ((3, 4), (100, 400), (100, 400))
    assert prior.imbalanced == 1.0
    assert (prior.patched > 0) or not images
    if not images:
        assert prior.features == (13, 14)
    if purpose != "clean":
        assert (prior.noise, prior.noisy) == ((0.2, 0.5), 1.0)
    assert config.classes == (3, 4)
