from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from evoloss.training.temperature import HIGHEST, LOWEST, fit_temperature


def _sampled(n: int, n_classes: int, scale: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, and labels drawn from their softmax: calibrated at temperature 1."""
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(n, n_classes, generator=generator)
    return logits, torch.multinomial(logits.softmax(1), 1, generator=generator).flatten()


@pytest.mark.parametrize("temperature", [0.05, 0.5, 1.0, 4.0, 30.0])
def test_undoes_a_known_temperature(temperature: float) -> None:
    logits, labels = _sampled(20_000, 10, 2.0)
    assert fit_temperature(logits * temperature, labels) == pytest.approx(temperature, rel=0.03)


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(20, 300),
    n_classes=st.integers(2, 12),
    factor=st.floats(0.1, 10),
)
def test_agrees_with_a_search_for_the_lowest_smoothed_nll(
    seed: int, n: int, n_classes: int, factor: float
) -> None:
    logits, labels = _sampled(n, n_classes, 1.5, seed)
    logits = logits.double() * factor + 3.0  # a shift of all logits has no effect

    def cost(log_t: float) -> float:
        smoothing = 0.1 / (n + 0.1)
        return float(
            torch.nn.functional.cross_entropy(logits / math.exp(log_t), labels, label_smoothing=smoothing)
        )

    found = fit_temperature(logits, labels)
    bounds = (math.log(LOWEST), math.log(HIGHEST))
    best = minimize_scalar(cost, bounds=bounds, method="bounded", options={"xatol": 1e-10})
    assert cost(math.log(found)) <= best.fun + 1e-9


def test_a_split_without_a_mistake_keeps_a_sensible_temperature() -> None:
    logits = 6.0 * torch.nn.functional.one_hot(torch.arange(140) % 10, 10).float()
    found = fit_temperature(logits, torch.arange(140) % 10)
    # A tenth of a sample among 140.1: 9/10 of its share of the probability goes to the wrong classes.
    wrong = 0.9 * 0.1 / 140.1
    assert found == pytest.approx(6.0 / math.log((1 - wrong) / (wrong / 9)), rel=1e-6)


def test_answers_at_the_edges() -> None:
    labels = torch.arange(10)
    assert fit_temperature(torch.full((10, 10), 2.5), labels) == 1.0
    upside_down = -torch.eye(10)
    assert fit_temperature(upside_down, labels) == pytest.approx(HIGHEST)
    assert fit_temperature(1e-6 * torch.eye(10), labels) == pytest.approx(LOWEST)
    assert LOWEST < fit_temperature(1e30 * torch.eye(10), labels) <= HIGHEST * (1 + 1e-9)


def test_single_precision_logits_are_summed_in_double() -> None:
    logits, labels = _sampled(500, 5, 1.0)
    assert fit_temperature(logits, labels) == fit_temperature(logits.double(), labels)


@pytest.mark.parametrize("mask", [-math.inf, torch.finfo(torch.float32).min])
def test_masked_classes_take_no_part(mask: float) -> None:
    logits, labels = _sampled(300, 4, 3.0)
    padded = torch.cat((torch.full((300, 2), mask), logits), dim=1)
    assert fit_temperature(padded, labels + 2) == pytest.approx(fit_temperature(logits, labels), rel=1e-9)
    extra = torch.cat((padded, padded[:7]))
    lost = torch.cat((labels + 2, torch.zeros(7, dtype=torch.int64)))
    assert fit_temperature(extra, lost) == pytest.approx(fit_temperature(logits, labels), rel=1e-9)
