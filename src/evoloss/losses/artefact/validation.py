"""Validation of parameters: that they make a loss of a network."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from evoloss.errors import CanonicalFormError, ConfigError
from evoloss.networks import LossNetwork
from evoloss.safe_text import quoted

_LABELS, _ENTRIES = 128, 20_000  # labels, and entries of random predictions, that are looked at together
_FAR = 1e30  # what lies between two predictions that are looked at may be larger, and float32 ends at 3e38


def checked_params(network: LossNetwork, params: Tensor | None) -> Tensor:
    """A copy of a network's parameters, in float32 or float64, after checks.

    Raises:
        ConfigError: if there are none, or not of a network, their number or type does not fit it, or they are
            not finite.
        CanonicalFormError: if the loss has no canonical form at the class counts it is for, or its costs or
            their gradients are not finite in float32, in which it is used.
    """
    if not isinstance(network, LossNetwork):
        raise ConfigError(
            f"a loss is a loss network with parameters, a shipped name or a directory, got {quoted(network)}"
        )
    if not isinstance(params, Tensor):
        given = "" if params is None else f", got {quoted(params)}"
        raise ConfigError(
            f"a loss network needs its parameters: give params, a tensor of shape (n_params,){given}"
        )
    if params.shape != (network.n_params,):
        raise ConfigError(
            f"this network has {network.n_params} parameters, got a tensor of shape {tuple(params.shape)}"
        )
    if not params.is_floating_point():
        raise ConfigError(f"parameters must be floating-point, got {params.dtype}")
    params = params.detach().clone()
    if params.dtype not in (torch.float32, torch.float64):
        params = params.float()
    if not params.isfinite().all():
        raise ConfigError("the parameters are not all finite")
    for n_classes in network.checked_classes:
        if not network.form(params[None].double(), n_classes).exists.item():
            raise CanonicalFormError(missing_form_message(n_classes))
        if not finite_in_use(network, params, n_classes):
            raise CanonicalFormError(
                f"the costs of this loss, or their gradients, are not finite in float32 at {n_classes} "
                "classes, or push the label's probability down: its parameters are too large; evolve it with "
                "another seed"
            )
    return params


def finite_in_use(network: LossNetwork, params: Tensor, n_classes: int) -> bool:
    """Return whether form, costs and gradients stay inside float32, from uniform to below the floor.

    Args:
        network: the loss network.
        params: its parameters, ``(n_params,)``.
        n_classes: a class count that it is for.
    """
    # All labels where the network tells classes apart, which is for one class count then.
    n_counts = len(network.checked_classes)
    labels = range(n_classes) if n_counts == 1 else range(1)
    with torch.inference_mode(False), torch.enable_grad():
        row = params.detach().clone().float()[None]
        if not network.form(row, n_classes).exists.item():
            return False
        noise = torch.Generator().manual_seed(0)
        for start in range(0, len(labels), _LABELS):
            target = torch.arange(start, min(start + _LABELS, len(labels)), device=row.device)
            own = F.one_hot(target, n_classes).to(row)
            other = own.roll(1, dims=1)
            rows = torch.stack([0 * own, 40 * own, 40 * other, 200 * other, 20 * (own + other)])
            count = min(max(2, _ENTRIES // own.numel() // n_counts), 300)
            scales = torch.logspace(-1, 2.5, count, dtype=row.dtype, device="cpu")[:, None, None]
            drawn = scales * torch.randn(count, *own.shape, generator=noise, dtype=row.dtype, device="cpu")
            logits = torch.cat([rows, drawn.to(row.device)]).flatten(0, 1).requires_grad_()
            costs = network.losses(row, F.log_softmax(logits, dim=1), target.repeat(5 + count))
            (gradient,) = torch.autograd.grad(costs.sum(), logits)
            for values in (costs, gradient):
                if not bool((values.abs() < _FAR).all()):  # false for NaN
                    return False
    return True


def missing_form_message(n_classes: int) -> str:
    """The error message for a loss without a canonical form."""
    return (
        f"this loss has no canonical form at {n_classes} classes: at the uniform prediction its "
        "gradient does not push the label's probability up; evolve it longer or with another seed"
    )
