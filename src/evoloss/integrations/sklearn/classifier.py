"""A classifier for scikit-learn whose loss is a parameter."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from evoloss.errors import ConfigError, MissingExtraError
from evoloss.integrations.criterion import sample_costs
from evoloss.integrations.precision import in_one_precision
from evoloss.integrations.sklearn.parameters import check_parameters, hidden_sizes, is_same, strata
from evoloss.losses import ClassificationLoss
from evoloss.losses.training_call import training_arguments

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.model_selection import train_test_split
    from sklearn.utils import check_random_state, compute_sample_weight
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError as error:
    raise MissingExtraError.of("scikit-learn >= 1.6", "sklearn", "EvolvedClassifier") from error

Module = nn.Module | Callable[[int, int], nn.Module]
_Held = tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]  # samples, labels, weights
_WHOLE = 64  # samples up to which a batch is all of them by default
_SMALL, _LARGE = 32, 200  # by default a batch is a twentieth of the samples, but no less and no more


class EvolvedClassifier(ClassifierMixin, BaseEstimator):
    """A neural network trained with a loss of one's choice, by the rules of scikit-learn.

    By default a perceptron with one hidden layer, for tables whose columns are scaled
    (``sklearn.preprocessing.StandardScaler``). It trains by AdamW or SGD on batches that are drawn anew each
    epoch. A sample costs its weight times its loss, divided by the weights of its batch.

    Args:
        loss: a name that :func:`~evoloss.make_loss` takes, or a loss. ``"adaptive"`` is told how many samples
            there are; what it senses is in ``noise_rate_``.
        module: the network: a function of the numbers of features and classes that returns an ``nn.Module``,
            or a module, which is copied. It maps ``(N, features)`` to logits ``(N, classes)``; inputs with
            more axes come as they are. By default a perceptron with ``hidden_layer_sizes``.
        hidden_layer_sizes: units of its hidden layers, a number each.
        optimizer: ``"adamw"`` or ``"sgd"`` (momentum 0.9).
        learning_rate: above 0.
        weight_decay: at least 0.
        batch_size: samples of a step at most, an epoch in parts of one size; of 2, three in one step where
            one would be left. ``"auto"``: all of up to 64, else a twentieth, but at least 32 and at most 200,
            so that a loss that follows its training has batches to follow.
        max_iter: epochs, at least 1. Where labels are wrong a long training learns them by heart, with most
            losses.
        class_weight: ``"balanced"``, a dictionary from class to weight, or None.
        early_stopping: whether to keep a part of the data to stop by its accuracy, by sample weights; the
            weights of its best epoch stay then.
        validation_fraction: the part, in (0, 1).
        n_iter_no_change: epochs without a better accuracy after which training stops.
        warm_start: whether ``fit`` goes on with the network of the fit before, and with its loss, if ``loss``
            is what it was.
        random_state: seed, generator or None.
        device: where to train.

    Attributes:
        classes_: the classes, in the order of the columns of ``predict_proba``.
        module_: the trained network.
        loss_: the loss of the training; ``loss_.noise_rate`` of one that senses how many labels are wrong.
        loss_curve_: mean loss of each epoch.
        n_iter_: epochs of the last fit.
        validation_scores_: accuracies of the part that was kept, with early stopping.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.pipeline import make_pipeline
        >>> from sklearn.preprocessing import StandardScaler
        >>> x, y = load_iris(return_X_y=True)
        >>> model = make_pipeline(StandardScaler(), EvolvedClassifier(loss="gce", random_state=0))
        >>> bool(model.fit(x, y).score(x, y) > 0.9)
        True
    """

    classes_: NDArray[Any]
    _loss_of_fit: str | nn.Module

    def __init__(
        self,
        loss: str | nn.Module = "adaptive",
        *,
        module: Module | None = None,
        hidden_layer_sizes: tuple[int, ...] = (100,),
        optimizer: Literal["adamw", "sgd"] = "adamw",
        learning_rate: float = 0.01,
        weight_decay: float = 0.0005,
        batch_size: int | Literal["auto"] = "auto",
        max_iter: int = 50,
        class_weight: str | dict[Any, float] | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        warm_start: bool = False,
        random_state: Any = None,
        device: str = "cpu",
    ) -> None:
        self.loss = loss
        self.module = module
        self.hidden_layer_sizes = hidden_layer_sizes
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train.

        Args:
            X: numbers, ``(samples, features)``; more axes for a module that takes them.
            y: labels of any type, ``(samples,)``.
            sample_weight: ``(samples,)``, at least 0; a sample of weight 0 is left out.

        Raises:
            ConfigError: if a parameter is out of its range.
            UnknownNameError: if there is no such loss.
            ValueError: if the data cannot be used, as scikit-learn says it, or the training leaves the
                finite numbers.
        """
        check_parameters(self.get_params(deep=False))
        goes_on = self.warm_start and hasattr(self, "module_")
        x, y = validate_data(
            self, X, y, dtype=[np.float64, np.float32], allow_nd=self.module is not None, reset=not goes_on
        )
        check_classification_targets(y)
        classes = np.unique(y)
        if goes_on and not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"warm_start: classes {classes} are not those of the fit before, {self.classes_}"
            )
        weight = _check_sample_weight(sample_weight, x, dtype=np.float64, ensure_non_negative=True)
        weight = weight * compute_sample_weight(self.class_weight, y)
        kept = weight > 0
        if not kept.any():
            raise ValueError("no sample has a weight above 0")
        x, y, weight = x[kept], y[kept], weight[kept] / weight.max()
        if len(np.unique(y)) < 2:
            raise ValueError(
                "EvolvedClassifier needs samples of at least two classes with a weight above 0; the number "
                f"of classes is {len(np.unique(y))}: one class"
            )
        self.classes_ = classes
        random = check_random_state(self.random_state)
        seed = int(random.randint(2**31 - 1))
        held: _Held | None = None
        if self.early_stopping:
            share = float(self.validation_fraction)
            x, x_held, y, y_held, weight, w_held = train_test_split(
                x, y, weight, test_size=share, random_state=seed, stratify=strata(y, share)
            )
            held = x_held, y_held, w_held
        if not goes_on:
            self.module_ = self._build(x, seed)
        if not (goes_on and is_same(self.loss, self._loss_of_fit)):
            self.loss_, self._loss_of_fit = sample_costs(self.loss).to(self.device), self.loss
        self._train(x, np.searchsorted(classes, y), weight, held, torch.Generator().manual_seed(seed))
        return self

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Probabilities of the classes, ``(samples, classes)``: the softmax of the network's logits."""
        check_is_fitted(self)
        x = validate_data(
            self, X, dtype=[np.float64, np.float32], allow_nd=self.module is not None, reset=False
        )
        return self._probabilities(x)

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable classes, ``(samples,)``."""
        found: NDArray[Any] = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[found])

    @property
    def noise_rate_(self) -> Any:
        """The share of wrong labels that the loss has sensed, :class:`~evoloss.losses.NoiseRate`.

        Raises:
            AttributeError: if the loss senses none, as ``"adaptive"`` does, or there was no fit.
        """
        check_is_fitted(self)
        if not hasattr(self.loss_, "noise_rate"):
            raise AttributeError(
                f"loss {self.loss!r} does not sense how many labels are wrong; 'adaptive' does"
            )
        return self.loss_.noise_rate

    def _build(self, x: NDArray[Any], seed: int) -> nn.Module:
        """The network before training, of the dtype of the data."""
        n_features, n_classes = x.shape[-1], len(self.classes_)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if self.module is None:
                sizes = [n_features, *hidden_sizes(self.hidden_layer_sizes)]
                layers: list[nn.Module] = []
                for before, after in itertools.pairwise(sizes):
                    layers += [nn.Linear(before, after), nn.ReLU()]
                made: Any = nn.Sequential(*layers, nn.Linear(sizes[-1], n_classes))
            elif isinstance(self.module, nn.Module):
                made = copy.deepcopy(self.module)
            else:
                made = self.module(n_features, n_classes)
        if not isinstance(made, nn.Module):
            raise ConfigError(f"module made a {type(made).__name__}; expected an nn.Module")
        if self.batch_size == 1 and any(isinstance(part, _BatchNorm) for part in made.modules()):
            raise ConfigError("batch normalisation has nothing to go by in a batch of one; batch_size is 1")
        network: nn.Module = made.to(self.device, torch.from_numpy(x[:1]).dtype)
        with torch.no_grad():
            logits = network.eval()(torch.from_numpy(x[:1]).to(self.device))
        if not isinstance(logits, Tensor) or logits.shape != (1, n_classes):
            shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ConfigError(f"module makes {shape} of one sample; expected logits (1, {n_classes})")
        return network

    def _train(
        self,
        x: NDArray[Any],
        y: NDArray[np.int64],
        weight: NDArray[np.float64],
        held: _Held | None,
        generator: torch.Generator,
    ) -> None:
        self.module_.to(self.device)
        self.loss_.to(self.device)
        inputs = torch.from_numpy(x).to(self.device, _place(self.module_).dtype)
        target = torch.from_numpy(y).to(self.device)
        weights = torch.from_numpy(weight).to(self.device, inputs.dtype)
        if isinstance(self.loss_, ClassificationLoss):
            self.loss_.plan_training(n_samples=len(target), epochs=self.max_iter)
        optimizer = self._optimizer()
        self.loss_curve_, self.validation_scores_ = [], []
        best: tuple[float, int, dict[str, Tensor]] | None = None
        for epoch in range(self.max_iter):
            self.loss_curve_.append(self._epoch(inputs, target, weights, optimizer, generator))
            self._check_finite()
            if held is None:
                continue
            score = float(np.average(self._classes_of(held[0]) == held[1], weights=held[2]))
            self.validation_scores_.append(score)
            if best is None or score > best[0]:
                best = score, epoch, copy.deepcopy(self.module_.state_dict())
            elif epoch - best[1] >= self.n_iter_no_change:
                break
        self.n_iter_ = len(self.loss_curve_)
        if best is not None:
            self.module_.load_state_dict(best[2])
        self.module_.eval()

    def _epoch(
        self,
        inputs: Tensor,
        target: Tensor,
        weights: Tensor,
        optimizer: torch.optim.Optimizer,
        generator: torch.Generator,
    ) -> float:
        """Train for an epoch; its mean loss."""
        self.module_.train()
        total = 0.0
        for rows in self._batches(len(target), generator):
            told = training_arguments(self.loss_, rows.to(target.device), self.learning_rate)
            logits = in_one_precision(self.loss_, self.module_(inputs[rows]))
            costs = self.loss_(logits, target[rows], **told)
            cost = (costs * weights[rows]).sum()
            optimizer.zero_grad()
            (cost / weights[rows].sum()).backward()
            optimizer.step()
            total += float(cost.detach())
        return total / float(weights.sum())

    def _check_finite(self) -> None:
        finite = all(bool(parameter.isfinite().all()) for parameter in self.module_.parameters())
        if not (finite and math.isfinite(self.loss_curve_[-1])):
            raise ValueError(
                f"the training left the finite numbers in epoch {len(self.loss_curve_)} (mean loss "
                f"{self.loss_curve_[-1]:g}): scale the columns (StandardScaler), or lower learning_rate, "
                f"which is {self.learning_rate:g}"
            )

    def _batches(self, n: int, generator: torch.Generator) -> Iterator[Tensor]:
        if self.batch_size == "auto":
            size = n if n <= _WHOLE else min(max(n // 20, _SMALL), _LARGE)
        else:
            size = int(self.batch_size)
        order = torch.randperm(n, generator=generator) if size < n else torch.arange(n)
        # A single sample would be no batch for batch normalisation, and teach a paced loss nothing.
        parts = n // 2 if size == 2 else -(-n // size)
        yield from torch.tensor_split(order, parts)

    def _optimizer(self) -> torch.optim.Optimizer:
        shared: dict[str, Any] = {"lr": float(self.learning_rate), "weight_decay": float(self.weight_decay)}
        if self.optimizer == "sgd":
            return torch.optim.SGD(self.module_.parameters(), momentum=0.9, **shared)
        return torch.optim.AdamW(self.module_.parameters(), **shared)

    def _classes_of(self, x: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(self.classes_[self._probabilities(x).argmax(axis=1)])

    def _probabilities(self, x: NDArray[Any]) -> NDArray[Any]:
        self.module_.eval()
        place = _place(self.module_)
        with torch.no_grad():
            logits = self.module_(torch.from_numpy(np.ascontiguousarray(x)).to(place.device, place.dtype))
        return np.asarray(logits.softmax(1).cpu().numpy())


def _place(module: nn.Module) -> Tensor:
    """A parameter of a network: where it is, and in which precision."""
    return next(iter(module.parameters()))
