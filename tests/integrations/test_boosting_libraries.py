"""XGBoost and LightGBM trained with losses, by their training functions and by the classifiers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.utils.validation import has_fit_parameter
from torch.nn import functional as F

from evoloss.integrations.boosting import metric, objective

ROUNDS = 8
TOOLS = ("xgboost", "lightgbm")


def table(name: str) -> tuple[Any, Any]:
    return {"iris": load_iris, "breast cancer": load_breast_cancer}[name](return_X_y=True)


def classifier(tool: str, **options: Any) -> Any:
    pytest.importorskip(tool)
    from evoloss.integrations import boosting

    if tool == "xgboost":
        return boosting.EvolvedXGBClassifier(n_estimators=ROUNDS, n_jobs=1, verbosity=0, **options)
    return boosting.EvolvedLGBMClassifier(n_estimators=ROUNDS, n_jobs=1, verbose=-1, **options)


# LightGBM 4.7 wants eval_X and eval_y, which older ones do not know.
with_eval_set = pytest.mark.filterwarnings("ignore:The argument .eval_set. is deprecated")
every_tool = pytest.mark.parametrize("tool", TOOLS)


@pytest.mark.parametrize("name", ["iris", "breast cancer"])
def test_cross_entropy_is_softprob_of_xgboost(name: str) -> None:
    xgb = pytest.importorskip("xgboost")
    x, y = table(name)
    n_classes = len(set(y))
    settings = {"objective": "binary:logistic", "max_depth": 3, "base_score": 0.5, "nthread": 1}
    if n_classes > 2:
        settings |= {"objective": "multi:softprob", "num_class": n_classes}
    data = xgb.DMatrix(x, y, weight=np.random.default_rng(1).random(len(y)))
    theirs = xgb.train(settings, data, ROUNDS).predict(data)
    made = objective("cross_entropy", n_classes, hessian="softmax")
    assert xgb.train(settings, data, ROUNDS, obj=made).predict(data) == pytest.approx(theirs, abs=1e-5)
    other = xgb.train(settings, data, ROUNDS, obj=objective("gce", n_classes)).predict(data)
    assert abs(other - theirs).max() > 0.01


def test_cross_entropy_is_binary_of_lightgbm() -> None:
    lgb = pytest.importorskip("lightgbm")
    x, y = table("breast cancer")
    settings = {"verbose": -1, "num_threads": 1, "boost_from_average": False}
    weight = np.random.default_rng(1).random(len(y))
    theirs = lgb.train(settings | {"objective": "binary"}, lgb.Dataset(x, y, weight=weight), ROUNDS)
    made = objective("cross_entropy", 2, hessian="softmax")
    ours = lgb.train(settings | {"objective": made}, lgb.Dataset(x, y, weight=weight), ROUNDS)
    assert ours.predict(x, raw_score=True) == pytest.approx(theirs.predict(x, raw_score=True), abs=1e-9)


def test_scores_to_start_from_are_part_of_the_scores() -> None:
    xgb = pytest.importorskip("xgboost")
    x, y = table("iris")
    settings = {"objective": "multi:softprob", "num_class": 3, "nthread": 1, "base_score": 0.5}
    start = np.random.default_rng(0).standard_normal((len(y), 3))
    data = xgb.DMatrix(x, y, base_margin=start)
    theirs = xgb.train(settings, data, 3).predict(data)
    made = objective("cross_entropy", 3, hessian="softmax")
    assert xgb.train(settings, data, 3, obj=made).predict(data) == pytest.approx(theirs, abs=1e-5)


@every_tool
@pytest.mark.parametrize("name", ["iris", "breast cancer"])
@pytest.mark.parametrize("loss", ["evolved-noise", "adaptive"])
def test_a_classifier_learns_names(tool: str, name: str, loss: str) -> None:
    x, y = table(name)
    names = np.array(["no", "perhaps", "yes"])[y]
    model = classifier(tool, loss=loss).fit(x, names)
    probabilities = model.predict_proba(x)
    assert list(model.classes_) == sorted(set(names))
    assert probabilities.shape == (len(y), len(set(y)))
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (model.predict(x) == names).mean() > 0.93
    assert np.array_equal(model.classes_[probabilities.argmax(axis=1)], model.predict(x))


@every_tool
def test_parameters_are_cloned_searched_and_seen(tool: str) -> None:
    x, y = table("iris")
    model = classifier(tool, loss="gce", hessian="softmax", max_depth=2)
    told = clone(model).get_params()
    assert (told["loss"], told["hessian"], told["max_depth"]) == ("gce", "softmax", 2)
    model.fit(x, y)
    assert clone(model).get_params() == told  # a fit changes no parameter
    search = GridSearchCV(classifier(tool), {"loss": ["gce", "cross_entropy"]}, cv=2).fit(x, y)
    assert search.best_score_ > 0.85
    assert set(search.cv_results_["param_loss"]) == {"gce", "cross_entropy"}


@every_tool
@with_eval_set
def test_what_is_told_of_other_data_is_a_likelihood(tool: str) -> None:
    x, y = table("iris")
    names = np.array(["a", "b", "c"])[y]
    more = {"verbose": False} if tool == "xgboost" else {}
    model = classifier(tool, loss="gce").fit(x, names, eval_set=[(x, names)], **more)
    (told,) = (model.evals_result() if tool == "xgboost" else model.evals_result_).values()
    assert list(told) == (["mlogloss"] if tool == "xgboost" else ["cross_entropy"])
    (values,) = told.values()
    own = F.nll_loss(torch.from_numpy(model.predict_proba(x)).log(), torch.from_numpy(y))
    assert values[-1] == pytest.approx(float(own), rel=1e-4)
    assert values[-1] < values[0]


@every_tool
@with_eval_set
def test_a_metric_stops_a_training(tool: str) -> None:
    x, y = table("iris")
    nll = metric("cross_entropy", 3, tool=tool)  # type: ignore[arg-type]
    if tool == "xgboost":
        model = classifier(tool, loss="gce", eval_metric=nll, early_stopping_rounds=2)
        model.fit(x, y, eval_set=[(x, 2 - y)], verbose=False)
        assert model.best_iteration == 0
    else:
        lgb = pytest.importorskip("lightgbm")
        model = classifier(tool, loss="gce")
        stop = lgb.early_stopping(2, verbose=False)
        model.fit(x, y, eval_set=[(x, 2 - y)], eval_metric=nll, callbacks=[stop])
        assert model.best_iteration_ == 1


@every_tool
def test_weights_of_samples_are_known_to_scikit_learn(tool: str) -> None:
    x, y = table("iris")
    model = classifier(tool)
    assert has_fit_parameter(model, "sample_weight")
    weight = np.where(y == 1, 5.0, 1.0)
    # Isotonic: sigmoids of scikit-learn 1.4 and 1.5 take no float32, which XGBoost's probabilities are.
    calibrated = CalibratedClassifierCV(model, method="isotonic", cv=2)
    assert calibrated.fit(x, y, sample_weight=weight).score(x, y) > 0.6
    plain, weighted = (clone(model).fit(x, y, sample_weight=given) for given in (None, weight))
    assert weighted.predict_proba(x)[:, 1].mean() > plain.predict_proba(x)[:, 1].mean() + 0.01


@with_eval_set
def test_metrics_of_lightgbm_come_as_a_tuple_too() -> None:
    x, y = table("breast cancer")
    told = classifier("lightgbm").fit(x, y, eval_set=[(x, y)], eval_metric=("auc",)).evals_result_
    assert list(told["training"]) == ["auc"]


def test_xgboost_is_not_told_what_it_does_not_know(recwarn: pytest.WarningsRecorder) -> None:
    x, y = table("iris")
    model = classifier("xgboost").set_params(verbosity=1).fit(x, y)
    assert not [one for one in recwarn if "not used" in str(one.message)]
    assert model.get_params()["loss"] == "evolved-noise"


def test_a_model_is_read_and_trained_again(tmp_path: Path) -> None:
    x, y = table("iris")
    names = np.array(["a", "b", "c"])[y]
    model = classifier("xgboost", loss="gce").fit(x, names)
    expected = model.predict_proba(x)
    model.save_model(tmp_path / "model.json")
    model.load_model(tmp_path / "model.json")
    assert list(model.classes_) == [0, 1, 2]  # XGBoost keeps no names
    assert model.predict_proba(x) == pytest.approx(expected)
    assert list(model.fit(x, names).classes_) == ["a", "b", "c"]
    assert model.predict_proba(x) == pytest.approx(expected, abs=1e-6)


def test_a_fit_that_fails_leaves_the_classes_of_the_one_before() -> None:
    x, y = table("iris")
    names = np.array(["a", "b", "c"])[y]
    model = classifier("xgboost").fit(x, names)
    with pytest.raises(Exception, match="weight"):
        model.fit(x, y, sample_weight=np.ones(3))
    assert set(model.predict(x)) == {"a", "b", "c"}


def test_folds_do_not_share_what_a_loss_has_learned() -> None:
    xgb = pytest.importorskip("xgboost")
    x, y = table("iris")
    settings = {"objective": "multi:softprob", "num_class": 3, "nthread": 1, "base_score": 0.5}
    folds = [(np.arange(150)[start::2], np.arange(150)[1 - start :: 2]) for start in (0, 1)]
    told = xgb.cv(settings, xgb.DMatrix(x, y), 4, folds=folds, obj=objective("elr", 3))
    alone = []
    for rows, held in folds:
        record: dict[str, Any] = {}
        evals = [(xgb.DMatrix(x[held], y[held]), "test")]
        xgb.train(
            settings,
            xgb.DMatrix(x[rows], y[rows]),
            4,
            obj=objective("elr", 3),
            evals=evals,
            evals_result=record,
            verbose_eval=False,
        )
        alone.append(record["test"]["mlogloss"])
    assert told["test-mlogloss-mean"].to_numpy() == pytest.approx(np.mean(alone, axis=0), abs=1e-6)


@every_tool
def test_what_a_loss_has_sensed_is_read(tool: str) -> None:
    x, y = table("breast cancer")
    model = classifier(tool, loss="adaptive")
    with pytest.raises(AttributeError, match="no noise_rate_ before fit"):
        _ = model.noise_rate_
    found = model.fit(x, y).noise_rate_
    assert found.estimate is None
    assert found.reason.startswith("trees change their predictions between rounds")
    for rows in (569, 285):  # it is told of the data, in the objective that trains
        model.fit(x[:rows], y[:rows])
        made = model.objective if tool == "xgboost" else model._objective
        assert str(rows) in made.criterion.noise_rate.reason
    model.set_params(loss="gce").fit(x, y)
    with pytest.raises(
        AttributeError, match="'gce' does not sense how many labels are wrong; 'adaptive' does"
    ):
        _ = model.noise_rate_


def test_a_model_that_was_read_has_sensed_nothing(tmp_path: Path) -> None:
    x, y = table("iris")
    model = classifier("xgboost", loss="adaptive").fit(x, y)
    model.save_model(tmp_path / "model.json")
    model.load_model(tmp_path / "model.json")
    assert not hasattr(model, "noise_rate_")


def test_the_objective_that_lightgbm_was_given_follows_its_training() -> None:
    lgb = pytest.importorskip("lightgbm")
    x, y = table("iris")
    made = objective("adaptive", 3)
    settings = {"objective": made, "num_class": 3, "verbose": -1, "num_threads": 1}
    lgb.train(settings, lgb.Dataset(x, y), ROUNDS)
    assert made.rounds == ROUNDS  # LightGBM trains with a copy of its settings
    assert "150" in made.criterion.noise_rate.reason
    first = lgb.train(settings, lgb.Dataset(x, y), ROUNDS).predict(x)
    again = lgb.train({**settings, "objective": objective("adaptive", 3)}, lgb.Dataset(x, y), ROUNDS)
    assert made.rounds == ROUNDS  # the second training began anew
    assert np.array_equal(first, again.predict(x))
