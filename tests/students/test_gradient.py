"""Logits, gradients and activations of students against autograd, in float64."""

from __future__ import annotations

import itertools
import math
from typing import get_args

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evoloss.losses.known.cross_entropy import CrossEntropyLoss
from evoloss.losses.known.label_smoothing import LabelSmoothingLoss
from evoloss.networks import ClasswiseNetwork, PacedNetwork, TemperedNetwork
from evoloss.random_streams import stream
from evoloss.students.activations import STUDENT_ACTIVATIONS
from evoloss.students.joined_tables import join_tables
from evoloss.students.logit_gradient import LogitGradient
from evoloss.students.network import Blocks, Shape, StudentNetwork
from evoloss.students.slope_tables import (
    SlopeTables,
    slope_error,
    tabulate_functions,
    tabulate_network,
)
from evoloss.students.workspace import Workspace
from evoloss.tasks.student_config import ActivationName, Normalisation, StudentConfig
from tests.losses.cases import reference_agreements
from tests.networks.populations import accepted

LIKE = torch.zeros(0, dtype=torch.float64)
NETWORK = ClasswiseNetwork()
MODULES: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "silu": nn.SiLU, "gelu": nn.GELU}


class Cut(nn.Module):
    """Inputs ``(n, features)`` to patches ``(n, patches, features of one)``."""

    def __init__(self, patches: int) -> None:
        super().__init__()
        self.patches = patches

    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (-1, self.patches)).mT


