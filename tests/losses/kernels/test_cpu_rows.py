"""The fast paths of the loss step against the network itself: values, gradients, memory, what falls back."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from evoloss import EvolvedLoss
from evoloss.losses import LOSSES, ClassificationLoss
from evoloss.losses.kernels import pulls
from evoloss.networks import ClasswiseNetwork, MonotoneNetwork
from evoloss.random_streams import stream
from tests.networks.populations import accepted
from tests.sampling import sampled


def monotone(**arguments: Any) -> EvolvedLoss:
    """A loss with a sum over the classes that has to be looked up."""
    network = MonotoneNetwork()
    loss = EvolvedLoss(network, network.initial(stream(0, "monotone")), **arguments)
    assert loss.tables(10).has_other
    return loss


def classwise(**arguments: Any) -> EvolvedLoss:
    network = ClasswiseNetwork(hidden=(6,), activation="tanh")
    return EvolvedLoss(network, accepted(network, 1, 3, 2, 10, 100, 1000)[0].float(), **arguments)


RANKED = Path(__file__).parents[3] / "benchmarks/archive/0.1/ranking"


def label_only(**arguments: Any) -> EvolvedLoss:
    """A loss that is a function of its label's probability: evolved by ranking alone."""
    loss = EvolvedLoss.from_pretrained(RANKED, **arguments)
    assert not loss.tables(10).has_other
    return loss


def smoothing(**arguments: Any) -> ClassificationLoss:
    return LOSSES["label_smoothing"](**arguments)


BUILDERS: list[Callable[..., ClassificationLoss]] = [monotone, classwise, label_only, smoothing]
every_builder = pytest.mark.parametrize("build", BUILDERS, ids=lambda build: build.__name__)


