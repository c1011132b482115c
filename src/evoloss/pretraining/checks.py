"""Checks along the way: the best usable loss so far, and whether a search should start anew.

A search by ranking may come to rest in a local optimum, most often one in which the many small terms of a
thousand classes are not silenced. Five of six random starts do not (notebook, entry 32), so a search that is
stuck begins again; what is returned is the best usable loss of all its starts.

All of it is a function of the generations done, never of how many are asked for: a run that is resumed with
more generations is the run that was given them from the beginning.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from evoloss.fitness import RankingFitness, make_couples
from evoloss.networks import LossNetwork
from evoloss.pairs import Pairs, sample_pairs
from evoloss.pretraining.components import training_mixture
from evoloss.pretraining.config import PretrainConfig
from evoloss.pretraining.evaluation.usable import is_usable
from evoloss.random_streams import stream

AIM = 0.9997
"""A search has settled when its best loss orders such a share of the couples right at every class count."""

EVERY = 25  # generations between two checks: a check costs about a third of a generation
_EARLY = 5  # between the first looks at whether the mean is usable
RESTARTS = 4  # at most: the last attempt goes on to the end
HOPELESS = 20  # generations without a single usable loss after which a start is given up
_LEAST_AGE = 250  # of an attempt that may be called stuck
_FAR, _NEAR = (
    100,
    400,
)  # generations in which the share of wrong couples should be halved: above and below ...
_NEAR_ERROR = 0.01  # ... this share

# The same for every run, and apart from the pairs that runs are trained and reported on.
_SEED = 20_261_129
_PAIRS, _LEAST_PAIRS, _ELEMENTS = 1024, 64, 1 << 22  # a check's pairs, and the entries that they may have
_SHARPEST = 20.0


@dataclass(frozen=True)
class Incumbent:
    """The best usable loss so far.

    Attributes:
        params: shape ``(n_params,)``.
        score: its lowest consistency over the class counts, on the couples of the checks; 0 while it was not
            measured.
        generation: when it was found.
        is_mean: whether it is the mean of the search, and not a candidate; None where a version found it that
            did not tell.
    """

    params: Tensor
    score: float
    generation: int
    is_mean: bool | None = None


def _no_scores() -> Tensor:
    return torch.empty(0, dtype=torch.float64)


@dataclass(frozen=True)
class Attempt:
    """A search from one start.

    Attributes:
        number: from 0.
        began: the generation after which it began.
        usable: whether it has come upon a usable loss.
        constrained: whether candidates are rejected that no loss can be made of at every class count checked.
        scores: lowest consistency of the mean (or, where the mean is not usable, of the generation's best
            candidate) at each check, 0 where neither is usable, float64, ``(checks,)``.
    """

    number: int = 0
    began: int = 0
    usable: bool = False
    constrained: bool = False
    scores: Tensor = field(default_factory=_no_scores)

    def is_hopeless(self, generation: int) -> bool:
        """Tell whether nothing usable has turned up for so long that nothing will."""
        return not self.usable and generation - self.began >= HOPELESS

    def is_stuck(self, generation: int) -> bool:
        """Tell whether the search has come to rest short of its aim.

        That is, from age 250 on: the share of wrong couples was not halved in the last 100 generations, or in
        the last 400 where it is below 1 %.
        """
        if generation - self.began < _LEAST_AGE or generation % EVERY or not len(self.scores):
            return False
        errors = (1 - self.scores.cummax(0).values).tolist()
        now, checks = errors[-1], (_FAR if errors[-1] > _NEAR_ERROR else _NEAR) // EVERY
        return len(errors) > checks and now > max(1 - AIM, errors[-1 - checks] / 2)


class Checks:
    """Checks of a search after each generation.

    With the learnability fitness the mean is judged on held-out tasks elsewhere; here only the latest usable
    loss is kept, for a run in which no mean could be judged.

    Args:
        config: of the run.
        network: what is evolved.
    """

    def __init__(self, config: PretrainConfig, network: LossNetwork) -> None:
        self.config, self.network = config, network
        self._fitness: RankingFitness | None = None

    def after(
        self, generation: int, attempt: Attempt, incumbent: Incumbent | None, mean: Tensor, best: Tensor
    ) -> tuple[Attempt, Incumbent | None]:
        """The attempt and the incumbent after one more generation.

        Args:
            generation: that is done.
            attempt: before it.
            incumbent: before it.
            mean: of the search, ``(n_params,)``.
            best: the generation's best candidate, ``(n_params,)``.
        """
        ranking, age = self.config.fitness == "ranking", generation - attempt.began
        measured = ranking and generation % EVERY == 0
        due = measured or not ranking or (age < EVERY and age % _EARLY == 0)
        if attempt.usable and not due:
            return attempt, incumbent
        mean_is_usable = is_usable(self.network, mean)
        found = mean if mean_is_usable else best if is_usable(self.network, best) else None
        # No search is held back by class counts that it is not for, unless it would end unusable.
        constrained = ranking and not mean_is_usable and (due or found is None)
        attempt = replace(
            attempt,
            usable=attempt.usable or found is not None,
            constrained=attempt.constrained or constrained,
        )
        score = self.score(found) if measured and found is not None else 0.0
        if measured:
            attempt = replace(attempt, scores=torch.cat([attempt.scores, attempt.scores.new_tensor([score])]))
        # Where nothing was measured yet, the later one is the better guess.
        if found is not None and (incumbent is None or score >= incumbent.score):
            incumbent = Incumbent(found.clone(), score, generation, mean_is_usable)
        return attempt, incumbent

    def score(self, params: Tensor) -> float:
        """Lowest consistency of a candidate over the class counts of the run; 0 if it is not finite."""
        if self._fitness is None:
            self._fitness = self._make()
        lowest = float(self._fitness.consistency_by_count(params[None].double()).min())
        return 0.0 if math.isnan(lowest) else lowest

    def _make(self) -> RankingFitness:
        """The couples of all class counts, and those of sharpened predictions."""
        config, mixture = self.config, training_mixture(self.config, self.network)
        couples = []
        for count in config.classes:
            columns = min(count, mixture.slots) if mixture.slots else count
            n = max(_LEAST_PAIRS, min(_PAIRS, _ELEMENTS // columns))
            pairs = sample_pairs(mixture, n, count, stream(_SEED, "checks", count), torch.float64)
            sharp = sample_pairs(mixture, n // 4, count, stream(_SEED, "sharpened", count), torch.float64)
            sharp = _sharpened(sharp, stream(_SEED, "temperatures", count))
            for drawn in (pairs, sharp):
                couples.append(make_couples(config.ranking, drawn, stream(_SEED, "moved mass", count)))
        return RankingFitness(config.ranking, self.network, couples)


def _sharpened(pairs: Pairs, generator: torch.Generator) -> Pairs:
    """The predictions at lower temperatures, down to a twentieth.

    A search meets few labels of a probability near the floor (1e-30), and for a while its loss may fall where
    it should rise beyond it. It has settled when that is over.
    """
    factor = _SHARPEST ** torch.rand(len(pairs.target), 1, generator=generator, dtype=pairs.log_probs.dtype)
    sharp = factor * pairs.log_probs
    log_counts = torch.zeros_like(sharp[0]) if pairs.counts is None else pairs.counts.to(sharp).log()
    return replace(pairs, log_probs=sharp - (sharp + log_counts).logsumexp(dim=1, keepdim=True))
