"""The most and the least likely class in compiled code are those of eager code."""

from __future__ import annotations

import math
from unittest.mock import patch

import pytest
import torch
from torch import Tensor

from evoloss.networks.sensing.extremes import least_likely, most_likely
from evoloss.random_streams import stream
from tests.networks.kinds.sensing_losses import sensing, take_in

CASES = {
    "any": torch.randn(300, 7, generator=stream(0, "any")),
    "equal ones": torch.randint(3, (300, 7), generator=stream(0, "equal")).float(),
    "all equal": torch.zeros(4, 5),
    "both zeros": torch.tensor([[-0.0, 0.0, -1.0], [0.0, -0.0, 1.0]]),
    "masked classes": torch.tensor([[-math.inf, 0.0, -math.inf], [-1.0, -math.inf, -2.0]]),
    "double precision": torch.randn(20, 3, generator=stream(0, "double"), dtype=torch.float64),
}


def compiled() -> object:
    return patch("torch.compiler.is_compiling", return_value=True)


@pytest.mark.parametrize("case", CASES)
def test_the_first_of_equal_ones(case: str) -> None:
    log_probs = CASES[case]
    expected = (*most_likely(log_probs), least_likely(log_probs))
    with compiled():
        found = (*most_likely(log_probs), least_likely(log_probs))
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.dtype == theirs.dtype
        assert torch.equal(mine, theirs)


def test_rows_of_nan_have_a_class_and_keep_their_nan() -> None:
    with compiled():
        top, predicted = most_likely(torch.full((2, 3), math.nan))
        lowest = least_likely(torch.full((2, 3), math.nan))
    assert top.isnan().all()
    assert predicted.tolist() == lowest.tolist() == [2, 2]


def batch(seed: int) -> tuple[Tensor, Tensor]:
    """More samples than a course reads, some to ignore, some without a softmax, some with equal logits."""
    target = torch.randint(4, (700,), generator=stream(seed, "target"))
    logits = (2 * torch.randn(700, 4, generator=stream(seed, "logits"))).round(decimals=0)
    target[::9], logits[::50, 0], logits[3::50] = -100, math.nan, 0.0
    return logits + torch.nn.functional.one_hot(target.clamp(min=0), 4), target


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
# PyTorch's code generator still uses what PyTorch deprecates.
@pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated:DeprecationWarning")
def test_a_compiled_training_over_epochs_has_the_statistics_of_an_eager_one(backend: str) -> None:
    torch._dynamo.reset()
    eager, loss = sensing(), sensing()
    twin = torch.compile(loss, fullgraph=True, backend=backend)
    for seed in range(9):  # two epochs and a bit
        logits, target = batch(seed)
        leaf = logits.clone().requires_grad_()
        twin(leaf, target).backward()
        torch.testing.assert_close(
            leaf.grad, take_in(eager, logits, target), rtol=1e-4, atol=1e-7, equal_nan=True
        )
    assert eager.loss_state.completed == 2
    assert eager.loss_state.course[1].any()
    for name, value in eager.loss_state.values().items():
        torch.testing.assert_close(loss.loss_state.get_buffer(name), value, rtol=2e-4, atol=1e-5, msg=name)
    torch._dynamo.reset()
