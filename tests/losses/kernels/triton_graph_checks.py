"""The Triton kernels as operators of autograd and of the compiler; run as triton_rows_checks.py is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from evoloss.losses.kernels.triton_rows import available, row_costs, usable
from tests.losses.kernels.triton_rows_reference import (
    IGNORED,
    draw,
    draw_labels,
    draw_probs,
    draw_weight,
    reference,
    smooth_tables,
)
from tests.sampling import sampled

pytestmark = pytest.mark.skipif(not available(), reason="neither Triton's interpreter nor a GPU")


def test_the_graph_can_be_kept() -> None:
    logits = draw(3, 7).requires_grad_()
    costs = row_costs(logits, draw_labels(3, 7), smooth_tables(7)).sum()
    first, second = (torch.autograd.grad(costs, logits, retain_graph=True)[0] for _ in range(2))
    assert first.equal(second)


def test_nothing_of_the_shape_of_the_logits_is_kept() -> None:
    kept: list[Tensor] = []
    logits = draw(3, 7).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda x: (kept.append(x), x)[1], lambda x: x):
        row_costs(logits, draw_labels(3, 7), smooth_tables(7), label_smoothing=0.1)
    assert [tensor.data_ptr() for tensor in kept if tensor.shape == logits.shape] == [logits.data_ptr()]


def test_second_derivatives_come_from_the_fallback() -> None:
    logits, target, tables = draw(3, 7), draw_labels(3, 7), smooth_tables(7)
    base = logits.clone().requires_grad_()
    ours = base * 1.5  # not a leaf
    theirs = ours.double()
    costs = row_costs(ours, target, tables, fallback=lambda z: reference(z, target, tables).float())
    expected = reference(theirs, target, tables)
    second = []
    for value, inner in ((costs, ours), (expected, theirs)):
        (grads,) = torch.autograd.grad(value.sum(), inner, create_graph=True)
        second.append(torch.autograd.grad(grads.square().sum(), base, retain_graph=True)[0])
    assert second[0].any()
    torch.testing.assert_close(second[0], second[1], rtol=1e-4, atol=1e-6)


def test_no_second_derivatives_without_a_fallback() -> None:
    logits = draw(3, 7).requires_grad_()
    costs = row_costs(logits, draw_labels(3, 7), smooth_tables(7))
    with pytest.raises(NotImplementedError, match="without a fallback"):
        torch.autograd.grad(costs.sum(), logits, create_graph=True)


def test_usable() -> None:
    logits, labels, probs, weight = draw(3, 7), draw_labels(3, 7), draw_probs(3, 7), draw_weight(7)
    assert usable(logits, labels)
    assert usable(torch.nn.Parameter(logits), labels, weight)
    assert usable(logits.bfloat16(), probs, weight)
    assert not usable(logits.double(), labels)
    assert not usable(logits[:, :0], labels)
    assert not usable(logits[None], labels[None])
    assert not usable(logits, probs.clone().requires_grad_())
    assert not usable(logits, labels, weight.clone().requires_grad_())
    assert not usable(logits.to("meta"), labels)
    assert not usable(logits, labels.to("meta"))
    assert not usable(torch.Tensor._make_subclass(type("Other", (Tensor,), {}), logits), labels)
    answers = []
    torch.func.grad(lambda z: (answers.append(usable(z, labels)), z.sum())[1])(logits)
    assert answers == [False]


@pytest.fixture
def fresh_compiler() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("dynamic", sampled([True, False], 2))
def test_it_compiles_as_one_graph(dynamic: bool) -> None:
    tables, weight = smooth_tables(7), draw_weight(7)

    def loss(leaf: Tensor, target: Tensor) -> Tensor:
        logits = leaf * 2.0
        if not usable(logits, target, weight):
            return logits.sum()
        return row_costs(logits, target, tables, weight=weight, label_smoothing=0.1).mean()

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager", dynamic=dynamic)
    for n in (3, 4):
        results = []
        for call in (loss, compiled):
            leaf = draw(n, 7).requires_grad_()
            value = call(leaf, draw_labels(n, 7))
            value.backward()
            results.append((value.detach(), leaf.grad))
        torch.testing.assert_close(*results, rtol=0.0, atol=0.0)


def test_the_operators_are_registered_rightly() -> None:
    tables = smooth_tables(7)
    columns = [tables.other_value, tables.other_slope, tables.label_value, tables.label_slope]
    arguments = (draw(3, 7).requires_grad_(), draw_labels(3, 7), None, columns, tables.scale, tables.floor)
    torch.library.opcheck(torch.ops.evoloss.row_costs, (*arguments, True, IGNORED, 0.0))
