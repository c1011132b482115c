"""Fresh noise on the inputs of students, a function of the step alone; and the epochs that losses count."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from benchmarks.speed.students.cases import Case
from evoloss.losses import LOSSES
from evoloss.students import Students, StudentScores, tabulate_functions
from evoloss.students.training import StudentData
from evoloss.tasks import StudentConfig
from tests.students.test_states import Confidence

CASE = Case(classes=4, features=30, hidden=(48,), n_tasks=2, batch=20, samples=100, steps=400)
TASKS = CASE.tasks()
SIZES = torch.tensor([0.5, 1.5])
LONG = replace(CASE.plan(), augmentation=SIZES, augmentation_seed=3, measure_training=True)
PLAN = replace(LONG, batches=LONG.batches[:60], rates=LONG.rates[:60])
CONFIG = StudentConfig(hidden=CASE.hidden)
NAMES = ("cross_entropy", "gce", "sce")
TABLES = tabulate_functions([LOSSES[name]().slopes(4) for name in NAMES], 4, like=TASKS.x)


def noise_of(plan_seed: int, start: int, stop: int) -> Tensor:
    plan = replace(PLAN, augmentation_seed=plan_seed)
    given, labels = StudentData(TASKS, plan, CONFIG).batches(start, stop)
    plain, same = StudentData(TASKS, replace(plan, augmentation=None), CONFIG).batches(start, stop)
    assert torch.equal(labels, same)
    return given - plain  # (steps, tasks, features, batch)


def test_noise_has_the_size_of_its_task_and_is_new_in_every_step() -> None:
    noise = noise_of(3, 0, 40)
    torch.testing.assert_close(noise.std(dim=(0, 2, 3)), SIZES, rtol=0.02, atol=0)
    flat = noise.flatten(1)
    correlations = torch.corrcoef(flat) - torch.eye(40)
    assert float(correlations.abs().max()) < 0.15
    assert abs(float(torch.corrcoef(torch.stack([flat[0], noise_of(4, 0, 1).flatten()]))[0, 1])) < 0.15


def test_noise_is_a_function_of_the_step_however_steps_are_cut() -> None:
    whole = noise_of(3, 0, 7)
    torch.testing.assert_close(torch.cat([noise_of(3, 0, 2), noise_of(3, 2, 7)]), whole, rtol=0, atol=0)


@pytest.mark.parametrize("evaluate_at", [(60,), (7, 33, 60)])
def test_candidates_see_the_same_inputs_whatever_chunk_they_are_in(evaluate_at: tuple[int, ...]) -> None:
    plan = replace(PLAN, evaluate_at=evaluate_at)
    together = Students(CONFIG, TASKS, PLAN).train(TABLES).test_accuracy[-1]
    students = Students(CONFIG, TASKS, plan, memory=1)
    assert students.chunk == 1
    torch.testing.assert_close(students.train(TABLES).test_accuracy[-1], together)


def test_what_is_never_seen_twice_is_not_memorised() -> None:
    def trained(sizes: Tensor | None) -> StudentScores:
        return Students(CONFIG, TASKS, replace(LONG, augmentation=sizes)).train(TABLES[:1])

    plain, augmented = trained(None).train_accuracy, trained(torch.full((2,), 4.0)).train_accuracy
    assert plain is not None
    assert augmented is not None
    # A fifth of the labels are random.
    assert float(plain[-1].min()) > 0.97
    assert float(augmented[-1].max()) < 0.9


@pytest.mark.parametrize(("told", "samples"), [(None, 100), (96, 96)])
def test_losses_with_a_state_are_told_the_samples_of_an_epoch(
    told: int | None, samples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []
    begin = Confidence.begin

    def recorded(states: Confidence, n_tasks: int, n_samples: int) -> object:
        begun.append((n_tasks, n_samples))
        return begin(states, n_tasks, n_samples)

    monkeypatch.setattr(Confidence, "begin", recorded)
    tables = replace(TABLES[:1], states=Confidence(torch.ones(1, 1)))
    short = replace(PLAN, batches=PLAN.batches[:3], rates=PLAN.rates[:3], samples_per_epoch=told)
    Students(CONFIG, TASKS, short).train(tables)
    assert begun == [(2, samples)]
