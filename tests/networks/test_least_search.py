"""The cheapest prediction of a loss of which nothing is known: found, and the same within transforms."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from evoloss.networks import ConcatNetwork
from evoloss.networks.least_search import least_prediction

LIKE = torch.zeros((), dtype=torch.float64)
NETWORK = ConcatNetwork(n_classes=4, hidden=(6,))
PARAMS = NETWORK.initial(torch.Generator().manual_seed(1)).double()


@pytest.mark.parametrize("wanted", [(0.7, 0.2, 0.1), (0.01, 0.98, 0.01), (1 / 3, 1 / 3, 1 / 3)])
@pytest.mark.parametrize("label", [0, 2])
def test_a_least_that_is_known_is_found(wanted: tuple[float, ...], label: int) -> None:
    probs = torch.tensor(wanted, dtype=torch.float64)

    def costs(log_probs: Tensor, target: Tensor) -> Tensor:
        return -(probs * log_probs).sum(1) + 0.1 * (target != label)

    place, found = least_prediction(costs, 3, range(3), LIKE)
    assert found.tolist() == [label]
    torch.testing.assert_close(place.exp()[0], probs, rtol=0.0, atol=1e-3)
    assert not place.requires_grad


@pytest.mark.parametrize("mode", [torch.no_grad, torch.enable_grad])
def test_the_same_within_transforms_and_without(mode: type) -> None:
    with mode():
        alone = NETWORK.least_cost(PARAMS, 4)
    assert alone < 0
    slope, within = torch.func.grad_and_value(lambda params: NETWORK.least_cost(params, 4))(PARAMS)
    together = torch.func.vmap(lambda params: NETWORK.least_cost(params, 4))(PARAMS.expand(2, -1))
    assert slope.any()
    torch.testing.assert_close(torch.stack([within, *together]), alone.expand(3), rtol=1e-9, atol=1e-12)


def test_outside_of_transforms_torch_func_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first call imports parts of the compiler, for more than a second."""
    wanted = NETWORK.least_cost(PARAMS, 4)
    for name in ("grad", "grad_and_value", "vjp", "vmap"):
        monkeypatch.delattr(torch.func, name)
    assert torch.equal(NETWORK.least_cost(PARAMS, 4), wanted)
