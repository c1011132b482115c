from __future__ import annotations

import torch

from evoloss.mutation import Gaussian
from evoloss.random_streams import stream


def test_sample_is_the_standard_normal_of_the_generator() -> None:
    state = Gaussian().init(3, 4, stream(0, "init"))
    noise, after = Gaussian().sample(state, stream(0, "ask"))
    assert torch.equal(noise, torch.randn(3, 4, generator=stream(0, "ask")))
    assert torch.equal(after["shape"], torch.tensor([3, 4]))


def test_normal_tails() -> None:
    generator = stream(1, "ask")
    noise, _ = Gaussian().sample(Gaussian().init(1000, 200, generator), generator)
    beyond = float((noise.abs() > 1.959964).double().mean())
    assert abs(beyond - 0.05) < 0.003
