"""The loss and its gradient along a line of predictions, from certain and wrong to certain and right."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from evoloss.diagnostics.criterion import LossFunction, label_gradients
from evoloss.errors import ConfigError

Rest = Literal["uniform", "rival"]
"""The place of the probability that the label does not have: spread evenly, or on one class."""

P_MIN = 1e-8
"""The curves run over p_y from ``P_MIN`` to ``1 - P_MIN``."""

# With one rival the remaining classes need some mass, since a logit of -inf is not a prediction a network
# makes. All of them together hold this much, a hundredth of the smallest mass on the curve.
_REMAINDER = 1e-10


@dataclass(frozen=True)
class Curve:
    """A loss along a line of predictions.

    Attributes:
        n_classes: class count C.
        rest: where the mass ``1 - p_y`` goes.
        p: probability of the label, ascending.
        loss: the loss at each of them.
        gradient: ``-dL/dz_y`` at each of them, the pull on the label's logit; cross-entropy has ``1 - p_y``.
    """

    n_classes: int
    rest: Rest
    p: tuple[float, ...]
    loss: tuple[float, ...]
    gradient: tuple[float, ...]


def predictions_on_curve(log_odds: Tensor, n_classes: int, rest: Rest) -> Tensor:
    """Log-probabilities with ``log(p_0 / (1 - p_0)) = log_odds`` for the label 0.

    Args:
        log_odds: any finite values, shape ``(N,)``; log space keeps the digits of ``1 - p_0`` near 1.
        n_classes: at least 2.
        rest: ``"uniform"`` spreads ``1 - p_0`` over the other classes, ``"rival"`` puts it on class 1.

    Returns:
        Shape ``(N, n_classes)``, dtype of ``log_odds``; with a rival normalised up to 1e-10.

    Raises:
        ConfigError: if ``n_classes`` is below 2 or ``rest`` is unknown.
    """
    if n_classes < 2:
        raise ConfigError(f"a prediction needs at least 2 classes, got {n_classes}")
    log_p, log_rest = F.logsigmoid(log_odds), F.logsigmoid(-log_odds)
    if rest == "uniform":
        others = (log_rest - math.log(n_classes - 1)).unsqueeze(1).expand(-1, n_classes - 1)
        return torch.cat([log_p.unsqueeze(1), others], dim=1)
    if rest == "rival":
        log_probs = log_odds.new_full((len(log_odds), n_classes), math.log(_REMAINDER / n_classes))
        log_probs[:, 0], log_probs[:, 1] = log_p, log_rest
        return log_probs
    raise ConfigError(f"rest must be 'uniform' or 'rival', got {rest!r}")


def loss_curve(
    criterion: LossFunction, *, n_classes: int = 10, rest: Rest = "uniform", points: int = 401
) -> Curve:
    """Follow the loss and its gradient in the label's logit over p_y, evenly spaced in log-odds.

    Args:
        criterion: ``(logits (N, C), target (N,)) -> (N,)``.
        n_classes: class count of the predictions, at least 2.
        rest: where the mass ``1 - p_y`` goes.
        points: grid points, at least 2, both ends (1e-8 and 1 - 1e-8) included.

    Raises:
        ConfigError: if ``n_classes`` or ``points`` is below 2, or ``rest`` is unknown.
        NotApplicableError: if the loss does not take this class count.

    Example:
        >>> from evoloss.losses import LOSSES
        >>> curve = loss_curve(LOSSES["gce"](q=0.7, reduction="none"), n_classes=10, points=5)
        >>> max(curve.gradient) < 1
        True
    """
    if points < 2:
        raise ConfigError(f"a curve needs at least 2 points, got {points}")
    end = math.log1p(-P_MIN) - math.log(P_MIN)
    log_odds = torch.linspace(-end, end, points, dtype=torch.float64)
    target = torch.zeros(points, dtype=torch.int64)
    losses, gradients = label_gradients(criterion, predictions_on_curve(log_odds, n_classes, rest), target)
    return Curve(
        n_classes=n_classes,
        rest=rest,
        p=tuple(torch.sigmoid(log_odds).tolist()),
        loss=tuple(losses.tolist()),
        gradient=tuple((-gradients[:, 0]).tolist()),
    )
