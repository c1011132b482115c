"""Wrong training labels for synthetic tasks: symmetric, asymmetric, instance-dependent, of an annotator."""

from __future__ import annotations

import torch
from torch import Tensor

NOISE_KINDS = ("symmetric", "asymmetric", "instance", "annotator")
_LARGEST_CHANCE = 0.95  # that a label is wrong
_CONFUSION = 1.5  # standard deviation of the logits by which an annotator takes a class for another one


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

    - Symmetric noise moves a label to any other class.
    - Asymmetric noise moves it to one fixed other class (a random circle through all classes, so half of a
      class or more would swap it: rates are cut to 0.45).
    - Instance-dependent noise moves it to the point's ``rival``, with a probability in proportion to its
      ``doubt``; rates are cut likewise.
    - An annotator errs with a probability in proportion to the root of the point's ``doubt`` times the
      difficulty of its class, which is log-normal. Half of the mistakes are the ``rival``, the others are
      drawn from the annotator's own confusions of the class. Rates are cut likewise.

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
    chance = torch.where(kinds == 2, rates * doubt / doubt.mean(dim=1, keepdim=True), rates)
    flipped = torch.rand(tasks, n, generator=generator, dtype=torch.float32)
    # Nothing more is drawn where there is no annotator.
    is_annotator = kinds == NOISE_KINDS.index("annotator")
    if is_annotator.any():
        difficulty, mistaken = _annotator(y, rival, doubt, n_classes, generator)
        chance = torch.where(is_annotator, rates * difficulty, chance)
        wrong = torch.where(is_annotator, mistaken, wrong)
    return torch.where(flipped < chance.clamp(max=_LARGEST_CHANCE), wrong, y)


def _annotator(
    y: Tensor, rival: Tensor, doubt: Tensor, n_classes: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Difficulty of points to an annotator, 1 on average, and their mistaken labels, ``(tasks, n)`` each."""
    tasks, n = y.shape
    of_class = (0.5 * torch.randn(tasks, n_classes, generator=generator, dtype=torch.float32)).exp()
    difficulty = doubt.sqrt() * of_class.gather(1, y)
    logits = torch.randn(tasks, n_classes, n_classes, generator=generator, dtype=torch.float32)
    itself = torch.eye(n_classes, dtype=torch.bool)
    confusion = (_CONFUSION * logits).masked_fill(itself, -torch.inf).softmax(dim=2).cumsum(dim=2)
    place = torch.rand(tasks, n, 1, generator=generator, dtype=torch.float32)
    row = torch.take_along_dim(confusion, y[:, :, None], dim=1)
    # Rounding may leave the last sum below a number that was drawn.
    taken = (row < place * row[:, :, -1:]).sum(dim=2)
    near = torch.rand(tasks, n, generator=generator, dtype=torch.float32) < 0.5
    return difficulty / difficulty.mean(dim=1, keepdim=True), torch.where(near, rival, taken)
