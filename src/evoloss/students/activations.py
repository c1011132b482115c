"""The activations of students, forward and backward in memory that is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

_ops = torch.ops.aten  # the backward kernels of autograd, with out= and without a graph


class Activation(NamedTuple):
    """An activation and its derivative.

    Attributes:
        forward: writes the activation of the first tensor into the second, which may be the same.
        backward: multiplies a gradient, in place, by the derivative: of gradient, before and after.
        before: whether the derivative needs what stood before the activation, which is otherwise overwritten.
    """

    forward: Callable[[Tensor, Tensor], object]
    backward: Callable[[Tensor, Tensor, Tensor], object]
    before: bool


def _tanh(before: Tensor, after: Tensor) -> None:
    # 2 sigmoid(2 z) - 1: a third of the time of torch.tanh, whose kernel is slow on CPUs. It is off by one
    # rounding of 1, 1e-7 in float32, which near 0 is more than tanh's own.
    torch.add(before, before, out=after)
    torch.sigmoid(after, out=after)
    after.mul_(2).sub_(1)


STUDENT_ACTIVATIONS: dict[str, Activation] = {
    "relu": Activation(
        lambda before, after: torch.clamp_min(before, 0, out=after),
        lambda grad, before, after: _ops.threshold_backward.grad_input(grad, after, 0, grad_input=grad),
        before=False,
    ),
    "tanh": Activation(
        _tanh,
        lambda grad, before, after: _ops.tanh_backward.grad_input(grad, after, grad_input=grad),
        before=False,
    ),
    "silu": Activation(
        lambda before, after: _ops.silu.out(before, out=after),
        lambda grad, before, after: _ops.silu_backward.grad_input(grad, before, grad_input=grad),
        before=True,
    ),
    "gelu": Activation(
        lambda before, after: _ops.gelu.out(before, out=after),
        lambda grad, before, after: _ops.gelu_backward.grad_input(grad, before, grad_input=grad),
        before=True,
    ),
}
