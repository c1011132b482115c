r"""A loss as the objective of boosted trees: gradient and hessian of every score.

A library adds to the scores z of a sample what a tree says, and grows the tree by the first two derivatives
of the loss L at them, of each class k for itself:

.. math:: g_k = \partial L / \partial z_k, \qquad h_k \approx \partial^2 L / \partial z_k^2.

A leaf takes the value :math:`-\sum g / (\sum h + \lambda)`. Robust losses are not convex in the scores, so
their second derivative may be 0 or below, and a leaf would be far too large. So h is a choice:

- ``"abs"``: :math:`h_k = |g_k|`. Leaves are weighted means of signs, at most 1 in size. The default.
- ``"softmax"``: :math:`h_k = 2 p_k (1 - p_k)`, and p (1 - p) with two classes and one score, as in the
  libraries' own objectives. With cross-entropy it is ``multi:softprob`` and ``binary:logistic`` of XGBoost.
- ``"exact"``: the second derivative, where it is at least a tenth of ``|g_k|``; else that.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evoloss.errors import ConfigError
from evoloss.integrations.boosting.criterion import checked_class_count, costs_for_trees, require_costs
from evoloss.integrations.boosting.margins import (
    Floats,
    LabelledData,
    labels_of,
    logits_of,
    read_call,
    weights_of,
)
from evoloss.integrations.precision import in_one_precision
from evoloss.losses import ClassificationLoss
from evoloss.losses.state import states_of
from evoloss.random_streams import stream

Hessian = Literal["abs", "softmax", "exact"]
"""Names of what stands for the second derivative."""

BATCHES = 20
"""Parts of a round for a loss that follows its training."""

_LEAST = 1e-16  # of a hessian, as in XGBoost
_LEAST_SHARE = 0.1  # of |gradient|, for the exact one


def objective(
    loss: str | nn.Module, n_classes: int, *, hessian: Hessian = "abs", batches: int | None = None
) -> BoostingObjective:
    """Make a loss the objective of XGBoost or LightGBM.

    The same object serves both, their training functions and their scikit-learn classifiers. Sample weights
    count. Scores that a training starts from (``base_margin``, ``init_score``) are part of the scores.

    - XGBoost: ``xgb.train({"objective": "multi:softprob", "num_class": C}, data, obj=objective(loss, C))``.
      The name of the objective there only says that predictions are probabilities (``"binary:logistic"`` and
      no ``num_class`` with two classes). Scores begin at 0, where with XGBoost's own objective they begin at
      the shares of the classes.
    - LightGBM: ``lgb.train({"objective": objective(loss, C), "num_class": C}, data)``. It predicts scores:
      probabilities are their softmax, with two classes the sigmoid of the one score.

    A round is an epoch to a loss. One whose cost depends on the rest of its batch (``evolved-noise``) sees
    all samples as one batch. One that follows its training (``adaptive``) is shown them in batches, in an
    order that is drawn anew each round, since in epochs of one batch there is nothing to follow.

    What a loss knows of its training belongs to one data set: ``xgb.cv``, which trains all folds in turn, is
    as if each had an objective of its own. It begins anew where all rows have the same scores, as they have
    before the first tree.

    Args:
        loss: a name that :func:`~evoloss.make_loss` takes, or a loss; it is copied. Class weights of the loss
            count, and its ``reduction`` does not.
        n_classes: how many classes there are, at least 2.
        hessian: what stands for the second derivative, see :mod:`evoloss.integrations.boosting.objective`.
        batches: parts of a round, at least 1; by default 20 for a loss that follows its training, else 1.

    Raises:
        ConfigError: if an argument is of no use; when it is called, if scores, labels or weights do not fit.
        UnknownNameError: if there is no such loss.

    Example:
        >>> half = objective("cross_entropy", 3, hessian="softmax")
        >>> gradient, hessian = half(np.array([2, 0]), np.zeros((2, 3), dtype=np.float32))
        >>> print(gradient.round(2))
        [[ 0.33  0.33 -0.67]
         [-0.67  0.33  0.33]]
        >>> print(hessian[0].round(2))
        [0.44 0.44 0.44]
    """
    return BoostingObjective(loss, n_classes, hessian=hessian, batches=batches)


@dataclass
class _Training:
    """The loss that follows a training, and how many rounds that has had."""

    criterion: nn.Module
    rounds: int = 0


class BoostingObjective:
    """See :func:`objective`.

    Attributes:
        n_classes: the class count.
        hessian: what stands for the second derivative.
        batches: parts of a round.
        rounds: how many the training of the last call has had; it decides the order of the samples.
        criterion: the loss of that training, a copy that returns the cost of every sample.
        mean_cost: of the samples in the last call, sample weights apart; NaN before there was one.
    """

    def __init__(
        self,
        loss: str | nn.Module,
        n_classes: int,
        *,
        hessian: Hessian = "abs",
        batches: int | None = None,
    ) -> None:
        self.n_classes = checked_class_count(n_classes)
        if hessian not in get_args(Hessian):
            raise ConfigError(f"hessian must be one of {', '.join(get_args(Hessian))}, got {hessian!r}")
        self.hessian: Hessian = hessian
        self._training = _Training(costs_for_trees(loss, self.n_classes).train())
        self._of_data: WeakKeyDictionary[Any, _Training] = WeakKeyDictionary()
        if batches is None:
            batches = BATCHES if states_of(self.criterion) else 1
        if isinstance(batches, bool) or not isinstance(batches, (int, np.integer)) or batches < 1:
            raise ConfigError(f"batches must be a whole number of at least 1, got {batches!r}")
        self.batches = int(batches)
        self.mean_cost = math.nan

    @property
    def criterion(self) -> nn.Module:
        """The loss of the training that was called last."""
        return self._training.criterion

    @property
    def rounds(self) -> int:
        """Rounds of the training that was called last."""
        return self._training.rounds

    def __repr__(self) -> str:
        name = type(self.criterion).__name__
        return f"objective({name}, n_classes={self.n_classes}, hessian={self.hessian!r})"

    def __deepcopy__(self, memo: dict[int, Any]) -> BoostingObjective:
        """Itself: LightGBM trains with a copy of what it is given, whose loss nobody could read."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_of_data"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ = state | {"_of_data": WeakKeyDictionary()}

    def __call__(
        self, first: Any, second: Any, sample_weight: Any = None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Gradient and hessian of every score, each of the shape of the scores.

        Args:
            first: scores, or labels where ``second`` is scores.
            second: the library's data set, or scores ``(N, C)``; ``(N,)`` with two classes.
            sample_weight: ``(N,)``, where ``second`` is no data set.

        Raises:
            ConfigError: if scores, labels or weights do not fit.
        """
        margins, labels, weight = read_call(first, second, sample_weight)
        logits = logits_of(margins, self.n_classes)
        if states_of(self.criterion):  # what it senses it reads in float32, at a sixth of the time
            logits = logits.float()
        target = labels_of(labels, self.n_classes, len(logits))
        data = second if isinstance(second, LabelledData) else None
        if data is not None and len(target) and bool((target == target[0]).all()):
            raise ConfigError(  # LightGBM hands over classes 0 where it was given no labels
                f"all {len(target):,} labels of the data set are class {int(target[0])}; expected at least "
                "two classes: was it given its labels, as in Dataset(x, label=y)?"
            )
        self._take_up(data, margins)
        gradient, hessian = self.derivatives(logits, target, one_score=margins.size == len(margins))
        weights = weights_of(weight, len(logits))
        if weights is not None:
            gradient, hessian = gradient * weights[:, None], hessian * weights[:, None]
        return tuple(  # type: ignore[return-value]
            values.numpy().astype(margins.dtype, copy=False).reshape(margins.shape)
            for values in (gradient, hessian)
        )

    def reset(self) -> None:
        """Forget all trainings so far."""
        self._of_data.clear()
        self._begin()

    def _begin(self) -> None:
        self._training.rounds = 0
        if isinstance(self.criterion, ClassificationLoss):
            self.criterion.reset()

    def _take_up(self, data: Any, margins: Floats) -> None:
        """Turn to the training of a data set, and begin it anew if no tree has been grown yet."""
        begins = bool((margins == margins[:1]).all())
        if data is not None:
            known = self._of_data.get(data)
            begins = begins or known is None
            if known is None:  # the first takes the criterion itself, so that one who holds it can read it
                criterion = copy.deepcopy(self.criterion) if self._of_data else self.criterion
                known = self._of_data[data] = _Training(criterion, self.rounds)
            self._training = known
        if begins and self.rounds:
            self._begin()

    def derivatives(
        self, logits: Tensor, target: Tensor, *, one_score: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Gradient and hessian, ``(N, C)`` each, or ``(N, 1)``, those of the last class, for one score a row.

        Args:
            logits: ``(N, C)``.
            target: class indices ``(N,)``.
            one_score: whether the first of two logits stays 0.
        """
        if isinstance(self.criterion, ClassificationLoss):
            self.criterion.plan_training(n_samples=len(target))
        if self.batches == 1:
            parts: Sequence[Tensor] = [torch.arange(len(target))]
        else:
            generator = stream(0, "boosting", self.rounds)
            parts = torch.randperm(len(target), generator=generator).chunk(self.batches)
        self._training.rounds += 1
        columns = slice(self.n_classes - 1, None) if one_score else slice(None)
        gradient, hessian = torch.empty_like(logits[:, columns]), torch.empty_like(logits[:, columns])
        total = 0.0
        for rows in parts:
            cost, gradient[rows], hessian[rows] = self._of_batch(logits[rows], target[rows], rows, columns)
            total += cost
        self.mean_cost = total / max(1, len(target))
        return gradient, hessian

    def _of_batch(
        self, logits: Tensor, target: Tensor, index: Tensor, columns: slice
    ) -> tuple[float, Tensor, Tensor]:
        exact = self.hessian == "exact"
        leaf = logits.detach().clone().requires_grad_()
        with torch.enable_grad():
            cost = self._costs(leaf, target, index).sum()
            (gradient,) = torch.autograd.grad(cost, leaf, create_graph=exact)
            if exact:
                curvature = _diagonal(gradient, leaf)[:, columns]
        total = float(cost.detach())
        gradient = gradient.detach()[:, columns]
        size = gradient.abs()
        if exact:
            return total, gradient, curvature.maximum(_LEAST_SHARE * size).clamp(min=_LEAST)
        if self.hessian == "abs":
            return total, gradient, size.clamp(min=_LEAST)
        p = leaf.detach().softmax(1)[:, columns]
        factor = 2 if p.shape[1] > 1 else 1
        return total, gradient, (factor * p * (1 - p)).clamp(min=_LEAST)

    def _costs(self, logits: Tensor, target: Tensor, index: Tensor) -> Tensor:
        told: dict[str, Any] = {}
        if isinstance(self.criterion, ClassificationLoss):
            told = {name: index for name in self.criterion.training_arguments}
        costs: Tensor = self.criterion(in_one_precision(self.criterion, logits), target, **told)
        require_costs(self.criterion, costs, target)
        return costs


def _diagonal(gradient: Tensor, logits: Tensor) -> Tensor:
    """Derivative of every slope by its own logit, ``(N, C)``; of all samples together if costs mix them."""
    columns = []
    for k in range(logits.shape[1]):
        (row,) = torch.autograd.grad(gradient[:, k].sum(), logits, retain_graph=True)
        columns.append(row[:, k])
    return torch.stack(columns, dim=1).detach()
