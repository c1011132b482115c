"""The classifier for scikit-learn: its checks, what tools do with it, and a plain loop."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.model_selection import GridSearchCV, cross_val_predict, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator
from torch import nn

from evoloss import make_loss
from evoloss.errors import ConfigError, UnknownNameError
from evoloss.integrations.sklearn import EvolvedClassifier


def iris() -> tuple[Any, Any]:
    x, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(x), y


@pytest.mark.parametrize("loss", ["gce", pytest.param("adaptive", marks=pytest.mark.slow)])
def test_it_passes_all_checks_of_scikit_learn(loss: str) -> None:
    check_estimator(EvolvedClassifier(loss), on_skip=None)  # array_api is skipped without its setting


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("loss", ["evolved-noise", "adaptive"])
def test_two_epochs_are_those_of_a_plain_loop(optimizer: str, loss: str) -> None:
    x, y = iris()
    made = EvolvedClassifier(
        loss, optimizer=optimizer, batch_size=32, max_iter=2, random_state=5, hidden_layer_sizes=(8,)
    ).fit(x, y)
    seed = int(np.random.RandomState(5).randint(2**31 - 1))
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)).double()
    kind = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}[optimizer]
    more = {"momentum": 0.9} if optimizer == "sgd" else {}
    step = kind(module.parameters(), lr=0.01, weight_decay=0.0005, **more)
    criterion = make_loss(loss)
    criterion.plan_training(n_samples=len(y))  # type: ignore[operator]
    order = torch.Generator().manual_seed(seed)
    for _ in range(2):
        for rows in torch.randperm(len(y), generator=order).tensor_split(5):
            step.zero_grad()
            criterion(module(torch.from_numpy(x)[rows]), torch.from_numpy(y)[rows]).backward()
            step.step()
    expected = module(torch.from_numpy(x)).softmax(1).detach().numpy()
    assert made.predict_proba(x) == pytest.approx(expected, abs=1e-6)


def test_wrong_labels_are_sensed_and_withstood() -> None:
    x, y = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x / 16, y, random_state=0)
    random = np.random.default_rng(0)
    given = np.where(random.random(len(y)) < 0.4, (y + random.integers(1, 10, len(y))) % 10, y)
    settings = {
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "batch_size": 64,
        "max_iter": 30,
        "random_state": 0,
    }
    plain = EvolvedClassifier("cross_entropy", **settings).fit(x, given)
    adaptive = EvolvedClassifier(**settings).fit(x, given)
    assert adaptive.score(x_test, y_test) > plain.score(x_test, y_test) + 0.05
    assert 0.2 < adaptive.noise_rate_.estimate < 0.6


def test_losses_are_searched_and_classes_keep_their_names() -> None:
    x, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    search = GridSearchCV(
        make_pipeline(StandardScaler(), EvolvedClassifier(max_iter=30, random_state=0)),
        {"evolvedclassifier__loss": ["cross_entropy", "gce", "evolved-base"]},
        cv=3,
    ).fit(x, names)
    assert search.best_score_ > 0.9
    assert set(search.predict(x)) == set(names)


def test_it_is_pickled_and_cloned_with_a_loss_as_object() -> None:
    x, y = iris()
    made = EvolvedClassifier(make_loss("gce", q=0.5), max_iter=5, random_state=0).fit(x, y)
    again = pickle.loads(pickle.dumps(made))
    assert np.array_equal(again.predict_proba(x), made.predict_proba(x))
    assert np.array_equal(clone(made).fit(x, y).predict_proba(x), made.predict_proba(x))


def test_a_warm_start_goes_on() -> None:
    x, y = iris()
    settings = {"max_iter": 3, "random_state": 0, "optimizer": "sgd"}
    once = EvolvedClassifier("gce", **settings).fit(x, y)
    warm = EvolvedClassifier("gce", **settings, warm_start=True).fit(x, y)
    assert np.array_equal(once.predict_proba(x), warm.predict_proba(x))
    first = warm.loss_curve_[0]
    assert warm.fit(x, y).loss_curve_[0] < first
    with pytest.raises(ValueError, match="warm_start: classes"):
        warm.fit(x, y + 1)


def test_a_warm_start_with_another_loss_trains_with_that() -> None:
    x, y = iris()
    settings = {"max_iter": 3, "random_state": 0, "warm_start": True}
    model = EvolvedClassifier("gce", **settings).fit(x, y)
    first = model.loss_
    assert model.fit(x, y).loss_ is first
    before = model.predict_proba(x)
    model.set_params(loss="adaptive").fit(x, y)
    assert model.loss_ is not first
    assert f"n_samples is {len(x)}" in str(model.noise_rate_)
    assert np.abs(model.predict_proba(x) - before).max() < 0.5, "the network is not a new one"
    own = make_loss("gce", q=0.3)
    third = model.set_params(loss=own).fit(x, y).loss_
    assert third.q == 0.3
    assert pickle.loads(pickle.dumps(model)).fit(x, y).loss_.q == 0.3


def test_no_sample_is_a_batch_by_itself() -> None:
    """Batch normalisation cannot take one, nor does a paced loss learn from one."""
    x, y = iris()

    def normalised(features: int, classes: int) -> nn.Module:
        return nn.Sequential(nn.Linear(features, 8), nn.BatchNorm1d(8), nn.Linear(8, classes))

    for n in (3, 5, 149):
        places = np.r_[0, 50, 100:150, 0:100][:n]
        model = EvolvedClassifier("gce", module=normalised, batch_size=2, max_iter=1, random_state=0)
        assert model.fit(x[places], y[places]).n_iter_ == 1
    with pytest.raises(ConfigError, match="batch normalisation has nothing to go by in a batch of one"):
        EvolvedClassifier("gce", module=normalised, batch_size=1, max_iter=1).fit(x, y)
    assert EvolvedClassifier("gce", batch_size=1, max_iter=1).fit(x, y).n_iter_ == 1


def test_early_stopping_keeps_the_best_epoch() -> None:
    x, y = iris()
    made = EvolvedClassifier(
        "gce", early_stopping=True, validation_fraction=0.3, n_iter_no_change=4, max_iter=200, random_state=0
    ).fit(x, y)
    best = int(np.argmax(made.validation_scores_))
    assert made.n_iter_ == len(made.validation_scores_) == best + 1 + 4
    seed = int(np.random.RandomState(0).randint(2**31 - 1))
    _, x_held, _, y_held = train_test_split(x, y, test_size=0.3, random_state=seed, stratify=y)
    assert made.score(x_held, y_held) == pytest.approx(max(made.validation_scores_))


def test_class_weights_count_as_sample_weights() -> None:
    x, y = iris()
    by_class = EvolvedClassifier("gce", class_weight={0: 1, 1: 5, 2: 1}, max_iter=5, random_state=0).fit(x, y)
    weight = np.where(y == 1, 5.0, 1.0)
    by_sample = EvolvedClassifier("gce", max_iter=5, random_state=0).fit(x, y, sample_weight=weight)
    plain = EvolvedClassifier("gce", max_iter=5, random_state=0).fit(x, y)
    assert by_class.predict_proba(x) == pytest.approx(by_sample.predict_proba(x), abs=1e-12)
    assert by_class.predict_proba(x)[:, 1].mean() > plain.predict_proba(x)[:, 1].mean() + 0.01


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_of_the_loss_and_of_samples_come_in_any_size(dtype: type) -> None:
    x, y = iris()
    x = x.astype(dtype)
    settings = {"max_iter": 5, "random_state": 0, "batch_size": 150}
    by_loss = EvolvedClassifier(make_loss("gce", weight=torch.tensor([1.0, 5.0, 1.0])), **settings).fit(x, y)
    by_class = EvolvedClassifier("gce", class_weight={0: 1, 1: 5, 2: 1}, **settings).fit(x, y)
    assert by_loss.predict_proba(x) == pytest.approx(by_class.predict_proba(x), abs=1e-5)
    plain = EvolvedClassifier("gce", **settings).fit(x, y)
    for size in (1e-300, 1e300):
        scaled = EvolvedClassifier("gce", **settings).fit(x, y, sample_weight=np.full(len(y), size))
        assert np.array_equal(scaled.predict_proba(x), plain.predict_proba(x))


def test_numbers_that_run_away_are_said() -> None:
    x, y = iris()
    with pytest.raises(ValueError, match=r"left the finite numbers in epoch \d+ .*learning_rate, which is"):
        EvolvedClassifier("gce", learning_rate=1e200, optimizer="sgd", random_state=0).fit(x, y)


def test_early_stopping_has_rare_classes_and_weights() -> None:
    x, y = iris()
    rare = np.r_[[7, 7], y[2:]]
    settings = {"early_stopping": True, "max_iter": 8, "random_state": 0}
    made = EvolvedClassifier("gce", validation_fraction=0.02, **settings).fit(x, rare)  # 3 samples, 4 classes
    assert list(made.classes_) == [0, 1, 2, 7]
    weight = np.where(y == 1, 1.0, 1e-9)  # the accuracy is that of class 1
    seed = int(np.random.RandomState(0).randint(2**31 - 1))
    _, x_held, _, y_held = train_test_split(x, y, test_size=0.1, random_state=seed, stratify=y)
    made = EvolvedClassifier("gce", **settings).fit(x, y, sample_weight=weight)
    assert max(made.validation_scores_) == pytest.approx((made.predict(x_held) == 1)[y_held == 1].mean())


def test_a_warm_start_takes_data_of_another_precision() -> None:
    x, y = iris()
    made = EvolvedClassifier("gce", max_iter=3, warm_start=True, random_state=0).fit(x, y)
    first = made.loss_curve_[0]
    assert made.fit(x.astype(np.float32), y).loss_curve_[0] < first
    assert made.set_params(device="cuda:99").predict(x).shape == y.shape  # the network is where it was


def test_one_hidden_layer_is_a_number() -> None:
    x, y = iris()
    made = EvolvedClassifier("gce", hidden_layer_sizes=7, max_iter=1).fit(x, y)
    assert made.module_[0].out_features == 7


class Convolving(nn.Module):
    """Digits as images."""

    def __init__(self, n_features: int, n_classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, n_classes))
        assert n_features == 8

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layers(images[:, None])


def test_a_module_of_ones_own_takes_images() -> None:
    x, y = load_digits(return_X_y=True)
    images = (x / 16).reshape(-1, 8, 8).astype(np.float32)[:300]
    made = EvolvedClassifier("gce", module=Convolving, max_iter=10, random_state=0).fit(images, y[:300])
    assert made.score(images, y[:300]) > 0.8
    assert made.predict_proba(images).dtype == np.float32


def test_cleanlab_finds_labels_by_it() -> None:
    filter_module = pytest.importorskip("cleanlab.filter")
    x, y = iris()
    given = y.copy()
    wrong = np.arange(0, 150, 10)
    given[wrong] = (given[wrong] + 1) % 3
    model = EvolvedClassifier("evolved-noise", max_iter=40, random_state=0)
    probabilities = cross_val_predict(model, x, given, method="predict_proba", cv=5)
    found = filter_module.find_label_issues(given, probabilities, n_jobs=1)
    assert (found[wrong].mean(), np.delete(found, wrong).mean()) == (
        pytest.approx(1, abs=0.3),
        pytest.approx(0, abs=0.1),
    )


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"loss": "gse"}, UnknownNameError, "gce"),
        ({"loss": nn.Flatten()}, ConfigError, "the loss is a Flatten"),
        ({"max_iter": 0}, ConfigError, "max_iter must be a whole number of at least 1, got 0"),
        ({"batch_size": "all"}, ConfigError, 'batch_size must be a whole number of at least 1 or "auto"'),
        ({"learning_rate": 0}, ConfigError, "learning_rate must be a number above 0, got 0"),
        ({"weight_decay": -1}, ConfigError, "weight_decay must be a number of at least 0, got -1"),
        (
            {"validation_fraction": 1},
            ConfigError,
            "validation_fraction must be a number between 0 and 1, got 1",
        ),
        ({"hidden_layer_sizes": (8, 0)}, ConfigError, "hidden_layer_sizes must be whole numbers of at least"),
        ({"hidden_layer_sizes": (8.5,)}, ConfigError, "hidden_layer_sizes must be whole numbers of at least"),
        ({"device": "gpu"}, ConfigError, "device 'gpu' cannot be used here"),
        ({"device": "cuda:99"}, ConfigError, "device 'cuda:99' cannot be used here"),
        ({"optimizer": "adam"}, ConfigError, "optimizer must be 'adamw' or 'sgd', got 'adam'"),
        ({"module": lambda features, classes: 3}, ConfigError, "module made a int"),
        (
            {"module": nn.Linear(4, 7)},
            ConfigError,
            r"module makes \(1, 7\) of one sample; expected logits \(1, 3",
        ),
    ],
)
def test_misuse_is_said(settings: dict[str, Any], error: type[Exception], said: str) -> None:
    x, y = iris()
    with pytest.raises(error, match=said):
        EvolvedClassifier(**settings).fit(x, y)
