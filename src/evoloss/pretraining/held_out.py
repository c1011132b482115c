"""Scoring a loss on held-out pairs, exactly and in float64."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from evoloss.fitness import RankingScores, ranking_scores
from evoloss.networks import ConcatNetwork, Network
from evoloss.pairs import Pairs, PairsConfig, error_key, sample_pairs
from evoloss.random_streams import stream

# Apart from every training stream, whatever the run's seed: all runs are scored on the same pairs.
_HELD_OUT_SEED = 20_260_503

_ELEMENTS = 1 << 18  # predictions' entries evaluated at once; bounds the memory at large class counts


def held_out_pairs(classes: Iterable[int], n: int, mixture: PairsConfig | None = None) -> dict[int, Pairs]:
    """The held-out pairs of each class count, in float64; the same on every call."""
    config = mixture or PairsConfig()
    return {
        count: sample_pairs(config, n, count, stream(_HELD_OUT_SEED, "held-out", count), torch.float64)
        for count in classes
    }


def score(network: Network, params: Tensor, pairs: Pairs) -> RankingScores | None:
    """Ranking scores of one candidate by the error ``1 - p_y``, or None where it has no canonical form.

    Args:
        network: what the parameters mean.
        params: shape ``(n_params,)``.
        pairs: in float64.
    """
    row = params[None].double()
    n_classes = pairs.log_probs.shape[1]
    if not network.form(row, n_classes).exists.item():
        return None
    per_row = n_classes * (n_classes if isinstance(network, ConcatNetwork) else 1)
    chunk = max(1, _ELEMENTS // per_row)
    parts = [
        network.losses(row, pairs.log_probs[start : start + chunk], pairs.target[start : start + chunk])[0]
        for start in range(0, len(pairs.target), chunk)
    ]
    losses = torch.cat(parts)
    if not losses.isfinite().all() or (losses == losses[0]).all():
        return None
    return ranking_scores(losses, error_key("one_minus_p", pairs.log_probs, pairs.target))


def score_all(
    network: Network, params: Tensor, held_out: Mapping[int, Pairs]
) -> dict[int, RankingScores] | None:
    """:func:`score` at every class count, or None if one of them has no score."""
    scores = {count: score(network, params, pairs) for count, pairs in held_out.items()}
    found = {count: each for count, each in scores.items() if each is not None}
    return found if len(found) == len(scores) else None
