"""Recorded values: a change of an algorithm shows here, and is then either undone or recorded anew.

They are the norm of the mean after 10 generations on the sphere from a vector of ones, float64; libraries may
differ in the last digits, so they are compared to 1e-6.
"""

from __future__ import annotations

import pytest
import torch

from evoloss.mutation import Chaotic, Gaussian, Mutation
from evoloss.strategies import STRATEGIES
from tests.strategies.searches import search, sphere, start

RECORDED: dict[tuple[str, str, str], float] = {
    ("es_comma", "gaussian", "direction"): 0.96009952,
    ("es_plus", "gaussian", "direction"): 0.45162605,
    ("open_es", "gaussian", "direction"): 1.87394206,
    ("snes", "gaussian", "direction"): 0.90964685,
    ("pycma", "own", "direction"): 0.40678312,
    ("es_comma", "logistic", "direction"): 0.59571024,
    ("es_plus", "logistic", "direction"): 0.52290292,
    ("open_es", "logistic", "direction"): 1.73697541,
    ("snes", "logistic", "direction"): 0.60009229,
    ("snes", "logistic", "both"): 0.74382275,
    ("snes", "tent", "both"): 0.84501834,
    ("snes", "sine", "both"): 0.70244807,
    ("snes", "chebyshev", "both"): 0.79884069,
    ("snes", "gauss", "both"): 1.34387944,
    ("snes", "henon", "both"): 1.08028593,
    ("es_comma", "logistic", "step"): 0.63315686,
}


def mutation_of(name: str, drives: str) -> Mutation:
    return Gaussian() if name == "gaussian" else Chaotic(map=name, drives=drives)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "mutation", "drives"), list(RECORDED))
def test_norm_after_ten_generations(name: str, mutation: str, drives: str) -> None:
    fields = {} if name == "pycma" else {"mutation": mutation_of(mutation, drives)}
    strategy = STRATEGIES[name](popsize=16, sigma=0.2, **fields)  # type: ignore[arg-type]
    state = search(strategy, start(strategy, torch.ones(8, dtype=torch.float64)), sphere, range(10))
    assert float(strategy.mean(state).norm()) == pytest.approx(RECORDED[name, mutation, drives], abs=1e-6)
