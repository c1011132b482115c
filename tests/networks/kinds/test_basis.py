from __future__ import annotations

import pytest
import torch

from evoloss.errors import ConfigError
from evoloss.losses import LOSSES
from evoloss.networks import BasisNetwork, build_network, describe_network
from evoloss.pretraining.start import START_SLOPES
from evoloss.random_streams import stream

NETWORK = BasisNetwork()


def weights(**values: float) -> torch.Tensor:
    """Parameters by function: those of the label, then those of every class."""
    names = ["one", "p", "p2", "p4", "root", "knee", "smooth", "soft", "brier", "cube"]
    assert set(values) <= set(names)
    return torch.tensor([[values.get(name, 0.0) for name in names]], dtype=torch.float64)


KNOWN = {
    "cross_entropy": weights(one=1.0),
    "label_smoothing": weights(one=0.9, smooth=0.1),
    "poly1": weights(one=1.0, p=2.0),
    "sce": weights(one=0.1, p=4.0),
    "mae": weights(p=2.0),
    "brier": weights(p=2.0, brier=2.0),
}


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("n_classes", [2, 7, 100])
def test_known_losses_are_exact_up_to_scale(name: str, n_classes: int) -> None:
    generator = stream(0, "logits", n_classes)
    logits = 2 * torch.randn(60, n_classes, generator=generator, dtype=torch.float64)
    target = torch.randint(n_classes, (60,), generator=generator)

    def gradient(losses: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
        (found,) = torch.autograd.grad(losses.sum(), point)
        return found

    point = logits.clone().requires_grad_()
    known = gradient(LOSSES[name](reduction="sum")(point, target), point)
    point = logits.clone().requires_grad_()
    own = gradient(NETWORK.losses(KNOWN[name], torch.log_softmax(point, dim=1), target), point)
    scale = known.norm() / own.norm()
    torch.testing.assert_close(scale * own, known, rtol=1e-6, atol=1e-9)


def test_tangents_are_derivatives() -> None:
    log_p = torch.linspace(-30, -1e-3, 80, dtype=torch.float64).requires_grad_()
    for flag in (True, False):
        inputs = NETWORK.inputs(log_p, flag, 12)
        for column in range(inputs.shape[1]):
            (slope,) = torch.autograd.grad(
                inputs[:, column].sum(), log_p, retain_graph=True, allow_unused=True
            )
            expected = torch.zeros_like(log_p) if slope is None else slope
            torch.testing.assert_close(NETWORK.tangents(log_p, flag, 12)[:, column], expected)


@pytest.mark.parametrize("name", ["cross_entropy", "label_smoothing", "sce", "smoothed_log"])
def test_imitations_are_exact(name: str) -> None:
    params = NETWORK.imitate(NETWORK.initial(stream(0, "start")), START_SLOPES[name], name)[None].double()
    log_p = torch.linspace(-8, -0.01, 50, dtype=torch.float64)
    other, label = START_SLOPES[name](10)
    found = NETWORK.slopes(params, 10, canonical=False)(log_p)[0]
    torch.testing.assert_close(found, torch.stack([other(log_p), label(log_p)]), rtol=1e-4, atol=1e-5)


def test_nothing_else_to_choose() -> None:
    assert build_network(describe_network(NETWORK)) == NETWORK
    assert NETWORK.n_params == 10
    for values in ({"hidden": (8,)}, {"activation": "silu"}, {"features": "probs"}):
        with pytest.raises(ConfigError, match="a basis network has hidden="):
            BasisNetwork(**values)  # type: ignore[arg-type]
