from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from benchmarks.speed.students.cases import Case
from evoloss.errors import ConfigError, EvolossError, UnknownNameError
from evoloss.random_streams import stream
from evoloss.tasks.student_config import StudentConfig
from evoloss.tasks.student_plan import (
    StudentPlan,
    StudentTasks,
    check_plan,
    initial_weights,
    learning_rates,
)

CASE = Case(classes=3, features=4, hidden=(5,), n_tasks=2, batch=6, samples=20, steps=10)
TASKS, PLAN = CASE.tasks(), CASE.plan()


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"hidden": ()}, ConfigError, "hidden must name 1 to 4 layers of width 1 or more, got ()"),
        ({"hidden": (3, 0)}, ConfigError, "hidden must name 1 to 4 layers of width 1 or more, got (3, 0)"),
        ({"hidden": (3,) * 5}, ConfigError, "hidden must name 1 to 4 layers"),
        ({"patches": 0}, ConfigError, "patches must be at least 1, got 0"),
        ({"activation": "rleu"}, UnknownNameError, "no activation of students 'rleu'. Did you mean 'relu'?"),
        ({"norm": "batch"}, UnknownNameError, "no normalisation of students 'batch'. Known: none, layer"),
        ({"optimizer": "adm"}, UnknownNameError, "no optimizer of students 'adm'. Did you mean 'adam'?"),
        ({"momentum": 1.0}, ConfigError, "momentum must be at least 0 and below 1, got 1.0"),
        ({"momentum": math.nan}, ConfigError, "momentum must be at least 0 and below 1, got nan"),
        ({"betas": (0.9, 1.0)}, ConfigError, "betas must be two numbers of at least 0 and below 1"),
        ({"eps": 0.0}, ConfigError, "eps must be above 0 and finite, got 0.0"),
        ({"weight_decay": -1.0}, ConfigError, "weight_decay must be at least 0 and finite, got -1.0"),
        ({"clip": 0.0}, ConfigError, "clip must be above 0 and finite, or None for no limit, got 0.0"),
        ({"clip": math.inf}, ConfigError, "clip must be above 0 and finite, or None for no limit, got inf"),
        ({"nesterov": True, "momentum": 0.0}, ConfigError, "nesterov needs optimizer 'sgd' and a momentum"),
        ({"nesterov": True, "optimizer": "adam"}, ConfigError, "nesterov needs optimizer 'sgd'"),
    ],
)
def test_wrong_fields_of_the_config(fields: dict[str, Any], error: type[EvolossError], message: str) -> None:
    with pytest.raises(error) as caught:
        StudentConfig(**fields)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": TASKS.x[0]}, "x must be (tasks, samples, features) and y (tasks, samples), none of them 0"),
        ({"y": TASKS.y[:, 1:]}, "got (2, 20, 4) and (2, 19)"),
        ({"y_test": TASKS.y_test[:1]}, "x_test must be (tasks, samples, features) and y_test"),
        ({"y": TASKS.y.int()}, "y must be int64, got torch.int32"),
        ({"n_classes": 2}, "labels in y must be in [0, 2), got 0 to 2"),
        ({"y_test": TASKS.y_test - 1}, "labels in y_test must be in [0, 3), got -1 to 1"),
        ({"x_test": TASKS.x_test[:, :, 1:]}, "x and x_test must agree in tasks and features, got"),
    ],
)
def test_wrong_tasks(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        replace(TASKS, **changes)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"batches": PLAN.batches[0]},
            "batches must be int64 and (steps, tasks, batch), none of them 0; got",
        ),
        ({"batches": PLAN.batches.int()}, "got torch.int32 and (10, 2, 6)"),
        (
            {"rates": PLAN.rates[1:]},
            "rates must be (steps,) or (steps, tasks), here (10,) or (10, 2); got (9,)",
        ),
        ({"rates": -PLAN.rates}, "rates must be finite and at least 0"),
        ({"rates": PLAN.rates * math.nan}, "rates must be finite and at least 0"),
        (
            {"evaluate_at": (3, 3)},
            "evaluate_at must rise from 0 to at most 10, the number of steps; got (3, 3)",
        ),
        ({"evaluate_at": (-1,)}, "evaluate_at must rise from 0"),
        ({"evaluate_at": (5, 11)}, "evaluate_at must rise from 0"),
        ({"samples_per_epoch": 0}, "samples_per_epoch must be at least 1, got 0"),
        ({"augmentation_seed": -1}, "augmentation_seed must be at least 0, got -1"),
        (
            {"augmentation": torch.ones(3)},
            "augmentation must be (2,), one number a task, finite and at least",
        ),
        ({"augmentation": -torch.ones(2)}, "got shape (2,), from -1 to -1"),
    ],
)
def test_wrong_plans(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        replace(PLAN, **changes)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("plan", "fields", "message"),
    [
        (replace(PLAN, batches=PLAN.batches[:, :1]), {}, "batches are for 1 tasks, there are 2"),
        (
            replace(PLAN, batches=PLAN.batches + 15),
            {},
            "batches must hold positions in [0, 20), got 15 to 3",
        ),
        (PLAN, {"hidden": (6,)}, "initial must be weights and biases of shapes [((2, 4, 6), (2, 6))"),
        (PLAN, {"hidden": (5, 5)}, "initial must be weights and biases of shapes"),
        (PLAN, {"patches": 2}, "initial must be weights and biases of shapes [((2, 2, 5), (2, 5))"),
        (PLAN, {"patches": 3}, "inputs of 4 features cannot be cut into 3 equal patches"),
    ],
)
def test_plans_that_do_not_fit(plan: StudentPlan, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_plan(TASKS, plan, StudentConfig(**{"hidden": (5,), **fields}))
    assert message in str(caught.value)


def test_tasks_are_checked_for_being_empty() -> None:
    empty = torch.zeros(2, 0, 4)
    with pytest.raises(ConfigError, match="none of them 0"):
        StudentTasks(x=empty, y=empty[..., 0].long(), x_test=TASKS.x_test, y_test=TASKS.y_test, n_classes=3)


def test_initial_weights_have_the_gain_of_their_task() -> None:
    gains = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    weights = initial_weights((50, 200, 30), gains, stream(0))
    assert [tuple(weight.shape) for weight, _ in weights] == [(3, 50, 200), (3, 200, 30)]
    for (weight, bias), fan_in in zip(weights, (50, 200), strict=True):
        assert weight.dtype == torch.float64
        assert (bias == 0).all()
        torch.testing.assert_close(weight.std(dim=(1, 2)), gains * math.sqrt(2 / fan_in), rtol=0.03, atol=0)
    again = initial_weights((50, 200, 30), gains, stream(0))
    assert all(
        torch.equal(a, b)
        for one, two in zip(weights, again, strict=True)
        for a, b in zip(one, two, strict=True)
    )


def by_torch(schedule: str, steps: int, peak: float) -> list[float]:
    """The same schedule from ``torch.optim.lr_scheduler``."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=peak)
    schedulers = torch.optim.lr_scheduler
    scheduler = {
        "constant": lambda: schedulers.ConstantLR(optimizer, factor=1.0),
        "cosine": lambda: schedulers.CosineAnnealingLR(optimizer, steps),
        "linear": lambda: schedulers.LinearLR(optimizer, 1.0, 0.0, total_iters=steps),
    }[schedule]()
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize("schedule", ["constant", "cosine", "linear"])
def test_schedules_are_those_of_torch(schedule: Any) -> None:
    peak = torch.tensor([0.3, 0.05], dtype=torch.float64)
    rates = learning_rates(schedule, peak, 12)
    assert rates.shape == (12, 2)
    for task in range(2):
        assert rates[:, task].tolist() == pytest.approx(by_torch(schedule, 12, float(peak[task])))
    assert learning_rates(schedule, peak[0], 12).tolist() == pytest.approx(rates[:, 0].tolist())


@pytest.mark.parametrize(("steps", "warmup"), [(20, 0.25), (7, 0.5), (1, 0.25), (3, 0.9)])
def test_triangular_rises_to_the_peak_and_falls(steps: int, warmup: float) -> None:
    rates = learning_rates("triangular", torch.tensor(0.4).double(), steps, warmup=warmup)
    top = int(rates.argmax())
    assert top == max(1, round(warmup * steps)) - 1
    assert float(rates[top]) == pytest.approx(0.4)
    assert (rates > 0).all()
    assert (rates[: top + 1].diff() > 0).all()
    assert (rates[top:].diff() < 0).all()


def test_wrong_schedules() -> None:
    peak = torch.tensor(0.1)
    with pytest.raises(UnknownNameError, match="no schedule 'cosin'"):
        learning_rates("cosin", peak, 10)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="steps must be at least 1, got 0"):
        learning_rates("cosine", peak, 0)
    with pytest.raises(ConfigError, match="warmup must be between 0 and 1, got 1"):
        learning_rates("triangular", peak, 10, warmup=1.0)