class Pool(nn.Module):
    """The sum over the patches over the root of their number."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sum(1) / math.sqrt(x.shape[1])


def student_module(
    weights: list[tuple[Tensor, Tensor]], activation: str = "relu", norm: str = "none", patches: int = 1
) -> nn.Sequential:
    """One student as an ordinary module, from weights ``(fan_in, fan_out)`` and biases of each layer."""
    modules: list[nn.Module] = [Cut(patches)] if patches > 1 else []
    for position, (weight, bias) in enumerate(weights):
        linear = nn.Linear(*weight.shape, dtype=weight.dtype)
        linear.weight, linear.bias = nn.Parameter(weight.T.clone()), nn.Parameter(bias.clone())
        modules.append(linear)
        if position + 1 < len(weights):
            if norm == "layer":
                modules.append(nn.LayerNorm(weight.shape[1], elementwise_affine=False))
            modules.append(MODULES[activation]())
            if position == 0 and patches > 1:
                modules.append(Pool())
    return nn.Sequential(*modules)


def random_network(config: StudentConfig, shape: Shape) -> StudentNetwork:
    workspace = Workspace()
    params, grads = (Blocks.joined(name, shape, workspace, LIKE) for name in ("params", "grads"))
    params.pieces[0].copy_(torch.randn(params.pieces[0].shape, generator=stream(0, "params")) * 0.6)
    return StudentNetwork(config, shape, params, grads, workspace)


def module_of(network: StudentNetwork, config: StudentConfig, candidate: int, task: int) -> nn.Sequential:
    layers = zip(network.params.weights, network.params.biases, strict=True)
    weights = [(weight[task, candidate].T, bias[task, candidate, :, 0]) for weight, bias in layers]
    return student_module(weights, config.activation, config.norm, config.patches)


TEMPERED = {"tempered": TemperedNetwork(), "paced": PacedNetwork()}


def batch_of(shape: Shape, n: int, patches: int = 1) -> tuple[Tensor, Tensor]:
    x = torch.randn(shape.tasks, n, patches * shape.widths[0], generator=stream(0, "x")).double()
    return x, torch.randint(shape.widths[-1], (shape.tasks, n), generator=stream(0, "y"))


def logit_gradient(logits: Tensor, target: Tensor, tables: SlopeTables) -> Tensor:
    made = LogitGradient(tables, torch.empty_like(logits), Workspace())
    made(logits, made.labels(target))
    return made._out


@pytest.mark.parametrize("n_classes", [2, 7, 50])
@pytest.mark.parametrize("kinds", [("tempered",), ("paced",), ("tempered", "paced")])
def test_the_logit_gradient_of_tempered_losses_is_that_of_autograd(
    kinds: tuple[str, ...], n_classes: int
) -> None:
    known = LabelSmoothingLoss().slopes(n_classes)
    tables = [tabulate_functions([known], n_classes, like=torch.zeros(1).double())]
    candidates: list[tuple[TemperedNetwork, Tensor]] = []
    for network in (TEMPERED[kind] for kind in kinds):
        params = torch.stack([network.initial(stream(seed, "start")) for seed in range(3)]).double()
        tables.append(tabulate_network(network, params, n_classes))
        candidates += [(network, row[None]) for row in params]
    logits = 4 * torch.randn(5, 1 + len(candidates), n_classes, 16, generator=stream(0, "logits")).double()
    target = torch.randint(n_classes, (5, 16), generator=stream(0, "target"))
    # Labels that are learned in part, each task to another degree.
    learned = F.one_hot(target, n_classes).mT[:, None] * torch.arange(5)[:, None, None, None]
    logits += learned
    made = logit_gradient(logits.clone(), target, join_tables(tables))
    for task, candidate in itertools.product(range(5), range(logits.shape[1])):
        rows = logits[task, candidate].T.clone().requires_grad_()
        if candidate == 0:
            loss = F.cross_entropy(rows, target[task], label_smoothing=0.1, reduction="sum")
        else:
            network, own = candidates[candidate - 1]
            log_probs = torch.log_softmax(rows, 1)
            label = target[task][:, None]
            shares = F.one_hot(target[task], n_classes).double()
            known = reference_agreements(log_probs.exp(), shares).gather(1, label).squeeze(1)
            context = known if network.sees_batch else None
            loss = network.losses(own, log_probs, target[task], context=context).sum()
        (wanted,) = torch.autograd.grad(loss, rows)
        torch.testing.assert_close(made[task, candidate].T, wanted, rtol=0, atol=2e-4)


@pytest.mark.parametrize("name", STUDENT_ACTIVATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_activations_and_their_derivatives(name: str, dtype: torch.dtype) -> None:
    activation = STUDENT_ACTIVATIONS[name]
    z = torch.cat([torch.linspace(-30, 30, 601), torch.randn(400, generator=stream(0))]).to(dtype)
    z[z == 0] = 0.1  # where relu has two derivatives
    before = z.clone()
    after = torch.empty_like(z) if activation.before else before
    activation.forward(before, after)
    exact = z.clone().requires_grad_()
    module = MODULES[name]()(exact)
    tolerance = {"rtol": 1e-5, "atol": 1e-6} if dtype == torch.float32 else {"rtol": 1e-12, "atol": 1e-14}
    torch.testing.assert_close(after, module.detach(), **tolerance)
    outer = torch.randn(z.shape, generator=stream(1)).to(dtype)
    module.backward(outer)
    grad = outer.clone()
    activation.backward(grad, before, after)
    torch.testing.assert_close(grad, exact.grad, **tolerance)


def test_every_activation_is_in_the_table() -> None:
    assert set(STUDENT_ACTIVATIONS) == set(get_args(ActivationName)) == set(MODULES)


@pytest.mark.parametrize("n_classes", [2, 10, 40])
def test_logit_gradient_within_the_error_of_the_table(n_classes: int) -> None:
    params = accepted(NETWORK, 3, 0, n_classes)
    logits = (4 * torch.randn(2, 3, n_classes, 50, generator=stream(0))).double()
    logits[:, :, 0, :5] += 60  # some log-probabilities near the floor
    target = torch.randint(n_classes, (2, 50), generator=stream(1))
    for resolution, most in ((5, 1e-1), (8, 1e-3), (12, 1e-5)):
        tables = tabulate_network(NETWORK, params, n_classes, resolution=resolution)
        made = logit_gradient(logits, target, tables)
        error = slope_error(tables, NETWORK.slopes(params, n_classes))
        for task, candidate in itertools.product(range(2), range(3)):
            leaf = logits[task, candidate].T.clone().requires_grad_()
            log_probs = torch.log_softmax(leaf, dim=1)
            NETWORK.losses(params[candidate : candidate + 1], log_probs, target[task]).sum().backward()
            assert leaf.grad is not None
            bound = 1.05 * error[candidate] * (1 + (n_classes - 2) * log_probs.detach().exp()) + 1e-12
            difference = (made[task, candidate].T - leaf.grad).abs()
            assert (difference <= bound).all()
            assert difference.max() < most * leaf.grad.abs().max()


def test_logit_gradient_of_cross_entropy_is_exact_and_survives_extremes() -> None:
    tables = tabulate_functions([CrossEntropyLoss().slopes(4)], 4, like=LIKE)
    logits = torch.tensor(
        [[0.0, 0.0, 0.0, 0.0], [1e3, -1e3, 0.0, 5.0], [-1e30, 1e30, 0.0, 0.0], [80.0, 1.0, 0.0, -300.0]]
    ).double()
    target = torch.tensor([[1, 1, 0, 3]])
    made = logit_gradient(logits.T[None, None].contiguous(), target, tables)[0, 0].T
    expected = torch.softmax(logits, dim=1) - F.one_hot(target[0], 4)
    torch.testing.assert_close(made, expected, rtol=1e-12, atol=1e-15)


def test_logit_gradient_of_what_is_not_finite_stays_where_it_is() -> None:
    tables = tabulate_functions([CrossEntropyLoss().slopes(3)] * 3, 3, like=LIKE)
    logits = torch.randn(1, 3, 3, 4, generator=stream(0)).double()
    target = torch.tensor([[0, 1, 2, 0]])
    clean = logit_gradient(logits.clone(), target, tables)
    logits[0, 1, 0, 0], logits[0, 1, 1, 1], logits[0, 1, 2, 2] = torch.nan, torch.inf, -torch.inf
    made = logit_gradient(logits, target, tables)
    assert made[0, 1, :, :2].isnan().all()
    assert torch.equal(made[0, [0, 2]], clean[0, [0, 2]])


@pytest.mark.parametrize("norm", get_args(Normalisation))
@pytest.mark.parametrize("activation", STUDENT_ACTIVATIONS)
@pytest.mark.parametrize(
    ("hidden", "patches"), [((7,), 1), ((6, 5), 1), ((4, 9, 3, 5), 1), ((7,), 3), ((6, 5), 4)]
)
def test_forward_and_backward_are_those_of_a_module(
    hidden: tuple[int, ...], patches: int, activation: ActivationName, norm: Normalisation
) -> None:
    config = StudentConfig(hidden=hidden, patches=patches, activation=activation, norm=norm)
    shape = Shape(2, 3, (4, *hidden, 5))
    network = random_network(config, shape)
    tables = tabulate_network(NETWORK, accepted(NETWORK, 3, 0, 5), 5)
    x, target = batch_of(shape, 8, patches)
    inputs = x.mT.contiguous()
    for _ in range(2):  # the second time in memory that was used before
        logits = network.forward(inputs)
        gradient = LogitGradient(tables, network.grad_logits(8), Workspace())
        gradient(logits, gradient.labels(target))
        grad_logits = network.grad_logits(8).clone()
        network.backward(inputs)
    for candidate, task in itertools.product(range(3), range(2)):
        module = module_of(network, config, candidate, task)
        expected = module(x[task])
        torch.testing.assert_close(logits[task, candidate].T, expected.detach(), rtol=1e-10, atol=1e-12)
        expected.backward(grad_logits[task, candidate].T)
        linears = [layer for layer in module if isinstance(layer, nn.Linear)]
        for layer, linear in enumerate(linears):
            weight, bias = network.grads.weights[layer], network.grads.biases[layer]
            torch.testing.assert_close(weight[task, candidate], linear.weight.grad, rtol=1e-8, atol=1e-11)
            torch.testing.assert_close(bias[task, candidate, :, 0], linear.bias.grad, rtol=1e-8, atol=1e-11)


def test_parameter_gradients_approach_those_through_the_loss_network() -> None:
    """The difference falls with the square of the spacing of the table."""
    config, shape = StudentConfig(hidden=(8, 8), activation="tanh"), Shape(2, 4, (5, 8, 8, 6))
    params = accepted(NETWORK, 4, 0, 6)
    network = random_network(config, shape)
    x, target = batch_of(shape, 30)
    inputs = x.mT.contiguous()
    exact = []
    for task, candidate in itertools.product(range(2), range(4)):
        module = module_of(network, config, candidate, task)
        log_probs = torch.log_softmax(module(x[task]), dim=1)
        NETWORK.losses(params[candidate : candidate + 1], log_probs, target[task]).mean().backward()
        linears = [layer for layer in module if isinstance(layer, nn.Linear)]
        exact.append(
            torch.cat(
                [
                    gradient.flatten()
                    for linear in linears
                    for gradient in (linear.weight.grad, linear.bias.grad)
                ]
            )
        )
    error = []
    for resolution in (3, 5, 7, 9, 11):
        tables = tabulate_network(NETWORK, params, 6, resolution=resolution)
        gradient = LogitGradient(tables.times(1 / 30), network.grad_logits(30), Workspace())
        gradient(network.forward(inputs), gradient.labels(target))
        network.backward(inputs)
        made = torch.cat(network.grads.by_student, dim=1)
        error.append(float((made - torch.stack(exact)).abs().max() / torch.stack(exact).abs().max()))
    assert error[2] < 1e-4
    assert error[-1] < 1e-6
    for coarse, fine in itertools.pairwise(error):
        assert fine < coarse / 8
