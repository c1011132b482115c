"""What the shared tests know of each known loss.

The formulas are written again here, from the papers, in plain float64 operations, differentiable once, so
that gradients are compared too. A loss that is added has its lines here, and no other list has to name it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from evoloss.losses import LOSSES, ClassificationLoss

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


def _mae_star(like: float) -> Costs:
    """By adding the bias to each class's logit in turn."""

    def costs(z: Tensor) -> Tensor:
        bias = math.log(max(1, (z.shape[1] - 1) / (like - 1)))
        biased = z[:, None] + bias * torch.eye(z.shape[1], dtype=z.dtype)
        return 2 * (1 - biased.softmax(2).diagonal(dim1=1, dim2=2))

    return costs


def _phuber(tau: float) -> Costs:
    """As in dmizr/phuber, phuber/loss.py, where labels are indices."""

    def costs(z: Tensor) -> Tensor:
        p = z.softmax(1)
        return torch.where(p <= 1 / tau, math.log(tau) + 1 - tau * p, -z.log_softmax(1))

    return costs


def _logit_clip(delta: float) -> Costs:
    """The formula of the paper; hongxin001/LogitClip, algorithms/clip.py, has it for a norm of 1."""

    def costs(z: Tensor) -> Tensor:
        norm = z.norm(dim=1, keepdim=True)
        return -torch.where(norm > delta, z * delta / norm.clamp(min=1e-300), z).log_softmax(1)

    return costs


def _epsilon_softmax_mae(alpha: float, beta: float, m: float) -> Costs:
    """As in cswjl/eps-softmax, losses.py: ``ECEandMAE``."""

    def costs(z: Tensor) -> Tensor:
        p = z.softmax(1)
        top = torch.nn.functional.one_hot(z.log_softmax(1).argmax(1), z.shape[1])
        return -alpha * ((p + m * top) / (m + 1)).clamp(min=1e-8).log() + beta * 2 * (1 - p)

    return costs


def _dal(q: float, factor: float) -> Costs:
    """As in XiuchuanLi/DAL, utils/losses.py, but for the 1e-6 that it adds to probabilities."""

    def costs(z: Tensor) -> Tensor:
        p = z.softmax(1)
        entropy = -(p * z.log_softmax(1)).sum(1, keepdim=True)
        scale = math.log(z.shape[1]) if z.shape[1] > 1 else 1.0
        return (1 - p**q) / q + factor * entropy / (q * scale)

    return costs


def _chosen(z: Tensor) -> Tensor:
    log_p = z.log_softmax(1)
    top = torch.nn.functional.one_hot(log_p.argmax(1), z.shape[1])
    return -log_p * top


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
    "mae_star": _mae_star(4.0),
    "mae_star-2": _mae_star(2.0),
    "phuber": _phuber(10.0),
    "phuber-2": _phuber(2.0),
    "logit_clip": _logit_clip(1.0),
    "logit_clip-3": _logit_clip(3.0),
    "epsilon_softmax_mae": _epsilon_softmax_mae(0.01, 5.0, 1e5),
    "epsilon_softmax_mae-0": _epsilon_softmax_mae(0.5, 1.0, 0.0),
    "dal": _of_label(lambda log_p: -torch.expm1(0.6 * log_p) / 0.6),
    "dal-late": _dal(0.6 + 0.9 * 3 / 4, (3 - 16 / 9) / (4 - 16 / 9)),
    "base_mda": _of_label(torch.neg),
    "base_mda-late": _chosen,
    "ogc": _phuber(1e7),
    "ogc-late": _phuber(8.0),
    "elr": _of_label(torch.neg),
}


def _late(name: str, **shared: Any) -> ClassificationLoss:
    """A loss in the fourth of four epochs, before which no mean prediction has been seen."""
    loss = LOSSES[name](**shared)
    loss.plan_training(n_samples=10, epochs=4)
    loss.loss_state.update({"seen": torch.tensor(31)})
    return loss


def _ogc_late(**shared: Any) -> ClassificationLoss:
    """A loss that has found where to clip."""
    loss = LOSSES["ogc"](**shared)
    loss.loss_state.update({"threshold": torch.tensor(1 / 8)})
    return loss


