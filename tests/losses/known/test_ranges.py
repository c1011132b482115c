"""Ranges of parameters: each loss declares all of its own, checks by them, and advises where to search."""

from __future__ import annotations

import inspect
import math

import pytest
import torch
from torch import Tensor, nn

from evoloss.errors import ConfigError
from evoloss.losses import LOSSES
from evoloss.losses.known.ranges import Range, in_range

SHARED = {"weight", "ignore_index", "reduction", "label_smoothing", "options"}
PARAMETERS = [(name, parameter) for name, loss in LOSSES.items() for parameter in loss.ranges]


def ends(allowed: Range) -> tuple[float, float]:
    """The least and the largest number of a range that float32 holds."""
    least = math.nextafter(allowed.low, math.inf) if allowed.low else 1e-30
    return least if allowed.above else allowed.low, min(allowed.high, 1e30)


@pytest.mark.parametrize("name", LOSSES)
def test_every_parameter_of_a_constructor_has_a_range(name: str) -> None:
    signature = inspect.signature(LOSSES[name])
    assert [parameter for parameter in signature.parameters if parameter not in SHARED] == [
        *LOSSES[name].ranges
    ]
    assert LOSSES[name]().hyperparameters == {
        parameter: signature.parameters[parameter].default for parameter in LOSSES[name].ranges
    }


@pytest.mark.parametrize(("name", "parameter"), PARAMETERS)
def test_the_constructor_takes_what_the_range_holds_and_nothing_else(name: str, parameter: str) -> None:
    allowed = LOSSES[name].ranges[parameter]
    for value in (*ends(allowed), *(allowed.search or ())):
        assert value in allowed
        assert getattr(LOSSES[name](**{parameter: value}), parameter) == value
    outside = [allowed.low if allowed.above else math.nextafter(allowed.low, -math.inf), math.nan, math.inf]
    outside.append(math.nextafter(allowed.high, math.inf) if allowed.high < math.inf else 1e39)
    outside += [5e-324, 1e-39, 10**400, -(10**400)]  # none of float32, and none of a float
    for value in outside:
        assert value not in allowed
        with pytest.raises(ConfigError, match=f"{name}: {parameter} must be a number a"):
            LOSSES[name](**{parameter: value})


@pytest.mark.parametrize(("name", "parameter"), PARAMETERS)
@pytest.mark.parametrize("n_classes", [2, 10])
def test_whatever_is_allowed_costs_in_float32_what_it_costs_in_float64(
    name: str, parameter: str, n_classes: int
) -> None:
    scales = torch.tensor([0.0, 0.1, 1.0, 10.0, 100.0])[:, None, None]
    logits = (scales * torch.randn(5, 8, n_classes, generator=torch.Generator().manual_seed(0))).flatten(0, 1)
    target = torch.arange(len(logits)) % n_classes
    values = list(ends(LOSSES[name].ranges[parameter]))
    if parameter == "min_prob" and name == "anl_ce":
        values[1] = 0.9 / n_classes  # it is for fewer classes than 1 / min_prob
    for value in values:
        loss = LOSSES[name](reduction="none", **{parameter: value}).eval()
        found, wanted = (
            costs_and_gradient(loss, logits, target),
            costs_and_gradient(loss, logits.double(), target),
        )
        for single, double in zip(found, wanted, strict=True):
            assert single.isfinite().all()
            torch.testing.assert_close(
                single.double(), double, rtol=1e-3, atol=1e-3 * float(double.abs().max())
            )


def costs_and_gradient(loss: nn.Module, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    leaf = logits.clone().requires_grad_()
    costs = loss(leaf, target)
    (gradient,) = torch.autograd.grad(costs.sum(), leaf)
    return costs.detach(), gradient


@pytest.mark.parametrize(("name", "parameter"), PARAMETERS)
def test_the_advised_search_is_finite_allowed_and_around_the_default(name: str, parameter: str) -> None:
    allowed = LOSSES[name].ranges[parameter]
    low, high = allowed.search or (allowed.low, allowed.high)
    assert low in allowed
    assert high in allowed
    assert low <= getattr(LOSSES[name](), parameter) <= high
    assert low < high
    if allowed.scale == "log":
        assert low > 0


def test_a_refusal_says_what_and_which_range() -> None:
    with pytest.raises(ConfigError, match=r"^gce: q must be a number above 0 and at most 1, got 'much'$"):
        in_range("gce", "q", "much", Range(0.0, 1.0, above=True))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"^focal: gamma must be a number at least 0, got -1$"):
        in_range("focal", "gamma", -1, Range(0.0))
    with pytest.raises(
        ConfigError, match=r"1e-30 to 1e\+30 in size, since losses compute in float32, got 1e\+39$"
    ):
        in_range("sce", "alpha", 1e39, Range(0.0))
    with pytest.raises(ConfigError, match=r"in float32, got a whole number of 16,610 bits$"):
        in_range("sce", "alpha", 10**5000, Range(0.0))
    with pytest.raises(
        ConfigError, match=r"^gce: q must be a number above 0 and at most 1, got a whole number"
    ):
        in_range("gce", "q", 10**400, Range(0.0, 1.0, above=True))
