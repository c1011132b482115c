"""Random populations, and the plain per-candidate reference; shared by the tests of this folder."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evoloss.networks import LOG_P_FLOOR, ClasswiseNetwork, LossNetwork
from evoloss.pairs import PairsConfig, sample_pairs
from evoloss.random_streams import stream

ACTIVATE = {"softplus": nn.Softplus, "silu": nn.SiLU, "tanh": nn.Tanh}


def population(network: LossNetwork, popsize: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Random starting points with random biases too."""
    generator = stream(seed, "population")
    rows = torch.stack([network.initial(generator) for _ in range(popsize)]).to(dtype)
    return rows + 0.2 * torch.randn(rows.shape, generator=generator, dtype=dtype)


def accepted(network: LossNetwork, popsize: int, seed: int, *class_counts: int) -> Tensor:
    """Candidates that have a canonical form at every one of the class counts, in float64."""
    rows = population(network, 12 * popsize, seed)
    keep = torch.stack([network.form(rows, count).exists for count in class_counts]).all(0)
    assert keep.sum() >= popsize
    return rows[keep][:popsize]


def pairs_of(n: int, n_classes: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Log-probabilities and labels of the default mixture, in float64."""
    pairs = sample_pairs(PairsConfig(), n, n_classes, stream(seed, "pairs", n_classes), torch.float64)
    return pairs.log_probs, pairs.target


def torch_module(params: Tensor, n_inputs: int, hidden: tuple[int, ...], activation: str) -> nn.Sequential:
    """One candidate as an ordinary ``nn.Sequential``."""
    modules: list[nn.Module] = []
    widths, at = [n_inputs, *hidden, 1], 0
    for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
        last = layer == len(hidden)
        linear = nn.Linear(fan_in, fan_out, bias=not last, dtype=params.dtype)
        linear.weight = nn.Parameter(params[at : at + fan_in * fan_out].view(fan_in, fan_out).T.clone())
        at += fan_in * fan_out
        if not last:
            linear.bias = nn.Parameter(params[at : at + fan_out].clone())
            at += fan_out
        modules += [linear] if last else [linear, ACTIVATE[activation]()]
    assert at == len(params)
    return nn.Sequential(*modules)


def reference_raw_phi(
    network: ClasswiseNetwork, params: Tensor, log_p: Tensor, label: bool, n_classes: int
) -> Tensor:
    """phi before it is made canonical, from the definition, one candidate."""
    features = [
        log_p.exp(),
        torch.full_like(log_p, float(label)),
        torch.full_like(log_p, math.log(n_classes) / 4),
    ]
    if network.features == "log_probs":
        features = [log_p / 4, *features]
    module = torch_module(params, len(features), network.hidden, network.activation)
    return module(torch.stack(features, dim=1)).squeeze(1)


def reference_slope(
    network: ClasswiseNetwork, params: Tensor, log_p: float, label: bool, n_classes: int
) -> float:
    """d phi / d log p before scaling, by autograd."""
    at = torch.tensor([log_p], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(reference_raw_phi(network, params, at, label, n_classes).sum(), at)
    return float(slope)


def reference_losses(network: ClasswiseNetwork, params: Tensor, log_probs: Tensor, target: Tensor) -> Tensor:
    """Canonical losses of one candidate, class by class; no probability below the floor."""
    n_classes = log_probs.shape[1]
    uniform = -math.log(n_classes)
    gap = reference_slope(network, params, uniform, False, n_classes) - reference_slope(
        network, params, uniform, True, n_classes
    )
    ends = torch.tensor([0.0, LOG_P_FLOOR], dtype=torch.float64)
    at_certain = reference_raw_phi(network, params, ends, True, n_classes)[0]
    at_floor = reference_raw_phi(network, params, ends, False, n_classes)[1]
    total = torch.zeros(len(target), dtype=torch.float64)
    for j in range(n_classes):
        column = log_probs[:, j]
        own = reference_raw_phi(network, params, column, True, n_classes) - at_certain
        other = reference_raw_phi(network, params, column, False, n_classes) - at_floor
        total = total + torch.where(target == j, own, other)
    return (total / gap).detach()


def one_hot_log_probs(n_classes: int, off: float) -> Tensor:
    """A perfect prediction for each class, ``off`` in the place of log 0."""
    return torch.where(F.one_hot(torch.arange(n_classes)) > 0, 0.0, off).double()
