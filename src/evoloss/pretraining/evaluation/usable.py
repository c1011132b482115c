"""Selection of the candidates that make a usable loss.

A loss of any class count must have a canonical form at every class count that is checked when it is built,
not only at those that it is evolved on: a candidate may order predictions over ten classes and push the
label's probability down over a thousand.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from evoloss.errors import CanonicalFormError, ConfigError
from evoloss.fitness import Evaluation
from evoloss.losses.evolved import EvolvedLoss
from evoloss.networks import LossNetwork
from evoloss.pretraining.config import PretrainConfig


def is_usable(network: LossNetwork, params: Tensor) -> bool:
    """Tell whether an :class:`EvolvedLoss` can be built from ``(n_params,)``, in float32 as it is saved."""
    try:
        EvolvedLoss(network, params.to(torch.float32))
    except (ConfigError, CanonicalFormError):
        return False
    return True


def without_unusable(
    evaluation: Evaluation, network: LossNetwork, candidates: Tensor, evaluated: Sequence[int] = ()
) -> Evaluation:
    """The evaluation with those candidates rejected, too, that have no form at a class count that is checked.

    Args:
        evaluation: of these candidates, on the class counts that the search is for.
        network: what the parameters mean.
        candidates: shape ``(popsize, n_params)``.
        evaluated: class counts of the evaluation, which has rejected those without a form there.
    """
    exists = torch.ones(len(candidates), dtype=torch.bool, device=candidates.device)
    others = [count for count in network.checked_classes if count not in evaluated]
    for form in network.forms(candidates, others) if others else ():
        exists &= form.exists
    fitness = torch.where(exists, evaluation.fitness, torch.inf)
    consistency = torch.where(exists, evaluation.consistency, torch.nan)
    return evaluation._replace(
        fitness=fitness, consistency=consistency, rejected=int((~fitness.isfinite()).sum())
    )


def no_usable_loss(config: PretrainConfig, network: LossNetwork, generation: int, attempts: int) -> str:
    """The error for a run that came upon no usable loss, with what to change."""
    counts = network.checked_classes
    where = f"{counts[0]} classes" if len(counts) == 1 else f"every one of {_listed(counts)} classes"
    starts = "1 start was" if attempts == 1 else f"{attempts} starts were"
    more = "run more generations, or " if config.generations == generation else ""
    instead = ", or network='monotone', whose losses can always be used" if len(counts) > 1 else ""
    return (
        f"after {generation} generations neither the mean nor the best candidate of any of them makes a "
        f"usable loss ({starts} tried): at {where} its gradient at the uniform prediction must push the "
        f"label's probability up; {more}try a smaller sigma (now {config.sigma:g}), another seed{instead}"
    )


def _listed(counts: Sequence[int]) -> str:
    *first, last = map(str, counts)
    return f"{', '.join(first)} and {last}"
