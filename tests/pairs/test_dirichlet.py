"""The Dirichlet regime against the theory of its four concentrations."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from evoloss.pairs import EveryClass
from evoloss.pairs.regimes import dirichlet
from evoloss.random_streams import stream

LEVELS = (0.1, 0.3, 1.0, 10.0)


def second_moment(level: float, n_classes: int) -> float:
    """The expectation of the sum of squared probabilities."""
    return (level + 1) / (n_classes * level + 1)


@pytest.mark.parametrize("n_classes", [2, 3, 20])
def test_one_class_follows_the_mixture_of_four_betas(n_classes: int) -> None:
    log_probs, _ = dirichlet(6000, EveryClass(n_classes), stream(1, "dirichlet", n_classes), torch.float64)
    marginals = [stats.beta(level, level * (n_classes - 1)) for level in LEVELS]
    for column in (0, n_classes - 1):
        p = log_probs[:, column].exp().numpy()
        assert stats.kstest(p, lambda x: sum(marginal.cdf(x) for marginal in marginals) / 4).pvalue > 1e-3


def test_mean_and_variance_at_each_concentration() -> None:
    n_classes = 1000
    probs = dirichlet(2000, EveryClass(n_classes), stream(2, "dirichlet"), torch.float64)[0].exp()
    # With 1000 classes the sum of squares gives the concentration away.
    expected = torch.tensor([second_moment(level, n_classes) for level in LEVELS])
    found = (probs.square().sum(1).log()[:, None] - expected.log()).abs().argmin(1)
    assert stats.chisquare(torch.bincount(found, minlength=4).numpy()).pvalue > 1e-3
    for position, level in enumerate(LEVELS):
        rows = probs[found == position]
        mean, variance = 1 / n_classes, (1 / n_classes) * (1 - 1 / n_classes) / (n_classes * level + 1)
        assert float(rows.mean()) == pytest.approx(mean, rel=1e-9)
        assert float(rows.mean(0).std()) == pytest.approx(math.sqrt(variance / len(rows)), rel=0.1)
        assert float((rows - mean).square().mean()) == pytest.approx(variance, rel=0.05)
        marginal = stats.beta(level, level * (n_classes - 1))
        assert stats.kstest(rows[:, 0].numpy(), marginal.cdf).pvalue > 1e-3


def test_float32_goes_below_what_a_float32_probability_can_hold() -> None:
    log_probs, _ = dirichlet(2000, EveryClass(100), stream(3, "dirichlet"), torch.float32)
    assert log_probs.isfinite().all()
    assert log_probs.min() < math.log(1e-50)
