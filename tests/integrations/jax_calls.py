"""Calls of losses in JAX and in PyTorch, for the tests of both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
import torch
from torch import Tensor


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """JAX in 64 bits or in 32, in all versions."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", bits == 64)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


def batch(n_classes: int, n: int = 16) -> tuple[Tensor, Tensor]:
    """Logits in float64, from hardly certain to very, and labels that are predictions half of the time."""
    generator = torch.Generator().manual_seed(n_classes)
    scale = torch.logspace(-1, 1, n, dtype=torch.float64)[:, None]
    logits = scale * torch.randn(n, n_classes, generator=generator, dtype=torch.float64)
    target = torch.randint(n_classes, (n,), generator=generator)
    return logits, torch.where(torch.arange(n) % 2 == 0, logits.argmax(1), target)


def costs_and_slope_in_torch(loss: Any, state: Any, logits: Tensor, target: Tensor) -> tuple[Any, Any, Any]:
    """Costs of samples, the gradient of their sum by the logits, and the state after the batch."""
    leaf = logits.detach().clone().requires_grad_()
    costs, after = loss(state, leaf, target)
    (slope,) = torch.autograd.grad(costs.sum(), leaf)
    return costs.detach().numpy(), slope.numpy(), after


def costs_and_slope_in_jax(loss: Any) -> Any:
    """The same of a loss in JAX, as a compiled function."""

    def total(state: Any, logits: Any, target: Any) -> Any:
        costs, after = loss(state, logits, target)
        return costs.sum(), (costs, after)

    both = jax.jit(jax.value_and_grad(total, argnums=1, has_aux=True))

    def call(state: Any, logits: Tensor, target: Tensor) -> tuple[Any, Any, Any]:
        (_, (costs, after)), slope = both(state, logits.detach().numpy(), target.numpy())
        return np.asarray(costs), np.asarray(slope), after

    return call
