"""Whole trainings of single students against ``torch.optim`` and ``F.cross_entropy``, in float64."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.speed.students.cases import Case
from evoloss.losses.known.cross_entropy import CrossEntropyLoss
from evoloss.students.slope_tables import tabulate_functions
from evoloss.students.students import Students
from evoloss.tasks.student_config import StudentConfig
from evoloss.tasks.student_plan import StudentPlan, StudentTasks
from tests.students.test_gradient import student_module

LIKE = torch.zeros(0, dtype=torch.float64)
CASE = Case(classes=4, features=6, hidden=(9, 7), n_tasks=3, batch=10, samples=60, steps=25)


def trained(config: StudentConfig, tasks: StudentTasks, plan: StudentPlan) -> list[list[Tensor]]:
    """The final weights and biases of every task's student, trained with cross-entropy."""
    tables = tabulate_functions(
        [CrossEntropyLoss().slopes(tasks.n_classes)] * 2, tasks.n_classes, like=tasks.x
    )
    weights = Students(config, tasks, plan).train(tables, keep_weights=True).weights
    assert weights is not None
    return [[part[1, task] for layer in weights for part in layer] for task in range(tasks.n_tasks)]


def by_torch(config: StudentConfig, tasks: StudentTasks, plan: StudentPlan, task: int) -> list[Tensor]:
    """The same by autograd, ``nn.CrossEntropyLoss`` and ``torch.optim``."""
    initial = [(weight[task], bias[task]) for weight, bias in plan.initial]
    module = student_module(initial, config.activation, config.norm)
    rates = plan.rates if plan.rates.dim() == 1 else plan.rates[:, task]
    optimizer: torch.optim.Optimizer
    if config.optimizer == "adam":
        optimizer = torch.optim.Adam(
            module.parameters(), betas=config.betas, eps=config.eps, weight_decay=config.weight_decay
        )
    else:
        optimizer = torch.optim.SGD(
            module.parameters(),
            momentum=config.momentum,
            nesterov=config.nesterov,
            weight_decay=config.weight_decay,
        )
    for batch, rate in zip(plan.batches[:, task], rates.tolist(), strict=True):
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        F.cross_entropy(module(tasks.x[task, batch]), tasks.y[task, batch]).backward()
        if config.clip is not None:
            nn.utils.clip_grad_norm_(module.parameters(), config.clip)
        optimizer.step()
    linears = [layer for layer in module if isinstance(layer, nn.Linear)]
    return [part.detach() for linear in linears for part in (linear.weight.T, linear.bias)]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"momentum": 0.0},
        {"momentum": 0.0, "clip": 0.3, "weight_decay": 0.05},
        {"nesterov": True},
        {"weight_decay": 0.01},
        {"weight_decay": 0.01, "nesterov": True, "clip": 0.5},
        {"clip": 0.2},
        {"clip": None},
        {"optimizer": "adam"},
        {"optimizer": "adam", "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.02, "clip": 0.4},
        {"norm": "layer", "activation": "silu", "clip": 1.0},
        {"activation": "gelu"},
        {"activation": "tanh", "norm": "layer"},
    ],
    ids=str,
)
def test_training_with_cross_entropy_is_that_of_torch(fields: dict[str, Any]) -> None:
    config = StudentConfig(hidden=CASE.hidden, **fields)
    tasks, plan = CASE.tasks(torch.float64), CASE.plan(torch.float64, rate=0.1)
    if config.optimizer == "adam":
        plan = replace(plan, rates=plan.rates * 0.1)
    students = trained(config, tasks, plan)
    for task, student in enumerate(students):
        expected = by_torch(config, tasks, plan, task)
        for mine, theirs, start in zip(
            student, expected, (part[task] for layer in plan.initial for part in layer), strict=True
        ):
            assert (mine - start).abs().max() > 1e-3
            torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_every_task_has_its_own_learning_rates(optimizer: Any) -> None:
    config = StudentConfig(hidden=CASE.hidden, optimizer=optimizer)
    tasks, plan = CASE.tasks(torch.float64), CASE.plan(torch.float64)
    rates = torch.rand(CASE.steps, CASE.n_tasks, generator=torch.Generator().manual_seed(0)).double()
    plan = replace(plan, rates=rates * (0.1 if optimizer == "sgd" else 0.01))
    for task, student in enumerate(trained(config, tasks, plan)):
        for mine, theirs in zip(student, by_torch(config, tasks, plan, task), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-10)


def test_clipping_is_a_students_own_affair() -> None:
    """With a limit in the middle of the norms, some students are clipped and some are not."""
    tasks, plan = CASE.tasks(torch.float64), CASE.plan(torch.float64, rate=0.1)
    large = replace(
        plan, initial=tuple((w * torch.tensor([1.0, 4.0, 1.0])[:, None, None], b) for w, b in plan.initial)
    )
    config = StudentConfig(hidden=CASE.hidden, clip=20.0)
    free = StudentConfig(hidden=CASE.hidden, clip=None)
    for task, (clipped, unclipped) in enumerate(
        zip(trained(config, tasks, large), trained(free, tasks, large), strict=True)
    ):
        same = all(torch.allclose(mine, other) for mine, other in zip(clipped, unclipped, strict=True))
        assert same == (task != 1)
        for mine, theirs in zip(clipped, by_torch(config, tasks, large, task), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-7, atol=1e-9)
