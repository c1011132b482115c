"""Trainings with losses in JAX: a state over a course, optax and flax."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evoloss import functional as torch_functional
from evoloss import make_loss
from tests.integrations import plain_loop
from tests.networks.sensing import streams
from tests.networks.stateful import loss_of

jax = pytest.importorskip("jax", reason="needs jax, of the extra jax")

import jax.numpy as jnp  # noqa: E402

from evoloss.integrations.jax import functional  # noqa: E402
from tests.integrations.jax_calls import (  # noqa: E402
    costs_and_slope_in_jax,
    costs_and_slope_in_torch,
    precision,
)

FAR = 4e-6  # of the largest number: rounding to float32, in PyTorch alone up to 1.6e-6 over these courses


@pytest.fixture(autouse=True)
def _double_precision() -> Iterator[None]:
    with precision(64):
        yield


def course(n_classes: int, n_samples: int, batch: int) -> list[streams.Batch]:
    """Epochs in which labels are learned, 40 % of them wrong, and epochs in which they are known by heart."""
    noise, sizes = streams.symmetric(0.4, n_classes), {"n_classes": n_classes, "n_samples": n_samples}
    learned = streams.learning(noise, **sizes, epochs=4, batch=batch)
    return [*learned, *streams.by_heart(**sizes, epochs=3)]


@pytest.mark.parametrize("n_classes", [2, 10, 100, 1000])
def test_adaptive_over_a_course_at_every_class_count(n_classes: int) -> None:
    """In double precision it is PyTorch's; in single precision no farther from that than PyTorch is."""
    n_samples = 400
    batches = course(n_classes, n_samples, 100)  # of one size, since each is compiled
    reference = torch_functional("adaptive", reduction="none", n_samples=n_samples)
    loss = functional("adaptive", reduction="none")
    wide, narrow = costs_and_slope_in_jax(loss), costs_and_slope_in_jax(loss)
    state = reference.init_state(n_classes)
    mine = single = loss.init_state(n_classes, n_samples=n_samples)
    for logits, target in batches:
        expected, gradient, state = costs_and_slope_in_torch(reference, state, logits.double(), target)
        costs, slope, mine = wide(mine, logits.double(), target)
        np.testing.assert_allclose(costs, expected, atol=1e-9, rtol=1e-6)
        np.testing.assert_allclose(slope, gradient, atol=1e-9, rtol=1e-6)
        with precision(32):
            costs, slope, single = narrow(single, logits, target)
        assert costs.dtype == slope.dtype == np.float32
        assert np.abs(costs - expected).max() <= FAR * expected.max()
        assert np.abs(slope - gradient).max() <= FAR * np.abs(gradient).max()
    assert float(mine["memorised"]) > 0.5  # so that labels are doubted
    assert float(mine["completed"]) >= 6
    for name, value in state.items():
        atol = 1e-6 * max(1.0, float(value.abs().max()))
        np.testing.assert_allclose(np.asarray(mine[name]), value.numpy(), atol=atol, rtol=1e-6, err_msg=name)
        np.testing.assert_allclose(
            np.asarray(single[name]), value.numpy(), atol=20 * atol, rtol=1e-5, err_msg=name
        )
    assert str(loss.noise_rate(mine)) == str(loss.noise_rate(single)) == str(reference.noise_rate(state))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_sensing_loss_over_a_course_under_jit(smoothing: float) -> None:
    criterion = loss_of("sensing", n_samples=500)
    criterion.label_smoothing = smoothing
    reference, loss = torch_functional(criterion), functional(criterion)
    step = jax.jit(jax.value_and_grad(loss, argnums=1, has_aux=True))
    state, mine = reference.init_state(5), loss.init_state(5, n_samples=500)
    assert mine.keys() == state.keys()
    for logits, target in course(5, 500, 50):
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
    for logits, target in course(5, 500, 50)[:45]:
        criterion(logits.requires_grad_(), target).backward()
    loss = functional(criterion)
    state = loss.stored_state
    assert state is not None
    logits, target = course(5, 500, 50)[45]
    evaluate = jax.jit(loss, static_argnames="training")
    value, same = evaluate(state, logits.double().numpy(), target.numpy(), training=False)
    assert same.keys() == state.keys()
    assert float(value) == pytest.approx(criterion.eval()(logits.double(), target).item(), abs=1e-6)
    assert functional("adaptive").stored_state is None


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


def in_jax(model: torch.nn.Sequential) -> dict[str, Any]:
    """The weights of the network of the plain loop, with kernels as flax has them."""
    first, last = model[0], model[2]  # type: ignore[index]
    return {
        name: {
            "kernel": jnp.asarray(layer.weight.detach().numpy().T),
            "bias": jnp.asarray(layer.bias.detach().numpy()),
        }
        for name, layer in (("first", first), ("last", last))
    }


