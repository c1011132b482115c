"""What a call of a loss should give: formulas and the rule of cross-entropy in plain float64 operations.

Formulas of known losses are written again here, from their papers; an evolved loss is its network, whose own
tests are in tests/networks. Everything is differentiable once, so that gradients are compared too. An
infinite logit is given as a huge number: 1e9 apart every formula is at its limit.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from evoloss.losses import ClassificationLoss, EvolvedLoss
from evoloss.networks import PacedNetwork

FAR = 1e9  # what stands for the distance of an infinite logit

Costs = Callable[[Tensor], Tensor]  # logits (N, C) to L(p, k) for every k, (N, C)


def _of_label(cost: Costs) -> Costs:
    """A loss that is a function of log p_k."""
    return lambda z: cost(z.log_softmax(1))


def _nce(z: Tensor) -> Tensor:
    log_p = z.log_softmax(1)
    return log_p / log_p.sum(1, keepdim=True) if z.shape[1] > 1 else 0 * log_p


def _rce(z: Tensor, log_zero: float) -> Tensor:
    return -log_zero * (1 - z.softmax(1))


def _focal(gamma: float) -> Costs:
    # The floor is that of the loss: powers below 1 have an infinite slope at p = 1.
    return _of_label(lambda log_p: -((-torch.expm1(log_p)).clamp(min=1e-12) ** gamma) * log_p)


def _smoothed_log(share: float) -> Costs:
    def costs(z: Tensor) -> Tensor:
        e = 1 / (share * z.shape[1])
        return (1 + 1 / share) * ((1 + e) / (z.softmax(1) + e)).log()

    return costs


def _agce(a: float, q: float) -> Costs:
    return lambda z: ((a + 1) ** q - (a + z.softmax(1)) ** q) / q


def _anl_ce(z: Tensor) -> Tensor:
    margins = z.log_softmax(1).clamp(min=math.log(1e-7)) - math.log(1e-7)
    return 5 * _nce(z) + 5 * (1 - margins / margins.sum(1, keepdim=True))


def _jal_ce(z: Tensor) -> Tensor:
    p, labels = z.softmax(1), 30 * torch.eye(z.shape[1], dtype=z.dtype)
    return _nce(z) + (p[:, None] - labels).square().mean(2)


def _baikal(z: Tensor) -> Tensor:
    log_p, bound = z.log_softmax(1), 2000.0 * z.shape[1]
    beyond = (-log_p - math.log(bound)).clamp(min=0)
    inverse = torch.where(
        beyond > 0, bound * (1 + beyond.log1p()), (-log_p.clamp(min=-math.log(bound))).exp()
    )
    return inverse / z.shape[1] - log_p.mean(1, keepdim=True)


def _bi_tempered(t1: float, t2: float) -> Costs:
    def log_probs(z: Tensor, lam: Tensor) -> Tensor:
        return -((t2 - 1) * (lam - z)).log1p() / (t2 - 1)

    def costs(z: Tensor) -> Tensor:
        if t2 == 1.0:
            log_p = z.log_softmax(1)
        else:
            low = z.detach().amax(1, keepdim=True)
            high = low + (z.shape[1] ** (t2 - 1) - 1) / (t2 - 1)
            for _ in range(100):
                middle = (low + high) / 2
                above = log_probs(z.detach(), middle).exp().sum(1, keepdim=True) > 1
                low, high = torch.where(above, middle, low), torch.where(above, high, middle)
            # The normaliser's derivative, by the implicit function theorem: one Newton step from a solution.
            lam = high.requires_grad_()
            with torch.enable_grad():
                slope = torch.autograd.grad(log_probs(z.detach(), lam).exp().sum(), lam)[0]
            lam = lam.detach() - (log_probs(z, lam.detach()).exp().sum(1, keepdim=True) - 1) / slope
            log_p = log_probs(z, lam)
        p = log_p.exp()
        surprise = -log_p if t1 == 1.0 else -torch.expm1((1 - t1) * log_p) / (1 - t1)
        return surprise - (1 - p.pow(2 - t1).sum(1, keepdim=True)) / (2 - t1)

    return costs


def _maxsup(z: Tensor) -> Tensor:
    return -z.log_softmax(1) + 0.1 * (z.amax(1, keepdim=True) - z.mean(1, keepdim=True))


def _ngl(z: Tensor) -> Tensor:
    labels = torch.eye(z.shape[1], dtype=z.dtype)
    p = z.softmax(1)[:, None]
    return ((2.4092 - p * (1 + labels)).exp() - p.sin().cos().cos()).mean(2)


def _brier(z: Tensor) -> Tensor:
    return (z.softmax(1)[:, None] - torch.eye(z.shape[1], dtype=z.dtype)).square().sum(2)


FORMULAS: dict[str, Costs] = {
    "cross_entropy": _of_label(torch.neg),
    "label_smoothing": lambda z: -0.9 * z.log_softmax(1) - 0.1 * z.log_softmax(1).mean(1, keepdim=True),
    "focal": _focal(2.0),
    "focal-0.5": _focal(0.5),
    "focal-0": _of_label(torch.neg),
    "poly1": lambda z: -z.log_softmax(1) + 2 * (1 - z.softmax(1)),
    "gce": _of_label(lambda log_p: -torch.expm1(0.7 * log_p) / 0.7),
    "sce": lambda z: -0.1 * z.log_softmax(1) + _rce(z, -4.0),
    "mae": lambda z: 2 * (1 - z.softmax(1)),
    "brier": _brier,
    "nce_rce": lambda z: _nce(z) + _rce(z, math.log(1e-4)),
    "agce": _agce(6.0, 1.5),
    "agce-0.6": _agce(0.6, 0.6),
    "anl_ce": _anl_ce,
    "jal_ce": _jal_ce,
    "baikal": _baikal,
    "bi_tempered": _bi_tempered(0.8, 1.2),
    "bi_tempered-t2=1": _bi_tempered(0.7, 1.0),
    "bi_tempered-t1=1": _bi_tempered(1.0, 4.0),
    "maxsup": _maxsup,
    "ngl": _ngl,
    "smoothed_log": _smoothed_log(1.0),
    "smoothed_log-16": _smoothed_log(16.0),
}


def class_costs(name: str, loss: ClassificationLoss, z: Tensor, shares: Tensor) -> Tensor:
    """L(p, k) of float64 logits for every class; ``shares`` are those of the labels, 0 where ignored."""
    if not isinstance(loss, EvolvedLoss):
        return FORMULAS[name](z)
    if z.shape[1] == 1:
        return 0 * z  # one class is no choice
    log_probs = z.log_softmax(1)
    context = agreements(log_probs.exp(), shares) if isinstance(loss.network, PacedNetwork) else None
    costs = loss.network.class_costs(loss.params.double(), log_probs, None, context)
    return costs - loss.least_cost(z.shape[1])


def agreements(probs: Tensor, shares: Tensor) -> Tensor:
    """The agreement of each position with each class, by the formula of evoloss.networks.kinds.paced."""
    learned, n_classes = (probs * shares).detach(), probs.shape[1]
    mean = learned.sum() / shares.sum().clamp(min=1)
    known = (learned.sum(0) - learned + mean) / (shares.sum(0) - shares + 1)
    return ((n_classes * known - 1) / (n_classes - 1)).clamp(0, 1)


def reference(name: str, loss: ClassificationLoss, z: Tensor, target: Tensor) -> Tensor:
    """The value of a call ``loss(z, target)`` with float64 logits of any shape, options as in ``loss``."""
    axis = 0 if z.dim() == 1 else 1
    n_classes, indices = z.shape[axis], z.shape != target.shape
    rows = z.movedim(axis, -1).reshape(-1, n_classes)
    kept = torch.ones(len(rows), dtype=torch.bool)
    if indices:
        flat = target.reshape(-1).long()
        kept = flat != loss.ignore_index
        label = torch.where(kept, flat, 0)
        shares = F.one_hot(label, n_classes).double() * kept[:, None]
    else:
        shares = target.movedim(axis, -1).reshape(-1, n_classes).double()
    weight = torch.ones(n_classes).double() if loss.weight is None else loss.weight.double()
    costs = class_costs(name, loss, rows, shares)
    q = shares * (1 - loss.label_smoothing) + loss.label_smoothing / n_classes
    weighted_shares = q * weight
    losses = (torch.where(weighted_shares == 0, 0.0, costs) * weighted_shares).sum(1)
    losses = torch.where(kept, losses, 0.0)
    if loss.reduction == "none":
        return losses.reshape(z.shape[:axis] + z.shape[axis + 1 :])
    if loss.reduction == "sum":
        return losses.sum()
    return losses.sum() / ((weight * shares).sum() if indices else len(rows))
