"""Losses in JAX give what they give in PyTorch, values and gradients, and train a classifier with optax."""

from __future__ import annotations

import doctest
import math
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
from tests.networks.sensing import streams
from tests.networks.stateful import loss_of

jax = pytest.importorskip("jax", reason="needs jax, of the extra jax")

import jax.numpy as jnp  # noqa: E402

from evoloss.integrations.jax import functional, per_example  # noqa: E402

COUNTS = (2, 10, 100, 1000)
IN_TORCH_ALONE = ("elr", "ogc", "dal", "base_mda")


@pytest.fixture(autouse=True)
def _double_precision() -> Any:
    with jax.enable_x64(True):
        yield


def batch(n_classes: int, n: int = 16) -> tuple[Tensor, Tensor]:
    """Logits in float64, from hardly certain to very, and labels that are predictions half of the time."""
    generator = torch.Generator().manual_seed(n_classes)
    scale = torch.logspace(-1, 1, n, dtype=torch.float64)[:, None]
    logits = scale * torch.randn(n, n_classes, generator=generator, dtype=torch.float64)
    target = torch.randint(n_classes, (n,), generator=generator)
    return logits, torch.where(torch.arange(n) % 2 == 0, logits.argmax(1), target)


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
    logits, target = batch(n_classes)
    assert_alike(functional(name), make_loss(name), logits, target)


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


@pytest.mark.parametrize("name", ["gce", "evolved-base", "evolved-noise"])
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_options_are_those_of_cross_entropy(name: str, reduction: Any) -> None:
    logits, target = batch(10)
    options: dict[str, Any] = {
        "weight": torch.linspace(0.5, 2, 10, dtype=torch.float64),
        "ignore_index": int(target[0]),
        "label_smoothing": 0.1,
        "reduction": reduction,
    }
    for left_out in ("", "label_smoothing"):
        given = {key: value for key, value in options.items() if key != left_out}
        value, _ = jax.jit(functional(name, **given))({}, logits.numpy(), target.numpy())
        expected = make_loss(name, **given)(logits, target)
        np.testing.assert_allclose(np.asarray(value), expected.numpy(), atol=1e-9)
    del options["ignore_index"]
    probs = logits.softmax(1)
    value, _ = jax.jit(functional(name, **options))({}, logits.numpy(), probs.numpy())
    np.testing.assert_allclose(
        np.asarray(value), make_loss(name, **options)(logits, probs).numpy(), atol=1e-9
    )


@pytest.mark.parametrize("name", ["evolved-base", "evolved-noise", "gce"])
def test_single_precision_and_jit(name: str) -> None:
    with jax.enable_x64(False):
        logits, target = batch(100)
        value, _ = jax.jit(functional(name))({}, logits.float().numpy(), target.numpy())
        assert value.dtype == jnp.float32
        assert float(value) == pytest.approx(make_loss(name)(logits, target).item(), rel=2e-5)


