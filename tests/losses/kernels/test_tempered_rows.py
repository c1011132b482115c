"""A tempered or paced loss in use against its network: costs, derivatives, changed parameters."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from benchmarks.speed.loss_step import peak_memory
from evoloss import EvolvedLoss
from evoloss.losses import LOSSES
from evoloss.losses.kernels import pulls
from tests.losses.cases import make_indices, make_logits, make_probs, make_weight
from tests.losses.evolved_losses import evolved
from tests.sampling import sampled

N, C = 40, 7
TARGETS = {"indices": make_indices(N, n_classes=C), "probabilities": make_probs(N, C, dtype=torch.float32)}
every_use = pytest.mark.parametrize("smoothing", [0.0, 0.2])
every_target = pytest.mark.parametrize("kind", TARGETS)
NETWORK_NAMES = ("tempered", "paced")
every_network = pytest.mark.parametrize("network", NETWORK_NAMES)


def cost_and_gradient(loss: EvolvedLoss, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    leaf = logits.clone().requires_grad_()
    cost = loss(leaf, target)
    cost.sum().backward()
    assert leaf.grad is not None
    return cost.detach().float(), leaf.grad.float()


@every_network
@every_use
@every_target
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.bfloat16, 2e-2), (torch.float16, 2e-3)]
)
def test_costs_and_gradients_are_the_networks(
    kind: str, smoothing: float, network: str, dtype: torch.dtype, tolerance: float
) -> None:
    logits, target = make_logits(N, C, scale=4.0).to(dtype), TARGETS[kind]
    shared = {"reduction": "none", "label_smoothing": smoothing, "weight": make_weight(C, dtype=dtype)}
    found = cost_and_gradient(evolved(network, **shared), logits, target)
    shared["weight"] = shared["weight"].float()
    exact = evolved(network, **shared)
    exact.exact = True
    wanted = cost_and_gradient(exact, logits.float(), target)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


@every_network
@every_use
@every_target
def test_second_derivatives_are_the_networks(kind: str, smoothing: float, network: str) -> None:
    target, made = TARGETS[kind], []
    for exact in (False, True):
        loss = evolved(network, label_smoothing=smoothing)
        loss.exact = exact
        leaf = make_logits(N, C, dtype=torch.float32).requires_grad_()
        (gradient,) = torch.autograd.grad(loss(leaf, target), leaf, create_graph=True)
        (second,) = torch.autograd.grad(gradient.square().sum(), leaf)
        made.append(second)
    torch.testing.assert_close(made[0], made[1], rtol=1e-3, atol=1e-6)


@every_network
@every_target
def test_written_to_parameters_count_at_once(kind: str, network: str) -> None:
    loss, logits, target = evolved(network), make_logits(N, C, dtype=torch.float32), TARGETS[kind]
    before = loss(logits, target)
    with torch.no_grad():
        loss.params[0] += 3.0
    changed = EvolvedLoss(loss.network, loss.params)
    assert loss(logits, target) == changed(logits, target)
    assert loss(logits, target) != before


@every_network
@every_use
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_taken_a_few_at_a_time_see_the_whole_batch(
    dtype: torch.dtype, smoothing: float, network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits, target = make_logits(N, C, scale=4.0).to(dtype), TARGETS["indices"].clone()
    target[3] = -100
    loss = evolved(network, reduction="none", label_smoothing=smoothing)
    whole = cost_and_gradient(loss, logits, target)
    for rows in (1, 3, N):
        monkeypatch.setattr(pulls, "_CHUNK_ELEMENTS", rows * C)
        found = cost_and_gradient(loss, logits, target)
        for one, other in zip(found, whole, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)
    target[-1] = C
    monkeypatch.setattr(pulls, "_CHUNK_ELEMENTS", C)
    with pytest.raises(IndexError, match="out of bounds"):
        loss(logits, target)


@pytest.mark.parametrize("network", sampled(NETWORK_NAMES, 2))
def test_half_precision_needs_the_memory_of_cross_entropy(network: str) -> None:
    logits = make_logits(64, 32_000).bfloat16().requires_grad_()
    target = make_indices(64, n_classes=32_000)
    needed = peak_memory(evolved(network), logits, target)
    assert needed <= 1.1 * peak_memory(LOSSES["cross_entropy"](), logits, target)
