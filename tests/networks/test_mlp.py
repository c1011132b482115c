from __future__ import annotations

import pytest
import torch

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.networks import ACTIVATIONS, PopulationMLP
from evoloss.random_streams import stream
from tests.networks.populations import torch_module

SHAPES = [(3, (5,)), (4, (8, 8)), (2, (3, 1, 4))]


def random(mlp: PopulationMLP, popsize: int, rows: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = stream(0, "mlp", mlp.n_params)
    shapes = [(popsize, mlp.n_params), (rows, mlp.n_inputs), (rows, mlp.n_inputs)]
    params, inputs, tangents = (torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes)
    return params, inputs, tangents


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("n_inputs", "hidden"), SHAPES)
def test_a_population_is_its_candidates_as_torch_modules(
    n_inputs: int, hidden: tuple[int, ...], activation: str
) -> None:
    mlp = PopulationMLP(n_inputs, hidden, activation)
    params, inputs, _ = random(mlp, 6, 9)
    value = mlp.value(mlp.layers(params), inputs)
    assert value.shape == (6, 9)
    reference = torch.stack(
        [torch_module(row, n_inputs, hidden, activation)(inputs).squeeze(1) for row in params]
    )
    torch.testing.assert_close(value, reference.detach(), rtol=1e-12, atol=1e-12)
    for position in range(6):
        alone = mlp.value(mlp.layers(params[position : position + 1]), inputs)
        torch.testing.assert_close(alone[0], value[position], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("n_inputs", "hidden"), SHAPES)
def test_the_derivative_is_autograds(n_inputs: int, hidden: tuple[int, ...], activation: str) -> None:
    mlp = PopulationMLP(n_inputs, hidden, activation)
    params, inputs, tangents = random(mlp, 3, 5)
    layers = mlp.layers(params)
    value, derivative = mlp.value_and_derivative(layers, inputs, tangents)
    torch.testing.assert_close(value, mlp.value(layers, inputs))
    _, forward = torch.autograd.functional.jvp(lambda x: mlp.value(layers, x), inputs, tangents)
    torch.testing.assert_close(derivative, forward, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_each_activation_is_given_with_its_slope(activation: str) -> None:
    activate, slope = ACTIVATIONS[activation]
    z = torch.linspace(-40, 40, 401, dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(activate(z).sum(), z)
    # Not to the last digits: torch's softplus is linear above 20.
    torch.testing.assert_close(slope(z.detach()), expected, rtol=1e-8, atol=1e-15)


def test_n_params() -> None:
    assert PopulationMLP(4, (8, 8), "silu").n_params == 4 * 8 + 8 + 8 * 8 + 8 + 8
    assert PopulationMLP(3, (5,), "tanh").n_params == 3 * 5 + 5 + 5
    assert PopulationMLP(3, (5, 2), "tanh").shapes == ((3, 5), (5, 2), (2, 1))


def test_every_parameter_is_used_once() -> None:
    mlp = PopulationMLP(3, (4, 2), "softplus")
    params = torch.arange(mlp.n_params, dtype=torch.float64)[None]
    parts = [part.flatten() for layer in mlp.layers(params) for part in layer]
    assert torch.equal(torch.cat(parts), params[0])


def test_initial_weights_have_variance_one_over_fan_in_and_biases_are_zero() -> None:
    mlp = PopulationMLP(50, (80, 60), "silu")
    params = mlp.initial(stream(1, "initial"))
    assert params.shape == (mlp.n_params,)
    assert params.dtype == torch.float32
    for (weight, bias), (fan_in, _) in zip(mlp.layers(params[None]), mlp.shapes, strict=True):
        assert not bias.any()
        assert abs(float(weight.mean())) < 4 / (fan_in * weight.numel()) ** 0.5
        relative = float(weight.var()) * fan_in
        assert abs(relative - 1) < 5 * (2 / weight.numel()) ** 0.5
    assert torch.equal(params, mlp.initial(stream(1, "initial")))
    assert not torch.equal(params, mlp.initial(stream(2, "initial")))


@pytest.mark.parametrize("hidden", [(0,), (4, -1)])
def test_wrong_widths(hidden: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="hidden must name layers of width 1 or more, got"):
        PopulationMLP(3, hidden, "silu")


def test_unknown_activation() -> None:
    with pytest.raises(UnknownNameError, match=r"no activation 'sillu'\. Did you mean 'silu'"):
        PopulationMLP(3, (4,), "sillu")
