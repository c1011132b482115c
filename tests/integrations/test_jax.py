"""Losses in JAX give what they give in PyTorch, values and gradients, and train a classifier with optax."""

from __future__ import annotations

import doctest
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from evoloss import functional as torch_functional
from evoloss import make_loss
from evoloss.errors import ConfigError
from evoloss.losses import LOSSES, EvolvedLoss
from evoloss.zoo import SHIPPED
from tests.losses.evolved_losses import ANY_COUNT, CONCAT_CLASSES, evolved

jax = pytest.importorskip("jax", reason="needs jax, of the extra jax")

import jax.numpy as jnp  # noqa: E402

from evoloss.integrations.jax import functional, per_example  # noqa: E402
from tests.integrations.jax_calls import (  # noqa: E402
    batch,
    costs_and_slope_in_jax,
    costs_and_slope_in_torch,
    precision,
)

COUNTS = (2, 10, 100, 1000)
IN_TORCH_ALONE = ("elr", "ogc", "dal", "base_mda")


@pytest.fixture(autouse=True)
def _double_precision() -> Any:
    with precision(64):
        yield


def in_torch(loss: Any, logits: Tensor, target: Tensor) -> tuple[float, Any]:
    leaf = logits.clone().requires_grad_()
    value = loss(leaf, target)
    return value.item(), torch.autograd.grad(value, leaf)[0].numpy()


