"""Sensing losses: no prediction and no label poisons the statistics."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from evoloss.random_streams import stream
from tests.networks.kinds.sensing_losses import both_ways, sensing, take_in

# Class 0 is predicted.
LOGITS = torch.tensor([[2.0, 0.5, 0.0, -1.0]])

EXTREMES = {
    "large": torch.tensor([[1e4, 0.0, 0.0, 0.0], [-1e4, 1e4, 0.0, 0.0], [3e38, 0.0, 0.0, 0.0]]),
    "masked classes": torch.tensor(
        [[1.0, -math.inf, 0.0, 0.0], [-math.inf] * 3 + [0.0], [-math.inf, 1, 2, 3]]
    ),
    "all equal": torch.zeros(3, 4),
    "infinite": torch.tensor([[math.inf, 0.0, 0.0, 0.0], [-math.inf] * 4, [0.0, 1.0, 2.0, 3.0]]),
    "nothing but NaN": torch.full((3, 4), math.nan),
    "a row of NaN": torch.tensor([[math.nan, 0.0, 0.0, 0.0], [0.0] * 4, [0.0, 1.0, 2.0, 3.0]]),
}


@both_ways
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize("case", EXTREMES)
def test_no_prediction_poisons_the_statistics(case: str, dtype: torch.dtype, soft: bool, way: str) -> None:
    target = torch.tensor([1, 1, 3])
    labels = F.one_hot(target, 4).to(dtype) if soft else target
    loss, never = sensing(way), sensing(way)
    calm = 2 * torch.randn(8, 4, generator=stream(0, "calm"))
    for some in (loss, never):
        take_in(some, calm, torch.arange(8) % 4)
    logits = EXTREMES[case].to(dtype)
    take_in(loss, logits, labels)
    samples = int(logits.double().log_softmax(1).isfinite().any(1).sum())
    assert loss.loss_state.into == 8 + samples
    state = loss.loss_state.values()
    assert all(value.isfinite().all() for value in state.values())
    if samples == 0:
        for name, value in never.loss_state.values().items():
            assert torch.equal(state[name], value), name
    assert take_in(loss, calm, torch.arange(8) % 4).isfinite().all()
    assert all(0 <= float(state[name]) <= 1 for name in ("agreement", "plateau", "memorised"))


@both_ways
@pytest.mark.parametrize("share", [math.nan, math.inf, -0.5, 0.0])
def test_broken_distributions_do_not_poison_them_either(share: float, way: str) -> None:
    loss = sensing(way)
    take_in(loss, LOGITS.repeat(2, 1), torch.tensor([[1.0, 0.0, 0.0, 0.0], [share, 0.0, 0.0, 0.0]]))
    assert loss.loss_state.into == 1  # the other is no sample
    assert all(value.isfinite().all() for value in loss.loss_state.values().values())


def test_a_distribution_counts_as_one_sample_whatever_its_total() -> None:
    plain, scaled = sensing(), sensing()
    target = torch.tensor([[0.3, 0.7, 0.0, 0.0]])
    take_in(plain, LOGITS, target)
    take_in(scaled, LOGITS, 1e20 * target)
    for name, value in plain.loss_state.values().items():
        torch.testing.assert_close(scaled.loss_state.values()[name], value)
