"""The two slopes of known losses (:mod:`evoloss.networks.slopes`)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from evoloss.networks import SlopeFunctions


def cross_entropy_slopes() -> SlopeFunctions:
    """The slopes of cross-entropy: 0 for other classes, -1 for the label."""
    return torch.zeros_like, lambda log_p: torch.full_like(log_p, -1.0)


def label_smoothing_slopes(n_classes: int, smoothing: float = 0.1) -> SlopeFunctions:
    """The slopes of label smoothing with share e: ``-e / C``, and ``-(1 - e + e / C)``."""
    share = smoothing / n_classes
    return lambda log_p: torch.full_like(log_p, -share), lambda log_p: torch.full_like(
        log_p, -(1 - smoothing + share)
    )


def gce_slopes(q: float = 0.7) -> SlopeFunctions:
    """The slopes of generalised cross-entropy, ``(1 - p_y^q) / q`` (arXiv:1805.07836): 0, and ``-p_y^q``."""
    return torch.zeros_like, lambda log_p: -(q * log_p).exp()


def sce_slopes(alpha: float = 0.1, beta: float = 1.0, log_zero: float = -4.0) -> SlopeFunctions:
    """The slopes of symmetric cross-entropy (arXiv:1908.06112): 0, and ``-alpha + beta * log_zero * p_y``."""
    return torch.zeros_like, lambda log_p: -alpha + beta * log_zero * log_p.exp()


def smoothed_log_slopes(n_classes: int, share: float = 1.0) -> SlopeFunctions:
    """The slopes of ``-log(p_y + e)`` with ``e = 1 / (share C)``: 0, and ``-p_y / (p_y + e)``.

    Cross-entropy that gives up on a label where its probability falls below e, the ``share``-th part of the
    uniform one.
    """
    return torch.zeros_like, lambda log_p: -torch.sigmoid(log_p + math.log(share * n_classes))


KNOWN_SLOPES: dict[str, Callable[[int], SlopeFunctions]] = {
    "cross_entropy": lambda n_classes: cross_entropy_slopes(),
    "label_smoothing": label_smoothing_slopes,
    "gce": lambda n_classes: gce_slopes(),
    "sce": lambda n_classes: sce_slopes(),
}
"""Slopes of known losses at a class count, by name; with the papers' defaults."""

START_SLOPES = {**KNOWN_SLOPES, "smoothed_log": smoothed_log_slopes}
"""What a search may start at."""
