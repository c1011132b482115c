"""Objectives for boosted trees: derivatives, both ways of calling, and the classifiers of both libraries."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evoloss import make_loss
from evoloss.integrations.boosting import metric, objective
from evoloss.integrations.boosting.sensed import IN_TREES, noise_rate_in_trees
from evoloss.losses import LOSSES


class Data:
    """What a library's data set answers."""

    def __init__(self, labels: Any, weight: Any = None) -> None:
        self.labels, self.weight = labels, weight

    def get_label(self) -> Any:
        return self.labels

    def get_weight(self) -> Any:
        return self.weight


def margins(n: int, n_classes: int, dtype: type = np.float64) -> Any:
    return 2 * np.random.default_rng(0).standard_normal((n, n_classes)).astype(dtype)


# Derivatives.


@pytest.mark.parametrize("hessian", ["abs", "softmax", "exact"])
def test_cross_entropy_has_its_derivatives(hessian: str) -> None:
    scores, labels = margins(6, 4), np.array([0, 1, 2, 3, 3, 0])
    gradient, curvature = objective("cross_entropy", 4, hessian=hessian)(labels, scores)
    p = torch.from_numpy(scores).softmax(1).numpy()
    expected = p - np.eye(4)[labels]
    assert gradient == pytest.approx(expected, abs=1e-12)
    of = {"abs": abs(expected), "softmax": 2 * p * (1 - p)}
    of["exact"] = np.maximum(p * (1 - p), abs(expected) / 10)
    assert curvature == pytest.approx(of[hessian], abs=1e-12)


@pytest.mark.parametrize("name", ["gce", "evolved-base", "evolved-noise", "label_smoothing"])
def test_gradients_are_those_of_the_summed_loss(name: str) -> None:
    scores, labels = margins(8, 3), np.arange(8) % 3
    gradient, _ = objective(name, 3)(labels, scores)
    loss = make_loss(name, reduction="sum")
    leaf = torch.from_numpy(scores).requires_grad_()
    loss(leaf, torch.from_numpy(labels)).backward()
    assert gradient == pytest.approx(leaf.grad.numpy(), abs=1e-7)


def test_one_score_is_the_log_odds_of_the_second_class() -> None:
    odds, labels = np.array([-1.0, 0.5, 2.0]), np.array([0, 1, 0])
    gradient, curvature = objective("cross_entropy", 2, hessian="softmax")(labels, odds)
    p = 1 / (1 + np.exp(-odds))
    assert gradient == pytest.approx(p - labels)
    assert curvature == pytest.approx(p * (1 - p))
    pairs = np.stack([np.zeros(3), odds], axis=1)
    both, _ = objective("gce", 2)(labels, pairs)
    one, _ = objective("gce", 2)(labels, odds)
    assert one == pytest.approx(both[:, 1])


def test_both_ways_of_calling_are_one_and_weights_count() -> None:
    scores, labels, weight = margins(5, 3, np.float32), np.array([0, 2, 1, 1, 0]), np.arange(5.0)
    made = objective("gce", 3)
    with_data = made(scores, Data(labels.astype(np.float32), weight))
    with_arrays = made(labels, scores, sample_weight=weight)
    plain = made(scores, Data(labels, np.empty(0)))
    for one, other, unweighted in zip(with_data, with_arrays, plain, strict=True):
        assert one.dtype == np.float32
        assert one.shape == (5, 3)
        assert np.array_equal(one, other)
        assert one == pytest.approx(unweighted * weight[:, None], rel=1e-5)


def test_a_loss_of_ones_own_and_class_weights() -> None:
    weight = torch.tensor([1.0, 5.0, 1.0])
    scores, labels = margins(6, 3), np.arange(6) % 3
    ours, _ = objective(LOSSES["cross_entropy"](weight=weight.double()), 3)(labels, scores)
    theirs, _ = objective(nn.CrossEntropyLoss(weight=weight.double()), 3)(labels, scores)
    assert ours == pytest.approx(theirs)
    plain, _ = objective("cross_entropy", 3)(labels, scores)
    assert ours[1] == pytest.approx(5 * plain[1])


def test_the_loss_that_is_given_stays_as_it_is() -> None:
    loss = LOSSES["gce"]()
    objective(loss, 3)(np.array([0, 1]), margins(2, 3))
    assert loss.reduction == "mean"


# A loss that follows its training.


