from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from benchmarks.speed.students.autograd import (
    cross_entropy_loss,
    network_loss,
    train_batched,
    train_vmapped,
)
from benchmarks.speed.students.cases import Case, candidates
from evoloss.errors import ConfigError
from evoloss.losses.known.cross_entropy import CrossEntropyLoss
from evoloss.networks import ClasswiseNetwork
from evoloss.random_streams import stream
from evoloss.students.joined_tables import join_tables
from evoloss.students.slope_tables import tabulate_functions, tabulate_network
from evoloss.students.students import Students, StudentScores
from evoloss.students.workspace import Workspace
from evoloss.tasks.student_config import StudentConfig
from evoloss.tasks.student_plan import StudentPlan, Weights, initial_weights
from tests.networks.populations import accepted, population
from tests.students.test_gradient import student_module

NETWORK = ClasswiseNetwork()
CASE = Case(classes=5, features=6, hidden=(8, 7), n_tasks=2, batch=10, samples=50, steps=12)
TASKS, PLAN = CASE.tasks(torch.float64), CASE.plan(torch.float64)
CONFIG = StudentConfig(hidden=CASE.hidden)
PARAMS = candidates(NETWORK, 5, 6, torch.float64)
TABLES = tabulate_network(NETWORK, PARAMS, 5)


def forward(weights: Weights, x: Tensor) -> Tensor:
    """Logits ``(popsize, tasks, n, classes)`` of relu students with weights ``(popsize, tasks, ...)``."""
    hidden = x
    for position, (weight, bias) in enumerate(weights):
        product = torch.matmul(hidden, weight) + bias[:, :, None]
        hidden = torch.relu(product) if position + 1 < len(weights) else product
    return hidden


