from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from evoloss.mutation import Uniform
from evoloss.random_streams import stream


def sample() -> torch.Tensor:
    noise, after = Uniform().sample(Uniform().init(200, 100, stream(0, "init")), stream(0, "ask"))
    assert torch.equal(after["shape"], torch.tensor([200, 100]))
    return noise


def test_it_has_the_uniform_density_of_variance_one() -> None:
    noise = sample()
    assert (noise.dtype, noise.shape) == (torch.float32, (200, 100))
    bound = math.sqrt(3.0)
    assert stats.kstest(noise.double().flatten().numpy(), stats.uniform(-bound, 2 * bound).cdf).pvalue > 0.01
    assert float(noise.square().mean()) == pytest.approx(1.0, abs=0.02)
    assert float(noise.abs().max()) <= bound + 1e-6


def test_the_generator_alone_decides() -> None:
    state = Uniform().init(3, 4, stream(0, "init"))
    first, _ = Uniform().sample(state, stream(1, "ask"))
    again, _ = Uniform().sample(state, stream(1, "ask"))
    other, _ = Uniform().sample(state, stream(2, "ask"))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