def batch(n: int, c: int, kind: str = "index", spread: float = 3.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(n * 1000 + c)
    logits = spread * torch.randn(n, c, generator=generator)
    if kind == "probabilities":
        return logits, torch.softmax(torch.randn(n, c, generator=generator), 1)
    target = torch.randint(c, (n,), generator=generator)
    if kind == "ignored":
        target[::3] = -100
    return logits, target


def value_and_gradient(loss: nn.Module, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    leaf = logits.clone().requires_grad_()
    value = loss(leaf, target)
    (gradient,) = torch.autograd.grad(value.sum(), leaf)
    return value.detach(), gradient


def bounds(loss: ClassificationLoss, c: int) -> tuple[float, float]:
    """What the tables state, times the terms of a cost, and float32's rounding."""
    if not isinstance(loss, EvolvedLoss):
        return 1e-5, 1e-6
    tables = loss.tables(c)
    assert tables is not None
    terms = 1 + (c if tables.has_other else 0)
    return 1.1 * terms * tables.value_error + 1e-5, 1.1 * (2 + terms) * tables.slope_error + 1e-6


GRID = list(
    itertools.product(
        ["index", "ignored", "probabilities"], [False, True], [0.0, 0.2], ["none", "mean", "sum"]
    )
)


@pytest.mark.parametrize(
    ("build", "kind", "weighted", "eps", "reduction"),
    sampled(((build, *call) for call in GRID for build in BUILDERS), 5),
)
def test_every_combination_is_the_float64_network_within_the_stated_error(
    build: Callable[..., ClassificationLoss], kind: str, weighted: bool, eps: float, reduction: str
) -> None:
    c = 10
    logits, target = batch(12, c, kind)
    weight = torch.linspace(0.5, 1.5, c) if weighted else None
    loss = build(weight=weight, label_smoothing=eps, reduction=reduction)
    exact = build(
        weight=None if weight is None else weight.double(), label_smoothing=eps, reduction=reduction
    ).double()
    target_64 = target.double() if kind == "probabilities" else target
    value, gradient = value_and_gradient(loss, logits, target)
    value_64, gradient_64 = value_and_gradient(exact, logits.double(), target_64)
    size = len(logits) if reduction == "sum" else 1
    in_value, in_slope = bounds(loss, c)
    scale = 1 + float(value_64.abs().max())
    torch.testing.assert_close(value.double(), value_64, rtol=0, atol=size * in_value + 1e-6 * scale)
    torch.testing.assert_close(gradient.double(), gradient_64, rtol=1e-5, atol=in_slope)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_any_logits(data: st.DataObject) -> None:
    loss = data.draw(st.sampled_from([MONOTONE, SHIPPED]))
    c = data.draw(st.sampled_from([2, 3, 10, 100]))
    numbers = st.floats(-1e4, 1e4, width=32) | st.floats(-5, 5, width=32)
    rows = data.draw(st.lists(st.lists(numbers, min_size=c, max_size=c), min_size=1, max_size=3))
    logits = torch.tensor(rows)
    target = torch.tensor([data.draw(st.integers(0, c - 1)) for _ in rows])
    value, gradient = value_and_gradient(loss, logits, target)
    value_64, gradient_64 = value_and_gradient(loss, logits.double(), target)
    in_value, in_slope = bounds(loss, c)
    torch.testing.assert_close(value.double(), value_64, rtol=1e-5, atol=in_value)
    torch.testing.assert_close(gradient.double(), gradient_64, rtol=1e-5, atol=in_slope)


MONOTONE, SHIPPED = monotone(reduction="none"), label_only(reduction="none")


@every_builder
@pytest.mark.parametrize("eps", [0.0, 0.1])
def test_a_class_ruled_out_by_an_infinite_logit(build: Callable[..., ClassificationLoss], eps: float) -> None:
    """As with cross-entropy: finite where the label is another class, unless the class is smoothed over."""
    logits, target = batch(4, 6)
    logits[:, 5], target = -torch.inf, target % 5
    value, gradient = value_and_gradient(build(label_smoothing=eps, reduction="none"), logits, target)
    reference, _ = value_and_gradient(
        nn.CrossEntropyLoss(label_smoothing=max(eps, 0.1 if build is smoothing else 0.0), reduction="none"),
        logits,
        target,
    )
    assert torch.equal(value.isfinite(), reference.isfinite())
    if reference.isfinite().all():
        assert gradient.isfinite().all()
        assert (gradient[:, 5] == 0).all()


@every_builder
@pytest.mark.parametrize("chunk", [1, 40, 1 << 17])
def test_rows_do_not_know_of_chunks(
    build: Callable[..., ClassificationLoss], chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits, target = batch(9, 13)
    whole = value_and_gradient(build(reduction="none"), logits, target)
    monkeypatch.setattr(pulls, "_CHUNK_ELEMENTS", chunk)
    for dtype in (torch.float32, torch.bfloat16):
        cut = value_and_gradient(build(reduction="none"), logits.to(dtype), target)
        close = {"rtol": 1e-5, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 0.1, "atol": 0.15}
        torch.testing.assert_close(cut[0].float(), whole[0], **close)
        torch.testing.assert_close(cut[1].float(), whole[1], **close)


@every_builder
def test_a_kept_graph_can_be_walked_again(build: Callable[..., ClassificationLoss]) -> None:
    logits, target = batch(5, 7)
    leaf = logits.clone().requires_grad_()
    value = build()(leaf, target)
    (first,) = torch.autograd.grad(value, leaf, retain_graph=True)
    kept = first.clone()
    (second,) = torch.autograd.grad(value, leaf, grad_outputs=torch.tensor(2.0))
    torch.testing.assert_close(second, 2 * kept)
    assert torch.equal(first, kept)


@every_builder
def test_second_derivatives_are_those_of_the_network(build: Callable[..., ClassificationLoss]) -> None:
    logits, target = batch(4, 6)

    def product(logits: Tensor) -> Tensor:
        leaf = logits.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(build(reduction="sum")(leaf, target), leaf, create_graph=True)
        (second,) = torch.autograd.grad(gradient.square().sum(), leaf)
        return second

    torch.testing.assert_close(product(logits).double(), product(logits.double()), rtol=1e-2, atol=2e-2)


class Counter(TorchDispatchMode):
    """Counts new tensors as large as the logits."""

    def __init__(self, numel: int) -> None:
        super().__init__()
        self.numel, self.storages = numel, set[int]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else (out,):
            if isinstance(tensor, Tensor) and tensor.numel() * tensor.element_size() >= self.numel * 4:
                self.storages.add(tensor.untyped_storage().data_ptr())
        return out


def tensors_made(loss: nn.Module, logits: Tensor, target: Tensor) -> tuple[int, int]:
    """How many tensors of the logits' size forward and backward make."""
    leaf = logits.clone().requires_grad_()
    with Counter(leaf.numel()) as forward:
        value = loss(leaf, target)
    with Counter(leaf.numel()) as backward:
        value.backward()
    return len(forward.storages), len(backward.storages)


@every_builder
def test_no_more_tensors_of_the_size_of_the_logits_than_cross_entropy(
    build: Callable[..., ClassificationLoss],
) -> None:
    logits, target = batch(64, 8192)
    loss = build()
    loss(logits[:1], target[:1])  # makes the tables
    forward, backward = tensors_made(loss, logits, target)
    reference = tensors_made(nn.CrossEntropyLoss(), logits, target)
    # One to keep: cross-entropy its log-probabilities, a loss with a sum over the classes its gradient.
    assert forward == reference[0] == 1
    assert backward <= reference[1]


def test_half_precision_makes_no_float32_copy() -> None:
    n, c = 64, 8192
    logits, target = batch(n, c)
    for loss in (monotone(), label_only(), smoothing(), LOSSES["gce"]()):
        leaf = logits.bfloat16().requires_grad_()
        loss(leaf[:1], target[:1])
        with Counter(n * c) as counter:
            loss(leaf, target).backward()
        assert counter.storages == set(), type(loss)
        assert leaf.grad is not None
        assert leaf.grad.dtype == torch.bfloat16


def test_exact_asks_the_network_in_every_precision() -> None:
    logits, target = batch(30, 10)
    fast, exact = monotone(), monotone(exact=True)
    value, _ = value_and_gradient(fast, logits, target)
    exact_value, _ = value_and_gradient(exact, logits, target)
    reference, _ = value_and_gradient(fast, logits.double(), target)
    assert value != exact_value
    torch.testing.assert_close(exact_value.double(), reference, rtol=1e-6, atol=1e-6)
    assert EvolvedLoss.from_pretrained("evolved-base", exact=True).exact


def test_tables_follow_the_parameters() -> None:
    logits, target = batch(8, 10)
    loss, other = monotone(), MonotoneNetwork().initial(stream(1, "other"))
    expected = EvolvedLoss(MonotoneNetwork(), other)(logits, target)
    before = loss(logits, target)
    loss.load_state_dict({"params": other})
    assert torch.equal(loss(logits, target), expected)
    assert not torch.equal(before, expected)
    twin = copy.deepcopy(loss)
    twin.load_state_dict({"params": monotone().params})
    assert torch.equal(twin(logits, target), before)
    assert torch.equal(loss(logits, target), expected)
    with torch.no_grad():
        loss.params.copy_(monotone().params)
    assert torch.equal(loss(logits, target), before)


@pytest.mark.parametrize("build", sampled([label_only, monotone], 2))
def test_compiled_from_the_first_call_at_any_class_count(build: Callable[..., EvolvedLoss]) -> None:
    torch.compiler.reset()
    loss = build()
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    for n, c in ((6, 10), (7, 10), (6, 4), (5, 30)):
        logits, target = batch(n, c)
        value, gradient = value_and_gradient(compiled, logits, target)
        expected, expected_gradient = value_and_gradient(build(), logits, target)
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(gradient, expected_gradient, rtol=1e-5, atol=1e-6)


def test_compiled_code_follows_the_parameters() -> None:
    torch.compiler.reset()
    logits, target = batch(6, 10)
    loss = monotone()
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    before = compiled(logits, target)
    loss.load_state_dict({"params": MonotoneNetwork().initial(stream(1, "other"))})
    after = compiled(logits, target)
    torch.testing.assert_close(after, loss(logits, target), rtol=1e-5, atol=1e-6)
    assert not torch.allclose(before, after)
    twin = copy.deepcopy(monotone())
    torch.testing.assert_close(
        torch.compile(twin, fullgraph=True, backend="aot_eager")(logits, target), before
    )


def test_transforms_and_gradients_of_the_target_go_to_the_network() -> None:
    logits, target = batch(5, 6)
    loss = monotone()
    per_sample = torch.func.vmap(torch.func.grad(loss))(logits, target)
    _, gradient = value_and_gradient(loss, logits, target)
    torch.testing.assert_close(per_sample / 5, gradient, rtol=1e-2, atol=5e-3)
    soft = F.one_hot(target, 6).float().requires_grad_()
    loss(logits, soft).backward()
    assert soft.grad is not None
    assert soft.grad.isfinite().all()


def test_ignored_rows_may_hold_anything() -> None:
    logits, target = batch(6, 5)
    target[2] = -100
    for build in BUILDERS:
        expected, gradient = value_and_gradient(build(), logits, target)
        strange = logits.clone()
        strange[2] = torch.tensor([1e30, -1e30, 0.0, 3.0, -torch.inf])
        value, strange_gradient = value_and_gradient(build(), strange, target)
        torch.testing.assert_close(value, expected)
        torch.testing.assert_close(strange_gradient[[0, 1, 3, 4, 5]], gradient[[0, 1, 3, 4, 5]])
        assert (strange_gradient[2] == 0).all()
