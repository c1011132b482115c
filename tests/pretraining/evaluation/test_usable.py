"""A candidate is usable exactly when a loss can be built from it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from evoloss import EvolvedLoss
from evoloss.errors import CanonicalFormError, ConfigError
from evoloss.fitness import Evaluation
from evoloss.networks import NETWORKS, LossNetwork
from evoloss.pretraining.components import make_network
from evoloss.pretraining.evaluation.usable import is_usable, no_usable_loss, without_unusable
from tests.pretraining.runs import tiny
from tests.sampling import sampled


def network(name: str) -> LossNetwork:
    return make_network(tiny(network=name, hidden=(5,), classes=(4,)))


def candidates(of: LossNetwork, n: int = 24) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.stack([of.initial(generator) for _ in range(n)])


def can_be_built(of: LossNetwork, params: torch.Tensor) -> bool:
    try:
        loss = EvolvedLoss(of, params)
    except (CanonicalFormError, ConfigError):
        return False
    for count in of.checked_classes:
        n_labels = count if of.class_counts else 1  # a concat loss does so on the average of its labels
        logits = torch.zeros(n_labels, count, dtype=torch.float64, requires_grad=True)
        loss(logits, torch.arange(n_labels)).backward()
        assert logits.grad is not None
        assert logits.grad.diagonal().sum() < 0, "the label's probability is pushed up"
    return True


@pytest.mark.parametrize("name", sampled(NETWORKS, 3))
def test_usable_is_what_a_loss_can_be_built_from(name: str):
    of = network(name)
    rows = candidates(of)
    usable = [is_usable(of, row) for row in rows]
    assert usable == [can_be_built(of, row) for row in rows]
    evaluation = Evaluation(torch.zeros(len(rows)), torch.ones(len(rows)), 0)
    accepted = without_unusable(evaluation, of, rows)
    assert accepted.fitness.isfinite().tolist() == usable
    assert accepted.consistency.isnan().tolist() == [not flag for flag in usable]
    assert accepted.rejected == usable.count(False)
    if name in ("classwise", "balanced", "basis", "concat"):
        assert 0 < sum(usable) < len(rows)


def test_rejected_candidates_stay_rejected():
    of = network("monotone")
    evaluation = Evaluation(torch.tensor([0.1, torch.inf]), torch.tensor([0.9, torch.nan]), 1)
    after = without_unusable(evaluation, of, candidates(of, 2))
    assert after.fitness.tolist() == [pytest.approx(0.1), torch.inf]
    assert after.rejected == 1


def test_what_is_not_finite_is_not_usable():
    of = network("monotone")
    assert not is_usable(of, torch.full((of.n_params,), torch.nan))
    assert not is_usable(of, torch.zeros(of.n_params + 1))
    assert not is_usable(of, torch.full((of.n_params,), 1e300, dtype=torch.float64)), "not in float32"


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        (
            {"generations": 7},
            ["every one of 2, 10, 100 and 1000 classes", "run more generations", "monotone"],
        ),
        ({"generations": 70}, ["try a smaller sigma (now 0.3)", "another seed"]),
        ({"network": "concat", "classes": (4,), "generations": 70}, ["at 4 classes"]),
    ],
)
def test_the_message_says_what_to_change(changes: dict[str, Any], texts: list[str]):
    config = tiny(**changes)
    text = no_usable_loss(config, make_network(config), 7, 1)
    assert text.startswith("after 7 generations neither the mean nor the best candidate")
    assert all(line in text for line in texts)
    assert ("run more generations" in text) == (config.generations == 7)
    assert ("monotone" in text) == (config.network != "concat")
    assert "1 start was tried" in text
    assert "3 starts were tried" in no_usable_loss(config, make_network(config), 7, 3)
