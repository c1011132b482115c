"""Cross-entropy through the shared semantics against PyTorch's own, over the whole grid."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from evoloss.losses import LOSSES
from tests.losses.cases import make_indices, make_logits, make_probs, make_weight

CrossEntropy = LOSSES["cross_entropy"]
REDUCTIONS = ("none", "sum", "mean")


@st.composite
def calls(draw: st.DrawFn) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Logits, target and shared arguments over shapes, targets, weights, ignored positions and smoothing."""
    n_classes = draw(st.integers(1, 5))
    seed = draw(st.integers(0, 1000))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    extra = draw(st.lists(st.integers(0, 3), max_size=3))
    batched = draw(st.booleans())
    shape = (draw(st.integers(0, 4)), n_classes, *extra) if batched else (n_classes,)
    logits = make_logits(*shape, seed=seed, dtype=dtype)
    shared: dict[str, Any] = {
        "reduction": draw(st.sampled_from(REDUCTIONS)),
        "label_smoothing": draw(st.sampled_from([0.0, 0.1, 1.0, -0.5, 0])),
    }
    if draw(st.booleans()):
        shared["weight"] = make_weight(n_classes, seed=seed, dtype=dtype)
    places = (shape[0], *extra) if batched else ()
    if draw(st.booleans()):
        target = make_probs(*shape, seed=seed + 1, dtype=dtype)
    else:
        target = make_indices(*places, n_classes=n_classes, seed=seed)
        shared["ignore_index"] = draw(st.sampled_from([-100, -1, 0, n_classes - 1, n_classes + 3]))
        if shared["ignore_index"] not in range(n_classes) and draw(st.booleans()):
            ignored = make_indices(*places, n_classes=2, seed=seed + 1).bool()
            target = torch.where(ignored, shared["ignore_index"], target)
        # PyTorch itself fails for uint8 with both weight and smoothing (its gather takes no uint8).
        uint8_works = logits.dim() <= 2 and not ("weight" in shared and shared["label_smoothing"] > 0)
        if uint8_works and shared["ignore_index"] >= 0 and draw(st.booleans()):
            target = target.to(torch.uint8)
    return logits, target, shared


@settings(deadline=None, max_examples=400)
@given(call=calls())
def test_value_and_gradient_are_those_of_pytorch(call: tuple[Tensor, Tensor, dict[str, Any]]):
    logits, target, shared = call
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    value, expected = CrossEntropy(**shared)(ours, target), F.cross_entropy(theirs, target, **shared)
    torch.testing.assert_close(value, expected, equal_nan=True)
    upstream = torch.linspace(0.5, 1.5, value.numel(), dtype=value.dtype).reshape(value.shape)
    value.backward(upstream)
    expected.backward(upstream)
    torch.testing.assert_close(ours.grad, theirs.grad, equal_nan=True)


def test_uint8_targets_work_with_weight_and_smoothing_together():
    logits, target, weight = make_logits(6, 4), make_indices(6, n_classes=4), make_weight(4)
    loss = CrossEntropy(weight=weight, label_smoothing=0.1)
    assert torch.equal(loss(logits, target.to(torch.uint8)), loss(logits, target))


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_gradient_of_probability_targets_is_that_of_pytorch(reduction: str):
    logits, weight = make_logits(3, 4, 2), make_weight(4)
    ours, theirs = make_probs(3, 4, 2).requires_grad_(), make_probs(3, 4, 2).requires_grad_()
    shared: dict[str, Any] = {"weight": weight, "reduction": reduction, "label_smoothing": 0.1}
    CrossEntropy(**shared)(logits, ours).sum().backward()
    F.cross_entropy(logits, theirs, **shared).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_half_precision_agrees_within_its_resolution(dtype: torch.dtype, smoothing: float):
    logits, target = make_logits(20, 7, dtype=dtype), make_indices(20, n_classes=7)
    weight = make_weight(7, dtype=dtype)
    shared: dict[str, Any] = {"weight": weight, "label_smoothing": smoothing}
    value, expected = CrossEntropy(**shared)(logits, target), F.cross_entropy(logits, target, **shared)
    assert value.dtype == expected.dtype == dtype
    # PyTorch rounds the log-softmax to half precision in between, we only round the result.
    rounding = 4 * torch.finfo(dtype).eps
    torch.testing.assert_close(value, expected, rtol=rounding, atol=rounding)


@pytest.mark.parametrize("input_dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("target_dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("weight_dtype", [None, torch.float16, torch.float64, torch.int64])
@pytest.mark.parametrize("autocast", [False, True])
def test_result_dtype_of_probability_targets_is_that_of_pytorch(
    input_dtype: torch.dtype, target_dtype: torch.dtype, weight_dtype: torch.dtype | None, autocast: bool
):
    logits, target = make_logits(3, 4, dtype=input_dtype), make_probs(3, 4, dtype=target_dtype)
    weight = None if weight_dtype is None else torch.tensor([1, 2, 1, 3], dtype=weight_dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        value, expected = CrossEntropy(weight=weight)(logits, target), F.cross_entropy(logits, target, weight)
    assert value.dtype == expected.dtype
    torch.testing.assert_close(value, expected, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("row", [[0.0, float("-inf"), 1.0], [float("-inf"), 0.0, 1.0]])
def test_infinite_logits_are_those_of_pytorch(reduction: str, row: list[float]):
    logits, target = torch.tensor([row]), torch.tensor([0])
    expected = F.cross_entropy(logits, target, reduction=reduction)
    torch.testing.assert_close(CrossEntropy(reduction=reduction)(logits, target), expected)


def test_a_meta_tensor_gives_a_meta_result():
    logits, target = torch.empty(3, 4, device="meta"), torch.empty(3, dtype=torch.long, device="meta")
    assert CrossEntropy(reduction="none")(logits, target).shape == (3,)
