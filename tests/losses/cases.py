"""The losses that the shared suite runs over: known ones, at other parameters too, and evolved ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from evoloss.losses import LOSSES, ClassificationLoss
from evoloss.losses.state import states_of
from tests.losses.evolved_losses import ANY_COUNT, evolved
from tests.losses.known.formulas import OTHER_PATHS
from tests.sampling import sampled


@dataclass(frozen=True)
class LossCase:
    """A loss under test: ``build(**shared_arguments)`` makes it."""

    name: str
    build: Callable[..., ClassificationLoss]


def in_evaluation(build: Callable[..., ClassificationLoss]) -> Callable[..., ClassificationLoss]:
    """The same, in evaluation mode where it keeps a state: a function of its arguments."""

    def built(*arguments: Any, **options: Any) -> ClassificationLoss:
        loss = build(*arguments, **options)
        return loss.eval() if states_of(loss) else loss

    return built


def loss_cases() -> list[LossCase]:
    """Every registered loss at its defaults and at other parameters, and kinds of evolved losses."""
    learned = {f"evolved-{kind}": partial(evolved, kind) for kind in ANY_COUNT}
    known = {name: in_evaluation(build) for name, build in (LOSSES | OTHER_PATHS).items()}
    return [LossCase(name, build) for name, build in (known | learned).items()]


def every_loss_but(*names: str, every: int = 1) -> pytest.MarkDecorator:
    """Over all losses but these; all but every so many-th are among the slow tests."""
    cases = [case for case in loss_cases() if case.name not in names]
    return pytest.mark.parametrize("case", sampled(cases, every), ids=lambda case: case.name)


every_loss = every_loss_but()
# A tempered loss weighs its gradient by the certainty of a prediction, a paced one by the agreement of a
# batch, and neither differentiates through that: its gradient is no derivative of its value.
# tests/networks/kinds/test_tempered.py and test_paced.py say what it is.
every_third_loss_with_a_potential = every_loss_but("evolved-tempered", "evolved-paced", every=3)
every_loss_without_a_batch = every_loss_but("evolved-paced")


def make_logits(*shape: int, seed: int = 0, scale: float = 2.0, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(shape, generator=generator, dtype=torch.float64)).to(dtype)


def make_indices(*shape: int, n_classes: int, seed: int = 1) -> Tensor:
    return torch.randint(n_classes, shape, generator=torch.Generator().manual_seed(seed))


def make_probs(*shape: int, seed: int = 2, dtype: torch.dtype = torch.float64) -> Tensor:
    """Label distributions along axis 1 (axis 0 for one dimension)."""
    return torch.softmax(make_logits(*shape, seed=seed), dim=0 if len(shape) == 1 else 1).to(dtype)


def make_weight(n_classes: int, seed: int = 3, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (0.2 + torch.rand(n_classes, generator=generator, dtype=torch.float64)).to(dtype)


def reference_agreements(probs: Tensor, shares: Tensor) -> Tensor:
    """The formula of evoloss.networks.kinds.paced, one row after another, for every class; all ``(N, C)``."""
    n, n_classes = probs.shape
    learned = (probs * shares).detach()
    mean = float(learned.sum()) / max(1.0, float(shares.sum()))
    agreements = torch.zeros_like(learned)
    for i in range(n):
        others = [j for j in range(n) if j != i]
        known = (learned[others].sum(0) + mean) / (shares[others].sum(0) + 1)
        agreements[i] = ((n_classes * known - 1) / (n_classes - 1)).clamp(0, 1)
    return agreements
