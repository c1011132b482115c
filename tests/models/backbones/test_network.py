from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from evoloss.errors import ConfigError
from evoloss.models.backbones.network import Backbone
from tests.models.backbones.doubles import Net


def step(model: Backbone) -> None:
    """One step of SGD on whatever asks for a gradient."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.1, weight_decay=0.1)
    inputs = torch.randn(8, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    F.cross_entropy(model.train()(inputs), torch.arange(8) % 2).backward()
    optimizer.step()


@pytest.mark.parametrize("frozen", [True, False])
def test_a_step_moves_the_head_alone_where_the_body_is_frozen(frozen: bool) -> None:
    net = Net(3, 2)
    model = Backbone(net, head=[net.fc], channels=3, frozen=frozen)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    step(model)
    moved = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    head = {"fc.weight", "fc.bias"}
    if frozen:
        assert moved == head
    else:
        # The bias of a convolution before batch norm has no gradient, but it decays.
        assert moved == set(before)


def test_a_frozen_body_stays_in_evaluation_mode_and_gives_the_same_features() -> None:
    net = Net(3, 2)
    model = Backbone(net, head=[net.fc], channels=3, frozen=True).eval().train()
    assert [net.training, net.norm.training, net.drop.training, net.fc.training] == [
        False,
        False,
        False,
        True,
    ]
    inputs = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model(inputs), model(inputs)), "dropout draws nothing"
    assert not model.eval().network.fc.training  # type: ignore[union-attr]


def test_a_finetuned_body_is_in_training_mode() -> None:
    net = Net(3, 2)
    assert all(part.training for part in Backbone(net, head=[net.fc], channels=3, frozen=False).modules())


def test_a_head_of_several_modules_inside_others() -> None:
    head = nn.Sequential(nn.Dropout(), nn.Linear(4, 2))
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 4), head)
    Backbone(net, head=[head], channels=None, frozen=True).train()
    assert [parameter.requires_grad for parameter in net.parameters()] == [False, False, True, True]
    assert head[0].training
    assert not net[0].training


def test_grey_images_are_repeated() -> None:
    net = Net(3, 2).eval()
    grey = torch.randn(2, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    model = Backbone(net, head=[net.fc], channels=3, frozen=False).eval()
    assert torch.equal(model(grey), net(torch.cat([grey] * 3, dim=1)))


def test_outputs_with_logits_are_unwrapped() -> None:
    class Wrapped(Net):
        def forward(self, inputs: torch.Tensor) -> SimpleNamespace:  # type: ignore[override]
            return SimpleNamespace(logits=super().forward(inputs), aux_logits=None)

    net = Wrapped(3, 2)
    assert Backbone(net, head=[net.fc], channels=3, frozen=False)(torch.zeros(2, 3, 6, 6)).shape == (2, 2)


def test_a_network_without_a_head_cannot_be_frozen() -> None:
    with pytest.raises(ConfigError, match=r"has no head of its own.*--backbone finetuned"):
        Backbone(Net(3, 2), head=[], channels=3, frozen=True)
