"""Temperature scaling: one number, fitted on the validation split, that a classifier's logits are divided by.

References:
    Guo et al. 2017, *On Calibration of Modern Neural Networks*, arXiv:1706.04599.
    Platt 1999, *Probabilistic Outputs for Support Vector Machines* (targets that are not quite certain).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from evoloss.training.masked import with_masks

LOWEST, HIGHEST = 0.01, 100.0
"""The range of temperatures that is searched."""
UNCERTAIN = 0.1
"""Weight of a made-up sample with all classes equally likely, in samples."""
_HALVINGS = 40


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    r"""Find the temperature T with the lowest negative log-likelihood of ``softmax(logits / T)``.

    The mean NLL is convex in 1 / T, so the sign of its slope says on which side of the minimum one stands:
    log T is halved in float64 until it is known to 12 digits. As with Platt, labels are not quite certain:
    each has probability :math:`1 - \epsilon`, and :math:`\epsilon = 0.1 / (N + 0.1)` is spread over the C
    classes, as if a tenth of a sample more had all classes equally likely. Without it a small split in which
    every prediction is right would ask for T = 0; with a whole sample, as Platt has it, T comes out too high
    where nearly all predictions are right.

    Args:
        logits: ``(N, C)``, N at least 1, finite but for classes that are masked, see
            :mod:`evoloss.training.masked`. These take no part, nor do samples whose label is masked.
        labels: ``(N,)``.

    Returns:
        T in ``[0.01, 100]``; 1 where all classes always have equal logits, so that T has no effect.
    """
    logits = with_masks(logits).double()
    masked = logits.isneginf()
    if bool(masked.any()):
        known = ~masked.gather(1, labels[:, None]).flatten()
        logits, labels, masked = logits[known], labels[known], masked[known]
        means = logits.masked_fill(masked, 0.0).sum(dim=1, keepdim=True) / (~masked).sum(dim=1, keepdim=True)
    else:
        means = logits.mean(dim=1, keepdim=True)
    logits = (logits - means).masked_fill(masked, 0.0)
    if not bool(logits.any()):
        return 1.0
    # Centred logits have mean 0, so the uniform part of a target adds nothing to its expected logit.
    wanted = logits.gather(1, labels[:, None]).mean() * (len(labels) / (len(labels) + UNCERTAIN))
    low, high = math.log(LOWEST), math.log(HIGHEST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        probs = torch.softmax((logits * math.exp(-middle)).masked_fill(masked, -math.inf), dim=1)
        # The slope of the mean NLL in 1 / T; positive means that T is too small.
        if float((probs * logits).sum(dim=1).mean() - wanted) > 0:
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)
