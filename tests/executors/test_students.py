"""Students of the learnability fitness trained elsewhere: the same bits."""

from __future__ import annotations

import pytest
import torch

from evoloss.executors import ExecutorName, make_executor
from evoloss.fitness import TaskGroupSpec, score_groups
from evoloss.fitness.group_scores import CHUNK
from evoloss.networks import BasisNetwork
from evoloss.tasks import Prior

NETWORK = BasisNetwork()
PRIOR = Prior(classes=(3, 4), samples=(40, 60), steps=(12, 20), width=(6, 8))
SPECS = [TaskGroupSpec(PRIOR, 0, ("spread",), group, 2, long=False) for group in range(2)]


@pytest.mark.parametrize("name", [pytest.param("processes", marks=pytest.mark.slow), "ray"])
def test_groups_spread_over_workers(name: ExecutorName, request: pytest.FixtureRequest) -> None:
    if name == "ray":
        request.getfixturevalue("local_ray")
    around = torch.randn(CHUNK + 4, NETWORK.n_params, generator=torch.Generator().manual_seed(0))
    params = torch.tensor([1.0, *[0.0] * 9]) + 0.1 * around
    here = score_groups(NETWORK, params, SPECS)
    with make_executor(name, workers=2, threads=torch.get_num_threads()) as executor:
        elsewhere = score_groups(NETWORK, params, SPECS, executor)
    for one, other in zip(here, elsewhere, strict=True):
        assert torch.equal(one.accuracy, other.accuracy)
        assert torch.equal(one.nll, other.nll)
