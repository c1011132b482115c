"""Tables in compiled code: whose they are, and that they are made of the parameters as they are."""

from __future__ import annotations

import copy
import gc
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters

from evoloss import EvolvedLoss
from evoloss.networks import MonotoneNetwork
from evoloss.networks.kinds import classwise
from evoloss.random_streams import stream

NETWORK = MonotoneNetwork()
LOGITS = 2 * torch.randn(6, 10, generator=torch.Generator().manual_seed(0))
TARGET = torch.randint(10, (6,), generator=torch.Generator().manual_seed(1))


def params(seed: int) -> Tensor:
    return NETWORK.initial(stream(seed, "monotone"))


def loss_of(seed: int) -> EvolvedLoss:
    return EvolvedLoss(NETWORK, params(seed))


def value_of(seed: int) -> float:
    return loss_of(seed)(LOGITS, TARGET).item()


def close(value: Tensor, seed: int) -> bool:
    return value.item() == pytest.approx(value_of(seed), rel=1e-5)


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def apply(loss: EvolvedLoss, logits: Tensor, target: Tensor) -> Tensor:
    return loss(logits, target)


def compiled(function: Any) -> Any:
    return torch.compile(function, fullgraph=True, backend="eager")


@pytest.mark.slow
def test_a_loss_that_is_gone_leaves_its_tables_to_nobody():
    """A new object may lie where the old one lay, so no address says whose tables these are."""
    function = compiled(apply)
    for seed in range(7):
        loss = loss_of(seed)
        assert close(function(loss, LOGITS, TARGET), seed)
        del loss
        gc.collect()


def test_one_graph_serves_every_loss_that_has_tables():
    function = compiled(apply)
    for seed in range(12):
        loss = loss_of(seed)
        loss(LOGITS, TARGET)
        assert close(function(loss, LOGITS, TARGET), seed)
    assert counters["stats"]["unique_graphs"] == 1


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
# PyTorch's code generator still uses what PyTorch deprecates.
@pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated:DeprecationWarning")
def test_parameters_written_in_place_are_noticed(backend: str):
    loss = loss_of(0)
    function = torch.compile(loss, fullgraph=True, backend=backend)
    assert close(function(LOGITS, TARGET), 0)
    with torch.no_grad():
        loss.params.copy_(params(1))
    with pytest.raises(RuntimeError, match="written to in place: use load_state_dict"):
        function(LOGITS, TARGET)
    assert close(loss(LOGITS, TARGET), 1)
    assert close(function(LOGITS, TARGET), 1)
    assert counters["stats"]["unique_graphs"] == 1


def test_loading_other_parameters_needs_no_other_graph():
    loss = loss_of(0)
    function = compiled(loss)
    for seed in range(1, 12):
        loss.load_state_dict({"params": params(seed)})
        assert close(function(LOGITS, TARGET), seed)
    assert counters["stats"]["unique_graphs"] == 1


def test_symbolic_class_counts():
    loss = loss_of(0)
    function = torch.compile(loss, fullgraph=True, backend="eager", dynamic=True)
    for n, n_classes in ((6, 10), (7, 10), (6, 4), (5, 30), (8, 10)):
        logits = torch.randn(n, n_classes, generator=torch.Generator().manual_seed(n))
        target = torch.arange(n) % n_classes
        torch.testing.assert_close(function(logits, target), loss_of(0)(logits, target))


def test_second_derivatives_in_compiled_code_are_those_of_the_network():
    loss, target = loss_of(0), torch.tensor(1)

    def hessian(logits: Tensor) -> Tensor:
        return torch.func.jacrev(torch.func.grad(lambda z: loss(z, target)))(logits)

    torch.testing.assert_close(compiled(hessian)(LOGITS[0]), hessian(LOGITS[0]))


def test_writing_the_same_parameters_makes_no_tables(monkeypatch: pytest.MonkeyPatch):
    """What DistributedDataParallel does to buffers in every step."""
    loss = loss_of(0)
    expected = loss(LOGITS, TARGET)
    monkeypatch.setattr(classwise, "tabulate", None)
    version = loss.params._version
    with torch.no_grad():
        loss.params.copy_(loss.params.clone())
    assert loss.params._version > version
    assert torch.equal(loss(LOGITS, TARGET), expected)


def test_pickles_and_copies_hold_no_tables():
    loss = loss_of(0)
    expected = loss(LOGITS, TARGET)
    assert len(pickle.dumps(loss)) < 10_000
    for twin in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
        assert torch.equal(twin(LOGITS, TARGET), expected)