def course(n_samples: int) -> list[streams.Batch]:
    """Epochs in which labels are learned, 40 % of them wrong, and epochs in which they are known by heart."""
    noise = streams.symmetric(0.4, 5)
    learned = streams.learning(noise, n_classes=5, n_samples=n_samples, epochs=4, batch=n_samples // 10)
    return [*learned, *streams.by_heart(n_classes=5, n_samples=n_samples, epochs=3)]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_sensing_loss_over_a_course_under_jit(smoothing: float) -> None:
    criterion = loss_of("sensing", n_samples=500)
    criterion.label_smoothing = smoothing
    reference, loss = torch_functional(criterion), functional(criterion)
    step = jax.jit(jax.value_and_grad(loss, argnums=1, has_aux=True))
    state, mine = reference.init_state(5), loss.init_state(5, n_samples=500)
    assert mine.keys() == state.keys()
    for logits, target in course(500):
        rows = logits.double()
        leaf = rows.clone().requires_grad_()
        expected, state = reference(state, leaf, target)
        (gradient,) = torch.autograd.grad(expected, leaf)
        (value, mine), slope = step(mine, rows.numpy(), target.numpy())
        assert float(value) == pytest.approx(expected.item(), abs=1e-6)
        np.testing.assert_allclose(np.asarray(slope), gradient.numpy(), atol=1e-9, rtol=1e-6)
    assert float(mine["memorised"]) > 0.5
    for name, expected_value in state.items():
        np.testing.assert_allclose(np.asarray(mine[name]), expected_value.numpy(), atol=1e-6, rtol=1e-5)
    assert str(loss.noise_rate(mine)) == str(reference.noise_rate(state))


def test_a_loss_in_a_training_brings_its_state() -> None:
    criterion = loss_of("sensing", n_samples=500)
    for logits, target in course(500)[:45]:
        criterion(logits.requires_grad_(), target).backward()
    loss = functional(criterion)
    state = loss.stored_state
    assert state is not None
    logits, target = course(500)[45]
    evaluate = jax.jit(loss, static_argnames="training")
    value, same = evaluate(state, logits.double().numpy(), target.numpy(), training=False)
    assert same.keys() == state.keys()
    assert float(value) == pytest.approx(criterion.eval()(logits.double(), target).item(), abs=1e-6)
    assert functional("adaptive").stored_state is None


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


def test_an_index_out_of_range_costs_nan() -> None:
    assert math.isnan(float(per_example("gce")(jnp.zeros((1, 4)), jnp.array([4]))[0]))


def test_a_classifier_trains_with_optax_and_senses_wrong_labels() -> None:
    optax = pytest.importorskip("optax", reason="needs optax")
    generator = np.random.default_rng(0)
    centres = 1.5 * generator.normal(size=(4, 16))
    true = generator.integers(4, size=2000)
    x = (centres[true] + generator.normal(size=(2000, 16))).astype(np.float32)
    wrong = generator.random(2000) < 0.3
    y = np.where(wrong, generator.integers(4, size=2000), true)
    loss, optimizer = functional("adaptive"), optax.adam(3e-3)
    params = {"w": jnp.zeros((16, 4), jnp.float32), "b": jnp.zeros(4, jnp.float32)}
    state, moments = loss.init_state(4, n_samples=2000), optimizer.init(params)

    @jax.jit
    def step(params: Any, moments: Any, state: Any, x: Any, y: Any) -> Any:
        def cost(params: Any) -> Any:
            return loss(state, x @ params["w"] + params["b"], y)

        grads, after = jax.grad(cost, has_aux=True)(params)
        updates, moments = optimizer.update(grads, moments, params)
        return optax.apply_updates(params, updates), moments, after

    for _ in range(8):
        for some in np.split(generator.permutation(2000), 20):
            params, moments, state = step(params, moments, state, x[some], y[some])
    accuracy = (np.asarray(x @ params["w"] + params["b"]).argmax(1) == true).mean()
    assert accuracy > 0.97
    rate = loss.noise_rate(state)
    assert rate.estimate == pytest.approx(0.3 * 0.75, abs=0.1)


@pytest.mark.parametrize("name", ["functional", "per_example", "JaxLoss"])
def test_examples(name: str) -> None:
    from evoloss.integrations import jax as module

    with jax.enable_x64(False):
        found = doctest.DocTestFinder(recurse=False).find(getattr(module, name), name, module=False)
        assert found[0].examples
        report: list[str] = []
        doctest.DocTestRunner().run(found[0], out=report.append)
    assert not report, "".join(report)


def test_mistakes_are_told() -> None:
    with pytest.raises(ConfigError, match="works in PyTorch alone"):
        functional("elr")
    with pytest.raises(ConfigError, match="give n_samples"):
        functional("adaptive").init_state(5)
    with pytest.raises(ConfigError, match="follows its training"):
        per_example("adaptive")
    loss = functional("adaptive")
    state = loss.init_state(5, n_samples=100)
    with pytest.raises(ConfigError, match="training with 5 classes, and the logits have 3"):
        loss(state, jnp.zeros((2, 3)), jnp.array([0, 1]))
    with pytest.raises(ConfigError, match="expected what init_state gives"):
        loss({}, jnp.zeros((2, 5)), jnp.array([0, 1]))
    with pytest.raises(ConfigError, match="keeps no state"):
        functional("gce")(state, jnp.zeros((2, 5)), jnp.array([0, 1]))
    with pytest.raises(ValueError, match="target has shape"):
        functional("gce")({}, jnp.zeros((2, 5)), jnp.array([0, 1, 2]))
    with pytest.raises(ConfigError, match="2 classes or more"):
        functional("gce")({}, jnp.zeros((2, 1)), jnp.array([0, 0]))
    with pytest.raises(ConfigError, match="evolved for 5 classes"):
        functional(evolved("concat"))({}, jnp.zeros((2, 4)), jnp.array([0, 0]))
    assert isinstance(functional("adaptive").loss.criterion, EvolvedLoss)
