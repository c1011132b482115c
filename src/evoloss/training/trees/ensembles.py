"""Trees of XGBoost and LightGBM that are grown round by round, with what they predict along the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evoloss.errors import DataError
from evoloss.integrations.boosting import BoostingObjective
from evoloss.training.trees.parameters import TreeSpec

Rows = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Growth:
    """All that trees are grown from.

    Attributes:
        inputs: of the training rows, ``(N, D)``.
        labels: class indices, ``(N,)``.
        weight: of the rows, ``(N,)``, or None.
        watched: inputs of splits that are predicted after every round.
        n_classes: class count.
        lr: learning rate, the share of a tree that is added.
        seed: of the rows and features that a tree is grown from.
        objective: a loss, or None for the library's own objective.
    """

    inputs: Rows
    labels: NDArray[np.int64]
    weight: NDArray[np.float32] | None
    watched: Sequence[Rows]
    n_classes: int
    lr: float
    seed: int
    objective: BoostingObjective | None


class Ensemble(Protocol):
    """Trees that grow."""

    def grow(self) -> bool:
        """Add a round of trees; False if there was nothing left to split."""

    def scores(self, place: int) -> Tensor:
        """Logits so far, float32 ``(M, C)``: of the training rows at place 0, then of what is watched."""

    def predict(self, inputs: Rows, rounds: int) -> Tensor:
        """Logits of other rows by the first rounds."""

    def save(self, rounds: int) -> bytes:
        """The first rounds in the library's own format."""

    def n_leaves(self, rounds: int) -> int:
        """Leaves of the first rounds, each a number that was learned."""


def rows_of(inputs: Tensor) -> Rows:
    """Inputs of a split as a library takes them: a row a sample, images pixel by pixel."""
    found: Rows = inputs.flatten(start_dim=1).float().numpy()
    return found


def logits_of_scores(scores: NDArray[Any], n_classes: int) -> Tensor:
    """Logits ``(N, C)``, float32; those of one score, the log-odds z of class 1 of two, are 0 and z."""
    found = torch.from_numpy(np.array(scores, dtype=np.float32)).reshape(len(scores), -1)
    if n_classes == 2 and found.shape[1] == 1:
        return torch.cat([torch.zeros_like(found), found], dim=1)
    return found


def make_ensemble(spec: TreeSpec, growth: Growth) -> Ensemble:
    """Begin to grow trees; the library has to be installed."""
    if spec.library == "xgboost":
        return _XGBoost(spec, growth)
    return _LightGBM(spec, growth)


class _XGBoost:
    def __init__(self, spec: TreeSpec, growth: Growth) -> None:
        import xgboost as xgb

        n_classes = growth.n_classes
        settings = {
            **spec.settings,
            "objective": "binary:logistic" if n_classes == 2 else "multi:softprob",
            **({"num_class": n_classes} if n_classes > 2 else {}),
            **{"eta": growth.lr, "seed": growth.seed, "nthread": torch.get_num_threads(), "verbosity": 0},
        }
        train = xgb.DMatrix(growth.inputs, label=growth.labels, weight=growth.weight)
        self._splits = [train, *map(xgb.DMatrix, growth.watched)]
        # Splits that are named here have their scores kept, so that a round costs its own trees alone.
        self._booster = xgb.Booster(settings, self._splits)
        self._growth, self._round, self._library = growth, 0, xgb

    def grow(self) -> bool:
        self._booster.update(self._splits[0], self._round, fobj=self._growth.objective)
        self._round += 1
        return True

    def scores(self, place: int) -> Tensor:
        scores = self._booster.predict(self._splits[place], output_margin=True)
        return logits_of_scores(scores, self._growth.n_classes)

    def predict(self, inputs: Rows, rounds: int) -> Tensor:
        data = self._library.DMatrix(inputs)
        scores = self._booster.predict(data, output_margin=True, iteration_range=(0, rounds))
        return logits_of_scores(scores, self._growth.n_classes)

    def save(self, rounds: int) -> bytes:
        return bytes(self._booster[:rounds].save_raw("ubj"))

    def n_leaves(self, rounds: int) -> int:
        return sum(text.count("leaf=") for text in self._booster[:rounds].get_dump())


class _LightGBM:
    def __init__(self, spec: TreeSpec, growth: Growth) -> None:
        import lightgbm as lgb

        n_classes = growth.n_classes
        own = "binary" if n_classes == 2 else "multiclass"
        settings = {
            **spec.settings,
            "objective": own if growth.objective is None else "none",
            **({"num_class": n_classes} if n_classes > 2 else {}),
            **{"learning_rate": growth.lr, "seed": growth.seed, "num_threads": torch.get_num_threads()},
            **{"verbosity": -1, "deterministic": True, "force_row_wise": True},
        }
        train = lgb.Dataset(growth.inputs, label=growth.labels, weight=growth.weight, params=settings)
        self._booster = lgb.Booster(settings, train)
        self._growth, self._error = growth, lgb.basic.LightGBMError
        self._rows = [growth.inputs, *growth.watched]
        width = 1 if n_classes == 2 else n_classes
        self._scores: list[NDArray[Any]] = [np.zeros((len(rows), width)) for rows in self._rows]

    def grow(self) -> bool:
        before = self._booster.current_iteration()
        try:
            self._booster.update(fobj=self._growth.objective)
        except self._error as error:
            if "num_features" not in str(error):
                raise
            raise DataError(
                f"LightGBM has no feature to split in {len(self._rows[0]):,} rows, since it wants 20 rows a "
                "leaf: lightgbm:min_child_samples=5 allows for smaller ones"
            ) from error
        if self._booster.current_iteration() == before:
            return False
        for rows, scores in zip(self._rows, self._scores, strict=True):
            scores += self._raw(rows, start_iteration=before, num_iteration=1).reshape(scores.shape)
        return True

    def _raw(self, rows: Rows, **which: int) -> NDArray[Any]:
        return np.asarray(self._booster.predict(rows, raw_score=True, **which))

    def scores(self, place: int) -> Tensor:
        return logits_of_scores(self._scores[place], self._growth.n_classes)

    def predict(self, inputs: Rows, rounds: int) -> Tensor:
        return logits_of_scores(self._raw(inputs, num_iteration=rounds), self._growth.n_classes)

    def save(self, rounds: int) -> bytes:
        text: str = self._booster.model_to_string(num_iteration=rounds)
        return text.encode()

    def n_leaves(self, rounds: int) -> int:
        text = self._booster.model_to_string(num_iteration=rounds)
        heads = (line.partition("=") for line in text.splitlines())
        return sum(int(value) for name, _, value in heads if name == "num_leaves")
