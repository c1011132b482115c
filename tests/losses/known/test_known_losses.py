"""Each known loss against a plain reference, finite differences, its special cases and its ranges."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

import evoloss.losses
from evoloss.errors import ConfigError
from evoloss.losses import LOSSES
from evoloss.losses.known.anl_ce import normalised_negative_cross_entropy
from evoloss.losses.known.baikal import baikal
from evoloss.losses.known.bi_tempered import tempered_log_softmax
from evoloss.losses.known.logit_clip import clipped_logits
from evoloss.losses.known.nce import normalised_cross_entropy
from evoloss.losses.known.phuber import phuber
from tests.losses.cases import (
    LossCase,
    every_loss,
    every_third_loss_with_a_potential,
    loss_cases,
    make_indices,
    make_logits,
    make_probs,
    make_weight,
)
from tests.losses.known.formulas import CROSS_ENTROPY, FORMULAS, REFUSED

PROMISED = [
    *("cross_entropy", "label_smoothing", "focal", "poly1", "gce", "sce", "mae", "brier"),
    *("nce_rce", "agce", "anl_ce", "jal_ce", "baikal", "bi_tempered", "maxsup", "ngl"),
    *(
        "smoothed_log",
        "mae_star",
        "phuber",
        "logit_clip",
        "epsilon_softmax_mae",
        "dal",
        "base_mda",
        "ogc",
        "elr",
    ),
]
PAGE = Path(__file__).parents[3] / "docs/known-losses.md"
WITH_FORMULA = [case for case in loss_cases() if case.name in FORMULAS]


def test_the_promised_names_are_there_and_each_is_that_of_one_loss():
    assert set(PROMISED) <= set(LOSSES)
    assert len(set(evoloss.losses._KNOWN)) == len(evoloss.losses._KNOWN) == len(LOSSES)


def test_every_registered_loss_has_a_formula_and_refused_values_of_every_parameter():
    assert set(LOSSES) <= set(FORMULAS)
    refused = {(name, parameter) for name, parameters in REFUSED for parameter in parameters}
    parameters = {(name, parameter) for name in LOSSES for parameter in LOSSES[name]().hyperparameters}
    assert parameters
    assert refused == parameters


def test_the_page_of_known_losses_has_a_row_and_the_parameters_of_each():
    rows = [line.split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:3] == "| `"]
    assert [row[0].strip("| `") for row in rows if row[0].strip("| `") in PROMISED] == PROMISED
    for row in rows:
        loss = LOSSES[row[0].strip("| `")]()
        assert re.findall(r"`(\w+)`", row[2].split(";")[0]) == list(loss.hyperparameters)
        asked = {"index": "the index of each sample", "lr": "the learning rate of each step"}
        assert all(asked[name] in row[2] for name in loss.training_arguments)


def test_every_registered_loss_is_exported():
    exported = {getattr(evoloss.losses, name) for name in evoloss.losses.__all__ if name != "LOSSES"}
    assert set(LOSSES.values()) <= exported


@pytest.mark.parametrize("case", WITH_FORMULA, ids=lambda case: case.name)
@pytest.mark.parametrize("n_classes", [2, 3, 10])
@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_equals_the_formula(case: LossCase, n_classes: int, data: st.DataObject):
    # Within this range no probability is so small that Baikal leaves its published formula.
    logit = st.floats(-3.5, 3.5, allow_subnormal=False)
    logits = data.draw(st.lists(logit, min_size=n_classes, max_size=n_classes))
    row = torch.tensor([logits], dtype=torch.float64)
    loss = case.build(reduction="none")
    costs = torch.cat([loss(row, torch.tensor([k])) for k in range(n_classes)])
    torch.testing.assert_close(costs, FORMULAS[case.name](row)[0], rtol=1e-6, atol=1e-7)


@every_third_loss_with_a_potential
def test_gradient_agrees_with_finite_differences(case: LossCase):
    logits = make_logits(4, 3).requires_grad_()
    indices, probs = make_indices(4, n_classes=3), make_probs(4, 3).requires_grad_()
    weight = make_weight(3)
    assert torch.autograd.gradcheck(lambda z: case.build(weight=weight)(z, indices), (logits,))
    assert torch.autograd.gradcheck(lambda z, q: case.build(weight=weight)(z, q), (logits, probs))
    smoothed = case.build(weight=weight, label_smoothing=0.2, ignore_index=1, reduction="none")
    assert torch.autograd.gradcheck(lambda z: smoothed(z, indices), (logits,))


@every_third_loss_with_a_potential
def test_second_derivative_agrees_with_finite_differences(case: LossCase):
    logits = make_logits(2, 3).requires_grad_()
    indices, probs = torch.tensor([0, 2]), make_probs(2, 3)
    assert torch.autograd.gradgradcheck(lambda z: case.build()(z, indices), (logits,))
    assert torch.autograd.gradgradcheck(lambda z: case.build(label_smoothing=0.1)(z, probs), (logits,))


@pytest.mark.parametrize(("name", "parameters"), CROSS_ENTROPY)
def test_special_case_is_cross_entropy(name: str, parameters: dict[str, float]):
    logits, target = make_logits(6, 5), make_indices(6, n_classes=5)
    loss = LOSSES[name](reduction="none", **parameters)
    torch.testing.assert_close(loss(logits, target), F.cross_entropy(logits, target, reduction="none"))


def test_generalised_cross_entropy_lies_between_cross_entropy_and_half_the_absolute_error():
    logits, target = make_logits(6, 5), make_indices(6, n_classes=5)
    torch.testing.assert_close(LOSSES["gce"](q=1.0)(logits, target), LOSSES["mae"]()(logits, target) / 2)
    near = LOSSES["gce"](q=1e-9)(logits, target)
    torch.testing.assert_close(near, F.cross_entropy(logits, target), rtol=1e-6, atol=1e-6)


def test_the_smoothed_logarithm_lies_between_cross_entropy_and_the_absolute_error():
    logits, target = make_logits(6, 5), make_indices(6, n_classes=5)
    far = LOSSES["smoothed_log"](share=1e6)(logits, target)
    torch.testing.assert_close(far, F.cross_entropy(logits, target), rtol=1e-4, atol=1e-4)
    near = LOSSES["smoothed_log"](share=1e-6)(logits, target)
    torch.testing.assert_close(near, 5 * LOSSES["mae"]()(logits, target) / 2, rtol=1e-4, atol=1e-4)
    single = LOSSES["smoothed_log"](share=1e-6)(logits.float(), target)
    torch.testing.assert_close(single, near.float(), rtol=1e-6, atol=1e-6)
    uniform = torch.zeros(1, 5, requires_grad=True)
    LOSSES["smoothed_log"]()(uniform, target[:1]).backward()
    assert float(-uniform.grad[0, target[0]]) == pytest.approx(1 - 1 / 5)


def test_the_active_negative_loss_refuses_classes_of_which_none_may_count():
    loss, uniform = LOSSES["anl_ce"](min_prob=0.1), torch.zeros(1, 9)
    assert loss(uniform, torch.tensor([0])).isfinite()
    with pytest.raises(ValueError, match=r"min_prob=0\.1 this loss is for fewer than 10 classes, got 10"):
        loss(torch.zeros(1, 10), torch.tensor([0]))


@pytest.mark.parametrize("n_classes", [2, 10, 100, 1000])
def test_a_logit_bias_makes_the_first_pull_that_of_few_classes(n_classes: int):
    logits = torch.zeros(1, n_classes, dtype=torch.float64, requires_grad=True)
    LOSSES["mae_star"](like=10.0)(logits, torch.tensor([0])).backward()
    few = min(n_classes, 10)
    assert float(-logits.grad[0, 0]) == pytest.approx(2 / few * (1 - 1 / few))
    if n_classes <= 10:
        drawn, target = make_logits(6, n_classes), make_indices(6, n_classes=n_classes)
        loss = LOSSES["mae_star"](like=10.0)
        torch.testing.assert_close(loss(drawn, target), LOSSES["mae"]()(drawn, target))


def test_clipped_gradient_of_cross_entropy_by_the_probability():
    p = torch.linspace(0.001, 1, 500, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(phuber(p.log(), 10.0).sum(), p)
    torch.testing.assert_close(slope, (-1 / p.detach()).clamp(min=-10))


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_clipped_logits_have_the_direction_and_the_norm(scale: float):
    logits = make_logits(5, 4, scale=scale).float()
    logits[0, 2] = -torch.inf
    clipped = clipped_logits(logits, 1.0)
    assert clipped[0, 2] == -torch.inf
    clipped, wanted = (rows.nan_to_num(neginf=0.0).double() for rows in (clipped, logits))
    norm = wanted.norm(dim=1, keepdim=True)
    torch.testing.assert_close(clipped.norm(dim=1, keepdim=True), norm.clamp(max=1.0), rtol=1e-5, atol=0)
    torch.testing.assert_close(clipped / clipped.norm(dim=1, keepdim=True), wanted / norm)


def test_label_smoothing_without_weights_is_that_of_pytorch():
    logits, target = make_logits(6, 5), make_indices(6, n_classes=5)
    expected = F.cross_entropy(logits, target, label_smoothing=0.1)
    torch.testing.assert_close(LOSSES["label_smoothing"]()(logits, target), expected)


def test_asymmetric_error_with_a_label_of_length_one_is_the_mean_brier_score():
    logits, target = make_logits(6, 5), make_indices(6, n_classes=5)
    loss = LOSSES["jal_ce"](alpha=0.0, a=1.0)
    torch.testing.assert_close(loss(logits, target), LOSSES["brier"]()(logits, target) / 5)


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_normalised_losses_have_a_constant_class_sum(scale: float):
    log_probs = torch.log_softmax(make_logits(7, 6, scale=scale), dim=1)
    total = normalised_cross_entropy(log_probs).sum(1)
    torch.testing.assert_close(total, torch.ones(7, dtype=torch.float64))
    negative = normalised_negative_cross_entropy(log_probs, 1e-7)
    torch.testing.assert_close(negative.sum(1), torch.full((7,), 5.0, dtype=torch.float64))
    assert negative.min() >= 0.0
    assert negative.max() <= 1.0


@pytest.mark.parametrize("t", [1.0, 1.0001, 1.2, 2.0, 4.0])
@pytest.mark.parametrize("n_classes", [2, 10, 1000, 100_000])
def test_tempered_softmax_sums_to_one(t: float, n_classes: int):
    for scale in (0.0, 1.0, 30.0, 1e4):
        total = tempered_log_softmax(make_logits(2, n_classes, scale=scale), t).exp().sum(1)
        torch.testing.assert_close(total, torch.ones(2, dtype=torch.float64), rtol=1e-12, atol=0.0)


def test_baikal_is_smooth_where_its_growth_slows_down():
    threshold = -math.log(2000.0 * 2)

    def value_and_slope(log_p: float) -> tuple[float, float]:
        log_q = math.log1p(-math.exp(log_p))
        log_probs = torch.tensor([[log_p, log_q]], dtype=torch.float64, requires_grad=True)
        cost = baikal(log_probs)[0, 0]
        (slope,) = torch.autograd.grad(cost, log_probs)
        return cost.item(), slope[0, 0].item()

    below, above = value_and_slope(threshold - 1e-7), value_and_slope(threshold + 1e-7)
    assert below == pytest.approx(above, rel=1e-5)
    assert above[1] == pytest.approx(-2000.0, rel=1e-3)
    far = value_and_slope(threshold - 20.0)
    assert far[0] > below[0]
    assert far[1] < 0.0, "a confident mistake must still be pulled to its label"


def test_baikal_is_the_published_formula_where_the_label_is_not_hopeless():
    logits = [math.log(1e-3), math.log(1 - 1e-3)]
    cost = LOSSES["baikal"]()(torch.tensor([logits], dtype=torch.float64), torch.tensor([0])).item()
    probs = [1e-3, 1 - 1e-3]
    assert cost == pytest.approx(-(math.log(probs[0]) - 1 / probs[0] + math.log(probs[1])) / 2)


@every_loss
def test_worse_predictions_cost_more(case: LossCase):
    if case.name in ("baikal", "ngl", "base_mda-late", "dal-late"):
        pytest.skip("punishes certainty, see the next test; or gives up what is hopeless")
    log_p = torch.linspace(-6.0, -0.05, 40, dtype=torch.float64)
    logits = torch.stack([log_p, torch.log1p(-log_p.exp())], dim=1)
    costs = case.build(reduction="none")(logits, torch.zeros(40, dtype=torch.long))
    assert bool((costs.diff() < 0).all())


@pytest.mark.parametrize(("name", "best"), [("baikal", 0.316), ("ngl", 0.391)])
def test_losses_found_by_genetic_programming_are_cheapest_before_certainty(name: str, best: float):
    probs = torch.linspace(0.001, 0.999, 999, dtype=torch.float64)
    others = ((1 - probs) / 9).log()[:, None].expand(-1, 9)
    logits = torch.cat([probs.log()[:, None], others], dim=1)
    costs = LOSSES[name](reduction="none")(logits, torch.zeros(999, dtype=torch.long))
    assert probs[costs.argmin()].item() == pytest.approx(best, abs=0.002)


@pytest.mark.parametrize(("name", "parameters"), REFUSED)
def test_parameters_out_of_range_are_refused_by_name(name: str, parameters: dict[str, Any]):
    (parameter,) = parameters
    with pytest.raises(ConfigError, match=rf"^{name}: {parameter} must be a number .*, got "):
        LOSSES[name](**parameters)


def test_hyperparameters_are_listed_and_shown():
    loss = LOSSES["bi_tempered"](t1=0.5, reduction="sum")
    assert loss.hyperparameters == {"t1": 0.5, "t2": 1.2}
    shown = "BiTemperedLoss(t1=0.5, t2=1.2, ignore_index=-100, reduction='sum', label_smoothing=0.0)"
    assert repr(loss) == shown
    assert LOSSES["cross_entropy"]().hyperparameters == {}
