"""Wrong training labels for synthetic tasks: symmetric, asymmetric and instance-dependent."""

from __future__ import annotations

import torch
from torch import Tensor

NOISE_KINDS = ("symmetric", "asymmetric", "instance")


def corrupt(
    y: Tensor,
    rival: Tensor,
    doubt: Tensor,
    n_classes: int,
    rates: Tensor,
    kinds: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Labels of which a share is wrong, each flipped independently.

    Symmetric noise moves a label to any other class; asymmetric noise to one fixed other class (a random
    circle through all classes, so half of a class or more would swap it: rates are cut to 0.45);
    instance-dependent noise to the point's ``rival``, with a probability in proportion to its ``doubt``.

    Args:
        y: true labels, int64, ``(tasks, n)``.
        rival: the likeliest wrong class of each point, likewise.
        doubt: how close it is, above 0, ``(tasks, n)``.
        n_classes: the class count.
        rates: mean share of wrong labels, ``(tasks,)``.
        kinds: positions in ``NOISE_KINDS``, ``(tasks,)``.
        generator: the only source of randomness.

    Returns:
        int64, ``(tasks, n)``.
    """
    tasks, n = y.shape
    kinds = kinds[:, None]
    shift = torch.randint(1, n_classes, (tasks, n), generator=generator)
    order = torch.rand(tasks, n_classes, generator=generator, dtype=torch.float32).argsort(dim=1)
    following = torch.empty_like(order).scatter_(1, order, order.roll(-1, dims=1))
    fixed = following.gather(1, y)
    wrong = torch.where(kinds == 0, (y + shift) % n_classes, torch.where(kinds == 1, fixed, rival))
    rates = torch.where(kinds == 0, rates[:, None], rates[:, None].clamp(max=0.45))
    chance = torch.where(kinds == 2, rates * doubt / doubt.mean(dim=1, keepdim=True), rates).clamp(max=0.95)
    flipped = torch.rand(tasks, n, generator=generator, dtype=torch.float32) < chance
    return torch.where(flipped, wrong, y)
