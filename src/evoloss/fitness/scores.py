"""Scores of the order of predictions: ranking consistency, Kendall's tau-b, Spearman's rho."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from evoloss.errors import ConfigError


class RankingScores(NamedTuple):
    """Agreement of two orders.

    Attributes:
        consistency: share of comparable couples (different error) that the loss orders as the error does; a
            couple with equal losses counts one half. In [0, 1].
        kendall_tau: Kendall's tau-b, in [-1, 1].
        spearman_rho: Spearman's rho with mean ranks for ties, in [-1, 1].
    """

    consistency: float
    kendall_tau: float
    spearman_rho: float


def ranking_scores(losses: Tensor, errors: Tensor) -> RankingScores:
    """Compare the orders of ``losses`` and ``errors``, over all ``N (N - 1) / 2`` couples.

    Args:
        losses: one loss a pair, shape ``(N,)``, finite.
        errors: the error of each pair, or any key that orders pairs as the error does, shape ``(N,)``.

    Raises:
        ConfigError: if there are fewer than two pairs, the shapes differ, a value is not finite, or all
            losses or all errors are equal (no order to compare).

    Example:
        >>> losses, errors = torch.tensor([0.1, 0.5, 0.4, 2.0]), torch.tensor([0.1, 0.2, 0.3, 0.9])
        >>> scores = ranking_scores(losses, errors)
        >>> f"{scores.consistency:.3f} {scores.kendall_tau:.3f} {scores.spearman_rho:.3f}"
        '0.833 0.667 0.800'
    """
    if losses.shape != errors.shape or losses.dim() != 1 or len(losses) < 2:
        raise ConfigError(
            f"losses and errors must be two vectors of one length of at least 2, got {tuple(losses.shape)} "
            f"and {tuple(errors.shape)}"
        )
    losses, errors = losses.double(), errors.double()
    if not (losses.isfinite().all() and errors.isfinite().all()):
        raise ConfigError("losses and errors must be finite")
    agree, disagree, untied_losses, untied_errors = _count_couples(losses, errors)
    if untied_losses == 0 or untied_errors == 0:
        raise ConfigError("all losses or all errors are equal; there is no order to compare")
    tied = untied_errors - agree - disagree
    return RankingScores(
        (agree + 0.5 * tied) / untied_errors,
        (agree - disagree) / (untied_losses**0.5 * untied_errors**0.5),
        float(torch.corrcoef(torch.stack([_mean_ranks(losses), _mean_ranks(errors)]))[0, 1].clamp(-1, 1)),
    )


def _count_couples(losses: Tensor, errors: Tensor, chunk: int = 512) -> tuple[int, int, int, int]:
    """Count agreeing and disagreeing couples, and couples untied in each; row chunks bound the memory."""
    agree = disagree = untied_losses = untied_errors = 0
    for start in range(0, len(losses), chunk):
        rows = slice(start, start + chunk)
        by_loss = torch.sign(losses[rows, None] - losses[None, :])
        by_error = torch.sign(errors[rows, None] - errors[None, :])
        product = by_loss * by_error
        agree += int((product > 0).sum())
        disagree += int((product < 0).sum())
        untied_losses += int(by_loss.count_nonzero())
        untied_errors += int(by_error.count_nonzero())
    return agree // 2, disagree // 2, untied_losses // 2, untied_errors // 2


def _mean_ranks(values: Tensor) -> Tensor:
    """Ranks from 1, ties sharing the mean of theirs."""
    _, inverse, counts = torch.unique(values, return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    ranks: Tensor = last - (counts.double() - 1) / 2
    return ranks[inverse]