OTHER_PATHS: dict[str, Callable[..., ClassificationLoss]] = {
    "focal-0.5": partial(LOSSES["focal"], gamma=0.5),
    "focal-0": partial(LOSSES["focal"], gamma=0.0),
    "smoothed_log-16": partial(LOSSES["smoothed_log"], share=16.0),
    "mae_star-2": partial(LOSSES["mae_star"], like=2.0),
    "phuber-2": partial(LOSSES["phuber"], tau=2.0),
    "logit_clip-3": partial(LOSSES["logit_clip"], delta=3.0),
    "epsilon_softmax_mae-0": partial(LOSSES["epsilon_softmax_mae"], alpha=0.5, beta=1.0, m=0.0),
    "dal-late": partial(_late, "dal"),
    "base_mda-late": partial(_late, "base_mda", warmup=3.0),
    "ogc-late": _ogc_late,
    "agce-0.6": partial(LOSSES["agce"], a=0.6, q=0.6),
    "bi_tempered-t2=1": partial(LOSSES["bi_tempered"], t1=0.7, t2=1.0),
    "bi_tempered-t1=1": partial(LOSSES["bi_tempered"], t1=1.0, t2=4.0),
}
"""Parameters that take another path through the code of a loss."""

REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("label_smoothing", {"smoothing": -0.1}),
    ("label_smoothing", {"smoothing": 1.1}),
    ("focal", {"gamma": -1.0}),
    ("focal", {"gamma": math.nan}),
    ("focal", {"gamma": math.inf}),
    ("poly1", {"epsilon": -1.5}),
    ("gce", {"q": 0.0}),
    ("gce", {"q": 1.5}),
    ("gce", {"q": "0.7"}),
    ("gce", {"q": True}),
    ("sce", {"alpha": -1.0}),
    ("sce", {"beta": -1.0}),
    ("sce", {"log_zero": 4.0}),
    ("nce_rce", {"alpha": -1.0}),
    ("nce_rce", {"beta": -1.0}),
    ("nce_rce", {"log_zero": 0.0}),
    ("agce", {"a": 0.0}),
    ("agce", {"q": 0.0}),
    ("anl_ce", {"alpha": -1.0}),
    ("anl_ce", {"beta": -1.0}),
    ("anl_ce", {"min_prob": 0.0}),
    ("jal_ce", {"alpha": -1.0}),
    ("jal_ce", {"beta": -1.0}),
    ("jal_ce", {"a": 0.5}),
    ("bi_tempered", {"t1": 1.1}),
    ("bi_tempered", {"t1": -0.1}),
    ("bi_tempered", {"t2": 0.9}),
    ("bi_tempered", {"t2": 5.0}),
    ("maxsup", {"alpha": -0.1}),
    ("ngl", {"alpha": 11.0}),
    ("smoothed_log", {"share": 0.0}),
    ("mae_star", {"like": 1.0}),
    ("phuber", {"tau": 1.0}),
    ("logit_clip", {"delta": 0.0}),
    ("epsilon_softmax_mae", {"alpha": -0.1}),
    ("epsilon_softmax_mae", {"beta": -0.1}),
    ("epsilon_softmax_mae", {"m": -1.0}),
    ("epsilon_softmax_mae", {"min_prob": 0.0}),
    ("dal", {"q_start": 0.0}),
    ("dal", {"q_end": 1.0}),
    ("base_mda", {"warmup": -1.0}),
    ("base_mda", {"momentum": 1.0}),
    ("ogc", {"epsilon": -1.0}),
    ("elr", {"beta": 1.0}),
    ("elr", {"strength": -1.0}),
]
"""Parameters that are out of range, at least one value for each."""

CROSS_ENTROPY: list[tuple[str, dict[str, float]]] = [
    ("focal", {"gamma": 0.0}),
    ("poly1", {"epsilon": 0.0}),
    ("sce", {"alpha": 1.0, "beta": 0.0}),
    ("label_smoothing", {"smoothing": 0.0}),
    ("maxsup", {"alpha": 0.0}),
    ("bi_tempered", {"t1": 1.0, "t2": 1.0}),
    ("phuber", {"tau": 1e7}),
    ("logit_clip", {"delta": 1e4}),
    ("epsilon_softmax_mae", {"alpha": 1.0, "beta": 0.0, "m": 0.0}),
]
"""Parameters that make a loss cross-entropy."""
