from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest
import torch

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.fitness import (
    LearnabilityConfig,
    TaskGroupSpec,
    clean_penalty,
    clean_price,
    measure_learnability,
    robust_mean,
    score_group,
    score_groups,
    task_scores,
    trainable,
)
from evoloss.fitness.group_scores import CHUNK, GroupScores
from evoloss.losses.known.cross_entropy import CrossEntropyLoss
from evoloss.networks import BalancedNetwork
from evoloss.random_streams import stream
from evoloss.students import (
    Students,
    join_tables,
    tabulate_functions,
    tabulate_network,
)
from evoloss.tasks import Prior, draw_group
from tests.networks.populations import population

NETWORK = BalancedNetwork(hidden=(5,))
PRIOR = Prior(
    classes=(3, 4), samples=(40, 60), long_samples=(40, 40), steps=(12, 20), long_steps=(30, 30), width=(6, 8)
)
SPECS = [TaskGroupSpec(PRIOR, 0, ("test",), group, 2, long=group == 1) for group in range(2)]


def candidates(n: int) -> torch.Tensor:
    rows = population(NETWORK, 20 * n, 0, torch.float32)
    return rows[trainable(NETWORK, rows.double())][:n]


class Backwards:
    """Runs what it is given last to first, when the first result is asked for."""

    def __init__(self) -> None:
        self.waiting: list[Any] = []

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.waiting.append((future, function, args))
        if len(self.waiting) == 4:
            for waiting, call, given in reversed(self.waiting):
                waiting.set_result(call(*given))
        return future


def test_groups_in_any_order_and_place_give_the_same_bits() -> None:
    params = candidates(CHUNK + 3)
    here = score_groups(NETWORK, params, SPECS)
    elsewhere = score_groups(NETWORK, params, SPECS, Backwards())
    for one, other in zip(here, elsewhere, strict=True):
        assert torch.equal(one.accuracy, other.accuracy)
        assert torch.equal(one.nll, other.nll)
        assert torch.equal(one.is_clean, other.is_clean)
        assert one.accuracy.shape[1] == 1 + len(params)


def test_the_first_student_is_cross_entropys_on_the_same_task() -> None:
    spec = SPECS[0]
    scores = score_group(spec, NETWORK, candidates(2))
    group = draw_group(PRIOR, 2, stream(0, "test", 0), long=False)
    tables = tabulate_functions(
        [CrossEntropyLoss().slopes(group.tasks.n_classes)], group.tasks.n_classes, like=torch.zeros(1)
    )
    alone = Students(group.config, group.tasks, group.plan).train(tables)
    torch.testing.assert_close(scores.accuracy[:, 0], 100 * alone.test_accuracy[:, 0])
    assert (alone.test_scaled_nll <= alone.test_nll).all()


def test_the_advantage_is_that_of_the_ends_which_decide_most() -> None:
    params = candidates(6)
    parts = score_groups(NETWORK, params, SPECS)
    accuracy = torch.cat([part.accuracy[-1, 1:] - part.accuracy[-1, :1] for part in parts], dim=1)
    assert accuracy.shape == (6, 4)
    config = LearnabilityConfig(nll_weight=0.0, worst_weight=0.0, scoring="points", promote=1.0)
    found = measure_learnability(config, NETWORK, params, SPECS)
    torch.testing.assert_close(found.advantage, accuracy.double().mean(dim=1))
    # The ends count two thirds: the order of both agrees where the ends decide.
    assert int(found.fitness.argmin()) in accuracy.mean(dim=1).topk(3).indices.tolist()


def test_rejected_candidates_are_infinite_and_cost_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    params = candidates(2)
    turned = torch.cat([params[:, :-5], -params[:, -5:]], dim=1)

    def fail(*args: Any) -> None:
        raise AssertionError("trained")

    monkeypatch.setattr("evoloss.fitness.group_scores.score_group", fail)
    found = measure_learnability(LearnabilityConfig(), NETWORK, turned, SPECS)
    assert found.fitness.isposinf().all()
    assert found.advantage.isnan().all()


def test_only_the_promoted_are_trained_long_and_the_others_rank_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trained: list[tuple[bool, int]] = []

    def spy(spec: TaskGroupSpec, network: BalancedNetwork, params: torch.Tensor) -> GroupScores:
        trained.append((bool(spec.long), len(params)))
        return score_group(spec, network, params)

    monkeypatch.setattr("evoloss.fitness.group_scores.score_group", spy)
    params = candidates(8)
    found = measure_learnability(LearnabilityConfig(promote=0.25), NETWORK, params, SPECS)
    assert trained == [(False, 8), (True, 2)]
    short = measure_learnability(LearnabilityConfig(), NETWORK, params, SPECS[:1])
    promoted = set(short.fitness.argsort()[:2].tolist())
    assert set(found.fitness.argsort()[:2].tolist()) == promoted


def scores(accuracy: list[float], nll: list[float]) -> GroupScores:
    clean = torch.tensor([False])
    return GroupScores(torch.tensor(accuracy)[None, :, None], torch.tensor(nll)[None, :, None], clean)


def test_scores_by_rank_and_by_points() -> None:
    part = scores([50.0, 60.0, 50.0, 50.0, 10.0], [1.0, 0.75, 1.0, 2.0, 5.0])
    ranks = task_scores("rank", 0.0, part).flatten().tolist()
    assert ranks == pytest.approx([0.5, 0.0, 0.0, -0.5])
    points = task_scores("points", 0.0, part).flatten().tolist()
    assert points == pytest.approx([2.0, 0.0, 0.0, -4.0])  # cut at 20 points
    sharp = task_scores("points", 1.0, part).flatten().tolist()
    assert sharp == pytest.approx([1.0, 0.0, -4.0, -4.0])


