"""How far a loss in use may be from what it should give: rounding of its dtype, errors of its tables."""

from __future__ import annotations

import torch
from torch import Tensor

from evoloss.losses import ClassificationLoss, EvolvedLoss
from tests.losses.conformance.grid import Call
from tests.losses.conformance.reference import reference

ROUNDING = {torch.float16: 2**-11, torch.bfloat16: 2**-8, torch.float32: 2**-24, torch.float64: 2**-53}


def prepared(loss: ClassificationLoss, call: Call) -> ClassificationLoss:
    """The loss with the options of a call; an evolved one that is made anew would make its tables anew."""
    for name, value in call.options().items():
        setattr(loss, name, value)
    return loss


def expected(name: str, loss: ClassificationLoss, call: Call) -> tuple[Tensor, Tensor, Tensor]:
    """What a call of a prepared loss should give, in float64; what comes in from behind; the gradient."""
    wide = call.logits(torch.float64)
    value = reference(name, loss, wide, call.labels(wide))
    incoming = torch.linspace(0.5, 1.5, max(1, value.numel()), dtype=torch.float64)[: value.numel()]
    incoming = incoming.reshape(value.shape).to(call.dtype)
    (gradient,) = torch.autograd.grad(value, wide, incoming.double())
    if call.target == "all ignored":  # a mean over nothing is NaN, its gradient is 0
        gradient = torch.zeros_like(gradient)
    return value.detach(), incoming, gradient


def value_fault(loss: ClassificationLoss, call: Call, found: Tensor, wanted: Tensor) -> str | None:
    """What is wrong with the value of a call; None if nothing is."""
    n_classes = call.n_classes
    least = abs(loss.least_cost(n_classes)) if isinstance(loss, EvolvedLoss) and n_classes > 1 else 0.0
    positions = call.n_positions if call.reduction == "sum" else 1
    error = table_errors(loss, call.dtype, n_classes)[0] * positions
    return apart("value", found, wanted, call.dtype, error, least * positions)


def gradient_fault(loss: ClassificationLoss, call: Call, found: Tensor, wanted: Tensor) -> str | None:
    """What is wrong with the gradient of a call; None if nothing is."""
    return apart("gradient", found, wanted, call.dtype, table_errors(loss, call.dtype, call.n_classes)[1])


def table_errors(loss: ClassificationLoss, dtype: torch.dtype, n_classes: int) -> tuple[float, float]:
    """What value and gradient of one position may be off by because of tables."""
    if not isinstance(loss, EvolvedLoss) or dtype == torch.float64 or n_classes < 2:
        return 0.0, 0.0
    tables = loss.tables(n_classes)
    if tables is None:
        return 0.0, 0.0
    terms = 1 + (n_classes if tables.has_other else 0)
    return 2 * terms * tables.value_error, 3 * (2 + terms) * tables.slope_error


def apart(
    what: str, found: Tensor, wanted: Tensor, dtype: torch.dtype, error: float = 0.0, size: float = 0.0
) -> str | None:
    """Where two differ by more than ``error`` and the rounding of some numbers of their size; None if not."""
    found, wanted = found.detach().double(), wanted.detach().double()
    if found.shape != wanted.shape:
        return f"{what} of shape {tuple(found.shape)}, expected {tuple(wanted.shape)}"
    rounding = ROUNDING[dtype] * (4 if dtype in (torch.float16, torch.bfloat16) else 64)
    size = max(1.0, size, *wanted.abs().nan_to_num(posinf=0.0).flatten().tolist())
    if torch.allclose(found, wanted, rtol=rounding, atol=rounding * size + error, equal_nan=True):
        return None
    return f"{what} is {found.flatten()[:4].tolist()}, expected {wanted.flatten()[:4].tolist()}"
