"""The loss that docs/extend/known-loss.md adds keeps what every known loss promises."""

from __future__ import annotations

import doctest
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

import evoloss.losses
from evoloss.losses import LOSSES
from tests.documentation.pages import ROOT, added_lines, blocks, imported
from tests.losses.cases import LossCase
from tests.losses.conformance import test_calls
from tests.losses.conformance.subjects import Subject
from tests.losses.known import formulas, test_known_losses, test_slopes

PAGE = ROOT / "docs/extend/known-loss.md"
REGISTRY, FORMULAS = (added_lines(block) for block in blocks(PAGE, "diff"))


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The file of the page, with the lines of the page where they belong."""
    (code,) = blocks(PAGE, "python")
    module = imported("aul_of_the_page", code, tmp_path)
    entry, *refused = FORMULAS
    monkeypatch.setitem(LOSSES, "aul", module.AulLoss)
    others = [kind for kind in evoloss.losses._KNOWN if kind.name != "aul"]  # somebody may have added it
    monkeypatch.setattr(evoloss.losses, "_KNOWN", (*others, module.AulLoss))
    for name, formula in eval("{" + entry + "}", vars(formulas)).items():
        monkeypatch.setitem(formulas.FORMULAS, name, formula)
    more = eval("[" + "".join(refused) + "]")
    monkeypatch.setattr(test_known_losses, "REFUSED", [*formulas.REFUSED, *more])
    yield module
    del sys.modules["aul_of_the_page"]


def test_it_is_registered_with_a_formula_and_refused_values(module: ModuleType) -> None:
    test_known_losses.test_the_promised_names_are_there_and_each_is_that_of_one_loss()
    test_known_losses.test_every_registered_loss_has_a_formula_and_refused_values_of_every_parameter()
    for name, parameters in test_known_losses.REFUSED[-2:]:
        assert name == "aul"
        test_known_losses.test_parameters_out_of_range_are_refused_by_name(name, parameters)


def test_its_lines_are_like_those_that_are_there(module: ModuleType) -> None:
    there = Path(evoloss.losses.__file__).read_text(encoding="utf-8").splitlines()
    for line in REGISTRY:
        assert line.replace("aul", "gce").replace("Aul", "Gce") in there
        assert re.search(r"aul import AulLoss|AulLoss", line)
    assert module.AulLoss.__name__ in module.__all__


@pytest.mark.filterwarnings("ignore:.*hypothesis:UserWarning")
def test_it_keeps_what_every_loss_promises(module: ModuleType) -> None:
    case = LossCase("aul", module.AulLoss)
    for n_classes in (2, 3, 10):
        test_known_losses.test_equals_the_formula(case=case, n_classes=n_classes)
        test_slopes.test_slopes_make_the_gradient(case, n_classes)
    test_known_losses.test_gradient_agrees_with_finite_differences(case)
    test_known_losses.test_second_derivative_agrees_with_finite_differences(case)
    test_known_losses.test_worse_predictions_cost_more(case)
    test_calls.test_calls_are_the_plain_rule_forward_and_backward(Subject("aul", module.AulLoss))


def test_its_example_is_right(module: ModuleType) -> None:
    finder = doctest.DocTestFinder(recurse=False)
    (example,) = finder.find(module.AulLoss, "aul", module=False, globs=vars(module) | {"torch": torch})
    assert doctest.DocTestRunner().run(example) == doctest.TestResults(0, 2)
