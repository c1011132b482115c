"""Losses and logits on different devices, construction without any, fake tensors, traces by make_fx.

The meta device, and fake tensors, stand for another device than that of the loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from evoloss.losses import EvolvedLoss
from tests.losses.cases import LossCase
from tests.losses.tools.criteria import (
    EVERY,
    FEW,
    FROM_ZOO,
    INDICES,
    LOGITS,
    PROBS,
    C,
    assert_same_bits,
    every_criterion,
    few_criteria,
    over,
    over_with,
    value_and_gradient,
)
from tests.sampling import sampled

DTYPES = [torch.float32, torch.float64, torch.bfloat16]
OPTIONS: dict[str, dict] = {"plain": {}, "smoothed": {"label_smoothing": 0.1}, "each": {"reduction": "none"}}
with_options = over_with("shared", OPTIONS, EVERY)
# Tables differ from the network itself, which a trace holds, by what docs/performance.md says.
close = partial(torch.testing.assert_close, rtol=1e-3, atol=1e-3)


def assert_like_cross_entropy(value: Tensor, logits: Tensor, target: Tensor, shared: dict) -> None:
    expected = nn.CrossEntropyLoss(**shared)(logits, target)
    assert (value.shape, value.dtype, value.device) == (expected.shape, expected.dtype, expected.device)


@with_options
def test_the_loss_follows_the_logits(case: LossCase, shared: dict):
    loss = case.build(**shared)
    for dtype in DTYPES:
        for target in (INDICES, PROBS.to(dtype)):
            logits = LOGITS.to("meta", dtype).requires_grad_()
            value = loss(logits, target.to("meta"))
            assert_like_cross_entropy(value, logits, target.to("meta"), shared)
            value.sum().backward()
            assert logits.grad is not None
            assert logits.grad.shape == logits.shape
    assert_same_bits(loss, case.build(**shared))


@every_criterion
def test_construction_needs_no_values_on_the_device(case: LossCase):
    expected = case.build()
    with torch.device("meta"):
        loss = case.build()
        assert loss(torch.randn(6, C), torch.zeros(6, dtype=torch.long)).is_meta
        assert_same_bits(loss, expected)
        assert_same_bits(loss, expected, INDICES, logits=LOGITS.double())
    assert_same_bits(loss, expected)


@contextmanager
def empty_weights() -> Iterator[None]:
    """What libraries do that build large models: every parameter and buffer goes to the meta device."""
    register = nn.Module.register_buffer

    def on_meta(module: nn.Module, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        register(module, name, tensor, persistent)
        if tensor is not None:
            module._buffers[name] = tensor.to("meta")

    nn.Module.register_buffer = on_meta  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        nn.Module.register_buffer = register  # type: ignore[method-assign]


@every_criterion
def test_models_without_memory_hold_the_loss_as_it_is(case: LossCase):
    expected = case.build()
    with torch.device("meta"):
        built_there = nn.Sequential(nn.Linear(3, C), case.build())
    with empty_weights():
        built_empty = nn.Sequential(case.build())
    moved = nn.Sequential(nn.Linear(3, C), case.build())
    value_and_gradient(moved[1], LOGITS, INDICES)
    moved.to("meta")
    for module in (built_there, built_empty, moved):
        assert_same_bits(module[-1], expected)
        module.to_empty(device="cpu")
        assert_same_bits(module[-1], expected)
        assert all(parameter.device.type == "cpu" for parameter in module.parameters())


@over(FROM_ZOO)
def test_from_pretrained_where_tensors_have_no_values(case: LossCase):
    expected = case.build()
    with torch.device("meta"):
        on_meta = EvolvedLoss.from_pretrained(case.name)
    with FakeTensorMode():
        fake = EvolvedLoss.from_pretrained(case.name)
        fake.half().float()
    for loss in (on_meta, fake):
        assert torch.equal(loss.params, expected.params)
        assert_same_bits(loss, expected)


@with_options
def test_fake_logits(case: LossCase, shared: dict):
    """Inside of their mode and outside of it, with the loss built before."""
    loss = case.build(**shared)
    for dtype in DTYPES:
        with FakeTensorMode():
            logits = torch.randn(6, C, dtype=dtype, requires_grad=True)
            targets = torch.zeros(6, dtype=torch.long), torch.rand(6, C, dtype=dtype)
            for target in targets:
                value = loss(logits, target)
                assert isinstance(value, FakeTensor)
                assert_like_cross_entropy(value, logits, target, shared)
                value.sum().backward()
                assert logits.grad is not None
                assert logits.grad.shape == (6, C)
        for target in targets:
            value = loss(logits, target)
            assert isinstance(value, FakeTensor)
            assert_like_cross_entropy(value, logits, target, shared)
    assert_same_bits(loss, case.build(**shared))


@every_criterion
def test_models_that_are_built_and_cast_under_a_fake_mode(case: LossCase):
    expected = case.build()
    with FakeTensorMode():
        model = nn.Sequential(nn.Linear(3, C), case.build())
        # PyTorch swaps weights of fake layers only where nobody refers to them: the loss is cast alone.
        model[1].half().float()
        model[1].to("meta").to_empty(device="cpu")
        assert isinstance(model[0].weight, FakeTensor)
        assert isinstance(model[1](torch.randn(6, C), torch.zeros(6, dtype=torch.long)), FakeTensor)
    assert_same_bits(model[1], expected)


def called(loss: nn.Module) -> Callable[[Tensor, Tensor], Tensor]:
    """A function of two arguments, which is what ``make_fx`` takes."""
    return lambda logits, target: loss(logits, target)


@over_with("mode", {mode: mode for mode in ("real", "fake", "symbolic")}, FEW)
def test_graphs_of_make_fx(case: LossCase, mode: str):
    other = LOGITS.flip(0) + 0.5
    for shared, target in (
        ({}, INDICES),
        ({"label_smoothing": 0.1, "ignore_index": 1}, INDICES),
        ({}, PROBS),
    ):
        loss = case.build(**shared)
        graph = make_fx(called(loss), tracing_mode=mode)(LOGITS, target)
        close(graph(other, target), loss(other, target))
        assert sum(node.op == "call_function" for node in graph.graph.nodes) < 250


@few_criteria
def test_graphs_of_gradients(case: LossCase):
    loss, other = case.build(), LOGITS.flip(0) + 0.5

    def by_autograd(logits: Tensor, target: Tensor) -> Tensor:
        leaf = logits.detach().requires_grad_()
        return torch.autograd.grad(loss(leaf, target), leaf)[0]

    by_transform = torch.func.grad(lambda z, y: loss(z, y))
    for gradient in (by_autograd, by_transform):
        graph = make_fx(gradient)(LOGITS, INDICES)
        close(graph(other, INDICES), value_and_gradient(loss, other, INDICES)[1])


@pytest.mark.parametrize("name", sampled(["evolved-noise", "evolved-base"], 2))
def test_parameters_that_are_inputs_of_a_graph_stay_inputs(name: str):
    """Numbers are put into a graph for the loss's own parameters alone."""
    loss = EvolvedLoss(name)

    def call(params: Tensor, logits: Tensor) -> Tensor:
        return functional_call(loss, {"params": params}, (logits, INDICES))

    graph = make_fx(call)(loss.params, LOGITS)
    params = loss.params * 1.02
    expected = EvolvedLoss(loss.network, params)(LOGITS, INDICES)
    close(graph(params, LOGITS), expected)
