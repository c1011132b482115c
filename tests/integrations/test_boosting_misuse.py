"""Misuse of losses in XGBoost and LightGBM gets one clear error each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evoloss import make_loss
from evoloss.errors import ConfigError, UnknownNameError
from evoloss.integrations.boosting import metric, objective
from tests.integrations.test_boosting import Data
from tests.integrations.test_boosting_libraries import classifier, every_tool, table


def train(tool: str, made: Any, x: Any, y: Any, settings: dict[str, Any]) -> None:
    """One round of a library's own function."""
    library = pytest.importorskip(tool)
    if tool == "xgboost":
        library.train(settings, library.DMatrix(x, y), 1, obj=made)
    else:
        library.train({"objective": made, "verbose": -1, **settings}, library.Dataset(x, y), 1)


@every_tool
def test_misuse_of_a_classifier_is_said(tool: str) -> None:
    x, y = table("iris")
    with pytest.raises(ConfigError, match="the loss is the objective"):
        classifier(tool, objective="multi:softprob" if tool == "xgboost" else "multiclass").fit(x, y)
    with pytest.raises(ConfigError, match="the labels name 1 class"):
        classifier(tool).fit(x[:50], y[:50])
    with pytest.raises(ConfigError, match="label 2 in eval_set is none of the 2 classes"):
        classifier(tool).fit(x[:100], y[:100], eval_set=[(x, y)])
    with pytest.raises(ConfigError, match="the label of row 3 in eval_set is missing"):
        classifier(tool).fit(x, y, eval_set=[(x, np.where(np.arange(len(y)) == 3, None, y))])  # type: ignore[call-overload]
    if tool == "lightgbm":
        with pytest.raises(ConfigError, match="class_weight has 'tulip', none of the 3 classes of y"):
            classifier(tool, class_weight={"tulip": 2}).fit(x, y)
        with pytest.raises(ConfigError, match="'multi_logloss' wants probabilities"):
            classifier(tool).fit(x, y, eval_metric="multi_logloss")


@every_tool
def test_a_metric_of_the_other_library_is_said(tool: str) -> None:
    x, y = table("iris")
    other = metric("gce", 3, tool="lightgbm" if tool == "xgboost" else "xgboost")
    said = f"the metric 'gce' was made for .*, and {tool} calls it"
    if tool == "xgboost":
        xgb = pytest.importorskip(tool)
        data = xgb.DMatrix(x, y)
        with pytest.raises(ConfigError, match=said):
            xgb.train({"num_class": 3}, data, 1, evals=[(data, "")], custom_metric=other)
        with pytest.raises(ConfigError, match=said):
            classifier(tool, eval_metric=other).fit(x, y, eval_set=[(x, y)])
    else:
        lgb = pytest.importorskip(tool)
        data = lgb.Dataset(x, y)
        settings = {"objective": objective("gce", 3), "num_class": 3, "verbose": -1}
        with pytest.raises(ConfigError, match=said):
            lgb.train(settings, data, 1, valid_sets=[data], feval=other)
        with pytest.raises(ConfigError, match=said):
            classifier(tool).fit(x, y, eval_set=[(x, y)], eval_metric=other)


@pytest.mark.parametrize(
    ("tool", "settings", "said"),
    [
        ("xgboost", {"scale_pos_weight": 3}, "scale_pos_weight=3 is for XGBoost's own objectives"),
        ("lightgbm", {"scale_pos_weight": 3.0}, r"scale_pos_weight=3.0 is for LightGBM's own objectives"),
        ("lightgbm", {"is_unbalance": True}, "is_unbalance=True is for LightGBM's own objectives"),
        ("lightgbm", {"application": "binary"}, "application='binary' is set, but the loss is the objective"),
        ("lightgbm", {"metric": "binary_error"}, "metric 'binary_error' wants probabilities"),
        ("lightgbm", {"metrics": ["auc", "binary_logloss"]}, "metrics 'binary_logloss' wants probabilities"),
    ],
)
def test_what_would_be_ignored_or_wrong_is_said(tool: str, settings: dict[str, Any], said: str) -> None:
    x, y = table("breast cancer")
    with pytest.raises(ConfigError, match=said):
        classifier(tool, **settings).fit(x, y)


@every_tool
@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["a", None, "b"] * 50, "the label of row 1 is missing"),
        ([0.0, 1.0, float("nan")] * 50, "the label of row 2 is missing"),
        ([0.0, 0.5, 1.0] * 50, "the labels are numbers such as 0.5; .* those of a regression"),
    ],
)
def test_labels_that_are_no_classes_are_said(tool: str, labels: Any, said: str) -> None:
    x, _ = table("iris")
    with pytest.raises(ConfigError, match=said):
        classifier(tool).fit(x, np.array(labels, dtype=object if None in labels else float))