def assert_alike(loss: Any, criterion: Any, logits: Tensor, target: Tensor) -> None:
    both = jax.jit(jax.value_and_grad(loss, argnums=1, has_aux=True))
    (value, _), slope = both({}, logits.numpy(), target.numpy())
    expected, gradient = in_torch(criterion, logits, target)
    assert float(value) == pytest.approx(expected, abs=1e-6, rel=1e-6)
    np.testing.assert_allclose(np.asarray(slope), gradient, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("n_classes", COUNTS)
@pytest.mark.parametrize("name", [*(name for name in SHIPPED if name != "adaptive"), "gce"])
def test_value_and_gradient_are_those_of_torch(name: str, n_classes: int) -> None:
    """Of each sample; a course of the one with a state is in test_jax_training.py."""
    logits, target = batch(n_classes)
    costs, slope, _ = costs_and_slope_in_jax(functional(name, reduction="none"))({}, logits, target)
    reference = torch_functional(name, reduction="none")
    expected, gradient, _ = costs_and_slope_in_torch(reference, {}, logits, target)
    np.testing.assert_allclose(costs, expected, atol=1e-9, rtol=1e-6)
    np.testing.assert_allclose(slope, gradient, atol=1e-9, rtol=1e-6)


@pytest.mark.parametrize("name", [name for name in LOSSES if name not in IN_TORCH_ALONE])
def test_known_losses(name: str) -> None:
    logits, target = batch(10)
    assert_alike(functional(name), make_loss(name), logits, target)


@pytest.mark.parametrize("kind", [*ANY_COUNT, "concat", "balanced", "basis", "mixture", "concat-probs"])
def test_every_kind_of_network(kind: str) -> None:
    criterion = evolved(kind)
    for n_classes in (CONCAT_CLASSES,) if kind.startswith("concat") else (2, 10):
        logits, target = batch(n_classes)
        assert_alike(functional(criterion), criterion, logits, target)


def options(reduction: Any) -> dict[str, Any]:
    weight = torch.linspace(0.5, 2, 10, dtype=torch.float64)
    return {"weight": weight, "label_smoothing": 0.1, "reduction": reduction}


def assert_same_costs(name: str, given: dict[str, Any], logits: Tensor, target: Tensor) -> None:
    value, _ = jax.jit(functional(name, **given))({}, logits.numpy(), target.numpy())
    expected = make_loss(name, **given)(logits, target)
    np.testing.assert_allclose(np.asarray(value), expected.numpy(), atol=1e-9)


@pytest.mark.parametrize("name", ["gce", "evolved-base", "evolved-noise"])
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_class_weights_and_options_are_those_of_cross_entropy(name: str, reduction: Any) -> None:
    logits, target = batch(10)
    given = {**options(reduction), "ignore_index": int(target[0])}
    assert_same_costs(name, given, logits, target)
    del given["label_smoothing"]
    assert_same_costs(name, given, logits, target)


@pytest.mark.parametrize("name", ["gce", "evolved-base", "evolved-noise"])
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_soft_labels_are_those_of_cross_entropy(name: str, reduction: Any) -> None:
    logits, _ = batch(10)
    assert_same_costs(name, options(reduction), logits, logits.flip(0).softmax(1))


@pytest.mark.parametrize("name", ["evolved-base", "evolved-noise", "gce"])
def test_single_precision_and_jit(name: str) -> None:
    with precision(32):
        logits, target = batch(100)
        value, _ = jax.jit(functional(name))({}, logits.float().numpy(), target.numpy())
        assert value.dtype == jnp.float32
        assert float(value) == pytest.approx(make_loss(name)(logits, target).item(), rel=2e-5)


def test_vmap_over_samples_and_over_states() -> None:
    logits, target = batch(5, n=6)
    each = jax.jit(jax.vmap(per_example("evolved-base")))(logits.numpy(), target.numpy())
    together = jax.jit(per_example("evolved-base"))(logits.numpy(), target.numpy())
    np.testing.assert_allclose(np.asarray(each), np.asarray(together), rtol=1e-12)
    alone = jax.jit(jax.vmap(per_example("evolved-noise")))(logits.numpy(), target.numpy())
    criterion = make_loss("evolved-noise")
    expected = [float(criterion(row[None], label[None])) for row, label in zip(logits, target, strict=True)]
    np.testing.assert_allclose(np.asarray(alone), expected, rtol=1e-9)
    loss = functional("adaptive")
    state = loss.init_state(5, n_samples=100)
    values, states = jax.jit(jax.vmap(loss, in_axes=(None, 0, 0)))(
        state, logits.numpy().reshape(2, 3, 5), target.numpy().reshape(2, 3)
    )
    first, after = jax.jit(loss)(state, logits.numpy()[:3], target.numpy()[:3])
    np.testing.assert_allclose(float(values[0]), float(first), rtol=1e-12)
    np.testing.assert_allclose(np.asarray(states["agreement"][0]), np.asarray(after["agreement"]), rtol=1e-6)


def test_positions_of_any_shape_and_masked_classes() -> None:
    logits = np.random.default_rng(0).normal(size=(2, 3, 4))
    logits[0, 0, 1] = -np.inf
    target = np.array([[0, 1, 2], [3, 0, 1]])
    costs = jax.jit(per_example("evolved-noise"))(logits, target)
    assert costs.shape == (2, 3)
    moved = torch.from_numpy(logits).movedim(2, 1)
    expected = make_loss("evolved-noise", reduction="none")(moved, torch.from_numpy(target))
    np.testing.assert_allclose(np.asarray(costs), expected.numpy(), rtol=1e-9)
    slope = jax.jit(jax.grad(lambda rows: per_example("evolved-base")(rows, target).sum()))(logits)
    assert np.isfinite(np.asarray(slope)).all()


@pytest.mark.parametrize("name", ["gce", "evolved-base"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_an_index_out_of_range_costs_nan(name: str, smoothing: float) -> None:
    """One below 0 too, which arrays take from their end."""
    costs = jax.jit(per_example(name, label_smoothing=smoothing))(
        jnp.zeros((4, 4)), jnp.array([4, -1, -100, 3])
    )
    assert np.isnan(np.asarray(costs)).tolist() == [True, True, False, False]
    assert float(costs[2]) == 0


@pytest.mark.parametrize("name", ["functional", "per_example", "JaxLoss"])
def test_examples(name: str) -> None:
    from evoloss.integrations import jax as module

    with precision(32):
        found = doctest.DocTestFinder(recurse=False).find(getattr(module, name), name, module=False)
        assert found[0].examples
        report: list[str] = []
        doctest.DocTestRunner().run(found[0], out=report.append)
    assert not report, "".join(report)


def test_parameters_that_are_wrong_are_told() -> None:
    with pytest.raises(ConfigError, match="works in PyTorch alone"):
        functional("elr")
    with pytest.raises(ConfigError, match="give n_samples"):
        functional("adaptive").init_state(5)
    with pytest.raises(ConfigError, match="n_samples must be a whole number"):
        functional("adaptive").init_state(5, n_samples=0)
    with pytest.raises(ConfigError, match="2 classes or more, got n_classes=1"):
        functional("gce").init_state(1)
    with pytest.raises(ConfigError, match="follows its training"):
        per_example("adaptive")
    with pytest.raises(ConfigError, match="got reduction='mean'"):
        per_example("gce", reduction="mean")
    with pytest.raises(ConfigError, match="the loss is a function"):
        functional(lambda logits, target: 0.0)  # type: ignore[arg-type]
    assert isinstance(functional("adaptive").loss.criterion, EvolvedLoss)


def test_the_size_of_the_training_set_and_weights_are_taken_as_they_are_given() -> None:
    made = functional("adaptive", n_samples=70)
    assert float(made.init_state(5)["n_samples"]) == 70
    assert float(made.init_state(5, n_samples=80)["n_samples"]) == 80
    logits, target = batch(3)
    weight = np.array([1.0, 2.0, 4.0])
    expected = make_loss("gce", weight=torch.from_numpy(weight))(logits, target)
    for given in (weight, jnp.asarray(weight), weight.tolist()):
        value, _ = functional("gce", weight=given)({}, logits.numpy(), target.numpy())
        assert float(value) == pytest.approx(expected.item(), rel=1e-9)
    module = make_loss("gce", reduction="sum")
    costs = per_example(module)(logits.numpy(), target.numpy())
    assert costs.shape == (16,)
    assert module.reduction == "sum"  # a copy gives costs


LOGITS, TARGET = np.zeros((4, 5)), np.arange(4)


@pytest.mark.parametrize("name", ["gce", "adaptive"])
@pytest.mark.parametrize(
    ("logits", "target", "said"),
    [
        (LOGITS.astype(int), TARGET, "logits are int64; expected floating-point scores"),
        (LOGITS.astype(bool), TARGET, "logits are bool"),
        (LOGITS.astype(complex), TARGET, "logits are complex128"),
        (TARGET, LOGITS, r"logits are int64.* order of the arguments is \(state, logits, target\)"),
        ({}, LOGITS, "got a dict for logits; expected an array"),
        (LOGITS, None, "got a NoneType for target; expected an array"),
        (np.zeros(()), TARGET, "logits are one number"),
        (LOGITS, TARGET[:3], r"target has shape \(3,\), expected class indices \(4,\) or"),
        (LOGITS, TARGET[:, None], r"target has shape \(4, 1\).*take target\[..., 0\]"),
        (
            np.zeros((2, 5, 3)),
            np.zeros((2, 3), int),
            r"class axis is the last one.*moveaxis\(logits, 1, -1\)",
        ),
        (LOGITS, TARGET.astype(float), "class indices are float64; expected integers"),
        (LOGITS, TARGET > 1, "class indices are bool"),
    ],
)
def test_calls_that_are_wrong_are_told(name: str, logits: Any, target: Any, said: str) -> None:
    loss = functional(name)
    state = loss.init_state(5, n_samples=100)
    takes_arrays = isinstance(logits, np.ndarray) and isinstance(target, np.ndarray)
    for call in (loss, jax.jit(loss)) if takes_arrays else (loss,):
        with pytest.raises(ConfigError, match=said):
            call(state if name == "adaptive" else {}, logits, target)


def test_weights_of_another_class_count_are_told() -> None:
    for name, state in (("gce", {}), ("adaptive", functional("adaptive").init_state(5, n_samples=9))):
        with pytest.raises(ConfigError, match="weight has 3 factors, and the logits have 5 classes"):
            functional(name, weight=np.ones(3))(state, LOGITS, TARGET)
    with pytest.raises(ConfigError, match="2 classes or more"):
        functional("gce")({}, LOGITS[:, :1], TARGET * 0)
    with pytest.raises(ConfigError, match="evolved for 5 classes"):
        functional(evolved("concat"))({}, jnp.zeros((2, 4)), jnp.array([0, 0]))


def test_states_that_are_wrong_are_told() -> None:
    loss = functional("adaptive")
    state = loss.init_state(5, n_samples=100)
    with pytest.raises(ConfigError, match="training with 5 classes, and the logits have 3"):
        jax.jit(loss)(state, LOGITS[:, :3], TARGET % 3)
    with pytest.raises(ConfigError, match="has nothing; expected what init_state gives"):
        loss({}, LOGITS, TARGET)
    with pytest.raises(ConfigError, match="the state is a NoneType; expected what init_state gives"):
        loss(None, LOGITS, TARGET)  # type: ignore[arg-type]
    for name, value in (("course", np.zeros((2, 2))), ("into", np.zeros(3)), ("into", np.zeros((), int))):
        with pytest.raises(ConfigError, match=f"{name} of the state has shape .* as init_state gives it"):
            loss({**state, name: value}, LOGITS, TARGET)
    for given in (state, None, LOGITS):
        with pytest.raises(ConfigError, match=r"keeps no state.*give \{\}"):
            functional("gce")(given, LOGITS, TARGET)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="static_argnames='training'"):
        jax.jit(loss)(state, LOGITS, TARGET, training=True)
    with pytest.raises(ConfigError, match="has nothing; expected what init_state gives"):
        loss.noise_rate({})
    with pytest.raises(ConfigError, match=r"outside of jax\.jit"):
        jax.jit(lambda state: loss.noise_rate(state).estimate)(state)
    stored = {name: np.asarray(value).tolist() for name, value in state.items()}  # as from JSON
    value, _ = loss(stored, LOGITS, TARGET)
    assert float(value) == pytest.approx(float(loss(state, LOGITS, TARGET)[0]))
