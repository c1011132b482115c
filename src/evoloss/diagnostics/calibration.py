"""Classification calibration: does the minimiser of the expected loss name the likeliest class?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from evoloss.diagnostics.criterion import LossFunction, class_costs
from evoloss.errors import ConfigError

MINIMUM_GAP = 0.05
"""Label distributions whose two likeliest classes are closer than this are not drawn."""

_FIRST_RATE, _LAST_RATE = 0.3, 0.003


@dataclass(frozen=True)
class Calibration:
    """Minimisers of the expected loss against the label distributions.

    Attributes:
        n_classes: class count C.
        n_distributions: how many label distributions q were drawn.
        share: share of them whose minimiser has its largest logit where q has its largest entry.
        worst_regret: largest ``max q - q[argmax z]``, the accuracy lost by following the minimiser.
        worst_distribution: the q of that regret.
        worst_prediction: softmax of its minimiser; NaN where the descent left the finite numbers.
    """

    n_classes: int
    n_distributions: int
    share: float
    worst_regret: float
    worst_distribution: tuple[float, ...]
    worst_prediction: tuple[float, ...]


def label_distributions(n: int, n_classes: int, generator: torch.Generator) -> Tensor:
    """Draw label distributions uniform on the simplex, near ties left out: float64, shape ``(n, n_classes)``.

    Raises:
        ConfigError: if ``n_classes`` is below 2, or so large that nearly every draw is a near tie.
    """
    if n_classes < 2:
        raise ConfigError(f"a label distribution needs at least 2 classes, got {n_classes}")
    drawn = torch.empty(32 * n + 64, n_classes, dtype=torch.float64).exponential_(generator=generator)
    q = drawn / drawn.sum(dim=1, keepdim=True)
    top = q.topk(2, dim=1).values
    distinct = q[top[:, 0] - top[:, 1] > MINIMUM_GAP][:n]
    if len(distinct) < n:
        raise ConfigError(f"{n_classes} classes: too few label distributions without a near tie")
    return distinct


def measure_calibration(
    criterion: LossFunction,
    *,
    n_classes: int,
    generator: torch.Generator,
    n_distributions: int = 32,
    n_starts: int = 3,
    steps: int = 250,
) -> Calibration:
    r"""Minimise :math:`\sum_k q_k L(\mathrm{softmax}(z), k)` over z for random q and look at the argmax.

    Every q is descended from several random starts with Adam in float64, all in one batch; the start that
    ends lowest counts. A loss without a minimum (its infimum lies at infinity, as for mean absolute error)
    is judged by where the descent went.

    Args:
        criterion: ``(logits (N, C), target (N,)) -> (N,)``.
        n_classes: class count, from 2 to a few dozen.
        generator: the only source of randomness.
        n_distributions: how many label distributions.
        n_starts: random starts a distribution.
        steps: Adam steps.

    Raises:
        ConfigError: if ``n_classes`` is out of range.
        NotApplicableError: if the loss does not take this class count.

    Example:
        >>> from evoloss.losses import LOSSES
        >>> generator = torch.Generator().manual_seed(0)
        >>> criterion = LOSSES["cross_entropy"](reduction="none")
        >>> found = measure_calibration(criterion, n_classes=3, generator=generator, n_distributions=4)
        >>> found.share
        1.0
    """
    q = label_distributions(n_distributions, n_classes, generator)
    starts = torch.randn(n_starts * n_distributions, n_classes, generator=generator, dtype=torch.float64)
    z, expected = _descend(criterion, starts, q.repeat(n_starts, 1), steps)
    best = expected.view(n_starts, n_distributions).argmin(dim=0)
    z = z.view(n_starts, n_distributions, n_classes)[best, torch.arange(n_distributions)]
    chosen = q.gather(1, z.argmax(dim=1, keepdim=True)).squeeze(1)
    # A descent that left the finite numbers has no minimiser to follow: it counts as the worst choice.
    chosen = torch.where(z.isfinite().all(dim=1), chosen, q.amin(dim=1))
    regret = q.amax(dim=1) - chosen
    worst = int(regret.argmax())
    return Calibration(
        n_classes=n_classes,
        n_distributions=n_distributions,
        share=float((regret == 0).double().mean()),
        worst_regret=float(regret[worst]),
        worst_distribution=tuple(q[worst].tolist()),
        worst_prediction=tuple(torch.softmax(z[worst], dim=0).tolist()),
    )


def _descend(criterion: LossFunction, starts: Tensor, q: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Return the logits after the descent and their expected losses, +inf where not finite."""
    z = starts.clone().requires_grad_(True)
    # The small epsilon lets Adam follow losses whose gradients are tiny.
    optimiser = torch.optim.Adam([z], lr=_FIRST_RATE, eps=1e-14)
    for step in range(steps):
        fraction = (1 + math.cos(math.pi * step / steps)) / 2
        optimiser.param_groups[0]["lr"] = _LAST_RATE + (_FIRST_RATE - _LAST_RATE) * fraction
        optimiser.zero_grad()
        (q * class_costs(criterion, z)).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    with torch.no_grad():
        expected = (q * class_costs(criterion, z)).sum(dim=1)
        finite = expected.isfinite() & z.isfinite().all(dim=1)
    return z.detach(), expected.masked_fill(~finite, torch.inf)
