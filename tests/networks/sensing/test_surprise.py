"""How surprising contradictions are: by the label's share of what the predicted class leaves."""

from __future__ import annotations

import math

import pytest
import torch

from evoloss.formulas import ARRAYS
from evoloss.networks.sensing.surprise import surprise
from evoloss.random_streams import stream


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1.0), (0.25, 1.0), (0.4, 0.8**2), (0.7, 0.4**2), (1.0, 0.0)]
)
def test_an_even_share_of_the_rest_is_wholly_surprising_and_all_of_it_not_at_all(
    share: float, expected: float
) -> None:
    top = torch.tensor(0.6, dtype=torch.float64).log()
    found = surprise(top, torch.tensor(0.4 * share, dtype=torch.float64), 5)
    assert float(found) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("n_classes", [1, 2])
def test_where_there_is_one_other_class_every_contradiction_counts(n_classes: int) -> None:
    p = torch.tensor([0.4, 0.1, 0.0])
    assert surprise((1 - p).log(), p, n_classes).eq(1).all()


def test_a_prediction_that_is_certain_to_the_last_digit_is_surprised() -> None:
    """In single precision the rest rounds to nothing, and its shares to anything."""
    logits = torch.tensor([[40.0, 0.0, -1.0, -math.inf]])
    log_probs = logits.log_softmax(1)
    assert log_probs[0, 0] == 0
    assert surprise(log_probs[:, :1], log_probs[:, 1:].exp(), 4).allclose(torch.ones(1, 3))


def test_it_is_the_same_in_numpy() -> None:
    log_probs = (3 * torch.randn(50, 7, generator=stream(1, "logits"), dtype=torch.float64)).log_softmax(1)
    top, p = log_probs.amax(1), log_probs[:, 2].exp()
    in_numpy = surprise(top.numpy(), p.numpy(), 7, ARRAYS)
    torch.testing.assert_close(torch.from_numpy(in_numpy), surprise(top, p, 7))


def test_labels_drawn_from_calibrated_predictions_surprise_less_than_labels_from_anywhere() -> None:
    generator = stream(2, "labels")
    log_probs = (3 * torch.randn(20_000, 10, generator=generator)).log_softmax(1)
    top, predicted = log_probs.max(1)
    right = torch.multinomial(log_probs.exp(), 1, generator=generator).squeeze(1)
    wrong = torch.randint(10, (20_000,), generator=generator)

    def mean(label: torch.Tensor) -> float:
        of = surprise(top, log_probs.gather(1, label[:, None]).squeeze(1).exp(), 10)
        return float(of[label != predicted].mean())

    assert mean(right) < 0.6 * mean(wrong)