def follow(made: Any, labels: Any, rounds: int) -> list[Any]:
    scores = np.zeros((len(labels), 3))
    gradients = []
    for number in range(rounds):
        scores[np.arange(len(labels)), labels] = 0.3 * number
        gradients.append(made(labels, scores)[0])
    return gradients


def test_a_loss_with_a_state_goes_by_batches_and_from_the_same_start_again() -> None:
    labels = np.arange(200) % 3
    made = objective("adaptive", 3)
    assert (made.batches, objective("evolved-noise", 3).batches) == (20, 1)
    first = follow(made, labels, 5)
    assert made.rounds == 5
    assert "200" in str(made.criterion.noise_rate)  # it was told how many samples an epoch has
    made.reset()
    assert made.rounds == 0
    assert all(map(np.array_equal, first, follow(made, labels, 5)))
    assert all(map(np.array_equal, first, follow(objective("adaptive", 3), labels, 5)))


def test_the_leap_after_the_first_round_looks_like_labels_known_by_heart() -> None:
    """The reason that is given in trees: here all labels are right, and nothing is memorised."""
    labels = np.arange(900) % 3
    made = objective("adaptive", 3)
    for height in (0, 4, 4, 4, 4, 4):
        made(labels, height * np.eye(3)[labels])
    assert "the model knows labels by heart" in made.criterion.noise_rate.reason
    assert noise_rate_in_trees(made.criterion) is IN_TREES
    assert "evoloss compare --model mlp" in str(IN_TREES)
    assert noise_rate_in_trees(objective("gce", 3).criterion) is None


def test_every_data_set_has_a_training_of_its_own_and_scores_all_alike_begin_one() -> None:
    labels, others = Data(np.arange(200) % 3), Data(np.arange(120) % 3)
    start, later = np.zeros((200, 3)), margins(200, 3)
    made = objective("adaptive", 3)
    alone = [made(scores, labels)[0] for scores in (start, later)]
    assert made.rounds == 2
    mixed = objective("adaptive", 3)
    found = []
    for scores in (start, later):  # as xgb.cv goes through its folds
        found.append(mixed(scores, labels)[0])
        mixed(scores[:120], others)
        assert mixed.rounds == len(found)
    assert all(map(np.array_equal, found, alone))
    again = [made(scores, labels)[0] for scores in (start, later)]
    assert made.rounds == 2
    assert all(map(np.array_equal, again, alone))
    assert pickle.loads(pickle.dumps(made)).rounds == 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_class_weights_come_in_any_precision(dtype: type) -> None:
    scores, labels = margins(6, 3, dtype), np.arange(6) % 3
    single, double = (
        objective(make_loss("gce", weight=torch.tensor([1.0, 2.0, 4.0], dtype=kind)), 3)(labels, scores)[0]
        for kind in (torch.float32, torch.float64)
    )
    assert single.dtype == dtype
    assert single == pytest.approx(double, rel=1e-5)
    weighted = metric(make_loss("gce", weight=torch.ones(3)), 3, tool="xgboost")
    assert weighted(labels, scores) == pytest.approx(metric("gce", 3, tool="xgboost")(labels, scores))


def test_a_memory_of_each_sample_is_told_which_it_is() -> None:
    made = objective("elr", 3, batches=4)
    labels = np.arange(40) % 3
    gradients = follow(made, labels, 3)
    one_by_one = objective("elr", 3, batches=1)
    assert np.allclose(gradients[-1], follow(one_by_one, labels, 3)[-1], atol=1e-6)


# Metrics.


def test_a_metric_in_all_forms() -> None:
    scores, labels, weight = np.log([[0.5, 0.5], [0.8, 0.2]]), np.array([0, 0]), np.array([3.0, 1.0])
    mean = -(3 * np.log(0.5) + np.log(0.8)) / 4
    boosted = metric("cross_entropy", 2, tool="xgboost", name="nll")
    assert boosted(labels, scores, sample_weight=weight) == pytest.approx(mean)
    assert boosted(scores, Data(labels, weight)) == ("nll", pytest.approx(mean))
    assert metric("cross_entropy", 2, tool="lightgbm")(scores, Data(labels, weight)) == (
        "cross_entropy",
        pytest.approx(mean),
        False,
    )


def test_the_room_imports_no_tool() -> None:
    code = (
        "import sys, evoloss, evoloss.integrations.boosting as b; b.objective('gce', 3);"
        "print({name.partition('.')[0] for name in sys.modules} & {'xgboost', 'lightgbm', 'sklearn'})"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"
