"""OGC over a training, against its authors' code (Virusdoll/Optimized-Gradient-Clipping), written again.

Theirs begins its mixtures at random; here both begin with the same seed.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections import deque

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.mixture import GaussianMixture
from torch import Tensor

from evoloss.errors import MissingExtraError
from evoloss.losses import LOSSES
from evoloss.losses.known.ogc import LossMixture, clipping_threshold, gradient_ratio
from tests.losses.known.training_calls import batch, call

LOW, HIGH = 1e-7, 1 - 1e-7


class OfAuthors:
    """Their OGC-CE: a queue of 4,096 losses, a mixture every 32 steps, a binary search."""

    def __init__(self, epsilon: float) -> None:
        self.epsilon, self.threshold, self.steps = epsilon, LOW, 0
        self.queue: deque[float] = deque(maxlen=4096)
        self.grid = np.linspace(-math.log(HIGH), -math.log(LOW), 1000)

    def __call__(self, logits: Tensor, target: Tensor, lr: float) -> Tensor:
        p = logits.softmax(1).clamp(LOW, HIGH)[torch.arange(len(target)), target]
        self.queue.extend((-p.log()).detach().tolist())
        self.steps += 1
        if self.steps % 32 == 0 and len(self.queue) == 4096:
            self.threshold = self.search(1 + lr * self.epsilon)
        tau = 1 / self.threshold
        clipped = 1 - tau * p - math.log(self.threshold)
        return torch.where(p <= self.threshold, clipped, -p.log())

    def search(self, limit: float) -> float:
        mixture = GaussianMixture(n_components=2, max_iter=10, reg_covar=1e-3, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mixture.fit(np.array(self.queue).reshape(-1, 1))
        order = mixture.means_.reshape(-1).argsort()
        means, scales = mixture.means_.reshape(-1)[order], mixture.covariances_.reshape(-1)[order] ** 0.5
        clean, noisy = (
            stats.truncnorm.pdf(self.grid, (self.grid[0] - m) / s, (self.grid[-1] - m) / s, m, s)
            for m, s in zip(means, scales, strict=True)
        )

        def ratio(p: float) -> float:
            gradient = np.minimum(np.exp(self.grid), 1 / p)
            found = (noisy * gradient).mean() / (clean * gradient).mean()
            return float(found * clean.mean() / noisy.mean())

        low, high = LOW, HIGH
        if ratio(high) > limit:
            return high
        if ratio(low) < limit:
            return low
        for _ in range(10):
            middle = (low + high) / 2
            if abs(limit - ratio(middle)) < 1e-7:
                return middle
            if limit - ratio(middle) > 0:
                high = middle
            else:
                low = middle
        return high


@pytest.mark.parametrize("epsilon", [2.0, 20.0])
def test_a_training_is_that_of_the_authors(epsilon: float) -> None:
    loss, theirs, seen = LOSSES["ogc"](epsilon=epsilon, reduction="none"), OfAuthors(epsilon), set()
    for step in range(130):
        logits, target, _ = batch(step, rows=128)
        noisy = torch.rand(128, generator=torch.Generator().manual_seed(step)) < 0.4
        logits, target = logits.double() * (1 + step / 40), torch.where(noisy, (target + 1) % 5, target)
        rate = 0.1 if step < 70 else 0.01
        leaf, other = logits.clone().requires_grad_(), logits.clone().requires_grad_()
        value, wanted = loss(leaf, target, lr=rate), theirs(other, target, rate)
        value.sum().backward()
        wanted.sum().backward()
        assert float(loss.loss_state.threshold) == pytest.approx(theirs.threshold, rel=1e-6)
        p = logits.softmax(1)[torch.arange(128), target]
        inside = (p > LOW) & (p < HIGH)  # beyond, theirs is flat
        torch.testing.assert_close(value[inside], wanted[inside], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(leaf.grad[inside], other.grad[inside], rtol=1e-5, atol=1e-6)
        seen.add(theirs.threshold)
    assert len(seen) > 3  # it moved


@pytest.mark.parametrize("rows", [7, 100, 5000, 20_000])
def test_batches_of_any_size_leave_the_same(rows: int) -> None:
    logits, target, _ = batch(0, rows=20_000)
    loss, wanted = LOSSES["ogc"](), OfAuthors(20.0)
    for part in torch.arange(20_000).split(rows):
        call(loss, logits[part], target[part], part)
    for part in torch.arange(20_000).split(128):
        wanted(logits[part], target[part], 0.1)
    assert int(loss.loss_state.filled) == 20_000 % 4096
    assert float(loss.loss_state.threshold) == pytest.approx(wanted.threshold, rel=1e-6)


def test_the_ends_of_the_search() -> None:
    """Nothing to clip where noisy labels look like clean ones; never enough for an impossible limit."""
    alike, apart = LossMixture(1.0, 0.5, 1.0, 0.5), LossMixture(0.1, 0.1, 5.0, 1.0)
    assert clipping_threshold(alike, 1.5) == LOW
    assert clipping_threshold(apart, 0.5) == HIGH
    found = clipping_threshold(apart, 3.0)
    assert gradient_ratio(apart, found) <= 3.0 < gradient_ratio(apart, found - 2e-3)


def test_what_is_missing_is_said_in_the_first_training_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.mixture", None)
    logits, target, index = batch(0, rows=4096)
    with pytest.raises(MissingExtraError, match=r"ogc.*evoloss\[experiments\]"):
        call(LOSSES["ogc"](), logits[:12], target[:12], index[:12])
