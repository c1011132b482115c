from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from evoloss import make_loss
from evoloss.errors import ConfigError, UnknownNameError

HERE = "tests.losses.test_user_loss"


class Squared(nn.Module):
    def __init__(self, sharpness: float = 1.0) -> None:
        super().__init__()
        if sharpness < 0:
            raise ValueError("sharpness below 0")
        self.sharpness = sharpness

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        hot = nn.functional.one_hot(target, logits.shape[1])
        return (self.sharpness * logits.softmax(1) - hot).square().sum(1).mean()


def build(**options: float) -> nn.Module:
    return Squared(**options)


BUILT = Squared(3.0)
number = 3


def plain_cost(logits: Tensor, target: Tensor) -> Tensor:
    return Squared()(logits, target)


def no_module() -> object:
    return torch.zeros(2)


@pytest.mark.parametrize("name", ["Squared", "build"])
def test_a_class_or_a_function_makes_the_loss(name: str):
    for loss in (make_loss(f"{HERE}:{name}:sharpness=2"), make_loss(f"{HERE}:{name}", sharpness=2)):
        assert type(loss) is Squared
        assert loss.sharpness == 2
    assert make_loss(f"{HERE}:{name}").sharpness == 1.0
    assert make_loss(f"{HERE}:{name}")(torch.zeros(2, 2), torch.tensor([0, 1])).item() == 0.5


def test_a_module_that_is_built_is_copied():
    first, second = (make_loss(f"{HERE}:BUILT") for _ in range(2))
    assert first.sharpness == 3.0
    assert first is not second
    assert first is not BUILT


def test_a_module_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "my_own_losses.py").write_text("from torch import nn\nMine = nn.CrossEntropyLoss\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", str(tmp_path))])
    assert type(make_loss("my_own_losses:Mine")) is nn.CrossEntropyLoss
    assert os.getcwd() not in sys.path


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("no_such_module_here:Mine", "importing 'no_such_module_here' failed with ModuleNotFoundError"),
        (f"{HERE}:number", "is a int, not callable"),
        (f"{HERE}:no_module", "returned Tensor; expected an nn.Module that is called as criterion"),
        (f"{HERE}:plain_cost", "the call with no arguments failed with TypeError"),
        (f"{HERE}:Squared:softness=1", "the call with softness=1 failed with TypeError"),
        (f"{HERE}:Squared:sharpness=-1", "failed with ValueError: sharpness below 0"),
        (f"{HERE}:BUILT:sharpness=1", "is built already and takes no parameters, got sharpness"),
    ],
)
def test_what_is_wrong_is_named(spec: str, message: str):
    with pytest.raises(ConfigError) as refused:
        make_loss(spec)
    assert message in str(refused.value)
    assert str(refused.value).startswith(f"loss '{spec.partition(':')[0]}:")


def test_a_name_that_the_module_does_not_have_lists_those_that_it_has():
    with pytest.raises(UnknownNameError) as refused:
        make_loss(f"{HERE}:Sqared")
    said = str(refused.value)
    assert said.startswith(f"no loss in '{HERE}' with the name 'Sqared'. Did you mean 'Squared'? Known: ")
    known = said.partition("Known: ")[2].split(", ")
    assert {"BUILT", "Squared", "build", "plain_cost", "no_module"} <= set(known)
    assert not {"number", "HERE", "Tensor", "Path", "make_loss"} & set(known), "numbers, and what is imported"
