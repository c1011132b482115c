"""Slopes of known losses, which students are trained with, against the gradient of the loss."""

from __future__ import annotations

import pytest
import torch

from evoloss.losses import LOSSES
from evoloss.random_streams import stream
from tests.losses.cases import LossCase, loss_cases

CLASSWISE = [case for case in loss_cases() if hasattr(case.build(), "slopes")]


def test_which_losses_students_can_be_trained_with() -> None:
    named = {name for name, loss in LOSSES.items() if hasattr(loss, "slopes")}
    assert {"cross_entropy", "label_smoothing", "gce", "sce", "smoothed_log", "brier", "mae"} <= named
    assert "maxsup" not in named  # it sees the largest logit: no sum over the classes


@pytest.mark.parametrize("case", CLASSWISE, ids=lambda case: case.name)
@pytest.mark.parametrize("n_classes", [2, 10, 100])
def test_slopes_make_the_gradient(case: LossCase, n_classes: int) -> None:
    logits = 3 * torch.randn(40, n_classes, generator=stream(0, "logits"), dtype=torch.float64)
    target = torch.randint(n_classes, (40,), generator=stream(0, "target"))
    leaf = logits.clone().requires_grad_()
    loss = case.build(reduction="sum")
    loss(leaf, target).backward()
    log_p = torch.log_softmax(logits, dim=1)
    other, label = loss.slopes(n_classes)
    h = torch.where(torch.nn.functional.one_hot(target, n_classes).bool(), label(log_p), other(log_p))
    expected = h - log_p.exp() * h.sum(dim=1, keepdim=True)
    torch.testing.assert_close(leaf.grad, expected, rtol=1e-9, atol=1e-12)


def test_other_shares_of_the_smoothed_logarithm() -> None:
    log_p = torch.linspace(-12, -1e-3, 50, dtype=torch.float64, requires_grad=True)
    for n_classes, share in ((2, 1.0), (10, 16.0), (100, 0.5)):
        (wanted,) = torch.autograd.grad((log_p.exp() + 1 / (share * n_classes)).log().sum(), log_p)
        other, label = LOSSES["smoothed_log"](share=share).slopes(n_classes)
        torch.testing.assert_close(label(log_p.detach()), -(1 + 1 / share) * wanted)
        assert not other(log_p.detach()).any()
