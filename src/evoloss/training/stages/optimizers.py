"""The optimizer of a training."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from evoloss.training.config import TrainConfig


def make_optimizer(
    parameters: Iterable[nn.Parameter], config: TrainConfig, *, fused: bool
) -> torch.optim.Optimizer:
    """Return the optimizer that a configuration names, at its highest learning rate.

    Args:
        parameters: of the model.
        config: ``optimizer``, ``lr``, ``momentum``, ``nesterov`` and ``weight_decay``.
        fused: update all parameters in one call, where the device can.

    References:
        Loshchilov and Hutter 2017, *Decoupled Weight Decay Regularization*, arXiv:1711.05101 (AdamW).
    """
    if config.optimizer == "adamw":
        return torch.optim.AdamW(
            parameters,
            lr=config.lr,
            betas=(config.momentum, 0.999),
            weight_decay=config.weight_decay,
            fused=fused,
        )
    return torch.optim.SGD(
        parameters,
        lr=config.lr,
        momentum=config.momentum,
        nesterov=config.nesterov and config.momentum > 0,
        weight_decay=config.weight_decay,
        fused=fused,
    )
