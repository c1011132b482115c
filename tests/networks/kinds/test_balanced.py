from __future__ import annotations

import pytest
import torch

from evoloss.networks import LOG_P_FLOOR, BalancedNetwork, ClasswiseNetwork
from tests.networks.populations import accepted, pairs_of

NETWORK = BalancedNetwork(hidden=(6, 5))


@pytest.mark.parametrize("n_classes", [2, 10, 1000])
def test_others_weigh_one_over_c_plus_p_and_the_label_one(n_classes: int) -> None:
    log_p = torch.linspace(LOG_P_FLOOR, 0.0, 50, dtype=torch.float64)
    reference, params = ClasswiseNetwork(hidden=(6, 5)), accepted(NETWORK, 2, 0, n_classes)
    layers = NETWORK.mlp.layers(params)
    for flag, factor in ((True, torch.ones_like(log_p)), (False, 1 / n_classes + log_p.exp())):
        expected = reference.raw(layers, log_p, flag, n_classes) * factor
        torch.testing.assert_close(NETWORK.raw(layers, log_p, flag, n_classes), expected)


def test_slopes_are_derivatives_at_several_class_counts() -> None:
    params, counts = accepted(NETWORK, 3, 1, 2, 100), (2, 100)
    layers = NETWORK.mlp.layers(params)
    log_p = torch.linspace(-20, -0.01, 40, dtype=torch.float64)
    flag = (torch.arange(40) % 2).double()
    values, slopes = NETWORK.raw_and_slope(layers, log_p, flag, counts)
    for at, n_classes in enumerate(counts):
        rows = slice(at * 40, (at + 1) * 40)
        point = log_p.clone().requires_grad_()
        value = NETWORK.raw(layers, point, flag, n_classes)
        torch.testing.assert_close(values[:, rows], value)
        for row, slope in zip(value, slopes[:, rows], strict=True):
            (exact,) = torch.autograd.grad(row.sum(), point, retain_graph=True)
            torch.testing.assert_close(slope, exact)


def test_a_change_of_weights_changes_the_loss_alike_at_all_class_counts() -> None:
    params = accepted(NETWORK, 8, 2, 10, 1000)
    moved = params + 0.01 * torch.randn(params.shape, generator=torch.Generator().manual_seed(0))

    def change(network: ClasswiseNetwork, n_classes: int) -> float:
        # Sums over the other classes before they are made canonical; labels behave alike in both networks.
        log_probs, _ = pairs_of(64, n_classes)
        flat = log_probs.clamp(min=LOG_P_FLOOR).reshape(-1)
        sums = [
            network.raw(network.mlp.layers(candidate), flat, False, n_classes).view(8, 64, -1).sum(dim=2)
            for candidate in (params, moved)
        ]
        return float((sums[0] - sums[1]).abs().mean())

    assert change(NETWORK, 1000) < 3 * change(NETWORK, 10)
    reference = ClasswiseNetwork(hidden=(6, 5))
    assert change(reference, 1000) > 30 * change(reference, 10)
