"""A loss that was built, cast, copied or called under ``torch.inference_mode`` trains afterwards."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable

import pytest
import torch
from torch import nn

from tests.losses.cases import LossCase, make_weight
from tests.losses.tools.criteria import (
    INDICES,
    LOGITS,
    PROBS,
    C,
    assert_same_bits,
    every_criterion,
    few_criteria,
)
from tests.sampling import sampled

WEIGHT = make_weight(C, dtype=torch.float32)
CASTS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "half": nn.Module.half,
    "bfloat16": nn.Module.bfloat16,
    "double": nn.Module.double,
    "to-float64": lambda module: module.to(torch.float64),
    "to-cpu": lambda module: module.to("cpu"),
    "there-and-back": lambda module: module.half().float(),
}


@every_criterion
@pytest.mark.parametrize("weighted", [False, True])
def test_built_and_called(case: LossCase, weighted: bool):
    shared = {"weight": WEIGHT} if weighted else {}
    expected = case.build(**shared)
    with torch.inference_mode():
        loss = case.build(**{name: value.clone() for name, value in shared.items()})
        for target in (INDICES, PROBS):
            assert torch.equal(loss(LOGITS, target), expected(LOGITS, target))
    assert_same_bits(loss, expected)
    if not weighted:  # whose dtype is that of the logits
        assert_same_bits(loss, expected, INDICES, PROBS.double(), logits=LOGITS.double())
    with torch.inference_mode():
        assert torch.equal(loss(LOGITS, INDICES), expected(LOGITS, INDICES))
    assert_same_bits(loss, expected)


@few_criteria
@pytest.mark.parametrize(("cast", "called_first"), sampled(itertools.product(CASTS, [False, True]), 4))
def test_cast(case: LossCase, cast: str, called_first: bool):
    expected, loss = CASTS[cast](case.build()), case.build()
    with torch.inference_mode():
        if called_first:
            loss(LOGITS, INDICES)
        loss = CASTS[cast](loss)
        loss(LOGITS, PROBS)
    assert_same_bits(loss, expected)
    assert_same_bits(loss, expected, INDICES, logits=LOGITS.double())


@every_criterion
def test_copied_and_loaded(case: LossCase):
    expected = case.build(weight=WEIGHT, reduction="sum")
    with torch.inference_mode():
        twin = copy.deepcopy(expected)
        loaded = case.build(weight=torch.ones(C), reduction="sum")
        loaded.load_state_dict({"weight": WEIGHT.clone()}, assign=True)
    for loss in (twin, loaded):
        assert_same_bits(loss, expected)
        double, wide = copy.deepcopy(loss).double(), copy.deepcopy(expected).double()
        assert_same_bits(double, wide, INDICES, logits=LOGITS.double())
