"""Steps of students under the compiler."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch

from evoloss.students.students import Students
from evoloss.tasks.student_config import StudentConfig
from tests.students.test_students import CASE, CONFIG, PLAN, TABLES, TASKS, assert_same, of_patches


@pytest.fixture
def fresh_compiler() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("fields", [{"clip": None}, {"clip": 5.0}, {"patches": 3}])
def test_a_step_is_one_graph(monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]) -> None:
    """Traced with the whole graph or not at all, and run without generating code, which takes its time."""
    config = replace(CONFIG, **fields)
    plan = of_patches(PLAN, config.patches)
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    eager = Students(config, TASKS, plan).train(TABLES)
    assert_same(Students(config, TASKS, plan, compiled=True).train(TABLES), eager, rtol=1e-9, atol=1e-10)


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # the compiler's own
@pytest.mark.parametrize(
    "fields",
    [{}, {"optimizer": "adam", "activation": "silu", "norm": "layer", "weight_decay": 0.01}, {"patches": 2}],
)
def test_compiled_steps_are_the_same(fields: dict[str, Any]) -> None:
    config = StudentConfig(hidden=CASE.hidden, **fields)
    plan = replace(of_patches(PLAN, config.patches), evaluate_at=(3, 12))
    eager = Students(config, TASKS, plan).train(TABLES)
    compiled = Students(config, TASKS, plan, compiled=True).train(TABLES)
    assert_same(compiled, eager, rtol=1e-8, atol=1e-9)
