from __future__ import annotations

import pytest
import torch

from evoloss.diagnostics.predictions import LOGIT_SCALES, random_logits, random_targets
from evoloss.random_streams import stream


def test_logits_are_normalised_and_surer_with_the_scale() -> None:
    surest = []
    for scale in LOGIT_SCALES:
        probs = random_logits(2000, 10, scale, stream(0, "p")).exp()
        torch.testing.assert_close(probs.sum(dim=1), torch.ones(2000, dtype=torch.float64))
        surest.append(float(probs.amax(dim=1).mean()))
    assert surest == sorted(surest)
    assert surest[0] == pytest.approx(0.16, abs=0.02)
    assert surest[-1] == pytest.approx(0.86, abs=0.02)


def test_targets_are_uniform() -> None:
    counts = random_targets(9000, 3, stream(0, "t")).bincount(minlength=3)
    assert counts.sum() == 9000
    assert (counts - 3000).abs().max() < 250  # five standard deviations


def test_the_generator_is_the_only_source() -> None:
    first, again, other = (random_logits(5, 4, 1.0, stream(seed, "g")) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
