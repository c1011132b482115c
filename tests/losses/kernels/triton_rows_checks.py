"""What test_triton_rows.py runs in a process of its own, in Triton's interpreter and on a GPU where one is.

Every kernel is compared with plain PyTorch in float64 on the same tables. What is marked slow runs with the
slow tests, and on a GPU.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from evoloss.losses import LOSSES, EvolvedLoss
from evoloss.losses.kernels.triton_rows import any_other, available, label_log_probs, row_costs
from evoloss.networks.kinds.classwise import LOG_P_FLOOR
from tests.losses.kernels.triton_rows_reference import (
    DEVICE,
    IGNORED,
    INTERPRETED,
    Tables,
    draw,
    draw_labels,
    draw_probs,
    draw_weight,
    evolved_tables,
    incoming,
    reference,
    smooth_tables,
)
from tests.sampling import sampled

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
# Blocks of 1 to 4,096 classes, full and not, and rows of two and three blocks.
COUNTS = [1, 2, 7, 16, 100, 1000, 4096, 4097, 5000, 9001]

pytestmark = [
    pytest.mark.skipif(not available(), reason="neither Triton's interpreter nor a GPU"),
    # NumPy, which the interpreter computes with, reports infinities and NaN; kernels do not.
    pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning"),
]


def check(logits: Tensor, target: Tensor, tables: Tables | None, **arguments: Any) -> tuple[Tensor, Tensor]:
    """Compare values and gradients with the reference; return both."""
    ours = logits.detach().requires_grad_()
    costs = row_costs(ours, target, tables, **arguments)
    assert costs.dtype == torch.float32
    assert costs.shape == logits.shape[:1]
    (grads,) = torch.autograd.grad(costs, ours, incoming(len(costs)))
    assert grads.dtype == logits.dtype

    theirs = logits.detach().double().requires_grad_()
    expected = reference(theirs, target, tables, **arguments)
    (expected_grads,) = torch.autograd.grad(expected, theirs, incoming(len(costs)).double())
    torch.testing.assert_close(costs.double(), expected, rtol=2e-5, atol=2e-5, equal_nan=True)
    # Float32 work, rounded once to the dtype of the logits; for bfloat16 the interpreter cuts off instead.
    half = {torch.bfloat16: 2.0**-7 if INTERPRETED else 2.0**-8, torch.float16: 2.0**-10}
    rtol = half.get(logits.dtype, 2e-5)
    torch.testing.assert_close(grads.double(), expected_grads, rtol=rtol, atol=2e-6, equal_nan=True)
    return costs, grads


@pytest.mark.parametrize(("n_classes", "dtype"), sampled(itertools.product(COUNTS, DTYPES), 4))
def test_index_targets(n_classes: int, dtype: torch.dtype) -> None:
    n = 4 if n_classes <= 100 else 2
    check(draw(n, n_classes, dtype), draw_labels(n, n_classes), smooth_tables(n_classes))


@pytest.mark.parametrize("n_classes", sampled([1, 7, 100, 5000], 3))
def test_weight_and_smoothing(n_classes: int) -> None:
    logits, target, weight = draw(2, n_classes), draw_labels(2, n_classes), draw_weight(n_classes)
    tables = smooth_tables(n_classes)
    check(logits, target, tables, weight=weight)
    check(logits, target, tables, label_smoothing=0.1)
    check(logits, target, tables, weight=weight, label_smoothing=0.3)
    check(logits, target, tables, weight=weight.bfloat16(), label_smoothing=1.0)


@pytest.mark.parametrize(("n_classes", "dtype"), sampled(itertools.product([1, 7, 5000], DTYPES), 4))
def test_probability_targets(n_classes: int, dtype: torch.dtype) -> None:
    logits, target, weight = draw(2, n_classes, dtype), draw_probs(2, n_classes), draw_weight(n_classes)
    tables = smooth_tables(n_classes)
    check(logits, target, tables)
    check(logits, target.to(dtype), tables, weight=weight)
    # Not a distribution; the formula does not mind.
    check(logits, 2.0 * target, tables, weight=weight, label_smoothing=0.2)


@pytest.mark.parametrize("n_classes", sampled([10, 5000], 2))
def test_without_tables_it_is_cross_entropy(n_classes: int) -> None:
    logits, weight = draw(3, n_classes).requires_grad_(), draw_weight(n_classes)
    labels = draw_labels(3, n_classes)
    labels[1] = 4
    probs = draw_probs(3, n_classes)
    for target, shared in (
        (labels, {"ignore_index": 4}),
        (labels, {"weight": weight, "label_smoothing": 0.1, "ignore_index": 4}),
        (probs, {"weight": weight, "label_smoothing": 0.1}),
    ):
        check(logits, target, None, **shared)
        expected = -F.cross_entropy(logits, target, reduction="none", **shared)
        torch.testing.assert_close(row_costs(logits, target, None, **shared), expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("n_classes", sampled([10, 5000], 2))
def test_no_other_term_is_no_lookup_and_the_same_numbers(n_classes: int) -> None:
    logits, target = draw(3, n_classes), draw_labels(3, n_classes)
    tables = smooth_tables(n_classes, others=False)
    assert not any_other(tables)
    assert any_other(smooth_tables(n_classes))
    for smoothing in (0.0, 0.1):
        check(logits, target, tables, label_smoothing=smoothing)
        both = [
            row_costs(logits, target, tables, label_smoothing=smoothing, has_other=has_other)
            for has_other in (True, False)
        ]
        assert both[0].equal(both[1])


@pytest.mark.parametrize("name", ["gce", "focal", "cross_entropy"])
def test_losses_of_the_labels_probability(name: str) -> None:
    logits, target = draw(5, 10), draw_labels(5, 10)
    target[2] = IGNORED
    loss = LOSSES[name](reduction="none")
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    costs = torch.where(target != IGNORED, loss.cost(label_log_probs(ours, target)), 0.0)  # type: ignore[operator]
    expected = loss(theirs, target)
    torch.testing.assert_close(costs, expected, rtol=2e-5, atol=2e-5)
    costs.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_shipped_loss(smoothing: float) -> None:
    loss = EvolvedLoss.from_pretrained("evolved-base", reduction="none", label_smoothing=smoothing).to(DEVICE)
    logits, target = draw(8, 10), draw_labels(8, 10)
    logits[0, target[0]] = -100.0
    tables = evolved_tables(loss, 10, n_nodes=2**15)
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    costs, expected = row_costs(ours, target, tables, label_smoothing=smoothing), loss(theirs, target)
    costs.sum().backward()
    expected.sum().backward()
    # As near as the cells come to the network, and its float32.
    torch.testing.assert_close(costs, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("n_classes", sampled([7, 5000], 2))
def test_strides(n_classes: int) -> None:
    logits, target, tables = draw(4, n_classes), draw_labels(4, n_classes), smooth_tables(n_classes)
    wide = torch.full((8, n_classes + 3), math.nan, device=DEVICE)
    wide[::2, 1:-2] = logits
    expected = check(logits, target, tables)
    for same in (wide[::2, 1:-2], logits.t().contiguous().t()):
        assert not same.is_contiguous()
        ours = check(same, target, tables)
        assert all(a.equal(b) for a, b in zip(ours, expected, strict=True))
    check(logits[:1].expand(4, -1), torch.stack([target, target])[0], tables)
    check(logits, torch.stack([target, target], dim=1)[:, 0], tables)
    probs = draw_probs(4, n_classes)
    check(logits, torch.cat([probs, probs], dim=1)[:, :n_classes], tables)
    check(logits, probs.t().contiguous().t(), tables)
    check(logits, probs[:1].expand(4, -1), tables)


def test_a_gradient_into_a_view() -> None:
    """The gradient has the shape of the logits and goes where they came from."""
    base = torch.zeros(6, 9, device=DEVICE, requires_grad=True)
    row_costs(base[1::2, 2:], draw_labels(3, 7), smooth_tables(7)).sum().backward()
    assert base.grad is not None
    assert base.grad[1::2, 2:].all()
    assert not base.grad[::2].any()
    assert not base.grad[:, :2].any()


@pytest.mark.parametrize("ignore_index", [IGNORED, 2, 255, 2**40])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_ignored_rows_cost_nothing_whatever_they_hold(ignore_index: int, smoothing: float) -> None:
    logits, target = draw(4, 7), torch.tensor([1, ignore_index, 3, ignore_index], device=DEVICE)
    logits[1] = math.nan
    logits[3] = math.inf
    costs, grads = check(
        logits.nan_to_num(0.0, 0.0),
        target,
        smooth_tables(7),
        ignore_index=ignore_index,
        label_smoothing=smoothing,
    )
    leaf = logits.requires_grad_()
    with_nan = row_costs(leaf, target, smooth_tables(7), ignore_index=ignore_index, label_smoothing=smoothing)
    with_nan.backward(torch.where(target == ignore_index, math.nan, incoming(4)))
    assert with_nan.equal(costs)
    assert leaf.grad is not None
    assert leaf.grad.equal(grads)
    assert not leaf.grad[1::2].any()


def test_all_ignored() -> None:
    logits = torch.full((3, 7), math.nan, device=DEVICE)
    target = torch.full((3,), IGNORED, device=DEVICE)
    check(logits.zero_(), target, smooth_tables(7))


@pytest.mark.skipif(not INTERPRETED, reason="a device-side assert ends the process: see test_triton_rows.py")
@pytest.mark.parametrize("label", [-1, 7, 2**40])
def test_a_target_out_of_range_is_nan_where_assertions_are_off(label: int) -> None:
    logits, target = draw(3, 7).requires_grad_(), torch.tensor([1, label, 2])
    for tables, smoothing in ((smooth_tables(7), 0.0), (smooth_tables(7), 0.1), (None, 0.0)):
        costs = row_costs(logits, target, tables, weight=draw_weight(7), label_smoothing=smoothing)
        (grads,) = torch.autograd.grad(costs.sum(), logits)
        assert costs.isnan().tolist() == [False, True, False]
        assert grads.isnan().all(dim=1).tolist() == [False, True, False]


@pytest.mark.parametrize("n_classes", sampled([7, 2, 5000], 3))
def test_logits_of_ten_thousand(n_classes: int) -> None:
    logits = 1e4 * torch.sign(draw(2, n_classes)) + draw(2, n_classes)
    target, tables = draw_labels(2, n_classes), smooth_tables(n_classes)
    for values in (logits, -logits, torch.full_like(logits, 1e4), torch.full_like(logits, -1e4)):
        check(values, target, tables)
        check(values, target, tables, label_smoothing=0.1)
        check(values, draw_probs(2, n_classes), None)


@pytest.mark.parametrize("n_classes", sampled([7, 5000], 2))
def test_log_p_below_the_floor(n_classes: int) -> None:
    logits = draw(3, n_classes)
    logits[:, 1] -= 200.0
    target = torch.ones(3, dtype=torch.long, device=DEVICE)
    costs, grads = check(logits, target, smooth_tables(n_classes))
    assert (costs > 190.0).all()
    assert (grads[1:, 1].abs() > 0.4).all()  # the label still pulls
    check(logits, draw_probs(3, n_classes), smooth_tables(n_classes))


@pytest.mark.parametrize("n_classes", [7, 9001])
def test_masked_classes(n_classes: int) -> None:
    """A logit of -inf is a class of probability 0: whole blocks of them, and the first of a row."""
    logits = draw(3, n_classes)
    logits[:, : n_classes // 2] = -math.inf
    target = torch.full((3,), n_classes - 1, device=DEVICE)
    for tables in (smooth_tables(n_classes), None):
        costs, grads = check(logits, target, tables)
        assert costs.isfinite().all()
        assert not grads[:, : n_classes // 2].any()
    cost = row_costs(logits, torch.zeros_like(target), smooth_tables(n_classes))
    assert (cost == math.inf).all()


@pytest.mark.parametrize(("n_classes", "bad"), sampled(itertools.product([7, 5000], [math.nan, math.inf]), 3))
def test_a_row_without_a_softmax_is_nan(n_classes: int, bad: float) -> None:
    logits, target = draw(4, n_classes), draw_labels(4, n_classes)
    logits[1, 3] = bad
    logits[2] = -math.inf
    for tables in (smooth_tables(n_classes), None):
        for smoothing in (0.0, 0.1):
            leaf = logits.clone().requires_grad_()
            costs = row_costs(leaf, target, tables, label_smoothing=smoothing)
            costs.sum().backward()
            assert costs.isnan().tolist() == [False, True, True, False]
            assert leaf.grad is not None
            assert leaf.grad[1:3].isnan().all()
            assert leaf.grad[::3].isfinite().all()


def test_no_rows() -> None:
    logits = torch.zeros(0, 7, device=DEVICE, requires_grad=True)
    costs = row_costs(logits, torch.zeros(0, dtype=torch.long, device=DEVICE), smooth_tables(7))
    assert costs.shape == (0,)
    costs.sum().backward()
    assert logits.grad is not None
    assert logits.grad.shape == (0, 7)


def test_one_row_and_a_scalar_gradient() -> None:
    logits = draw(1, 7).requires_grad_()
    check(logits, draw_labels(1, 7), smooth_tables(7))
    row_costs(logits, draw_labels(1, 7), smooth_tables(7)).sum().backward()  # an expanded gradient, stride 0
    theirs = logits.detach().double().requires_grad_()
    reference(theirs, draw_labels(1, 7), smooth_tables(7)).sum().backward()
    torch.testing.assert_close(logits.grad.double(), theirs.grad, rtol=2e-5, atol=2e-6)


def test_order_of_rows_does_not_matter() -> None:
    logits, target, tables = draw(4, 5000), draw_labels(4, 5000), smooth_tables(5000)
    forth = row_costs(logits, target, tables)
    assert row_costs(logits.flip(0), target.flip(0), tables).equal(forth.flip(0))


def test_tables_that_do_not_fit() -> None:
    logits, target = draw(3, 7), draw_labels(3, 7)
    with pytest.raises(ValueError, match="for 8 classes, the logits have 7"):
        row_costs(logits, target, smooth_tables(8))
    with pytest.raises(ValueError, match="cell 1022, but the tables have 512"):
        row_costs(logits, target, smooth_tables(7)._replace(scale=1022 / -LOG_P_FLOOR))


@pytest.mark.skipif(INTERPRETED, reason="takes 9 GB of a GPU")
def test_more_logits_than_an_int32_counts() -> None:
    if torch.cuda.mem_get_info()[0] < 12e9:
        pytest.skip("takes 9 GB of a GPU")
    n, n_classes = 2100, 2**20
    logits = torch.zeros(n, n_classes, dtype=torch.bfloat16, device=DEVICE, requires_grad=True)
    target = torch.full((n,), n_classes - 1, device=DEVICE)
    costs = row_costs(logits, target, None)
    torch.testing.assert_close(costs, torch.full_like(costs, -math.log(n_classes)))
    costs.sum().backward()
    assert logits.grad is not None
    assert logits.grad[:, -1].float().sub(1.0).abs().max() < 1e-3
    assert not logits.grad[:, 0].eq(0.0).any()
