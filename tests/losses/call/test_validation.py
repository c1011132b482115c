"""Misuse raises what ``nn.CrossEntropyLoss`` raises, when that raises it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from evoloss.losses import LOSSES
from evoloss.losses.call.validation import raise_as_cross_entropy
from tests.losses.cases import LossCase, every_loss

X, Y = torch.randn(4, 5, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 4, 2, 1])
P = torch.softmax(X, dim=1)


def zeros(*shape: int) -> Tensor:
    return torch.zeros(shape, dtype=torch.long)


# name -> (input, target, shared arguments)
INVALID_CALLS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "unknown reduction": (X, Y, {"reduction": "average"}),
    "no reduction": (X, Y, {"reduction": None}),
    "smoothing above 1": (X, Y, {"label_smoothing": 1.5}),
    "smoothing above 1, probabilities": (X, P, {"label_smoothing": 1.5}),
    "smoothing is text": (X, Y, {"label_smoothing": "0.1"}),
    "ignore_index is a float": (X, Y, {"ignore_index": 1.5}),
    "ignore_index is a bool": (X, Y, {"ignore_index": True}),
    "ignore_index is None": (X, Y, {"ignore_index": None}),
    "ignore_index with probabilities": (X, P, {"ignore_index": 1}),
    "weight too short": (X, Y, {"weight": torch.ones(3)}),
    "weight too short, probabilities": (X, P, {"weight": torch.ones(3)}),
    "weight of one entry": (X, Y, {"weight": torch.ones(1)}),
    "weight of one entry, probabilities": (X, P, {"weight": torch.ones(1)}),
    "weight with two dimensions": (X, Y, {"weight": torch.ones(5, 1)}),
    "weight with two dimensions, smoothed": (X, Y, {"weight": torch.ones(1, 5), "label_smoothing": 0.1}),
    "weight of another dtype": (X, Y, {"weight": torch.ones(5).double()}),
    "weight of integers": (X, Y, {"weight": torch.ones(5).long()}),
    "weight with gradient": (X, Y, {"weight": torch.ones(5, requires_grad=True)}),
    "float32 weight, float16 input": (X.half(), Y, {"weight": torch.ones(5)}),
    "index too large": (X, Y + 1, {}),
    "index too large, smoothed": (X, Y + 1, {"label_smoothing": 0.1}),
    "index too large, weighted": (X, Y + 1, {"weight": torch.ones(5)}),
    "index negative": (X, Y - 1, {}),
    "index at the default ignore_index": (X, Y - 100, {"ignore_index": -1}),
    "index too large, images": (X.reshape(1, 5, 2, 2), zeros(1, 2, 2) + 5, {}),
    "uint8 index not ignored": (X, torch.tensor([0, 255, 1, 2], dtype=torch.uint8), {"ignore_index": -1}),
    "uint8 index, three dimensions": (torch.randn(2, 3, 4), zeros(2, 4).byte(), {}),
    "uint8 index, four dimensions": (torch.randn(2, 3, 4, 4), zeros(2, 4, 4).byte(), {}),
    "int32 index": (X, Y.int(), {}),
    "int16 index": (X, Y.short(), {}),
    "bool index": (X, Y.bool(), {}),
    "float index": (X, Y.float(), {}),
    "integer logits": (X.long(), Y, {}),
    "complex logits": (X.to(torch.complex64), Y, {}),
    "integer probabilities": (X, zeros(4, 5), {}),
    "probabilities for other classes": (X, torch.rand(4, 6), {}),
    "batch sizes differ": (X, Y[:3], {}),
    "batch sizes differ, smoothed": (X, Y[:3], {"label_smoothing": 0.1}),
    "scalar target for a batch": (X, torch.tensor(0), {}),
    "target with a class axis of 1": (X, zeros(4, 1), {}),
    "no dimensions": (torch.tensor(1.0), torch.tensor(0), {}),
    "no dimensions, probabilities": (torch.tensor(1.0), torch.tensor(0.0), {}),
    "one sample, two targets": (X[0], zeros(2), {}),
    "one sample, target of shape (1, 1)": (X[0], zeros(1, 1), {}),
    "one sample, target of shape (1,), smoothed": (X[0], zeros(1), {"label_smoothing": 0.1}),
    "one class, index of its shape": (torch.zeros(1), zeros(1), {}),
    "sequence length differs": (torch.randn(2, 3, 4), zeros(2, 3), {}),
    "sequence target without length": (torch.randn(2, 3, 4), zeros(2), {}),
    "sequence batch differs": (torch.randn(2, 3, 4), zeros(3, 4), {}),
    "image size differs": (torch.randn(2, 3, 4, 5), zeros(2, 4, 4), {}),
    "image axes exchanged": (torch.randn(2, 3, 4, 5), zeros(2, 5, 4), {}),
    "volume size differs": (torch.randn(2, 3, 4, 5, 6), zeros(2, 4, 5, 5), {}),
    "volume flattened": (torch.randn(2, 3, 4, 5, 6), zeros(2, 120), {}),
    "no classes": (torch.zeros(4, 0), zeros(4), {}),
    "list for input": ([1.0, 2.0], Y, {}),
    "list for target": (X, [0, 1, 2, 3], {}),
}


def raised(build: Any, input: Any, target: Any, shared: dict[str, Any]) -> Exception:
    loss = build(**shared)  # misuse of these arguments shows in forward, not here
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which exception is what is compared
        loss(input, target)
    return caught.value


@pytest.mark.parametrize("name", INVALID_CALLS)
def test_exception_is_that_of_pytorch(name: str):
    input, target, shared = INVALID_CALLS[name]
    expected = raised(nn.CrossEntropyLoss, input, target, shared)
    actual = raised(LOSSES["cross_entropy"], input, target, shared)
    assert type(actual) is type(expected)
    assert str(actual) == str(expected)


@every_loss
@pytest.mark.parametrize("name", ["unknown reduction", "batch sizes differ", "index too large, smoothed"])
def test_every_loss_shares_the_checks(case: LossCase, name: str):
    input, target, shared = INVALID_CALLS[name]
    expected = raised(nn.CrossEntropyLoss, input, target, shared)
    assert type(raised(case.build, input, target, shared)) is type(expected)


@every_loss
def test_index_out_of_range_is_an_index_error(case: LossCase):
    with pytest.raises(IndexError, match="Target 5 is out of bounds"):
        case.build()(X, Y + 1)


@every_loss
def test_weight_that_is_no_tensor_fails_in_the_constructor(case: LossCase):
    with pytest.raises(TypeError, match="cannot assign 'list' object to buffer 'weight'"):
        case.build(weight=[1.0, 2.0])


@every_loss
def test_misspelt_argument_fails_in_the_constructor(case: LossCase):
    with pytest.raises(TypeError, match="wieght"):
        case.build(wieght=None)


def test_numpy_scalars_are_as_good_as_numbers():
    loss = LOSSES["gce"](ignore_index=np.int64(4), label_smoothing=np.float64(0.1))
    reference = LOSSES["gce"](ignore_index=4, label_smoothing=0.1)
    torch.testing.assert_close(loss(X, Y), reference(X, Y))


def test_a_call_that_only_pytorch_takes_is_not_answered_with_cross_entropy():
    with pytest.raises(RuntimeError, match="does not take a call that"):
        raise_as_cross_entropy(X, Y, nn.CrossEntropyLoss())