def assert_same_training(params: Any, state: Any, model: torch.nn.Sequential, criterion: Any) -> None:
    """Fail unless weights and statistics are those of a plain loop in PyTorch."""
    assert plain_loop.is_trained(model)
    for mine, expected in zip(jax.tree.leaves(params), jax.tree.leaves(in_jax(model)), strict=True):
        np.testing.assert_allclose(np.asarray(mine), np.asarray(expected), atol=1e-6, rtol=1e-6)
    expected_state = criterion.loss_state.state_dict() if criterion.network.keeps_state else {}
    assert state.keys() == expected_state.keys()
    for name, value in expected_state.items():
        np.testing.assert_allclose(np.asarray(state[name]), value.numpy(), atol=1e-5, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("name", ["adaptive", "evolved-noise"])
def test_two_epochs_with_optax_are_a_plain_loop(name: str) -> None:
    optax = pytest.importorskip("optax", reason="needs optax")
    with precision(32):
        x, y = (values.numpy() for values in plain_loop.task(wrong=12))
        loss, optimizer = functional(name), optax.sgd(plain_loop.RATE)
        params = in_jax(plain_loop.network())
        moments, state = optimizer.init(params), loss.init_state(plain_loop.CLASSES, n_samples=len(x))

        @jax.jit
        def step(params: Any, moments: Any, state: Any, x: Any, y: Any) -> Any:
            def cost(params: Any) -> Any:
                first, last = params["first"], params["last"]
                hidden = jax.nn.relu(x @ first["kernel"] + first["bias"])
                return loss(state, hidden @ last["kernel"] + last["bias"], y)

            grads, after = jax.grad(cost, has_aux=True)(params)
            updates, moments = optimizer.update(grads, moments, params)
            return optax.apply_updates(params, updates), moments, after

        for epoch in range(2):
            for index in plain_loop.batches(epoch):
                params, moments, state = step(params, moments, state, x[index], y[index])
    criterion = make_loss(name)
    model, _ = plain_loop.train_plainly(criterion, wrong=12)
    assert_same_training(params, state, model, criterion)


def test_two_epochs_of_flax_are_a_plain_loop_and_resume_from_a_file(tmp_path: Path) -> None:
    """Statistics are a variable of the model, beside its parameters, and so are in what is saved of it."""
    pytest.importorskip("flax", reason="needs flax")
    from flax import nnx

    loss = functional("adaptive")

    class Statistics(nnx.Variable):  # type: ignore[misc, unused-ignore]
        pass

    class Network(nnx.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self, rngs: Any) -> None:
            self.first = nnx.Linear(plain_loop.FEATURES, 8, rngs=rngs)
            self.last = nnx.Linear(8, plain_loop.CLASSES, rngs=rngs)
            self.statistics = Statistics(loss.init_state(plain_loop.CLASSES, n_samples=plain_loop.N))

        def __call__(self, x: Any) -> Any:
            return self.last(jax.nn.relu(self.first(x)))

    names = loss.init_state(plain_loop.CLASSES, n_samples=plain_loop.N).keys()

    def state_of(model: Any) -> dict[str, Any]:
        return {name: model.statistics[name] for name in names}

    @nnx.jit
    def step(model: Any, x: Any, y: Any) -> None:
        def cost(model: Any) -> Any:
            return loss(state_of(model), model(x), y)

        grads, after = nnx.grad(cost, has_aux=True)(model)
        model.statistics = Statistics(after)
        moved = jax.tree.map(
            lambda old, slope: old - plain_loop.RATE * slope, nnx.state(model, nnx.Param), grads
        )
        nnx.update(model, moved)

    def epoch(model: Any, number: int) -> None:
        for index in plain_loop.batches(number):
            step(model, x[index], y[index])

    with precision(32):
        x, y = (values.numpy() for values in plain_loop.task(wrong=12))
        begun, resumed = Network(nnx.Rngs(0)), Network(nnx.Rngs(1))
        for name, layer in in_jax(plain_loop.network()).items():
            own = getattr(begun, name)
            own.kernel, own.bias = nnx.Param(layer["kernel"]), nnx.Param(layer["bias"])
        epoch(begun, 0)
        np.savez(tmp_path / "half.npz", *jax.tree.leaves(nnx.state(begun)))
        with np.load(tmp_path / "half.npz") as saved:
            leaves = [jnp.asarray(saved[name]) for name in saved.files]
        nnx.update(resumed, jax.tree.unflatten(jax.tree.structure(nnx.state(resumed)), leaves))
        for model in (begun, resumed):
            epoch(model, 1)
    criterion = make_loss("adaptive")
    expected, _ = plain_loop.train_plainly(criterion, wrong=12)
    for model in (begun, resumed):
        assert_same_training(nnx.state(model, nnx.Param), state_of(model), expected, criterion)
