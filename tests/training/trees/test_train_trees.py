"""A training of boosted trees gives what a training of a network gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from evoloss import make_loss
from evoloss.data import Dataset
from evoloss.errors import ConfigError, DataError, MissingExtraError, UnknownNameError
from evoloss.training import EpochRecord, RunResult, TrainConfig, train, train_and_observe
from evoloss.training.trees import parameters
from evoloss.training.trees.classifier import GrownTrees
from evoloss.training.trees.own_objective import LibraryObjective
from evoloss.training.trees.parameters import PARAMETERS, TreeSpec
from evoloss.training.trees.train_trees import MODEL_FILES, try_trees
from tests.training.blobs import feature_blobs, image_blobs

every_library = pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
# Blobs are few: LightGBM wants 20 rows a leaf by default.
SMALL = {"xgboost": "xgboost:max_depth=3", "lightgbm": "lightgbm:min_child_samples=2,num_leaves=8"}


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def config(**settings: Any) -> TrainConfig:
    return TrainConfig(**{"epochs": 12, "lr": 0.3, "early_stopping": 4, **settings})


def loss_of(name: str) -> nn.Module:
    return LibraryObjective(name) if name in MODEL_FILES else make_loss(name)


def clusters(n_classes: int = 3, **settings: Any) -> Dataset:
    return feature_blobs(n_classes=n_classes, spread=1.5, **settings)


@every_library
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("loss", ["own", "evolved-noise", "adaptive"])
def test_trees_learn_and_are_judged(library: str, n_classes: int, loss: str) -> None:
    pytest.importorskip(library)
    data, name = clusters(n_classes), library if loss == "own" else loss
    found, outcome = train_and_observe(data, SMALL[library], loss_of(name), config(), loss_name=name)
    assert found.test_accuracy is not None
    assert found.test_accuracy > 100 / n_classes + 20
    assert found.best_test_accuracy == found.test_accuracy
    assert 1 <= found.best_epoch <= len(found.history.train_loss) <= 12
    assert (found.device, found.augment, found.epochs, found.n_classes) == ("cpu", "none", 12, n_classes)
    assert outcome.test_logits is not None
    right = (outcome.test_logits.argmax(dim=1) == data.test.labels).double().mean()
    assert found.test_accuracy == pytest.approx(100 * float(right))
    assert found.test_nll == pytest.approx(float(F.cross_entropy(outcome.test_logits, data.test.labels)))
    assert found.history.validation_accuracy[found.best_epoch - 1] == found.best_validation_accuracy
    assert (found.noise_rate is None) == (loss != "adaptive")
    assert RunResult.from_dict(found.as_dict()) == found


@every_library
def test_what_is_saved_is_what_predicted(library: str) -> None:
    pytest.importorskip(library)
    for n_classes in (2, 3):
        data = clusters(n_classes)
        found, outcome = train_and_observe(data, SMALL[library], make_loss("gce"), config())
        assert outcome.model_file is not None
        assert outcome.model_file.name == MODEL_FILES[library]
        trees = GrownTrees(SMALL[library], outcome.model_file.content, n_features=6, n_classes=n_classes)
        torch.testing.assert_close(trees(data.test.inputs), outcome.test_logits)
        assert found.n_parameters > found.best_epoch  # more leaves than rounds
        with pytest.raises(ConfigError, match=r"cannot read its trees|scores a row"):
            GrownTrees(SMALL[library], outcome.model_file.content, n_features=6, n_classes=4)
        with pytest.raises(ConfigError, match="cannot read its trees"):
            GrownTrees(SMALL[library], b"none", n_features=6, n_classes=n_classes)


@every_library
def test_the_own_objective_is_that_of_the_library(library: str) -> None:
    data, rounds = clusters(), 5
    own = f"{library}:subsample=1,max_depth=3"
    found, outcome = train_and_observe(
        data, own, LibraryObjective(library), config(epochs=rounds, early_stopping=None)
    )
    x, y = data.train.inputs.numpy(), data.train.labels.numpy()
    settings: dict[str, Any] = {"num_class": 3, "learning_rate": 0.3, "max_depth": 3}
    if library == "xgboost":
        xgb = pytest.importorskip("xgboost")
        settings |= {"objective": "multi:softprob", "nthread": 1}
        booster = xgb.train(settings, xgb.DMatrix(x, y), rounds)
        expected = booster.predict(xgb.DMatrix(data.test.inputs.numpy()))
    else:
        lgb = pytest.importorskip("lightgbm")
        settings |= {"objective": "multiclass", "num_threads": 1, "verbose": -1}
        expected = lgb.train(settings, lgb.Dataset(x, y), rounds).predict(data.test.inputs.numpy())
    assert outcome.test_logits is not None
    np.testing.assert_allclose(outcome.test_logits.softmax(dim=1), expected, atol=1e-5)
    assert len(found.history.train_loss) == rounds
    assert found.history.train_loss[-1] < found.history.train_loss[0]  # type: ignore[operator]


@every_library
def test_without_early_stopping_the_last_round_is_judged_and_the_best_told(library: str) -> None:
    pytest.importorskip(library)
    noisy = config(epochs=25, early_stopping=None, label_noise=0.4, lr=0.5, validation_noise=True)
    data = clusters()
    found, outcome = train_and_observe(data, SMALL[library], LibraryObjective(library), noisy)
    assert len(found.history.validation_accuracy) == 25
    assert found.best_epoch < 25
    assert found.validation_accuracy == found.history.validation_accuracy[-1]
    short = replace(noisy, epochs=found.best_epoch)
    best = train(data, SMALL[library], LibraryObjective(library), short)
    assert (found.best_test_accuracy, found.best_test_nll) == (best.test_accuracy, best.test_nll)
    assert outcome.train_probs is not None
    assert outcome.train_probs.sum(dim=1) == pytest.approx(1, abs=1e-5)


@every_library
def test_early_stopping_ends_the_rounds(library: str) -> None:
    pytest.importorskip(library)
    calls: list[EpochRecord] = []
    found = train(
        feature_blobs(spread=0.2),
        SMALL[library],
        make_loss("mae"),
        config(epochs=200, early_stopping=3, lr=1.0),
        on_epoch=calls.append,
    )
    seen = len(found.history.validation_accuracy)
    assert seen == len(calls) < 200
    assert calls == found.epoch_records()
    assert found.best_epoch >= seen - 3


@every_library
def test_the_seed_decides(library: str) -> None:
    pytest.importorskip(library)
    data, loss = clusters(), make_loss("evolved-noise")

    def logits(seed: int, **settings: Any) -> Any:
        return train_and_observe(data, SMALL[library], loss, config(seed=seed, **settings))[1].test_logits

    state = torch.random.get_rng_state()
    assert torch.equal(logits(0), logits(0))
    assert not torch.equal(logits(0), logits(1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not TreeSpec.parse(f"{library}:subsample=1").is_random
    assert TreeSpec.parse(library).is_random


@every_library
def test_class_weights_are_weights_of_samples(library: str) -> None:
    pytest.importorskip(library)
    data = clusters(2)
    rare = (data.train.labels == 0) | (torch.arange(len(data.train)) % 12 == 1)
    few = replace(data, train=type(data.train)(data.train.inputs[rare], data.train.labels[rare]))
    counts = torch.bincount(few.train.labels)
    assert counts[0] > 5 * counts[1]
    for name in (library, "gce"):
        plain, balanced = (
            train_and_observe(
                few,
                SMALL[library],
                loss_of(name),
                config(epochs=8, early_stopping=None, class_weights=weights),
            )[1]
            for weights in ("none", "balanced")
        )
        assert plain.test_logits is not None
        assert balanced.test_logits is not None
        means = [found.softmax(dim=1)[:, 1].mean() for found in (plain.test_logits, balanced.test_logits)]
        assert means[1] > means[0] + 0.01, name


@every_library
def test_what_is_watched_takes_no_part(library: str) -> None:
    pytest.importorskip(library)
    data = clusters()
    found, outcome = train_and_observe(data, SMALL[library], make_loss("gce"), config(), watched=data.test)
    torch.testing.assert_close(outcome.held_out_logits, outcome.test_logits)
    assert outcome.held_out_probs is not None
    assert outcome.held_out_probs.sum(dim=1) == pytest.approx(1, abs=1e-5)
    alone = train(data, SMALL[library], make_loss("gce"), config())
    assert replace(alone, train_seconds=0) == replace(found, train_seconds=0)


@every_library
def test_images_are_taken_pixel_by_pixel(library: str) -> None:
    pytest.importorskip(library)
    found = train(image_blobs(), SMALL[library], LibraryObjective(library), config())
    assert found.test_accuracy is not None
    assert found.test_accuracy > 70


@pytest.mark.parametrize(
    ("act", "error", "said"),
    [
        (lambda: TreeSpec.parse("catboost"), UnknownNameError, "no library of boosted trees 'catboost'"),
        (lambda: TreeSpec.parse("xgboost:depth=3"), UnknownNameError, "Did you mean 'max_depth'"),
        (lambda: TreeSpec.parse("xgboost:max_depth"), ConfigError, "as in xgboost:max_depth=4"),
        (lambda: TreeSpec.parse("lightgbm:objective=mae"), UnknownNameError, "no lightgbm parameter"),
        (
            lambda: try_trees("xgboost:max_depth=deep", "gce", make_loss("gce"), n_classes=3),
            ConfigError,
            "xgboost:max_depth=deep with the loss gce: .*max_depth",
        ),
        (
            lambda: try_trees("lightgbm:num_leaves=0", "gce", make_loss("gce"), n_classes=3),
            ConfigError,
            "lightgbm:num_leaves=0 with the loss gce: .*num_leaves",
        ),
        (
            lambda: try_trees("xgboost", "dal", make_loss("dal"), n_classes=3),
            ConfigError,
            "loss dal with xgboost: .*trees do not say",
        ),
        (
            lambda: try_trees("xgboost", "lightgbm", LibraryObjective("lightgbm"), n_classes=3),
            ConfigError,
            "lightgbm has an objective of its own, which xgboost has not",
        ),
        (
            lambda: train(
                replace(
                    clusters(), validation=type(clusters().test)(torch.zeros(0, 6), torch.zeros(0).long())
                ),
                "xgboost",
                make_loss("gce"),
                config(),
            ),
            DataError,
            "no validation split",
        ),
    ],
)
def test_mistakes_are_said(act: Callable[[], Any], error: type[Exception], said: str) -> None:
    pytest.importorskip("xgboost")
    pytest.importorskip("lightgbm")
    with pytest.raises(error, match=said):
        act()


@every_library
def test_every_parameter_is_one_of_the_library(library: str, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip(library)
    values = {"grow_policy": "depthwise", "tree_method": "hist", "extra_trees": "true", "num_leaves": "4"}
    values |= {"max_bin": "8", "max_leaves": "4", "max_depth": "2", "min_child_samples": "2"}
    for name in PARAMETERS[library]:
        found = train(
            clusters(),
            f"{library}:{name}={values.get(name, '0.5')}",
            LibraryObjective(library),
            config(epochs=1),
        )
        assert found.n_parameters >= 3, name
    assert "nknown parameter" not in "".join(capfd.readouterr())


def test_a_library_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(parameters, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"'lightgbm' needs lightgbm, .*pip install 'evoloss\[light"):
        train(clusters(), "lightgbm", make_loss("gce"), config())


def test_numbers_that_run_away_end_a_training() -> None:
    pytest.importorskip("xgboost")
    found, outcome = train_and_observe(
        clusters(), "xgboost:reg_lambda=0,min_child_weight=0", make_loss("mae"), config(lr=1e38)
    )
    assert found.diverged
    assert outcome.test_logits is None
    assert found.test_accuracy == pytest.approx(100 / 3)


def test_too_few_rows_for_a_leaf_are_said() -> None:
    pytest.importorskip("lightgbm")
    few = clusters(n_train=30)
    with pytest.raises(DataError, match=r"no feature to split in 30 rows.*lightgbm:min_child_samples=5"):
        train(few, "lightgbm", make_loss("gce"), config())
    assert train(few, "lightgbm:min_child_samples=5", make_loss("gce"), config()).n_parameters > 10
