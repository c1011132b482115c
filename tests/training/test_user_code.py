"""An edited loss of the user's own is another loss; an equal one in a fresh process is the same."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from evoloss.losses import LOSSES
from evoloss.training.fingerprints import fingerprint_loss
from evoloss.training.user_code import code_of, is_own
from tests.documentation.pages import imported

TEXT = """
import torch
from torch import nn

SCALE = 2.0
UNUSED = 1.0

def power(costs):
    return inner(costs) ** SCALE

def inner(costs):
    return costs

def other(costs):
    return costs

class Base(nn.Module):
    pass

class Mine(Base):
    def __init__(self, factor=1.0):
        super().__init__()
        self._factor = factor
        self.table = torch.ones(3)

    def forward(self, logits, target):
        return power(self._factor * nn.functional.cross_entropy(logits, target))
"""


@pytest.fixture
def fingerprint(tmp_path: Path):
    count = iter(range(100))

    def of(old: str = "", new: str = "", **options: float) -> str:
        folder = tmp_path / str(next(count))
        folder.mkdir()
        module = imported("losses_of_the_user", TEXT.replace(old, new) if old else TEXT, folder)
        try:
            return fingerprint_loss(module.Mine(**options))
        finally:
            sys.modules.pop("losses_of_the_user")

    return of


def test_what_the_class_names_counts_and_nothing_else(fingerprint) -> None:
    same = fingerprint()
    assert fingerprint() == same
    assert fingerprint("UNUSED = 1.0", "UNUSED = 3.0") == same
    assert fingerprint("def other(costs):\n    return costs", "def other(costs):\n    return 2") == same
    edits = [
        ("SCALE = 2.0", "SCALE = 3.0"),
        ("** SCALE", "* SCALE"),
        ("def inner(costs):\n    return costs", "def inner(costs):\n    return 2 * costs"),
        ("self._factor * nn", "nn"),
        ("    pass", "    extra = 1"),
        ("torch.ones(3)", "torch.zeros(3)"),
        ("factor=1.0", "factor=2.0"),
    ]
    found = {fingerprint(*edit) for edit in edits} | {fingerprint(factor=0.5), same}
    assert len(found) == len(edits) + 2


class InTests(LOSSES["gce"]):  # type: ignore[misc]
    def label_costs(self, logits: Tensor, target: Tensor) -> Tensor:
        return super().label_costs(logits, target)


def test_whose_code_is_read() -> None:
    assert is_own(LOSSES["gce"]())
    assert not is_own(InTests())
    assert not is_own(nn.CrossEntropyLoss())
    assert list(code_of(InTests())) == [f"{__name__}.InTests"]
    assert code_of(nn.CrossEntropyLoss()) == {}
    assert code_of(nn.Sequential(InTests(), nn.ReLU())).keys() == {f"{__name__}.InTests"}


def test_settings_of_a_module_of_pytorch_count() -> None:
    losses = [
        nn.CrossEntropyLoss(),
        nn.CrossEntropyLoss(label_smoothing=0.1),
        nn.CrossEntropyLoss(reduction="sum"),
        nn.CrossEntropyLoss(weight=torch.ones(2)),
    ]
    assert len({fingerprint_loss(loss) for loss in losses}) == len(losses)
    assert fingerprint_loss(nn.CrossEntropyLoss()) == fingerprint_loss(nn.CrossEntropyLoss())
