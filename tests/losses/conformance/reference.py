"""What a call of a loss should give: formulas and the rule of cross-entropy in plain float64 operations.

Formulas of known losses are in tests/losses/known/formulas.py; an evolved loss is its network, which
tests/networks tests. Everything is differentiable once, so that gradients are compared too. An infinite logit
is given as a huge number: 1e9 apart every formula is at its limit.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from evoloss.losses import ClassificationLoss, EvolvedLoss
from evoloss.losses.call.labels import Labels
from evoloss.networks import PacedNetwork
from tests.losses.known.formulas import FORMULAS

FAR = 1e9  # what stands for the distance of an infinite logit


def class_costs(name: str, loss: ClassificationLoss, z: Tensor, shares: Tensor) -> Tensor:
    """L(p, k) of float64 logits for every class; ``shares`` are those of the labels, 0 where ignored."""
    if not isinstance(loss, EvolvedLoss):
        return FORMULAS[name](z)
    if z.shape[1] == 1:
        return 0 * z  # one class is no choice
    log_probs = z.log_softmax(1)
    params, context = loss.params.double(), None
    if isinstance(loss.network, PacedNetwork):
        context = agreements(log_probs.exp(), shares)
    elif loss.network.keeps_state:
        state = loss.loss_state.begun(loss.network.initial_state, log_probs)
        labels = Labels(shares, None, 0.0, -100, is_dense=True)
        context = loss.network.context(params, log_probs.detach(), labels, state)
    costs = loss.network.class_costs(params, log_probs, None, context)
    return costs - loss.least_cost(z.shape[1])


def agreements(probs: Tensor, shares: Tensor) -> Tensor:
    """The agreement of each position with each class, by the formula of evoloss.networks.kinds.paced."""
    learned, n_classes = (probs * shares).detach(), probs.shape[1]
    mean = learned.sum() / shares.sum().clamp(min=1)
    known = (learned.sum(0) - learned + mean) / (shares.sum(0) - shares + 1)
    above = n_classes * known - 1
    # A power of it may have an infinite slope at 0: what rounding leaves of chance is nothing.
    above = torch.where(above > 64 * torch.finfo(above.dtype).eps, above, 0.0)
    return (above / (n_classes - 1)).clamp(0, 1)


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
