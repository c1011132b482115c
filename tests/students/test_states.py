"""A loss that remembers its training: every student has a state of its own, one batch a step goes in."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import pytest
import torch
from torch import Tensor

from benchmarks.speed.students.cases import Case
from evoloss.losses import EvolvedLoss
from evoloss.losses.known.cross_entropy import CrossEntropyLoss
from evoloss.networks import LossNetwork, MixtureNetwork, SlopeArgument, SlopeFunctions
from evoloss.networks.kinds.sensing import SensingNetwork
from evoloss.students.joined_tables import join_tables
from evoloss.students.slope_tables import SlopeTables, tabulate_functions, tabulate_network
from evoloss.students.students import Students, StudentScores
from evoloss.tasks.student_config import StudentConfig
from tests.networks.populations import accepted
from tests.networks.remembering import ClassMeans, RememberingNetwork
from tests.students.test_gradient import student_module

CASE = Case(classes=4, features=5, hidden=(6,), n_tasks=2, batch=10, samples=40, steps=9)
TASKS, PLAN = CASE.tasks(torch.float64), replace(CASE.plan(torch.float64), evaluate_at=(4, 9))
CONFIG = StudentConfig(hidden=CASE.hidden, clip=None, momentum=0.0)
LIKE = torch.zeros(0, dtype=torch.float64)
POWER_OF_P: SlopeFunctions = (torch.zeros_like, lambda log_p: -log_p.exp())  # of t log p: -p^t


@dataclass(frozen=True)
class Confidence:
    """Temper ``1 / (1 + strength m)``, m what a student gave to its labels, summed over its batches."""

    strength: Tensor  # (popsize, 1)

    def map(self, change: Callable[[Tensor], Tensor]) -> Confidence:
        return Confidence(change(self.strength))

    def begin(self, n_tasks: int, n_samples: int) -> RunningConfidence:
        return RunningConfidence(self.strength[:, :, None], torch.zeros(n_tasks, 1, 1, 1))


@dataclass
class RunningConfidence:
    """Smoothing is a tenth of what is remembered."""

    strength: Tensor
    given: Tensor

    def take_in(self, log_probs: Tensor, is_label: Tensor) -> SlopeArgument:
        assert is_label.dtype == torch.bool
        own = (log_probs.exp() * is_label).sum(dim=2, keepdim=True)
        self.given = self.given + own.mean(dim=3, keepdim=True)
        exponent = (1 / (1 + self.strength * self.given)).expand_as(own)
        return SlopeArgument(exponent, smoothing=0.1 * self.given.expand_as(own))


def tables_of(*strengths: float) -> SlopeTables:
    states = Confidence(LIKE.new_tensor(strengths)[:, None])
    tables = tabulate_functions([POWER_OF_P] * len(strengths), 4, like=LIKE, resolution=12)
    return replace(tables, states=states)


def trained(tables: SlopeTables, **options: int) -> StudentScores:
    return Students(CONFIG, TASKS, PLAN, **options).train(tables, keep_weights=True)


def reference_training(strength: float, task: int) -> list[Tensor]:
    """One student with autograd, the state worked out beside it."""
    module = student_module([(weight[task], bias[task]) for weight, bias in PLAN.initial])
    given = 0.0
    for rate, rows in zip(PLAN.rates, PLAN.batches[:, task], strict=True):
        log_probs = torch.log_softmax(module(TASKS.x[task, rows]), 1)
        log_p = log_probs.gather(1, TASKS.y[task, rows][:, None])
        given += float(log_p.detach().exp().mean())
        pull = (log_p.detach() / (1 + strength * given)).exp()
        module.zero_grad()
        (-pull * log_p - 0.1 * given * log_probs.mean(dim=1, keepdim=True)).mean().backward()
        with torch.no_grad():
            for weight in module.parameters():
                weight -= (rate if rate.dim() == 0 else rate[task]) * weight.grad
    return [weight.detach() for weight in module.parameters()]


def test_every_student_has_its_own_and_judging_leaves_it_alone() -> None:
    strengths = (0.0, 0.5, 3.0)
    weights = trained(tables_of(*strengths)).weights
    assert weights is not None
    for candidate, strength in enumerate(strengths):
        for task in range(2):
            found = [part[candidate, task] for layer in weights for part in layer]
            for mine, theirs in zip(found, reference_training(strength, task), strict=True):
                torch.testing.assert_close(mine.T if mine.dim() == 2 else mine, theirs, rtol=0, atol=1e-5)
    first = weights[0][0]
    assert float((first[0] - first[2]).abs().max()) > 1e-2  # the state makes a difference


def test_students_train_as_a_module_with_the_loss_in_use() -> None:
    network = RememberingNetwork()
    params = accepted(network, 2, 0, 4)
    weights = trained(tabulate_network(network, params, 4, resolution=12)).weights
    assert weights is not None
    for candidate, task in itertools.product(range(2), range(2)):
        module = student_module([(weight[task], bias[task]) for weight, bias in PLAN.initial])
        criterion = EvolvedLoss(network, params[candidate].float())
        for rate, rows in zip(PLAN.rates, PLAN.batches[:, task], strict=True):
            module.zero_grad()
            criterion(module(TASKS.x[task, rows]), TASKS.y[task, rows]).backward()
            with torch.no_grad():
                for weight in module.parameters():
                    weight -= (rate if rate.dim() == 0 else rate[task]) * weight.grad
        found = [part[candidate, task] for layer in weights for part in layer]
        for mine, theirs in zip(found, module.parameters(), strict=True):
            torch.testing.assert_close(mine.T if mine.dim() == 2 else mine, theirs.data, rtol=0, atol=1e-5)


@pytest.mark.parametrize("network", [RememberingNetwork(), SensingNetwork()], ids=lambda kind: kind.kind)
def test_a_compiled_step_takes_in_the_same(network: LossNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    torch._dynamo.reset()
    params = accepted(network, 2, 0, 4)
    tables = join_tables(
        [replace(tables_of(0.0), states=None), tabulate_network(network, params, 4, resolution=12)]
    )
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    eager, compiled = (
        Students(CONFIG, TASKS, PLAN, compiled=way).train(tables).test_nll for way in (False, True)
    )
    torch.testing.assert_close(compiled, eager, rtol=1e-9, atol=1e-10)
    torch._dynamo.reset()


def test_it_begins_anew_with_every_training_and_chunk() -> None:
    students = Students(CONFIG, TASKS, PLAN)
    once, again = (students.train(tables_of(0.5, 3.0)).test_nll for _ in range(2))
    assert torch.equal(once, again)
    apart = Students(CONFIG, TASKS, PLAN, memory=1)
    assert apart.chunk == 1
    torch.testing.assert_close(apart.train(tables_of(0.5, 3.0)).test_nll, once)


def test_beside_losses_without_a_state() -> None:
    reference = tabulate_functions([CrossEntropyLoss().slopes(4)], 4, like=LIKE, resolution=12)
    without_state = replace(tables_of(0.0), states=None)
    joined = trained(join_tables([reference, tables_of(0.5, 3.0), without_state])).test_nll
    alone = [trained(tables).test_nll for tables in (reference, tables_of(0.5, 3.0), without_state)]
    torch.testing.assert_close(joined, torch.cat(alone, dim=1))


def test_a_kind_is_asked_for_its_states() -> None:
    network = RememberingNetwork()
    params = accepted(network, 2, 0, 4)
    tables = tabulate_network(network, params, 4)
    assert isinstance(tables.states, ClassMeans)
    assert torch.equal(tables.states.strength, params.sigmoid())
    mixture = MixtureNetwork()
    assert tabulate_network(mixture, accepted(mixture, 2, 0, 4), 4).states is None
    remembering, not_so = (trained(table).test_nll for table in (tables, replace(tables, states=None)))
    assert float((remembering - not_so).abs().max()) > 1e-3
