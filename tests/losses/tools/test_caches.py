"""A loss is that of its parameters as they are, however they came there."""

from __future__ import annotations

import copy
import itertools
import pickle
import threading

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from evoloss.losses import EvolvedLoss
from evoloss.losses.kernels.cache import SIZE, ParameterCache
from tests.losses.cases import LossCase
from tests.losses.tools.criteria import (
    INDICES,
    LOGITS,
    assert_same_bits,
    every_learned,
    few_criteria,
    value_and_gradient,
)
from tests.sampling import sampled


def changed(params: Tensor, step: int) -> Tensor:
    return params * (1 + 0.003 * (step * 7 % 11))


def fresh(loss: EvolvedLoss, params: Tensor) -> EvolvedLoss:
    return EvolvedLoss(loss.network, params, exact=loss.exact, label_smoothing=loss.label_smoothing)


class WithParams(nn.Module):
    """The loss with other parameters in the place of its own."""

    def __init__(self, loss: EvolvedLoss, params: Tensor) -> None:
        super().__init__()
        self.call = lambda *inputs: functional_call(loss, {"params": params}, inputs)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return self.call(logits, target)


@every_learned
def test_functional_calls_use_the_parameters_that_they_are_given(case: LossCase):
    loss = case.build()
    start = loss.params.clone()
    for step in range(3):  # each in memory that the one before has left
        params = changed(start, step)
        assert_same_bits(WithParams(loss, params), fresh(loss, params), INDICES)
        del params
    buffer = start.numpy().copy()
    params = torch.from_numpy(buffer)
    for step in range(3):  # each in the same memory, written to where PyTorch does not see it
        np.copyto(buffer, changed(start, step).numpy())
        assert_same_bits(WithParams(loss, params), fresh(loss, params), INDICES)
    assert_same_bits(loss, fresh(loss, start), INDICES)


@pytest.mark.parametrize(
    ("exact", "dtype"), sampled(itertools.product([False, True], [torch.float32, torch.float64]), 3)
)
@few_criteria
def test_functional_calls_of_the_network_itself(case: LossCase, exact: bool, dtype: torch.dtype):
    loss = case.build()
    if not isinstance(loss, EvolvedLoss):
        return
    loss.exact, logits = exact, LOGITS.to(dtype)
    buffer = loss.params.numpy().copy()
    for step in range(4):
        np.copyto(buffer, changed(loss.params, step).numpy())
        params = torch.from_numpy(buffer)
        assert_same_bits(WithParams(loss, params), fresh(loss, params), INDICES, logits=logits)


def by_data(loss: EvolvedLoss, params: Tensor) -> None:
    loss.params.data.copy_(params)


def by_data_swap(loss: EvolvedLoss, params: Tensor) -> None:
    loss.params.data = params


def by_copy(loss: EvolvedLoss, params: Tensor) -> None:
    loss.params.copy_(params)


def by_numpy(loss: EvolvedLoss, params: Tensor) -> None:
    loss.params.numpy()[:] = params.numpy()


def by_attribute(loss: EvolvedLoss, params: Tensor) -> None:
    loss.params = params


def by_state(loss: EvolvedLoss, params: Tensor) -> None:
    loss.load_state_dict({"params": params})


def by_assigned_state(loss: EvolvedLoss, params: Tensor) -> None:
    loss.load_state_dict({"params": params}, assign=True)


WAYS = [by_data, by_data_swap, by_copy, by_numpy, by_attribute, by_state, by_assigned_state]


@every_learned
def test_every_way_to_write_parameters_is_seen(case: LossCase):
    loss = case.build()
    start = loss.params.clone()
    for step, write in enumerate(WAYS):
        value_and_gradient(loss, LOGITS, INDICES)
        params = changed(start, step + 1)
        write(loss, params.clone())
        assert torch.equal(loss.params, params), write.__name__
        assert_same_bits(loss, fresh(loss, params), INDICES)


@every_learned
def test_copies_have_parameters_of_their_own(case: LossCase):
    loss = case.build()
    start = loss.params.clone()
    value_and_gradient(loss, LOGITS, INDICES)
    for twin in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert_same_bits(twin, loss, INDICES)
        twin.params.mul_(1.01)
        assert_same_bits(twin, fresh(loss, changed(start, 0) * 1.01), INDICES)
        assert_same_bits(loss, fresh(loss, start), INDICES)


def run_threads(*works: object) -> None:
    failures: list[BaseException] = []

    def guarded(work: object) -> None:
        try:
            work()  # type: ignore[operator]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_threads_that_change_the_parameters_leave_no_value_of_others():
    """Each value is slow to make; the parameters change meanwhile, and another thread asks for its own."""
    cache, params = ParameterCache(), torch.zeros(3)
    making, written = threading.Event(), threading.Event()

    def slow(given: Tensor) -> float:
        making.set()
        assert written.wait(10)
        return float(given.sum())

    def first() -> None:
        assert cache.get(params, "sum", slow) == 0.0

    def second() -> None:
        assert making.wait(10)
        params.fill_(1.0)
        assert cache.get(params, "sum", lambda given: float(given.sum())) == 3.0
        written.set()

    run_threads(first, second)
    assert cache.get(params, "sum", lambda given: -1.0) == 3.0


@pytest.mark.parametrize("kind", ["evolved-base", "evolved-noise"])
def test_threads_share_a_loss_at_many_class_counts_while_its_parameters_change(kind: str):
    """What a call gives is the loss of the parameters before or after a change, never of others."""
    loss = EvolvedLoss(kind)
    versions = [loss.params.clone(), changed(loss.params, 3)]
    counts, calls = (3, 7), 12
    logits = {n: torch.randn(4, n, generator=torch.Generator().manual_seed(n)) for n in counts}
    target = torch.zeros(4, dtype=torch.long)
    allowed = {n: {fresh(loss, p)(logits[n], target).item() for p in versions} for n in counts}

    def caller(n: int) -> None:
        for _ in range(calls):
            assert loss(logits[n], target).item() in allowed[n]

    def writer() -> None:
        for step in range(calls):
            loss.params = versions[step % 2].clone()
            loss(logits[3], target)

    run_threads(writer, *(lambda n=n: caller(n) for n in counts))
    for n in counts:
        assert loss(logits[n], target).item() == fresh(loss, loss.params)(logits[n], target).item()


def test_the_values_used_last_stay():
    cache, params = ParameterCache(), torch.zeros(2)
    for key in range(SIZE):
        cache.get(params, key, lambda given, key=key: key)
    cache.get(params, 0, lambda given: -1)
    cache.get(params, SIZE, lambda given: SIZE)
    assert cache.get(params, 0, lambda given: -1) == 0
    assert cache.get(params, 1, lambda given: -1) == -1
    assert cache.get(params + 1, 0, lambda given: -2) == -2
    assert cache.get(params.double(), 0, lambda given: -3) == -3


def test_what_a_value_raises_is_raised_each_time_and_leaves_nothing():
    cache, params = ParameterCache(), torch.zeros(2)

    def refuse(given: Tensor) -> int:
        raise ValueError("no form")

    for _ in range(2):
        with pytest.raises(ValueError, match="no form"):
            cache.get(params, "key", refuse)
    assert cache.get(params, "key", lambda given: 1) == 1
