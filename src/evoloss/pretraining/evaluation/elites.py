"""The means of the search that did best on held-out tasks, kept for a second look at the end."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Elites:
    """The best so far, best first.

    Attributes:
        params: ``(k, n_params)``.
        scores: on the held-out tasks, larger is better, ``(k,)``.
        generations: when they were found, int64, ``(k,)``.
    """

    params: Tensor
    scores: Tensor
    generations: Tensor

    @classmethod
    def none(cls, n_params: int) -> Elites:
        """No elites yet."""
        return cls(
            torch.empty(0, n_params, dtype=torch.float32),
            torch.empty(0, dtype=torch.float64),
            torch.empty(0, dtype=torch.int64),
        )

    def with_one_more(self, params: Tensor, score: float, generation: int, keep: int) -> Elites:
        """The best ``keep`` after one more, ``(n_params,)``, was judged."""
        scores = torch.cat([self.scores, self.scores.new_tensor([score])])
        best = scores.argsort(descending=True, stable=True)[:keep]
        return Elites(
            torch.cat([self.params, params[None].to(self.params)])[best],
            scores[best],
            torch.cat([self.generations, torch.tensor([generation])])[best],
        )
