"""Losses as pure functions give what their modules give, course after course."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import grad, vmap

from evoloss import EvolvedLoss, functional, make_loss
from evoloss.errors import ConfigError
from evoloss.losses import LOSSES
from evoloss.networks import RunningState
from evoloss.zoo import SHIPPED
from tests.networks.sensing import streams
from tests.networks.stateful import loss_of

N_SAMPLES = 500
STATELESS = [
    name for name in (*LOSSES, *SHIPPED) if name not in ("adaptive", "dal", "base_mda", "ogc", "elr")
]


def course() -> list[streams.Batch]:
    """Epochs in which labels are learned, 40 % of them wrong, and epochs in which they are known by heart."""
    learned = streams.learning(
        streams.symmetric(0.4, 5), n_classes=5, n_samples=N_SAMPLES, epochs=4, batch=50
    )
    return [*learned, *streams.by_heart(n_classes=5, n_samples=N_SAMPLES, epochs=3)]


def gradient(loss: Any, logits: Tensor, *rest: Any, **named: Any) -> tuple[Tensor, Tensor]:
    leaf = logits.clone().requires_grad_()
    value = loss(leaf, *rest, **named)
    return value, torch.autograd.grad(value, leaf)[0]


@pytest.mark.parametrize("name", STATELESS)
def test_a_loss_without_a_state_is_its_module(name: str) -> None:
    logits, target = streams.Batch(torch.randn(8, 5, dtype=torch.float64), torch.arange(8) % 5)
    loss = functional(name)
    assert loss.init_state(5) == {}
    value, slope = gradient(lambda leaf: loss({}, leaf, target)[0], logits)
    expected = gradient(make_loss(name), logits, target)
    torch.testing.assert_close((value, slope), expected, rtol=0, atol=0)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_sensing_loss_is_its_module_over_a_course(dtype: torch.dtype, smoothing: float) -> None:
    module = loss_of("sensing", n_samples=N_SAMPLES)
    module.label_smoothing = smoothing
    loss = functional(module)
    state = loss.init_state(5)
    for logits, target in course():
        held = state

        def cost(leaf: Tensor, target: Tensor = target, held: RunningState = held) -> Tensor:
            return loss(held, leaf, target)[0]

        mine = gradient(cost, logits.to(dtype))
        _, state = loss(state, logits.to(dtype), target)
        torch.testing.assert_close(mine, gradient(module, logits.to(dtype), target), rtol=2e-4, atol=1e-5)
    assert float(state["memorised"]) > 0.5
    torch.testing.assert_close(state, module.loss_state.values(), rtol=1e-3, atol=1e-4)
    assert str(loss.noise_rate(state)) == str(module.noise_rate)


@pytest.mark.parametrize("name", ["dal", "base_mda", "elr"])
def test_known_losses_with_a_state(name: str) -> None:
    module = make_loss(name)
    module.plan_training(n_samples=N_SAMPLES, epochs=7)  # type: ignore[operator]
    loss = functional(name, n_samples=N_SAMPLES, epochs=7)
    state = loss.init_state(5)
    for number, (logits, target) in enumerate(course()):
        index = torch.arange(len(target)) + number % 5 * len(target)
        more = {"index": index} if name == "elr" else {}
        value, state = loss(state, logits, target, **more)
        expected, _ = gradient(module, logits, target, **more)
        torch.testing.assert_close(value, expected.detach())
    held: Any = module.loss_state
    torch.testing.assert_close(state, held.values())


def test_the_state_that_goes_in_stays_and_evaluation_leaves_it() -> None:
    loss = functional("adaptive", n_samples=100)
    state = loss.init_state(5)
    before = {name: value.clone() for name, value in state.items()}
    logits, target = torch.randn(20, 5), torch.arange(20) % 5
    _, after = loss(state, logits, target)
    torch.testing.assert_close(state, before, rtol=0, atol=0)
    assert float(after["into"]) == 20
    value, same = loss(after, logits, target, training=False)
    torch.testing.assert_close(same, after, rtol=0, atol=0)
    module = EvolvedLoss("adaptive", n_samples=100)
    module.loss_state.load_state_dict({name: value.clone() for name, value in after.items()})
    torch.testing.assert_close(value, module.eval()(logits, target))


@pytest.mark.parametrize("name", ["adaptive", "evolved-noise", "evolved-base", "gce"])
def test_it_goes_through_grad_and_vmap(name: str) -> None:
    loss = functional(name, n_samples=100)
    logits = torch.randn(3, 20, 5, dtype=torch.float64)
    target = torch.arange(60).reshape(3, 20) % 5
    state = loss.init_state(5)
    steps = [loss(state, *batch) for batch in zip(logits, target, strict=True)]
    values, states = vmap(loss, in_dims=(None, 0, 0))(state, logits, target)
    torch.testing.assert_close(values, torch.stack([value for value, _ in steps]))
    for key, value in states.items():
        torch.testing.assert_close(value, torch.stack([after[key] for _, after in steps]))
    slope, _ = grad(loss, argnums=1, has_aux=True)(state, logits[0], target[0])
    expected = gradient(lambda leaf: loss(state, leaf, target[0])[0], logits[0])[1]
    torch.testing.assert_close(slope, expected)


def test_mistakes_are_told() -> None:
    loss = functional("adaptive", n_samples=100)
    with pytest.raises(ConfigError, match="expected what init_state gives"):
        loss({}, torch.zeros(2, 3), torch.tensor([0, 1]))
    with pytest.raises(ConfigError, match="the state has nothing; expected what init_state gives"):
        loss.noise_rate({})
    with pytest.raises(ConfigError, match=r"the state is a Tensor; .* order of the arguments is"):
        loss(torch.zeros(2, 3), torch.tensor([0, 1]), loss.init_state(3))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="training with 5 classes and cannot score 3"):
        loss(loss.init_state(5), torch.zeros(2, 3), torch.tensor([0, 1]))
    with pytest.raises(ConfigError, match="keeps no state"):
        functional("gce")(loss.init_state(5), torch.zeros(2, 3), torch.tensor([0, 1]))
    with pytest.raises(ConfigError, match="expected the name of a loss"):
        functional(torch.nn.MSELoss())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="give parameters with a name"):
        functional(make_loss("gce"), q=0.5)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="give n_samples"):
        functional("elr").init_state(5)
    with pytest.raises(ConfigError, match="n_classes"):
        functional("gce").init_state(0)
    with pytest.warns(UserWarning, match="does not know how many samples"):
        functional("adaptive").init_state(5)


def test_the_courses_differ_between_losses() -> None:
    """The comparison above would see it if a state were not used."""
    module = loss_of("sensing", n_samples=N_SAMPLES)
    loss = functional(module)
    start = loss.init_state(5)
    state = start
    for logits, target in itertools.islice(course(), 60):
        _, state = loss(state, logits, target)
    logits, target = course()[-1]
    assert abs(float(loss(start, logits, target)[0] - loss(state, logits, target)[0])) > 0.1
