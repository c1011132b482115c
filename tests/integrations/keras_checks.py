"""Checks of the losses for Keras, on the backend that KERAS_BACKEND names; test_keras.py runs them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch

from evoloss import functional, make_loss
from evoloss.integrations.keras import EvolvedLoss, TrainingState

# What Keras says to NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
RNG = np.random.default_rng(0)
LOGITS = (3 * RNG.normal(size=(12, 5))).astype(np.float32)
LABELS = RNG.integers(5, size=12)
STATELESS = ["evolved-base", "evolved-small", "evolved-noise", "evolved-noise-long", "gce:q=0.5", "focal"]
BACKEND = keras.backend.backend()


def cost(loss: Any, *call: Any, **more: Any) -> Any:
    return keras.ops.convert_to_numpy(loss(*call, **more))


def reference(name: str, logits: Any = LOGITS, target: Any = LABELS, **options: Any) -> Any:
    return make_loss(name, **options)(torch.from_numpy(logits), torch.from_numpy(target)).numpy()


@pytest.mark.parametrize("name", STATELESS)
def test_values_are_those_of_torch(name: str) -> None:
    mean = cost(EvolvedLoss(name, from_logits=True), LABELS, LOGITS)
    assert mean == pytest.approx(reference(name), rel=1e-4)
    each = cost(EvolvedLoss(name, from_logits=True, reduction="none"), LABELS[:, None], LOGITS)
    np.testing.assert_allclose(each, reference(name, reduction="none"), rtol=2e-4, atol=1e-5)
    total = cost(EvolvedLoss(name, from_logits=True, reduction="sum", label_smoothing=0.1), LABELS, LOGITS)
    assert total == pytest.approx(reference(name, reduction="sum", label_smoothing=0.1), rel=1e-4)


def slope_of(loss: Any, labels: Any, logits: Any) -> Any:
    """The gradient of the sum of costs by the logits."""
    if BACKEND == "torch":
        leaf = torch.from_numpy(logits).requires_grad_()
        return torch.autograd.grad(loss(labels, leaf).sum(), leaf)[0].numpy()
    import jax

    return np.asarray(jax.jit(jax.grad(lambda logits: loss(labels, logits).sum()))(logits))


def assert_close(mine: Any, expected: Any) -> None:
    np.testing.assert_allclose(mine, expected.detach().numpy(), atol=1e-9, rtol=1e-6)


@pytest.fixture
def _double_precision() -> Iterator[None]:
    if BACKEND == "torch":
        yield
        return
    import jax

    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


@pytest.mark.usefixtures("_double_precision")
@pytest.mark.parametrize("n_classes", [2, 10, 100, 1000])
@pytest.mark.parametrize("name", ["evolved-base", "evolved-noise", "adaptive"])
def test_costs_and_gradients_are_those_of_torch_at_every_class_count(name: str, n_classes: int) -> None:
    """Of ``adaptive`` over two epochs of four batches."""
    keeps_state = name == "adaptive"
    generator, options = np.random.default_rng(n_classes), {"n_samples": 64} if keeps_state else {}
    mine = EvolvedLoss(name, from_logits=True, reduction="none", dtype="float64")
    theirs = functional(name, reduction="none", **options)
    state, layer = theirs.init_state(n_classes), TrainingState("adaptive", n_samples=64, dtype="float64")

    def afterwards(labels: Any, logits: Any) -> Any:
        return mine(labels, layer(logits, training=False) if keeps_state else logits)

    for step in range(8 if keeps_state else 1):
        logits = (1 + step) * generator.normal(size=(16, n_classes))
        labels = np.where(np.arange(16) % 2, logits.argmax(1), generator.integers(n_classes, size=16))
        leaf = torch.from_numpy(logits).requires_grad_()
        expected, state = theirs(state, leaf, torch.from_numpy(labels))
        costs = mine(labels, layer(logits, training=True) if keeps_state else logits)
        assert_close(keras.ops.convert_to_numpy(costs), expected)
    assert_close(slope_of(afterwards, labels, logits), torch.autograd.grad(expected.sum(), leaf)[0])
    if keeps_state:
        assert float(state["completed"]) == 1
        for entry, value in layer.statistics().items():
            found = keras.ops.convert_to_numpy(value)
            np.testing.assert_allclose(found, state[entry].numpy(), atol=1e-6, rtol=1e-6, err_msg=entry)


@pytest.mark.parametrize("name", ["evolved-base", "evolved-noise"])
def test_probabilities_as_predictions_and_as_soft_labels(name: str) -> None:
    probs = torch.from_numpy(LOGITS).softmax(1).numpy()
    assert cost(EvolvedLoss(name), LABELS, probs) == pytest.approx(reference(name), rel=1e-4)
    soft = torch.from_numpy(RNG.normal(size=(12, 5)).astype(np.float32)).softmax(1).numpy()
    mine = cost(EvolvedLoss(name, from_logits=True), soft, LOGITS)
    assert mine == pytest.approx(reference(name, target=soft), rel=1e-4)


def test_weights_of_samples_and_classes_to_ignore_are_those_of_keras() -> None:
    weights = RNG.random(12).astype(np.float32)
    for reduction in ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", None):
        own = keras.losses.SparseCategoricalCrossentropy(True, ignore_class=2, reduction=reduction)
        mine = EvolvedLoss("cross_entropy", from_logits=True, ignore_class=2, reduction=reduction)
        for given in (None, weights):
            np.testing.assert_allclose(
                cost(mine, LABELS, LOGITS, sample_weight=given),
                cost(own, LABELS, LOGITS, sample_weight=given),
                rtol=1e-5,
            )
    images = RNG.normal(size=(2, 3, 4, 5)).astype(np.float32)
    marked = RNG.integers(5, size=(2, 3, 4))
    own = keras.losses.SparseCategoricalCrossentropy(True)
    assert cost(EvolvedLoss("cross_entropy", from_logits=True), marked, images) == pytest.approx(
        cost(own, marked, images), rel=1e-5
    )


def test_the_configuration_makes_the_same_loss() -> None:
    loss = EvolvedLoss("gce:q=0.5", from_logits=True, ignore_class=1, label_smoothing=0.1, reduction="sum")
    again = EvolvedLoss.from_config(loss.get_config())
    assert again.get_config() == loss.get_config()
    other = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert isinstance(other, EvolvedLoss)
    assert cost(other, LABELS, LOGITS) == cost(loss, LABELS, LOGITS)


def blobs(n: int = 1200, share: float = 0.3) -> tuple[Any, Any, Any]:
    """Inputs, labels of which a share is drawn anew, and true classes."""
    generator = np.random.default_rng(1)
    centres = 1.5 * generator.normal(size=(4, 8))
    true = generator.integers(4, size=n)
    x = (centres[true] + generator.normal(size=(n, 8))).astype(np.float32)
    wrong = generator.random(n) < share
    return x, np.where(wrong, generator.integers(4, size=n), true), true


def model(*last: Any) -> Any:
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(4), *last])


def test_a_model_trains_and_is_saved_with_its_loss(tmp_path: Path) -> None:
    x, y, true = blobs()
    network = model()
    network.compile(keras.optimizers.Adam(0.01), EvolvedLoss("evolved-noise", from_logits=True))
    network.fit(x, y, batch_size=100, epochs=4, verbose=0)
    assert (network.predict(x, verbose=0).argmax(1) == true).mean() > 0.9
    network.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.loss.get_config() == network.loss.get_config()
    assert again.evaluate(x, y, verbose=0) == pytest.approx(network.evaluate(x, y, verbose=0), rel=1e-5)


def test_fit_with_a_state_is_a_plain_loop_of_torch() -> None:
    """One layer of zeros by SGD, in Keras and in a plain loop over the pure function of PyTorch."""
    x, y, _ = blobs(400)
    layer = TrainingState("adaptive", n_samples=400)
    dense = keras.layers.Dense(4, kernel_initializer="zeros")
    network = keras.Sequential([keras.Input((8,)), dense, layer])
    network.compile(keras.optimizers.SGD(0.2), EvolvedLoss("adaptive", from_logits=True))
    network.fit(x, y, batch_size=40, epochs=3, shuffle=False, verbose=0, validation_data=(x[:50], y[:50]))
    loss = functional("adaptive", n_samples=400)
    state, linear = loss.init_state(4), torch.nn.Linear(8, 4)
    for parameter in linear.parameters():
        torch.nn.init.zeros_(parameter)
    step = torch.optim.SGD(linear.parameters(), 0.2)
    for _ in range(3):
        for rows, labels in zip(torch.from_numpy(x).split(40), torch.from_numpy(y).split(40), strict=True):
            step.zero_grad()
            value, state = loss(state, linear(rows), labels)
            value.backward()
            step.step()
    kernel = keras.ops.convert_to_numpy(dense.kernel)
    np.testing.assert_allclose(kernel.T, linear.weight.detach().numpy(), atol=1e-6)
    for name, value in layer.statistics().items():
        mine = keras.ops.convert_to_numpy(value)
        np.testing.assert_allclose(mine, state[name].numpy(), atol=1e-4, rtol=1e-3)
    assert float(state["completed"]) == 2
    assert str(layer.noise_rate) == str(loss.noise_rate(state))


def test_a_state_survives_saving_and_the_training_goes_on(tmp_path: Path) -> None:
    x, y, _ = blobs(400)

    def training(network: Any, epochs: int) -> None:
        network.fit(x, y, batch_size=40, epochs=epochs, shuffle=False, verbose=0)

    def made() -> Any:
        network = model(TrainingState("adaptive", n_samples=400))
        network.compile(keras.optimizers.Adam(0.01), EvolvedLoss("adaptive", from_logits=True))
        return network

    whole, half = made(), made()
    training(whole, 4)
    training(half, 2)
    half.save(tmp_path / "half.keras")
    again = keras.saving.load_model(tmp_path / "half.keras")
    assert float(keras.ops.convert_to_numpy(again.layers[-1].statistics()["completed"])) >= 1
    training(again, 2)
    for mine, expected in zip(again.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(mine, expected, atol=1e-5, rtol=1e-4)
    assert str(again.layers[-1].noise_rate) == str(whole.layers[-1].noise_rate)
    before = again.get_weights()
    again.evaluate(x, y, verbose=0)
    for mine, expected in zip(again.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, expected)


def test_mixed_precision() -> None:
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        network = model(TrainingState("adaptive", n_samples=400))
        network.compile(keras.optimizers.Adam(0.01), EvolvedLoss("adaptive", from_logits=True))
        x, y, _ = blobs(400)
        network.fit(x, y, batch_size=40, epochs=2, verbose=0)
        into = network.layers[-1].statistics()["into"]
        assert float(keras.ops.convert_to_numpy(into)) > 0
    finally:
        keras.mixed_precision.set_dtype_policy("float32")


def test_fit_ignores_a_class_as_keras_does() -> None:
    x, y, _ = blobs(80)
    own = keras.losses.SparseCategoricalCrossentropy(True, ignore_class=2)
    histories = []
    for loss in (own, EvolvedLoss("cross_entropy", from_logits=True, ignore_class=2)):
        network = model()
        network.compile(keras.optimizers.SGD(0.1), loss)
        histories.append(network.fit(x, y, batch_size=20, epochs=2, shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(histories[1], histories[0], rtol=1e-5)


def test_class_weights_of_fit_are_those_of_keras() -> None:
    x, y, _ = blobs(80)
    weights = {0: 1.0, 1: 2.0, 2: 0.5, 3: 4.0}
    kernels = []
    for loss in (
        keras.losses.SparseCategoricalCrossentropy(True),
        EvolvedLoss("cross_entropy", from_logits=True),
        EvolvedLoss("evolved-noise", from_logits=True),
    ):
        network = model()
        network.compile(keras.optimizers.SGD(0.1), loss)
        network.fit(x, y, batch_size=20, epochs=2, shuffle=False, verbose=0, class_weight=weights)
        kernels.append(keras.ops.convert_to_numpy(network.layers[-1].kernel))
    np.testing.assert_allclose(kernels[1], kernels[0], atol=1e-6)
    assert np.abs(kernels[2] - kernels[0]).max() > 1e-3


def test_class_indices_are_not_rounded_to_half_precision() -> None:
    logits = RNG.normal(size=(8, 1000)).astype(np.float32)
    labels = np.arange(990, 998)
    found = cost(EvolvedLoss("gce", from_logits=True, dtype="bfloat16"), labels, logits)
    assert found == pytest.approx(reference("gce", logits, labels), rel=1e-4)


def test_predictions_know_whether_they_are_of_the_training() -> None:
    layer, loss = TrainingState("adaptive", n_samples=40), EvolvedLoss("adaptive", from_logits=True)
    seen, others = layer(LOGITS, training=True), layer(LOGITS, training=False)
    for predictions, into in ((others, 0), (seen, 12), (seen, 12), (layer(LOGITS, training=True), 24)):
        loss(LABELS, predictions)
        assert float(keras.ops.convert_to_numpy(layer.statistics()["into"])) == into


@pytest.mark.parametrize("name", ["evolved-noise", "adaptive"])
def test_positions_that_are_masked_are_no_part_of_the_batch(name: str) -> None:
    """Of sequences of numbers of which 0 is a filling."""
    x = np.array([[1, 2, 3, 0], [4, 1, 0, 0]])
    y = np.array([[0, 1, 2, 0], [1, 2, 0, 0]])
    layers = [keras.Input((4,)), keras.layers.Embedding(5, 3, mask_zero=True), keras.layers.Dense(3)]
    keras.utils.set_random_seed(0)
    network = keras.Sequential([*layers, *([TrainingState(name, n_samples=5)] if name == "adaptive" else [])])
    network.compile(keras.optimizers.SGD(0.0), EvolvedLoss(name, from_logits=True))
    found = network.fit(x, y, batch_size=2, verbose=0).history["loss"][0]
    logits = torch.from_numpy(network.predict(x, verbose=0)[x > 0])
    loss = functional(name, **({"n_samples": 5} if name == "adaptive" else {}))
    expected, state = loss(loss.init_state(3), logits, torch.from_numpy(y[x > 0]))
    assert found == pytest.approx(expected.item(), rel=1e-5)
    if name == "adaptive":
        into = network.layers[-1].statistics()["into"]
        assert float(keras.ops.convert_to_numpy(into)) == float(state["into"]) == 5