@every_tool
@pytest.mark.parametrize(
    ("fit", "said"),
    [
        ({"y": np.arange(100) % 3}, "y has 100 rows and X has 150; expected one for each"),
        ({"y": np.eye(3)[np.arange(150) % 3]}, r"labels of shape \(150, 3\); expected one a sample"),
        ({"sample_weight": np.ones(9)}, "sample_weight has 9 rows and X has 150"),
        ({"sample_weight": -np.ones(150)}, "sample weights must be numbers of at least 0, and finite"),
        ({"sample_weight": np.full(150, np.nan)}, "sample weights must be numbers of at least 0, and finite"),
        ({"sample_weight": np.zeros(150)}, "all sample weights are 0"),
    ],
)
def test_labels_and_weights_that_do_not_fit_are_said(tool: str, fit: dict[str, Any], said: str) -> None:
    x, y = table("iris")
    with pytest.raises(ConfigError, match=said):
        classifier(tool).fit(x, **{"y": y, **fit})


@every_tool
@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"hessian": "newton"}, ConfigError, "hessian must be one of abs, softmax, exact, got 'newton'"),
        ({"loss": "gse"}, UnknownNameError, "no loss or directory 'gse'"),
        ({"loss": np.mean}, ConfigError, "the loss is a .*; expected a name or an nn.Module"),
    ],
)
def test_settings_that_are_none_are_said(
    tool: str, settings: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        classifier(tool, **settings).fit(*table("iris"))


@pytest.mark.parametrize(
    ("settings", "labels", "n_classes", "said"),
    [
        ({}, 0, 3, r"scores of shape \(150,\); expected \(samples, 3\).*told of as many \(num_class=3\)"),
        ({"num_class": 4}, 0, 3, r"scores of shape \(150, 4\); expected \(samples, 3\)"),
        ({"num_class": 3}, 0, 2, r"scores of shape \(150, 3\); .*num_class=2, or none for two classes"),
        ({"num_class": 3}, 1, 3, "label 3 of row 2; expected classes as whole numbers from 0 to 2"),
        ({"num_class": 3}, -1, 3, "label -1 of row 0"),
        ({"num_class": 3}, 0.5, 3, "label 0.5 of row 0"),
        ({"num_class": 3}, None, 3, "no labels; give it some|all 150 labels of the data set are class 0"),
    ],
)
@every_tool
def test_what_does_not_fit_is_said_in_the_functions_of_the_libraries(
    tool: str, settings: dict[str, Any], labels: float | None, n_classes: int, said: str
) -> None:
    x, _ = table("iris")
    y = None if labels is None else np.arange(len(x)) % 3 + labels
    with pytest.raises(ConfigError, match=said):
        train(tool, objective("gce", n_classes), x, y, settings)


@every_tool
def test_what_is_not_made_yet_is_said(tool: str) -> None:
    x, _ = table("iris")
    with pytest.raises(ConfigError, match=r"make it first, as in obj=objective\(loss, n_classes\)"):
        train(tool, objective, x, np.arange(len(x)) % 3, {"num_class": 3})


@every_tool
def test_there_are_no_classes_before_fit(tool: str) -> None:
    assert not hasattr(classifier(tool), "classes_")


# Without a library.


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: objective("gse", 3), UnknownNameError, "gce"),
        (
            lambda: objective(nn.MSELoss(), 3),
            ConfigError,
            r"MSELoss cannot take scores of 3 .*, \(4, 3\)",
        ),
        (
            lambda: objective(nn.BCEWithLogitsLoss(), 3),
            ConfigError,
            "BCEWithLogitsLoss cannot take scores",
        ),
        (lambda: metric(nn.KLDivLoss(), 3, tool="xgboost"), ConfigError, "KLDivLoss cannot take scores"),
        (
            lambda: objective(make_loss("gce", weight=torch.ones(5)), 3),
            ConfigError,
            "GceLoss cannot take scores of 3 classes.*weight tensor",
        ),
        (lambda: objective(Told(), 3), ConfigError, "Told returned costs of shape none, but a float"),
        (lambda: objective(nn.CrossEntropyLoss, 3), ConfigError, "the loss is a type"),  # type: ignore[arg-type]
        (lambda: objective(F.cross_entropy, 3), ConfigError, "the loss is a function"),  # type: ignore[arg-type]
        (lambda: objective("gce", "3"), ConfigError, "n_classes must be a whole number.*got '3'"),  # type: ignore[arg-type]
        (lambda: objective("gce", 3.0), ConfigError, "n_classes must be a whole number.*got 3.0"),  # type: ignore[arg-type]
        (
            lambda: objective(np.zeros((2, 3)), Data(np.arange(2))),  # type: ignore[arg-type]
            ConfigError,
            r"make it first, as in obj=objective\(loss, n_classes\)",
        ),
        (
            lambda: objective("gce", 3, hessian=None),  # type: ignore[arg-type]
            ConfigError,
            "hessian must be one of abs, softmax, exact, got None",
        ),
        (lambda: objective("gce", 1), ConfigError, "n_classes must be a whole number of at least 2, got 1"),
        (
            lambda: objective("gce", 3, hessian="newton"),
            ConfigError,
            "hessian must be one of abs, soft",
        ),
        (lambda: objective("gce", 3, batches=0), ConfigError, "batches must be a whole number of at least 1"),
        (lambda: objective("ogc", 3), ConfigError, "ogc asks for the learning rate of every step"),
        (lambda: objective("dal", 3), ConfigError, "dal asks how long a training will be"),
        (lambda: objective(nn.Flatten(), 3), ConfigError, "a Flatten without a reduction"),
        (lambda: objective(3, 3), ConfigError, "the loss is a int"),  # type: ignore[arg-type]
        (lambda: metric("gce", 3, tool="sklearn"), ConfigError, "tool must be 'xgboost' or 'lightgbm'"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_an_objective_is_said(call: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        call()


@pytest.mark.parametrize(
    ("labels", "scores", "weight", "said"),
    [
        ([0, 3], np.zeros((2, 3)), None, "label 3 of row 1; expected classes as whole numbers from 0 to 2"),
        ([0.5, 1], np.zeros((2, 3)), None, "label 0.5 of row 0"),
        ([float("nan"), 1], np.zeros((2, 3)), None, "label nan of row 0"),
        ([0, 1], np.zeros((2, 4)), None, r"scores of shape \(2, 4\); expected \(samples, 3\).*num_class=3"),
        ([0, 1], np.zeros(2), None, r"scores of shape \(2,\); expected \(samples, 3\)"),
        ([0, 1, 2], np.zeros((2, 3)), None, "3 labels for 2 rows"),
        ([0, 1], np.zeros((2, 3)), [1.0], "1 sample weights for 2 rows"),
        ([0, 1], np.zeros((2, 3)), [1.0, -1.0], "sample weights must be numbers of at least 0"),
        ([0, 1], np.zeros((2, 3)), [1.0, np.inf], "sample weights must be numbers of at least 0, and finite"),
        ([0, 1], np.zeros((2, 3)), [0.0, 0.0], "all sample weights are 0"),
        ([], np.zeros((2, 3)), None, "the data set of 2 rows has no labels; give it some"),
        (
            [-100, 1],
            np.zeros((2, 3)),
            None,
            "label -100 of row 0; expected classes",
        ),
        ([0, 1], np.array([[0, 0, 0], [0, np.nan, 0]]), None, "a score of row 1 is nan; expected finite"),
        ([0, 1], np.array([0, np.inf]), None, "a score of row 1 is inf; expected finite"),
    ],
)
def test_what_does_not_fit_is_said(labels: Any, scores: Any, weight: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        objective("gce", 3)(np.array(labels), scores, weight)


class Reduced(nn.Module):
    """A loss that says nothing of single samples."""

    reduction = "none"

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(logits, target)


class Told(nn.Module):
    """A loss that returns a plain number."""

    reduction = "none"

    def forward(self, logits: Tensor, target: Tensor) -> float:
        return float(F.cross_entropy(logits, target))


def test_trying_a_loss_changes_neither_it_nor_random_numbers() -> None:
    class Drawing(nn.CrossEntropyLoss):
        calls = 0

        def forward(self, input: Tensor, target: Tensor) -> Tensor:
            self.calls += 1
            return super().forward(input + 0 * torch.rand(()), target)

    loss, before = Drawing(), torch.random.get_rng_state()
    made = objective(loss, 3)
    assert loss.calls == made.criterion.calls == 0
    assert torch.equal(torch.random.get_rng_state(), before)
    assert repr(made) == "objective(Drawing, n_classes=3, hessian='abs')"


def test_a_data_set_of_one_class_is_said() -> None:
    scores, labels = np.zeros((4, 3)), np.array([0, 0, 0, 0])
    with pytest.raises(ConfigError, match=r"all 4 labels of the data set are class 0.* was it given its"):
        objective("gce", 3)(scores, Data(labels))
    assert objective("gce", 3)(labels, scores)[0].shape == (4, 3)
    assert metric("gce", 3, tool="xgboost")(scores, Data(labels))[1] > 0


def test_a_loss_that_reduces_all_the_same_is_said() -> None:
    with pytest.raises(ConfigError, match=r"Reduced returned costs of shape \(\) for reduction='none'"):
        objective(Reduced(), 3)
