"""The loss under inspection, seen as a function of float64 logits and a label."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from evoloss.errors import EvolossError
from evoloss.losses.base import ClassificationLoss
from evoloss.losses.state import held_states, states_of

LossFunction = Callable[[Tensor, Tensor], Tensor]
"""``criterion(logits (N, C), target (N,)) -> (N,)``, what ``reduction="none"`` gives."""

# PyTorch reports a wrong shape as a plain RuntimeError; only these texts are taken for one, so that every
# other RuntimeError still comes through.
_SHAPE_TEXT = re.compile(r"shapes? |size of tensor|sizes? |dimension|out of bounds|number of classes", re.I)
# A batch of class costs holds N * C * C numbers; above this many it is computed one class at a time.
_ONE_BATCH = 2**21


class NotApplicableError(EvolossError):
    """The loss cannot be asked this question, such as one of fixed class count asked at another."""


@dataclass(frozen=True)
class NotApplicable:
    """Stands where a diagnostic's result would stand.

    Attributes:
        reason: why the loss cannot be asked, in one line.
    """

    reason: str


def per_sample_losses(criterion: LossFunction, logits: Tensor, target: Tensor) -> Tensor:
    """Evaluate ``criterion`` and check what comes back; one with a state is left as it is.

    Args:
        criterion: the loss, one value a row.
        logits: shape ``(N, C)``; gradients flow through.
        target: class indices in ``[0, C)``, shape ``(N,)``.

    Returns:
        Float64 losses, shape ``(N,)``.

    Raises:
        NotApplicableError: if the loss refuses these shapes, or returns another shape than ``(N,)``.
            Any other exception of the loss passes unchanged.
    """
    with held_states(criterion):
        losses = _asked(criterion, logits, target)
    if losses.shape != target.shape:
        raise NotApplicableError(
            f"the loss returned shape {tuple(losses.shape)} for {len(target)} rows; one value a row is "
            'expected: build it with reduction="none"'
        )
    return losses.double()


def label_gradients(criterion: LossFunction, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return losses ``(N,)`` and their gradients in the logits ``(N, C)``, both detached.

    Raises:
        NotApplicableError: as :func:`per_sample_losses`, or if the loss has no gradient in the logits.
    """
    leaf = logits.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        losses = per_sample_losses(criterion, leaf, target)
        if not losses.requires_grad:
            raise NotApplicableError("the loss has no gradient in the logits")
        (gradients,) = torch.autograd.grad(losses.sum(), leaf, allow_unused=True)
    if gradients is None:
        raise NotApplicableError("the loss has no gradient in the logits")
    return losses.detach(), gradients.detach()


def class_costs(criterion: LossFunction, logits: Tensor) -> Tensor:
    """Return ``L(p, k)`` for every class k, shape ``(N, C)`` for logits ``(N, C)``.

    Raises:
        NotApplicableError: as :func:`per_sample_losses`.
    """
    n, n_classes = logits.shape
    if isinstance(criterion, ClassificationLoss) and _is_unmodified(criterion):
        # These know every class's cost at the price of one, where a mere callable is asked class by class.
        return _asked(criterion.class_costs, logits).double()
    if n * n_classes**2 > _ONE_BATCH:
        columns = [
            per_sample_losses(criterion, logits, torch.full((n,), k, device=logits.device))
            for k in range(n_classes)
        ]
        return torch.stack(columns, dim=1)
    target = torch.arange(n_classes, device=logits.device).repeat(n)
    return per_sample_losses(criterion, logits.repeat_interleave(n_classes, dim=0), target).view(n, n_classes)


def _is_unmodified(loss: ClassificationLoss) -> bool:
    unmodified = loss.weight is None and loss.label_smoothing <= 0 and loss.ignore_index < 0
    return unmodified and not states_of(loss)


def _asked(function: Callable[..., Tensor], *arguments: Tensor) -> Tensor:
    """Call a loss, and take its refusal of the shapes for an answer."""
    try:
        return function(*arguments)
    except (EvolossError, ValueError, IndexError) as error:
        raise NotApplicableError(_one_line(error)) from error
    except RuntimeError as error:
        if _SHAPE_TEXT.search(str(error)) is None:
            raise
        raise NotApplicableError(_one_line(error)) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
