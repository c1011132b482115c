"""Ranges of parameters: each loss declares all of its own, checks by them, and advises where to search."""

from __future__ import annotations

import inspect
import math

import pytest

from evoloss.errors import ConfigError
from evoloss.losses import LOSSES
from evoloss.losses.known.ranges import Range, in_range

SHARED = {"weight", "ignore_index", "reduction", "label_smoothing", "options"}
PARAMETERS = [(name, parameter) for name, loss in LOSSES.items() for parameter in loss.ranges]


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
    inside = [allowed.high if allowed.high < math.inf else 1e6, *(allowed.search or ())]
    inside.append(math.nextafter(allowed.low, math.inf) if allowed.above else allowed.low)
    for value in inside:
        assert value in allowed
        assert getattr(LOSSES[name](**{parameter: value}), parameter) == value
    outside = [allowed.low if allowed.above else math.nextafter(allowed.low, -math.inf), math.nan, math.inf]
    outside.append(math.nextafter(allowed.high, math.inf))
    for value in outside:
        assert value not in allowed
        with pytest.raises(ConfigError, match=f"{name}: {parameter} must be a number a"):
            LOSSES[name](**{parameter: value})


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
