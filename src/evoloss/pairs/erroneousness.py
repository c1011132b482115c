"""Errors of a prediction and its label, without any semantics of the classes: what "more erroneous" means."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from evoloss.errors import UnknownNameError

ErrorKind = Literal["one_minus_p", "total_variation", "dominance"]
ERROR_KINDS: tuple[str, ...] = get_args(ErrorKind)


def label_log_probs(log_probs: Tensor, target: Tensor) -> Tensor:
    """``log p_y``, shape ``(N,)``; its negative orders pairs as ``1 - p_y`` does, with more digits.

    Example:
        >>> label_log_probs(torch.tensor([[0.7, 0.3], [0.1, 0.9]]).log(), torch.tensor([0, 0])).exp()
        tensor([0.7000, 0.1000])
    """
    return log_probs.gather(1, target[:, None]).squeeze(1)


def one_minus_p(log_probs: Tensor, target: Tensor) -> Tensor:
    r""":math:`1 - p_y`, in [0, 1], shape ``(N,)``; computed as ``-expm1(log p_y)``, exact for p_y near 1.

    Example:
        >>> one_minus_p(torch.tensor([[0.75, 0.25]]).log(), torch.tensor([0]))
        tensor([0.2500])
    """
    return -torch.expm1(label_log_probs(log_probs, target))


def total_variation(log_probs: Tensor, target: Tensor) -> Tensor:
    r""":math:`\frac12 \sum_j |p_j - [j = y]|`, in [0, 1], shape ``(N,)``.

    For a normalised prediction and one hard label this equals :math:`1 - p_y`.

    Example:
        >>> total_variation(torch.tensor([[0.75, 0.25]]).log(), torch.tensor([0]))
        tensor([0.2500])
    """
    probs = log_probs.exp()
    off_label = probs.scatter(1, target[:, None], 0.0).sum(dim=1)
    return 0.5 * (one_minus_p(log_probs, target) + off_label)


def dominates(worse: tuple[Tensor, Tensor], better: tuple[Tensor, Tensor]) -> Tensor:
    """Mask of the couples where ``worse[i]`` is ``better[i]`` with mass moved off the label, ``(N,)`` bool.

    Classes carry no meaning, so predictions are compared up to a renaming of the classes that keeps label
    on label: the label's probability must be smaller, and the other probabilities, each list sorted, nowhere
    smaller. A partial order: most couples of random predictions with many classes are incomparable.

    Args:
        worse: log-probabilities ``(N, C)`` and target ``(N,)``.
        better: the same shapes.

    Example:
        >>> target = torch.tensor([0, 0])
        >>> better = torch.tensor([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1]]).log()
        >>> worse = torch.tensor([[0.5, 0.3, 0.2], [0.5, 0.0, 0.5]]).log()
        >>> dominates((worse, target), (better, target))
        tensor([ True, False])
    """
    (log_p_worse, rest_worse), (log_p_better, rest_better) = (
        _label_and_sorted(*worse),
        _label_and_sorted(*better),
    )
    return (log_p_worse < log_p_better) & (rest_worse >= rest_better).all(dim=1)


def move_mass(log_probs: Tensor, target: Tensor, generator: torch.Generator) -> Tensor:
    r"""Make each prediction worse under dominance: a share of the label's mass goes to the other classes.

    The share s is uniform, cut to [1e-4, 1 - 1e-6]; the moved mass is spread by a random distribution w:
    :math:`p_y' = (1 - s) p_y` and :math:`p_j' = p_j + s\,p_y w_j`. Shape ``(N, C)``.

    Example:
        >>> log_probs, target = torch.tensor([[0.7, 0.2, 0.1]]).log(), torch.tensor([0])
        >>> worse = move_mass(log_probs, target, torch.Generator().manual_seed(0))
        >>> dominates((worse, target), (log_probs, target))
        tensor([True])
    """
    n, n_classes = log_probs.shape
    kwargs = {"generator": generator, "dtype": log_probs.dtype, "device": log_probs.device}
    # A smaller share is lost in the rounding of log p_y in float32, and the couple would be a tie.
    retained = torch.rand(n, **kwargs).clamp(1e-6, 1 - 1e-4)  # type: ignore[call-overload]
    logits = torch.randn(n, n_classes, **kwargs)  # type: ignore[call-overload]
    spread = torch.log_softmax(logits.scatter(1, target[:, None], -torch.inf), dim=1)
    log_p = label_log_probs(log_probs, target)
    moved = torch.logaddexp(log_probs, (log_p + torch.log1p(-retained))[:, None] + spread)
    return moved.scatter(1, target[:, None], (log_p + retained.log())[:, None])


def error_key(kind: str, log_probs: Tensor, target: Tensor) -> Tensor:
    """A key that orders pairs as the error does, ``(N,)``: larger is more erroneous.

    ``one_minus_p`` and ``total_variation`` are both ``1 - p_y`` here, and ordered by ``-log p_y``, which
    tells p_y = 1e-20 from 1e-30 where ``1 - p_y`` is 1 for both.

    Raises:
        UnknownNameError: if ``kind`` is not a total order of :data:`ERROR_KINDS`.

    Example:
        >>> log_probs = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]]).log()
        >>> error_key("one_minus_p", log_probs, torch.tensor([0, 2])).argsort()
        tensor([0, 1])
    """
    if kind not in ("one_minus_p", "total_variation"):
        raise UnknownNameError.among("totally ordered error", kind, ("one_minus_p", "total_variation"))
    return -label_log_probs(log_probs, target)


def _label_and_sorted(log_probs: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    rest = log_probs.scatter(1, target[:, None], -torch.inf)
    return label_log_probs(log_probs, target), rest.sort(dim=1, descending=True).values
