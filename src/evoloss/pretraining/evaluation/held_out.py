"""Scoring a loss on held-out pairs, exactly and in float64."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from evoloss.fitness import RankingScores, ranking_scores
from evoloss.networks import LossNetwork
from evoloss.pairs import Pairs, PairsConfig, error_key, move_mass, sample_pairs
from evoloss.random_streams import stream

# Apart from every training stream, whatever the run's seed: all runs are scored on the same pairs.
_HELD_OUT_SEED = 20_260_503

_ELEMENTS = 1 << 18  # predictions' entries evaluated at once; bounds the memory at large class counts


def held_out_pairs(classes: Iterable[int], n: int, mixture: PairsConfig | None = None) -> dict[int, Pairs]:
    """The held-out pairs of each class count, in float64; the same on every call.

    Example:
        >>> held_out = held_out_pairs([2, 10], 64)
        >>> {n_classes: tuple(pairs.log_probs.shape) for n_classes, pairs in held_out.items()}
        {2: (64, 2), 10: (64, 10)}
    """
    config = mixture or PairsConfig()
    return {
        count: sample_pairs(config, n, count, stream(_HELD_OUT_SEED, "held-out", count), torch.float64)
        for count in classes
    }


def score(network: LossNetwork, params: Tensor, pairs: Pairs) -> RankingScores | None:
    """Ranking scores of one candidate by the error ``1 - p_y``, or None where it has no canonical form.

    Args:
        network: what the parameters mean.
        params: shape ``(n_params,)``.
        pairs: in float64.

    Example:
        >>> from evoloss import EvolvedLoss
        >>> loss = EvolvedLoss("evolved-base")
        >>> scores = score(loss.network, loss.params, held_out_pairs([10], 64)[10])
        >>> f"{scores.consistency:.2f}"
        '0.96'
    """
    row = params[None].double()
    n_classes = pairs.log_probs.shape[1]
    if not network.form(row, n_classes).exists.item():
        return None
    losses = _losses(network, row, pairs.log_probs, pairs.target)
    if not losses.isfinite().all() or (losses == losses[0]).all():
        return None
    return ranking_scores(losses, error_key("one_minus_p", pairs.log_probs, pairs.target))


def _losses(network: LossNetwork, row: Tensor, log_probs: Tensor, target: Tensor) -> Tensor:
    """Losses ``(N,)`` of one candidate ``(1, n_params)``, so many at once as memory has room for."""
    chunk = max(1, _ELEMENTS // network.exact_elements(log_probs.shape[1]))
    chunks = zip(log_probs.split(chunk), target.split(chunk), strict=True)  # type: ignore[no-untyped-call]
    return torch.cat([network.losses(row, *rows)[0] for rows in chunks])


def dominance_consistency(
    network: LossNetwork, params: Tensor, held_out: Mapping[int, Pairs]
) -> dict[int, float]:
    """Share of the held-out pairs that cost more with mass moved off their label, by class count.

    A tie counts one half. Predictions that dominance does not compare play no part.
    """
    found = {}
    for count, pairs in held_out.items():
        moved = move_mass(pairs.log_probs, pairs.target, stream(_HELD_OUT_SEED, "moved mass", count))
        row = params[None].double()
        gap = _losses(network, row, moved, pairs.target) - _losses(
            network, row, pairs.log_probs, pairs.target
        )
        found[count] = float(0.5 + 0.5 * gap.sign().mean())
    return found


def score_all(
    network: LossNetwork, params: Tensor, held_out: Mapping[int, Pairs]
) -> dict[int, RankingScores] | None:
    """:func:`score` at every class count, or None if one of them has no score.

    Example:
        >>> from evoloss import EvolvedLoss
        >>> loss = EvolvedLoss("evolved-base")
        >>> sorted(score_all(loss.network, loss.params, held_out_pairs([2, 10], 64)))
        [2, 10]
    """
    scores = {count: score(network, params, pairs) for count, pairs in held_out.items()}
    found = {count: count_scores for count, count_scores in scores.items() if count_scores is not None}
    return found if len(found) == len(scores) else None
