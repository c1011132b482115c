from __future__ import annotations

import json

import pytest
import torch
from scipy import stats

from evoloss.evolve.card import notes_of
from evoloss.evolve.fresh import RIVALS, FreshTasks
from evoloss.evolve.regime import Regime
from evoloss.evolve.shape import DataShape
from evoloss.evolve.verdict import EVOLVED, EvolveVerdict, difference_of, judge, t_quantile


def fresh(temperature: float = 1.0, **gains: float) -> FreshTasks:
    """Ten groups of four tasks in which losses gain so much over cross-entropy, with a little noise."""
    names = (*RIVALS, EVOLVED)
    noise = torch.randn(len(names), 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    accuracy = torch.full((len(names), 10), 70.0, dtype=torch.float64) + 0.3 * noise
    for name, gain in gains.items():
        accuracy[names.index(name.replace("_", "-") if name != "cross_entropy" else name)] += gain
    flat = torch.ones(len(names), 40, dtype=torch.float64)
    temperatures = flat.clone()
    temperatures[-1] = temperature
    return FreshTasks(names, accuracy, flat, 0.9 * flat, temperatures, rates=1)


def verdict(temperature: float = 1.0, **gains: float) -> EvolveVerdict:
    own = gains.pop("own", 0.0)
    found = fresh(temperature, **gains)
    found.accuracy[-1] += own
    return judge(found, "evolved-noise")


def test_better_than_all_is_worth_it() -> None:
    found = verdict(own=9.0, evolved_noise=4.0)
    assert found.worth_it
    assert found.use == EVOLVED
    assert found.text.startswith("Worth it: +9.")
    assert "evolved-noise, the loss we recommend without a search" in found.text


def test_level_with_the_recommended_loss_is_not() -> None:
    found = verdict(own=4.0, evolved_noise=4.0)
    assert not found.worth_it
    assert found.text.startswith("Not worth it over the loss we recommend")
    assert found.use == "evolved-noise"


def test_level_with_cross_entropy_keeps_it() -> None:
    found = verdict()
    assert (found.worth_it, found.use) == (False, "cross_entropy")
    assert "Keep cross-entropy" in found.text


def test_another_loss_that_is_better_is_named() -> None:
    found = verdict(own=5.0, gce=8.0, evolved_noise_strong=7.0)
    assert (found.worth_it, found.use) == (False, "gce")
    assert "gce is 3." in found.text


def test_another_loss_that_is_as_good_is_enough() -> None:
    """Above the recommended one, but level with a shipped one whose mean is higher."""
    found = verdict(own=6.0, evolved_noise=3.0, evolved_noise_strong=6.2)
    assert (found.worth_it, found.use) == (False, "evolved-noise-strong")
    assert "evolved-noise-strong, which needs no search, is as good" in found.text


@pytest.mark.parametrize(
    ("temperature", "word"), [(14.0, "too certain"), (0.3, "too uncertain"), (1.0, None)]
)
def test_a_temperature_far_from_1_is_warned_of(temperature: float, word: str | None) -> None:
    found = verdict(temperature, own=9.0)
    assert f"{temperature:.2g} (median over tasks; 1 for cross-entropy's)" in found.calibration
    assert ("Probabilities are" in found.calibration) == (word is not None)
    assert word is None or word in found.calibration


@pytest.mark.parametrize("freedom", [2, 3, 7, 15, 31, 200])
def test_the_quantile_is_that_of_scipy(freedom: int) -> None:
    assert t_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=3e-3)


def test_an_interval_covers_as_often_as_it_says() -> None:
    draws = torch.randn(300, 2, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    draws[:, 1] = 10 + 4 * draws[:, 1]
    found = [difference_of(short, long) for short, long in draws.tolist()]
    covered = sum(one.low < 5 < one.high for one in found)
    assert 0.92 < covered / 300 < 0.98


def test_a_card_has_shape_verdict_and_calibration() -> None:
    found = verdict(14.0, own=9.0)
    shape = DataShape("my|data", 150, (50, 50, 50), (4,))
    text = notes_of(Regime(purpose="noise", classes=(3, 3)), shape, found, "10m")
    assert "within a budget of 10m" in text
    assert "its shape was read: 150 training samples in 3 classes of 50 each, 4 features" in text
    assert found.text in text
    assert "## Calibration" in text
    assert found.calibration in text
    assert text.count("\n| ") == 2 + len(RIVALS) + 1  # two lines of head, a line a loss
    json.dumps(found.to_dict(), allow_nan=False)
