"""Whether parameters make a loss of a network."""

from __future__ import annotations

import torch
from torch import Tensor

from evoloss.errors import CanonicalFormError, ConfigError
from evoloss.networks import LossNetwork


def checked_params(network: LossNetwork, params: Tensor) -> Tensor:
    """A copy of a network's parameters, in float32 or float64, after checks.

    Raises:
        ConfigError: if their number or type does not fit the network, or they are not finite.
        CanonicalFormError: if the loss has no canonical form at the class counts it is for.
    """
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
            raise CanonicalFormError(no_form(n_classes))
    return params


def no_form(n_classes: int) -> str:
    """What is wrong with a loss without a canonical form."""
    return (
        f"this loss has no canonical form at {n_classes} classes: at the uniform prediction its "
        "gradient does not push the label's probability up; evolve it longer or with another seed"
    )
