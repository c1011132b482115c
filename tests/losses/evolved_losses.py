"""Small evolved losses for tests: random networks that have a canonical form; no search is run."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from evoloss.losses.evolved import EvolvedLoss
from evoloss.networks import (
    CHECKED_CLASSES,
    BalancedNetwork,
    BasisNetwork,
    ClasswiseNetwork,
    ConcatNetwork,
    LossNetwork,
    MixtureNetwork,
    MonotoneNetwork,
    PacedNetwork,
    TemperedNetwork,
)
from tests.networks.remembering import RememberingNetwork

CONCAT_CLASSES = 5
NETWORKS: dict[str, LossNetwork] = {
    "classwise": ClasswiseNetwork(hidden=(4, 4)),
    "classwise-probs": ClasswiseNetwork(hidden=(4,), features="probs", activation="tanh"),
    "monotone": MonotoneNetwork(hidden=(4, 4)),
    "monotone-tanh": MonotoneNetwork(hidden=(4,), activation="tanh"),
    "tempered": TemperedNetwork(),
    "paced": PacedNetwork(),
    "concat": ConcatNetwork(hidden=(6,), n_classes=CONCAT_CLASSES),
}
ANY_COUNT = [name for name in NETWORKS if name != "concat"]
# More of the kind, for tests that are about kinds.
EVERY_NETWORK: dict[str, LossNetwork] = NETWORKS | {
    "balanced": BalancedNetwork(hidden=(4, 4)),
    "basis": BasisNetwork(),
    "mixture": MixtureNetwork(),
    "remembering": RememberingNetwork(),
    "concat-probs": ConcatNetwork(hidden=(6,), n_classes=CONCAT_CLASSES, features="probs"),
}


@cache
def usable_params(kind: str) -> Tensor:
    """The first random parameters whose loss can be used, falls with p, and is finite in half precision."""
    network = EVERY_NETWORK[kind]
    for seed in range(1000):
        params = network.initial(torch.Generator().manual_seed(seed))
        counts = (network.n_classes,) if isinstance(network, ConcatNetwork) else (1, 3, 5, *CHECKED_CLASSES)
        forms = [network.form(params[None].double(), count) for count in counts]
        if all(form.exists.item() for form in forms) and _decent(network, params):
            return params
    raise AssertionError(f"no usable {kind} loss among the first 1000")


def _decent(network: LossNetwork, params: Tensor) -> bool:
    extreme = torch.zeros(1, CONCAT_CLASSES, dtype=torch.float64)
    extreme[0, 0] = 2e4
    costs = network.class_costs(params.double(), extreme.log_softmax(dim=1))
    if isinstance(network, ConcatNetwork):
        return bool((costs.abs() < 6e4).all())
    log_p = torch.linspace(-6.0, -0.05, 40, dtype=torch.float64)
    logits = torch.stack([log_p, torch.log1p(-log_p.exp())], dim=1)
    falling = network.class_costs(params.double(), logits)[:, 0].diff() < 0
    return bool((costs.abs() < 6e4).all() and falling.all())


def evolved(kind: str, **shared: Any) -> EvolvedLoss:
    """A loss of this kind; ``shared`` are weight, ignore_index, reduction, label_smoothing.

    One with a state is in evaluation mode, in which it is a function of its arguments; after a batch, if its
    state fits any class count. tests/networks/test_kinds_with_a_state.py is on the training of such losses.
    """
    loss = EvolvedLoss(EVERY_NETWORK[kind], usable_params(kind), **shared)
    if not loss.network.keeps_state:
        return loss
    if all(value.numel() for value in loss.network.initial_state(0).values()):
        after_a_batch(loss)
    return loss.eval()


def after_a_batch(loss: EvolvedLoss) -> None:
    """Let a loss with a state take in a batch as large as a training, of ``CONCAT_CLASSES`` classes."""
    trained = EvolvedLoss(loss.network, loss.params)
    learned = torch.eye(CONCAT_CLASSES).mul(3).repeat(10_000, 1).requires_grad_()
    trained(learned, torch.arange(CONCAT_CLASSES).repeat(10_000))
    loss.load_state_dict(trained.state_dict(), strict=False)