def of_patches(plan: StudentPlan, patches: int) -> StudentPlan:
    """The plan with a first layer that looks at patches."""
    if patches == 1:
        return plan
    widths = (CASE.features // patches, *CASE.hidden, CASE.classes)
    return replace(
        plan, initial=initial_weights(widths, torch.ones(2, dtype=torch.float64), stream(3, "start"))
    )


def assert_same(scores: StudentScores, expected: StudentScores, **tolerance: float) -> None:
    for mine, theirs in zip(scores[1:4], expected[1:4], strict=True):
        torch.testing.assert_close(mine, theirs, equal_nan=True, **tolerance)
    assert torch.equal(scores.diverged, expected.diverged)
    assert torch.equal(scores.usable, expected.usable)


def test_a_training_is_that_through_the_loss_networks() -> None:
    """Against both straightforward versions: the exact networks, autograd, plain SGD with momentum."""
    config = replace(CONFIG, clip=None)
    exact = train_vmapped(NETWORK, PARAMS, TASKS, PLAN, config.momentum)
    batched = train_batched(network_loss(NETWORK, PARAMS, 5), len(PARAMS), TASKS, PLAN, config.momentum)
    difference = {}
    for resolution in (5, 7, 12):
        tables = tabulate_network(NETWORK, PARAMS, 5, resolution=resolution)
        weights = Students(config, TASKS, PLAN).train(tables, keep_weights=True).weights
        assert weights is not None
        apart = [
            (mine - theirs).abs().max()
            for layer, other in zip(weights, exact, strict=True)
            for mine, theirs in zip(layer, other, strict=True)
        ]
        difference[resolution] = float(torch.stack(apart).max())  # NaN if one is
    moved = max(float((exact[i][0] - PLAN.initial[i][0]).abs().max()) for i in range(3))
    assert moved > 0.05
    assert difference[7] < 1e-3 * moved
    assert difference[12] < 1e-6 * moved
    assert difference[12] < difference[7] / 100 < difference[5] / 1000
    for layer, other in zip(batched, exact, strict=True):
        for mine, theirs in zip(layer, other, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_students_of_patches_are_trained_as_modules_are(optimizer: str) -> None:
    config = StudentConfig(hidden=(8, 7), patches=3, optimizer=optimizer, clip=None, weight_decay=1e-3)  # type: ignore[arg-type]
    plan = of_patches(replace(PLAN, rates=PLAN.rates / (1 if optimizer == "sgd" else 20)), 3)
    reference = tabulate_functions([CrossEntropyLoss().slopes(5)], 5, like=PARAMS)
    scores = Students(config, TASKS, plan).train(reference, keep_weights=True)
    assert scores.weights is not None
    for task in range(2):
        module = student_module([(weight[task], bias[task]) for weight, bias in plan.initial], patches=3)
        steps = {
            "sgd": lambda params: torch.optim.SGD(params, lr=1.0, momentum=0.9, weight_decay=1e-3),
            "adam": lambda params: torch.optim.Adam(params, lr=1.0, weight_decay=1e-3),
        }
        stepper = steps[optimizer](module.parameters())
        for rate, rows in zip(plan.rates, plan.batches[:, task], strict=True):
            for group in stepper.param_groups:
                group["lr"] = float(rate if rate.dim() == 0 else rate[task])
            stepper.zero_grad()
            F.cross_entropy(module(TASKS.x[task, rows]), TASKS.y[task, rows]).backward()
            stepper.step()
        expected = [layer for layer in module if isinstance(layer, torch.nn.Linear)]
        for (weight, bias), linear in zip(scores.weights, expected, strict=True):
            torch.testing.assert_close(weight[0, task], linear.weight.detach().T, rtol=1e-8, atol=1e-10)
            torch.testing.assert_close(bias[0, task], linear.bias.detach(), rtol=1e-8, atol=1e-10)
        correct = (module(TASKS.x_test[task]).argmax(1) == TASKS.y_test[task]).double().mean()
        torch.testing.assert_close(scores.test_accuracy[-1, 0, task], correct)


def test_cross_entropy_beside_candidates() -> None:
    reference = tabulate_functions([CrossEntropyLoss().slopes(5)], 5, like=PARAMS)
    config = replace(CONFIG, clip=None)
    scores = Students(config, TASKS, PLAN).train(join_tables([reference, TABLES]), keep_weights=True)
    assert scores.weights is not None
    exact = train_batched(cross_entropy_loss, 1, TASKS, PLAN, config.momentum)
    for layer, other in zip(scores.weights, exact, strict=True):
        for mine, theirs in zip(layer, other, strict=True):
            torch.testing.assert_close(mine[:1], theirs, rtol=1e-9, atol=1e-11)
    alone = Students(config, TASKS, PLAN).train(TABLES)
    torch.testing.assert_close(scores.test_nll[:, 1:], alone.test_nll)


def test_scores_are_accuracy_and_nll_of_the_weights() -> None:
    plan = replace(PLAN, evaluate_at=(0, 5, 12), measure_training=True)
    scores = Students(CONFIG, TASKS, plan).train(TABLES, keep_weights=True)
    assert scores.steps == (0, 5, 12)
    assert scores.weights is not None
    assert scores.train_accuracy is not None
    assert scores.test_accuracy.shape == scores.test_nll.shape == scores.train_accuracy.shape == (3, 6, 2)
    initial = tuple(
        (weight.expand(6, *weight.shape), bias.expand(6, *bias.shape)) for weight, bias in plan.initial
    )
    for at, weights in ((0, initial), (2, scores.weights)):
        logits = forward(weights, TASKS.x_test)
        correct = (logits.argmax(dim=3) == TASKS.y_test).double().mean(dim=2)
        torch.testing.assert_close(scores.test_accuracy[at], correct)
        nll = F.cross_entropy(logits.flatten(0, 2), TASKS.y_test.expand(6, 2, -1).flatten(), reduction="none")
        torch.testing.assert_close(scores.test_nll[at], nll.view(6, 2, -1).mean(dim=2))
        train = (forward(weights, TASKS.x).argmax(dim=3) == TASKS.y).double().mean(dim=2)
        torch.testing.assert_close(scores.train_accuracy[at], train)
    assert (scores.test_nll[0] == scores.test_nll[0, :1]).all()
    assert not scores.diverged.any()
    assert scores.usable.all()


def test_the_temperature_is_the_best_of_the_plan() -> None:
    choices = (0.25, 0.5, 2.0, 4.0, 8.0)
    scores = Students(CONFIG, TASKS, replace(PLAN, temperatures=choices)).train(TABLES, keep_weights=True)
    assert scores.weights is not None
    logits = forward(scores.weights, TASKS.x_test)
    target = TASKS.y_test.expand(6, 2, -1).flatten()
    costs = torch.stack(
        [
            F.cross_entropy((logits / t).flatten(0, 2), target, reduction="none").view(6, 2, -1).mean(dim=2)
            for t in (1.0, *choices)
        ]
    )
    least, at = costs.min(dim=0)
    torch.testing.assert_close(scores.test_scaled_nll[-1], least)
    torch.testing.assert_close(scores.temperature[-1], least.new_tensor((1.0, *choices))[at])
    assert (Students(CONFIG, TASKS, PLAN).train(TABLES).temperature == 1).all()


def test_evaluations_do_not_change_the_training() -> None:
    often = Students(CONFIG, TASKS, replace(PLAN, evaluate_at=tuple(range(13)))).train(TABLES)
    once = Students(CONFIG, TASKS, PLAN).train(TABLES)
    assert torch.equal(often.test_nll[-1:], once.test_nll)
    cut = replace(PLAN, batches=PLAN.batches[:7], rates=PLAN.rates[:7])
    assert torch.equal(often.test_nll[7], Students(CONFIG, TASKS, cut).train(TABLES).test_nll[0])
    early = replace(PLAN, evaluate_at=(4,), measure_training=False)
    scores = Students(CONFIG, TASKS, early).train(TABLES, keep_weights=True)
    assert scores.train_accuracy is None
    assert torch.equal(scores.test_nll[0], often.test_nll[4])


@given(order=st.permutations(range(6)))
@settings(deadline=None, max_examples=10)
def test_the_order_of_candidates_does_not_matter(order: list[int]) -> None:
    students = Students(CONFIG, TASKS, PLAN)
    mixed, reference = students.train(TABLES[torch.tensor(order)]), students.train(TABLES)
    torch.testing.assert_close(mixed.test_nll, reference.test_nll[:, order], rtol=1e-9, atol=1e-10)
    assert torch.equal(mixed.test_accuracy, reference.test_accuracy[:, order])


@given(some=st.lists(st.integers(0, 5), min_size=1, max_size=9), memory=st.integers(1, 300_000))
@settings(deadline=None, max_examples=15)
def test_neither_company_nor_chunks_matter(some: list[int], memory: int) -> None:
    """Any candidates, some of them twice, in chunks of any size: each has the students it has alone."""
    scores = Students(CONFIG, TASKS, PLAN, memory=memory).train(TABLES[torch.tensor(some)])
    alone = Students(CONFIG, TASKS, PLAN)
    expected = torch.cat([alone.train(TABLES[torch.tensor([task])]).test_nll for task in some], dim=1)
    torch.testing.assert_close(scores.test_nll, expected, rtol=1e-9, atol=1e-10)


def test_twins_are_identical() -> None:
    scores = Students(CONFIG, TASKS, PLAN).train(TABLES[torch.tensor([2, 2, 2])], keep_weights=True)
    assert scores.weights is not None
    for layer in scores.weights:
        for part in layer:
            torch.testing.assert_close(part, part[:1].expand_as(part), rtol=1e-10, atol=1e-12)


def test_the_same_again_bit_for_bit() -> None:
    students = Students(CONFIG, TASKS, PLAN)
    first = students.train(TABLES, keep_weights=True)
    students.train(TABLES[:3])
    again = students.train(TABLES, keep_weights=True)
    assert_same(again, first, rtol=0, atol=0)
    assert first.weights is not None
    assert again.weights is not None
    assert all(torch.equal(a[0], b[0]) for a, b in zip(again.weights, first.weights, strict=True))


@pytest.mark.parametrize("clip", [None, 5.0])
def test_a_student_that_diverges_takes_nobody_along(clip: float | None) -> None:
    config = replace(CONFIG, clip=clip)
    initial = [(weight.clone(), bias.clone()) for weight, bias in PLAN.initial]
    initial[0][0][1, 0, 0] = math.nan  # the second task's students
    plan = replace(PLAN, initial=tuple(initial))
    steep = TABLES.times(1.0)
    steep.intercepts[2] = 1e200  # the third candidate's slopes
    steep.gradients[2] = -1e200
    broken, clean = Students(config, TASKS, plan).train(steep), Students(config, TASKS, PLAN).train(TABLES)
    assert broken.diverged[:, 1].all()
    assert broken.diverged[2].all() == (clip is None)
    fine = torch.tensor([0, 1, 3, 4, 5])
    assert not broken.diverged[fine, 0].any()
    assert torch.equal(broken.test_nll[:, fine, 0], clean.test_nll[:, fine, 0])
    assert broken.test_nll[:, broken.diverged].isnan().all()
    assert broken.test_accuracy[:, broken.diverged].isnan().all()


def test_what_diverges_after_the_last_evaluation_is_flagged() -> None:
    rates = PLAN.rates.clone()
    rates[6:] = 1e300
    plan = replace(PLAN, rates=rates, evaluate_at=(6,))
    scores = Students(replace(CONFIG, clip=None), TASKS, plan).train(TABLES, keep_weights=True)
    assert scores.weights is not None
    finite = torch.stack(
        [part.isfinite().flatten(2).all(dim=2) for layer in scores.weights for part in layer]
    )
    assert torch.equal(scores.diverged, ~finite.all(dim=0))
    assert scores.diverged.any()
    assert scores.test_nll.isfinite().all()


def test_candidates_without_a_form_are_reported_and_left_out() -> None:
    params = population(NETWORK, 20, 0)
    exists = NETWORK.form(params, 5).exists
    assert 0 < int(exists.sum()) < 20
    tables = tabulate_network(NETWORK, params, 5)
    scores = Students(CONFIG, TASKS, PLAN).train(tables)
    assert torch.equal(scores.usable, exists)
    assert scores.test_nll[:, ~exists].isnan().all()
    assert scores.test_accuracy[:, ~exists].isnan().all()
    assert not scores.diverged[~exists].any()
    nobody = Students(CONFIG, TASKS, PLAN).train(tables[~exists])
    assert not nobody.usable.any()
    assert nobody.test_nll.isnan().all()


def test_a_student_that_says_the_same_to_everything_is_as_good_as_chance() -> None:
    plan = replace(PLAN, initial=tuple((w * 0, b) for w, b in PLAN.initial), evaluate_at=(0,))
    scores = Students(CONFIG, TASKS, plan).train(TABLES)
    torch.testing.assert_close(scores.test_accuracy, torch.full((1, 6, 2), 0.2).double())
    torch.testing.assert_close(scores.test_nll, torch.full((1, 6, 2), math.log(5)).double())


def test_float32() -> None:
    wide = Students(CONFIG, TASKS, PLAN).train(TABLES, keep_weights=True)
    narrow = Students(CONFIG, CASE.tasks(), PLAN).train(TABLES, keep_weights=True)
    assert narrow.test_nll.dtype == torch.float32
    torch.testing.assert_close(narrow.test_nll.double(), wide.test_nll, rtol=1e-3, atol=1e-4)


def test_memory_is_bounded_and_used_again() -> None:
    tables = join_tables([TABLES] * 20)
    for optimizer in ("sgd", "adam"):
        config = StudentConfig(hidden=CASE.hidden, optimizer=optimizer, activation="silu")  # type: ignore[arg-type]
        for memory in (200_000, 2_000_000):
            workspace = Workspace()
            students = Students(config, TASKS, PLAN, memory=memory, workspace=workspace)
            assert 1 < students.chunk < len(tables)
            students.train(tables)
            held = {name: buffer.data_ptr() for name, buffer in workspace._buffers.items()}
            size = sum(buffer.numel() * buffer.element_size() for buffer in workspace._buffers.values())
            assert 0.4 * memory < size <= memory
            students.train(tables)
            assert {name: buffer.data_ptr() for name, buffer in workspace._buffers.items()} == held


@pytest.mark.slow
def test_no_large_memory_is_allocated_from_step_to_step() -> None:
    """A hundred steps more allocate no more pieces of the size of a batch's logits or above."""
    config, tables = replace(CONFIG, norm="layer"), join_tables([TABLES] * 8)
    smallest = 4 * len(tables) * CASE.n_tasks * CASE.classes * CASE.batch
    counts = []
    for steps in (20, 120):
        case = replace(CASE, steps=steps)
        students = Students(config, case.tasks(), case.plan())
        kinds = [torch.profiler.ProfilerActivity.CPU]
        with torch.profiler.profile(activities=kinds, profile_memory=True) as profile:
            students.train(tables)
        counts.append(sum(event.self_cpu_memory_usage >= smallest for event in profile.events()))
    assert counts[0] > 10
    assert counts[1] - counts[0] < 20  # a few of the batches, which are gathered in one piece


def test_errors() -> None:
    with pytest.raises(ConfigError, match="the tables are for 4 classes, the tasks have 5"):
        Students(CONFIG, TASKS, PLAN).train(tabulate_network(NETWORK, accepted(NETWORK, 1, 0, 4), 4))
    with pytest.raises(ConfigError, match=r"float32 or float64, got inputs of torch\.float16"):
        Students(CONFIG, replace(TASKS, x=TASKS.x.half()), PLAN)
    with pytest.raises(ConfigError, match="memory must be at least 1 byte, or None for the default, got 0"):
        Students(CONFIG, TASKS, PLAN, memory=0)
    with pytest.raises(ConfigError, match="initial must be weights and biases of shapes"):
        Students(StudentConfig(hidden=(8, 8)), TASKS, PLAN)
