from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from evoloss.errors import ConfigError
from evoloss.mutation import StudentT
from evoloss.random_streams import stream


def sample(mutation: StudentT, popsize: int = 400, n_params: int = 200) -> torch.Tensor:
    noise, after = mutation.sample(mutation.init(popsize, n_params, stream(0, "init")), stream(0, "ask"))
    assert torch.equal(after["shape"], torch.tensor([popsize, n_params]))
    return noise


@pytest.mark.parametrize("degrees", [2.5, 5.0, 30.0, 1e6])
def test_it_has_the_density_of_a_scaled_t(degrees: float) -> None:
    noise = sample(StudentT(degrees=degrees))
    assert (noise.dtype, noise.shape) == (torch.float32, (400, 200))
    assert bool(noise.isfinite().all())
    scale = math.sqrt((degrees - 2) / degrees)
    assert stats.kstest(noise.double().flatten().numpy(), stats.t(degrees, scale=scale).cdf).pvalue > 0.01


def test_variance_one_and_heavy_tails_by_default() -> None:
    noise = sample(StudentT(), 1000, 1000).double()
    assert float(noise.square().mean()) == pytest.approx(1.0, abs=0.02)
    # The exact shares beyond three standard deviations are 0.27 % (normal) and 1.17 % (t with 5 degrees).
    assert float((noise.abs() > 3).double().mean()) == pytest.approx(0.0117, abs=0.0005)


def test_the_generator_alone_decides() -> None:
    state = StudentT().init(3, 4, stream(0, "init"))
    first, _ = StudentT().sample(state, stream(1, "ask"))
    again, _ = StudentT().sample(state, stream(1, "ask"))
    other, _ = StudentT().sample(state, stream(2, "ask"))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("degrees", [2.0, -1.0, math.inf, math.nan])
def test_degrees_without_a_variance_are_refused(degrees: float) -> None:
    with pytest.raises(ConfigError, match="degrees must be above 2 and finite, got"):
        StudentT(degrees=degrees)