def test_along_the_way_counts_a_third() -> None:
    accuracy = torch.tensor([[50.0, 65.0], [50.0, 50.0]])[:, :, None]
    along = GroupScores(accuracy, torch.zeros(2, 2, 1), torch.tensor([False]))
    assert task_scores("points", 0.0, along).item() == pytest.approx(1.0)


def test_worst_third() -> None:
    values = torch.tensor([[0.0, 1.0, 2.0, 3.0, 4.0, -6.0]])
    assert robust_mean(values, 0.0).item() == pytest.approx(4 / 6)
    assert robust_mean(values, 1.0).item() == pytest.approx(-3.0)
    assert robust_mean(values, 0.5).item() == pytest.approx((4 / 6 - 3) / 2)


@pytest.mark.parametrize(
    "values",
    [
        {"groups": 0},
        {"tasks": 0},
        {"nll_weight": 1.5},
        {"worst_weight": -1},
        {"promote": 0},
        {"ranking_floor": 2},
    ],
)
def test_out_of_range(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        replace(LearnabilityConfig(), **values)


def test_unknown_scoring() -> None:
    with pytest.raises(UnknownNameError, match=r"no scoring 'ranks'. Did you mean 'rank'"):
        LearnabilityConfig(scoring="ranks")  # type: ignore[arg-type]


def test_each_loss_at_its_own_best_learning_rate() -> None:
    spec = replace(SPECS[0], rates=3)
    group = draw_group(PRIOR, 2, stream(0, "test", 0), long=False, rates=3)
    reference = draw_group(PRIOR, 2, stream(0, "test", 0), long=False)
    assert torch.equal(group.tasks.x[::3], reference.tasks.x)
    assert torch.equal(group.plan.batches[:, 1::3], reference.plan.batches)
    torch.testing.assert_close(group.plan.rates[:, 2::3], 9 * reference.plan.rates)
    params = candidates(4)
    tuned = score_group(spec, NETWORK, params)
    every = Students(group.config, group.tasks, group.plan).train(
        join_tables(
            [
                tabulate_functions(
                    [CrossEntropyLoss().slopes(group.tasks.n_classes)], group.tasks.n_classes, like=params
                ),
                tabulate_network(NETWORK, params, group.tasks.n_classes),
            ]
        )
    )
    accuracy = 100 * every.test_accuracy[-1].nan_to_num(nan=1 / group.tasks.n_classes)
    torch.testing.assert_close(tuned.accuracy[-1], accuracy.view(5, 2, 3).amax(dim=2))
    assert tuned.accuracy.shape == score_group(SPECS[0], NETWORK, params).accuracy.shape


def priced(clean: list[bool], *differences: list[float]) -> GroupScores:
    """Scores of candidates that differ from cross-entropy by so much on each task."""
    accuracy = torch.stack(
        [torch.full((len(clean),), 60.0), *(60 + torch.tensor(row) for row in differences)]
    )
    return GroupScores(accuracy[None], torch.zeros(1, *accuracy.shape), torch.tensor(clean))


def test_the_price_is_that_of_the_group_in_which_most_is_lost_on_clean_tasks() -> None:
    one = priced([True, True, False], [-1.0, -2.0, 9.0], [2.0, 1.0, -9.0], [-4.0, 0.0, 0.0])
    other = priced([True, False], [1.0, -5.0], [0.5, 3.0], [-3.0, 3.0])
    noisy = priced([False, False], [-7.0, -7.0], [7.0, 7.0], [0.0, 0.0])
    assert clean_price([one, other, noisy]).tolist() == pytest.approx([1.5, -0.5, 3.0])
    assert clean_price([noisy]).tolist() == [0.0, 0.0, 0.0]
    config = LearnabilityConfig(clean_weight=2.0, clean_tolerance=1.0)
    assert clean_penalty(config, [one, other, noisy]).tolist() == pytest.approx([1.0, 0.0, 4.0])
    assert clean_penalty(LearnabilityConfig(), [one]).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("rates", [1, 2])
def test_clean_tasks_are_those_without_a_wrong_label(rates: int) -> None:
    for noisy, clean in ((0.0, [True] * 3), (1.0, [False] * 3)):
        spec = replace(SPECS[0], prior=replace(PRIOR, noisy=noisy, noise=(0.5, 0.6)), tasks=3, rates=rates)
        assert score_group(spec, NETWORK, candidates(2)).is_clean.tolist() == clean


def test_a_price_on_clean_tasks_costs_fitness(monkeypatch: pytest.MonkeyPatch) -> None:
    gains = priced([True, False], [-3.0, 20.0], [0.0, 5.0])
    monkeypatch.setattr("evoloss.fitness.learnability.score_groups", lambda *_: [gains])
    free, constrained = (
        measure_learnability(
            LearnabilityConfig(scoring="points", nll_weight=0.0, worst_weight=0.0, clean_weight=weight),
            NETWORK,
            candidates(2),
            SPECS[:1],
        ).fitness
        for weight in (0.0, 1.0)
    )
    assert free[0] < free[1]
    assert constrained[0] > constrained[1]
    torch.testing.assert_close(constrained - free, torch.tensor([2.5, 0.0], dtype=torch.float64))


@pytest.mark.parametrize("name", ["clean_weight", "clean_tolerance", "ranking_weight"])
def test_weights_of_constraints_are_checked(name: str) -> None:
    for value in (-0.1, float("inf"), float("nan")):
        with pytest.raises(ConfigError, match=f"{name} must be at least 0 and finite"):
            LearnabilityConfig(**{name: value})
