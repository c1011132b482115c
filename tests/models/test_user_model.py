from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.models import build_model

HERE = "tests.models.test_user_model"


def good(*, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, n_classes), nn.BatchNorm1d(n_classes), nn.Dropout())
    model[2].eval()  # a mode of its own, which the check must not lose
    return model


class Nested:
    build = staticmethod(good)


def wrong_width(*, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(12, n_classes + 1))


def wrong_input(*, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    return nn.Linear(999, n_classes)


def no_module(*, input_shape: tuple[int, ...], n_classes: int) -> object:
    return {"n_classes": n_classes}


def other_keywords(width: int) -> nn.Module:
    return nn.Linear(width, 2)


class Tuple(nn.Module):
    def __init__(self, input_shape: tuple[int, ...], n_classes: int) -> None:
        super().__init__()

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor]:
        return (inputs,)


not_callable = 3


def build(spec: str) -> nn.Module:
    return build_model(spec, input_shape=(3, 2, 2), n_classes=4)


@pytest.mark.parametrize("attribute", ["good", "Nested.build"])
def test_users_callable_is_called_and_its_modes_are_kept(attribute: str) -> None:
    model = build(f"{HERE}:{attribute}")
    assert model(torch.zeros(2, 3, 2, 2)).shape == (2, 4)
    assert model.training
    assert not model[2].training  # type: ignore[index]
    assert model[3].training  # type: ignore[index]
    assert int(model[2].num_batches_tracked) == 0  # type: ignore[index]


def test_module_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "from torch import nn\n"
        "def make(*, input_shape, n_classes):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(12, n_classes))\n"
    )
    (tmp_path / "my_own_classifier.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", str(tmp_path))])
    assert build("my_own_classifier:make")(torch.zeros(1, 3, 2, 2)).shape == (1, 4)
    assert os.getcwd() not in sys.path


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("no_such_module_here:make", "importing 'no_such_module_here' failed with ModuleNotFoundError"),
        (f"{HERE}:", "package.module:callable"),
        (":make", "package.module:callable"),
        (f"{HERE}:not_callable", "is a int, not callable"),
        (f"{HERE}:no_module", "returned dict; expected an nn.Module"),
        (f"{HERE}:other_keywords", "must accept these keywords"),
        (f"{HERE}:wrong_width", r"shape \(2, 5\); expected floating-point logits of shape \(2, 4\)"),
        (f"{HERE}:wrong_input", r"forward on zeros of shape \(2, 3, 2, 2\) failed"),
        (f"{HERE}:Tuple", "forward returned tuple; expected a tensor"),
    ],
)
def test_what_is_wrong_is_named(spec: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(spec)


def test_a_name_that_the_module_does_not_have_lists_those_that_it_has() -> None:
    with pytest.raises(
        UnknownNameError, match=rf"no model in '{HERE}' with the name 'godo'\. .*'good'\?.*wrong_w"
    ):
        build(f"{HERE}:godo")
    with pytest.raises(UnknownNameError, match=rf"no model in '{HERE}\.Nested' with the name 'absent'"):
        build(f"{HERE}:Nested.absent")
