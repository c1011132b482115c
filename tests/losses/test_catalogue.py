from __future__ import annotations

import ast
import dataclasses
import inspect
import math
import re
import sys

import pytest
from torch import nn

from evoloss import LossList, list_losses, make_loss
from evoloss.errors import ConfigError, UnknownNameError
from evoloss.losses import LOSSES
from evoloss.zoo import ALIASES, SHIPPED
from tests.documentation.pages import ROOT, blocks

PAGE = ROOT / "docs/losses-by-name.md"


def test_every_name_is_listed_once_and_makes_its_loss():
    losses = list_losses()
    assert [loss.name for loss in losses] == [*ALIASES, *SHIPPED, *LOSSES]
    for loss in losses:
        assert loss.summary
        assert isinstance(make_loss(loss.name), nn.Module)
        assert isinstance(
            make_loss(loss.name, **{one.name: one.default for one in loss.parameters}), nn.Module
        )
        assert loss.kind == (
            "alias" if loss.name in ALIASES else "shipped" if loss.name in SHIPPED else "known"
        )


def test_parameters_are_those_that_the_losses_check():
    for name, loss in LOSSES.items():
        info = list_losses().named(name)
        assert {one.name: one.default for one in info.parameters} == loss().hyperparameters
        for one in info.parameters:
            assert one.type is float
            for value, allowed in ((one.low, one.low_included), (one.high, one.high_included)):
                if allowed:
                    make_loss(name, **{one.name: value})
                else:
                    with pytest.raises(ConfigError, match=f"{one.name} must be a number"):
                        make_loss(name, **{one.name: value})
            assert -math.inf < one.search[0] < one.search[1] < math.inf


def test_a_record_is_frozen_and_says_what_a_loss_needs():
    losses = list_losses()
    with pytest.raises(dataclasses.FrozenInstanceError):
        losses[0].name = "other"  # type: ignore[misc]
    assert {loss.name for loss in losses if loss.keeps_state} == {"ogc", "dal", "base_mda", "elr", "adaptive"}
    needs = {loss.name: loss.needs for loss in losses if loss.needs}
    assert needs == {
        "adaptive": ("n_samples",),
        "dal": ("n_samples", "epochs"),
        "base_mda": ("n_samples", "epochs"),
        "ogc": ("lr",),
        "elr": ("n_samples", "index"),
    }


@pytest.mark.parametrize("name", LOSSES)
def test_the_reference_is_that_of_the_docstrings(name: str):
    reference = LOSSES[name].reference
    if name == "cross_entropy":
        assert reference == ""
        return
    source = inspect.getsource(sys.modules[LOSSES[name].__module__])
    texts = [
        ast.get_docstring(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)
    ]
    texts += [LOSSES[name].__doc__]
    documented = " ".join(" ".join(text.split()) for text in texts if text and "References:" in text)
    if name == "smoothed_log":
        documented = documented.replace("the gambler's loss of ", "")
    for part in re.split(r", (?=arXiv|[A-Z]{4}|Monthly)", reference):
        assert part in documented


def test_the_list_is_printed_a_line_a_loss():
    losses = list_losses()
    assert isinstance(losses, LossList)
    lines = str(losses).splitlines()
    assert len(lines) == len(losses)
    assert str(losses.named("gce")) in lines
    assert str(losses.named("elr")).endswith("strength=3 in [0, inf); needs n_samples, index")
    with pytest.raises(UnknownNameError, match="Did you mean 'gce'"):
        losses.named("gcee")


class Trial:
    """Stands in for a trial of Optuna: tries an end of each range."""

    def __init__(self, end: int) -> None:
        self.end = end
        self.asked: dict[str, tuple[float, float, bool]] = {}

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        assert low > 0 or not log, "Optuna refuses it"
        self.asked[name] = (low, high, log)
        return (low, high)[self.end]


@pytest.mark.parametrize("end", [0, 1])
@pytest.mark.parametrize("name", [name for name, loss in LOSSES.items() if loss.ranges])
def test_the_recipe_for_a_search_of_parameters(name: str, end: int):
    (recipe,) = (code for code in blocks(PAGE, "python") if "suggest_float" in code)
    assert len(recipe.strip().splitlines()) <= 8
    made: list[nn.Module] = []
    scope = {"validation_error": lambda criterion: made.append(criterion) or 0.25}
    exec(compile(recipe.replace('"sce"', f'"{name}"'), "page", "exec"), scope)
    trial = Trial(end)
    assert scope["objective"](trial) == 0.25
    (criterion,) = made
    assert type(criterion) is LOSSES[name]
    assert criterion.hyperparameters == {key: trial.asked[key][end] for key in LOSSES[name].ranges}
