"""Ranking consistency: does a more erroneous prediction cost more?"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from evoloss.diagnostics.criterion import LossFunction, per_sample_losses

# Nearer to 0 or 1 than this, two values of p_y can differ by rounding alone: normalising a prediction again
# would reverse their order, and cross-entropy itself would not come out consistent.
_RESOLVED = 1e-12


@dataclass(frozen=True)
class Ranking:
    """Agreement of the loss with the error ``1 - p_y`` on the order of random synthetic predictions.

    Attributes:
        consistency: share of comparable couples that both order alike.
        kendall_tau: Kendall's tau-b.
        spearman_rho: Spearman's rank correlation.
        n_pairs: how many prediction-label pairs were ranked, those at the very ends of p_y left out.
    """

    consistency: float
    kendall_tau: float
    spearman_rho: float
    n_pairs: int


def measure_ranking(
    criterion: LossFunction, *, n_classes: int, generator: torch.Generator, n_pairs: int = 2048
) -> Ranking:
    """Rank synthetic pairs of the default mixture by the loss and by ``1 - p_y``.

    Args:
        criterion: ``(logits (N, C), target (N,)) -> (N,)``.
        n_classes: class count of the predictions, at least 2.
        generator: the only source of randomness.
        n_pairs: how many pairs to draw.

    Raises:
        NotApplicableError: if the loss does not take this class count.
        ConfigError: if the losses are not finite, or all equal: there is no order to compare.

    Example:
        >>> from evoloss.losses import LOSSES
        >>> generator = torch.Generator().manual_seed(0)
        >>> criterion = LOSSES["gce"](reduction="none")
        >>> found = measure_ranking(criterion, n_classes=10, generator=generator, n_pairs=100)
        >>> f"{found.consistency:.3f}"
        '1.000'
    """
    # Imported here so that the other diagnostics work on any callable without the pretraining rooms.
    from evoloss.fitness import ranking_scores
    from evoloss.pairs import PairsConfig, sample_pairs

    pairs = sample_pairs(PairsConfig(), n_pairs, n_classes, generator, dtype=torch.float64)
    errors = pairs.errors("one_minus_p")
    selected = (errors > _RESOLVED) & (errors < 1 - _RESOLVED)
    with torch.no_grad():
        losses = per_sample_losses(criterion, pairs.log_probs[selected], pairs.target[selected])
    scores = ranking_scores(losses, errors[selected])
    return Ranking(
        consistency=float(scores.consistency),
        kendall_tau=float(scores.kendall_tau),
        spearman_rho=float(scores.spearman_rho),
        n_pairs=len(losses),
    )
