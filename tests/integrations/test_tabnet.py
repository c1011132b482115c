"""Losses in TabNetClassifier: ``fit(loss_fn=...)``, and nothing else."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evoloss import make_loss
from tests.integrations.plain_loop import CLASSES, assert_same_state, task, weights

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("pytorch_tabnet")
    from pytorch_tabnet.tab_model import TabNetClassifier

# Its word on devices, and what it imports.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Device used"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:No early stopping"),
]

N, BATCH, RATE = 96, 32, 0.1
NAMES = np.array(["oak", "elm", "ash"])


def data() -> tuple[Any, Any]:
    x, y = task(N)
    return x.numpy(), y.numpy()


def classifier() -> Any:
    return TabNetClassifier(
        n_d=4, n_a=4, n_steps=2, optimizer_fn=torch.optim.SGD, optimizer_params={"lr": RATE}, verbose=0,
        lambda_sparse=1e-3, clip_value=0, seed=5, device_name="cpu",
    )  # fmt: skip


def fitted(loss: Any, model: Any = None, *, epochs: int = 2, names: bool = False, **options: Any) -> Any:
    x, y = data()
    given = {"batch_size": BATCH, "compute_importance": False} | options
    model = classifier() if model is None else model
    model.fit(x, NAMES[y] if names else y, loss_fn=loss, max_epochs=epochs, **given)
    return model


def train_plainly(criterion: nn.Module, epochs: int = 2) -> Any:
    """The network of the classifier after a plain loop: loss less sparsity, in shuffled batches."""
    (x, y), model = data(), fitted(None, epochs=0)
    network = model.network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE)
    set_ = torch.utils.data.TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
    loader = torch.utils.data.DataLoader(set_, BATCH, shuffle=True, drop_last=True)
    for _ in range(epochs):
        for input, target in loader:
            logits, sparsity = network(input)
            cost = criterion(logits, target) - 1e-3 * sparsity
            optimizer.zero_grad()
            cost.backward()
            optimizer.step()
    return network


@pytest.mark.parametrize("name", ["gce", "evolved-noise", "adaptive"])
@pytest.mark.parametrize("names", [False, True])
def test_two_epochs_are_a_plain_loop(name: str, names: bool) -> None:
    options = {"n_samples": N} if name == "adaptive" else {}
    expected, found = make_loss(name, **options), make_loss(name, **options)
    if names:  # classes are sorted by name: ash, elm, oak
        assert sorted(NAMES) == list(NAMES[[2, 1, 0]])
        network = train_plainly(lambda logits, target: expected(logits, CLASSES - 1 - target))
    else:
        network = train_plainly(expected)
    model = fitted(found, names=names)
    begin = weights(fitted(None, epochs=0).network)
    assert (weights(network) - begin).abs().max() > 1e-2
    assert weights(model.network) == pytest.approx(weights(network), abs=1e-6)
    assert_same_state(expected, found)


def test_a_fit_that_goes_on_goes_on_with_the_statistics(tmp_path: Path) -> None:
    """Its files hold the network alone: the state of a loss is saved beside them."""
    whole, first, second = (make_loss("adaptive", n_samples=N) for _ in range(3))
    fitted(whole, epochs=4)
    model = fitted(first)
    random = torch.get_rng_state()  # a fit that is not stopped goes on with the random numbers too
    torch.save(first.state_dict(), tmp_path / "loss.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = model.save_model(str(tmp_path / "model"))
        again = classifier()
        again.load_model(path)
    again.optimizer_fn = torch.optim.SGD  # of which the file knows nothing
    second.load_state_dict(torch.load(tmp_path / "loss.pt", weights_only=True))
    torch.set_rng_state(random)
    fitted(second, again, warm_start=True)
    assert float(second.loss_state.get_buffer("completed")) == float(whole.loss_state.get_buffer("completed"))
    assert_same_state(whole, second)


def test_class_weights_are_given_to_the_loss() -> None:
    """``weights=`` draws samples more often; the factors of a loss are those of the loss."""
    weight = torch.tensor([1.0, 5.0, 0.2])
    model = fitted(make_loss("gce", weight=weight))
    network = train_plainly(make_loss("gce", weight=weight))
    assert weights(model.network) == pytest.approx(weights(network), abs=1e-6)
    assert fitted(make_loss("gce"), weights=1).predict(data()[0]).shape == (N,)
