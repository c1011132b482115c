"""What tools ask of a criterion: its class, its arguments, checkpoints of the model, loading without code."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from evoloss.losses import LOSSES, EvolvedLoss, strip_loss_state
from evoloss.losses.state import NAME, LossState
from tests.losses.cases import LossCase, make_weight
from tests.losses.tools.criteria import (
    INDICES,
    KNOWN,
    LOGITS,
    PROBS,
    C,
    Classifier,
    assert_same_bits,
    every_criterion,
    over,
)

WEIGHT = make_weight(C, dtype=torch.float32)


def predicted_probabilities(criterion: nn.Module, logits: Tensor) -> Tensor:
    """The decision of skorch's ``predict_proba`` with ``predict_nonlinearity="auto"``, in short."""
    return logits.softmax(dim=-1) if isinstance(criterion, nn.CrossEntropyLoss) else logits


@every_criterion
def test_what_decides_by_the_class_sees_cross_entropy(case: LossCase):
    probs = predicted_probabilities(case.build(), LOGITS)
    torch.testing.assert_close(probs.sum(dim=1), torch.ones(len(LOGITS)))
    assert torch.equal(predicted_probabilities(nn.MSELoss(), LOGITS), LOGITS)


@over(KNOWN)
def test_weight_by_position(case: LossCase):
    assert_same_bits(case.build(WEIGHT), case.build(weight=WEIGHT))
    assert_same_bits(case.build(None), case.build())
    with pytest.raises(TypeError, match="positional"):
        case.build(WEIGHT, None)  # size_average, which PyTorch has deprecated


def test_evolved_losses_by_name_and_without_any():
    assert_same_bits(EvolvedLoss("evolved-base"), EvolvedLoss.from_pretrained("evolved-base"))
    assert_same_bits(EvolvedLoss(), EvolvedLoss("evolved-base"))
    assert_same_bits(EvolvedLoss(weight=WEIGHT), EvolvedLoss("evolved-base", weight=WEIGHT))


NUMBERS = {
    "numpy": (np.int64, np.float64),
    "narrow": (np.int16, np.float32),
    "zero-dimensional": (lambda n: np.array(n), lambda x: np.array(x)),
    "tensor": (lambda n: torch.tensor(n), lambda x: torch.tensor(x, dtype=torch.float64)),
}


@pytest.mark.parametrize("kind", NUMBERS)
@every_criterion
def test_numbers_of_numpy(case: LossCase, kind: str):
    whole, real = NUMBERS[kind]
    own = {} if isinstance(case.build(), EvolvedLoss) else case.build().hyperparameters
    expected = case.build(ignore_index=1, label_smoothing=0.125, **own)
    given = {name: real(value) for name, value in own.items()}
    loss = case.build(ignore_index=whole(1), label_smoothing=real(0.125), **given)
    for name in ("ignore_index", "label_smoothing", *own):
        assert type(getattr(loss, name)) is type(getattr(expected, name))
        assert getattr(loss, name) == pytest.approx(getattr(expected, name), rel=1e-6)
    if kind != "narrow":
        assert_same_bits(loss, expected, INDICES)


@every_criterion
@pytest.mark.parametrize("weighted", [False, True])
def test_checkpoints_are_those_of_cross_entropy(case: LossCase, weighted: bool):
    shared = {"weight": WEIGHT} if weighted else {}
    plain = Classifier(nn.CrossEntropyLoss(**shared))
    ours = Classifier(case.build(**{name: torch.ones(C) for name in shared}))
    before = ours.criterion(LOGITS, PROBS)
    assert list(strip_loss_state(ours.state_dict())) == list(plain.state_dict())
    ours.load_state_dict(plain.state_dict(), strict=True)
    assert torch.equal(ours.linear.bias, plain.linear.bias)
    if weighted:
        assert torch.equal(ours.criterion.weight, WEIGHT)
        before = case.build(weight=WEIGHT)(LOGITS, PROBS)
    assert torch.equal(ours.criterion(LOGITS, PROBS), before)
    with torch.no_grad():
        ours.linear.bias.add_(1.0)
    plain.load_state_dict(strip_loss_state(ours.state_dict()), strict=True)
    assert torch.equal(plain.linear.bias, ours.linear.bias)


class WithState(nn.CrossEntropyLoss):
    """A criterion that keeps running statistics where a loss of ours keeps them."""

    def __init__(self) -> None:
        super().__init__()
        self.loss_state = LossState({"accuracy": torch.zeros(()), "seen": torch.zeros(0)})


def test_one_call_strips_the_running_statistics():
    ours, plain = Classifier(WithState()), Classifier(nn.CrossEntropyLoss())
    ours.criterion.loss_state.update({"accuracy": torch.tensor(0.5), "seen": torch.ones(C)})
    saved = ours.state_dict()
    kept = dict(saved)
    assert f"criterion.{NAME}.accuracy" in saved
    with pytest.raises(RuntimeError, match=NAME):
        plain.load_state_dict(saved, strict=True)
    plain.load_state_dict(strip_loss_state(saved), strict=True)
    assert dict(saved) == kept
    resumed = Classifier(WithState())
    resumed.load_state_dict(saved, strict=True)  # what a resume needs survives
    assert torch.equal(resumed.criterion.loss_state.seen, torch.ones(C))
    resumed.load_state_dict(plain.state_dict(), strict=True)  # from a model with another loss
    assert resumed.criterion.loss_state.accuracy == 0.5


@every_criterion
def test_a_saved_module_is_loaded_with_weights_only(case: LossCase):
    loss, file = case.build(weight=WEIGHT, label_smoothing=0.1), io.BytesIO()
    loss(LOGITS, INDICES)
    torch.save({"criterion": loss, "epoch": 3}, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=True)
    assert loaded["epoch"] == 3
    assert type(loaded["criterion"]) is type(loss)
    assert_same_bits(loaded["criterion"], loss)


LOAD = (
    "losses = [torch.load(path, weights_only=True) for path in sys.argv[1:]]; "
    "print(*(loss(torch.randn(2, 3), torch.tensor([0, 1])).item() for loss in losses))"
)


@pytest.mark.parametrize(
    "imports",
    ["import sys, torch, evoloss", "import sys; from evoloss import EvolvedLoss; import torch"],
    ids=["after-torch", "before-torch"],
)
def test_an_import_is_all_that_loading_needs(imports: str, tmp_path: Path):
    paths = [str(tmp_path / name) for name in ("evolved", "known")]
    for path, loss in zip(paths, (EvolvedLoss(), LOSSES["gce"]()), strict=True):
        torch.save(loss, path)
    code = f"{imports}; {LOAD}"
    done = subprocess.run([sys.executable, "-c", code, *paths], check=True, capture_output=True, text=True)
    assert len(done.stdout.split()) == 2
