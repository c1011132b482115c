"""Optimised gradient clipping."""

from __future__ import annotations

import math
import warnings
from typing import Any, ClassVar, NamedTuple, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evoloss.errors import MissingExtraError
from evoloss.losses.base import Options
from evoloss.losses.call.labels import Labels
from evoloss.losses.known.phuber import linear_below
from evoloss.losses.known.ranges import Range, Ranges, in_range
from evoloss.losses.stateful import StatefulLoss, counted_rows
from evoloss.networks import RunningState

__all__ = ["LossMixture", "OgcLoss", "clipping_threshold", "fit_mixture"]

Numbers = NDArray[np.float64]

QUEUE = 4096
"""Cross-entropies that a mixture is fitted to: those of 32 batches of 128, as in the authors' code."""
LEAST, LARGEST = 1e-7, 1 - 1e-7
"""Range of the probabilities of labels."""
_HALVINGS = 10
_TOLERANCE = 1e-7
_GRID = np.linspace(-math.log(LARGEST), -math.log(LEAST), 1000)


class LossMixture(NamedTuple):
    """Means and standard deviations of the cross-entropies of clean and of noisy labels."""

    clean_mean: float
    clean_scale: float
    noisy_mean: float
    noisy_scale: float


def require_mixtures() -> None:
    """Import what fits mixtures.

    Raises:
        MissingExtraError: if scikit-learn is not installed.
    """
    try:
        import sklearn.mixture  # noqa: F401
    except ImportError as error:
        raise MissingExtraError.of("scikit-learn", "experiments", "the loss ogc") from error


def fit_mixture(losses: Numbers) -> LossMixture:
    """Fit two Gaussians to cross-entropies ``(n,)``; the labels of the one with the lower mean are clean."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(n_components=2, max_iter=10, reg_covar=1e-3, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # ten iterations are all that is asked for
        mixture.fit(losses.reshape(-1, 1))
    means, scales = mixture.means_.reshape(-1), np.sqrt(mixture.covariances_.reshape(-1))
    clean, noisy = int(means.argmin()), int(means.argmax())
    return LossMixture(*(float(x) for i in (clean, noisy) for x in (means[i], scales[i])))


def gradient_ratio(mixture: LossMixture, threshold: float) -> float:
    r"""Mean clipped gradient of noisy labels over that of clean ones.

    .. math:: \frac{E_{noisy} \min(e^H, 1/c)}{E_{clean} \min(e^H, 1/c)}

    where H is the cross-entropy, :math:`e^H = 1 / p_y` its gradient by p_y, and both expectations are sums
    over a grid of H between those of the largest and the least probability.

    Args:
        mixture: the distributions of H.
        threshold: c, the probability below which the gradient is clipped.
    """
    clipped = np.minimum(np.exp(_GRID), 1 / threshold)

    def mean(centre: float, scale: float) -> float:
        density = np.exp(-0.5 * ((_GRID - centre) / scale) ** 2)
        return float((density * clipped).sum() / density.sum())

    noisy = mean(mixture.noisy_mean, mixture.noisy_scale)
    return noisy / mean(mixture.clean_mean, mixture.clean_scale)


def clipping_threshold(mixture: LossMixture, limit: float) -> float:
    """The least probability at which clipping keeps :func:`gradient_ratio` within a limit, by ten halvings.

    Args:
        mixture: the distributions of the cross-entropy.
        limit: the limit; the ratio falls with the threshold.

    Returns:
        A threshold in [1e-7, 1 - 1e-7]: the least of them if nothing has to be clipped, the largest if no
        threshold is enough.
    """
    low, high = LEAST, LARGEST
    if gradient_ratio(mixture, high) > limit:
        return high
    if gradient_ratio(mixture, low) < limit:
        return low
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        excess = gradient_ratio(mixture, middle) - limit
        if abs(excess) < _TOLERANCE:
            return middle
        low, high = (middle, high) if excess >= 0 else (low, middle)
    return high


class OgcLoss(StatefulLoss):
    r"""Cross-entropy whose gradient is clipped where its own values say (optimised gradient clipping).

    It is partially Huberised cross-entropy (:func:`~evoloss.losses.known.phuber.phuber`) with
    :math:`\tau = 1/c`. After every 4,096 samples of the training two Gaussians are fitted to their values of
    cross-entropy, of clean and of noisy labels, and c becomes the least probability with

    .. math:: \frac{E_{noisy} \min(1/p_y, 1/c)}{E_{clean} \min(1/p_y, 1/c)} \le 1 + \eta\, \epsilon

    where :math:`\eta` is the learning rate of the step. A training call says it:
    ``criterion(logits, target, lr=...)``. Before, c is 1e-7, which is cross-entropy.

    The fit runs on the CPU, by scikit-learn (the extra ``experiments``), and waits for the device; compiled
    code is interrupted there, so ``torch.compile`` takes a training call only without ``fullgraph=True``. The
    authors' code (Virusdoll/Optimized-Gradient-Clipping) counts 32 steps of 128, here samples count; it
    starts its mixtures at random, and labels below 1e-7 cost what those at 1e-7 cost and have no gradient.

    Args:
        epsilon: at least 0. 20 is the value of the authors' script for CIFAR-100N.
        weight: one factor a class; see :class:`ClassificationLoss`.
        **options: ``ignore_index``, ``reduction``, ``label_smoothing``; see there.

    Raises:
        ConfigError: if ``epsilon`` is out of range.

    References:
        Ye et al. 2025, AAAI 39, arXiv:2412.08941.

    Example:
        >>> criterion = OgcLoss()
        >>> logits = torch.tensor([[2.0, 0.0, 0.0]], requires_grad=True)
        >>> print(criterion(logits, torch.tensor([0]), lr=0.1).detach())
        tensor(0.2395)
    """

    name: ClassVar[str] = "ogc"
    reference: ClassVar[str] = "Ye et al. 2025, arXiv:2412.08941"
    training_arguments: ClassVar[tuple[str, ...]] = ("lr",)
    ranges: ClassVar[Ranges] = {"epsilon": Range(0.0, scale="log", search=(1.0, 100.0))}

    def __init__(
        self, weight: Tensor | None = None, *, epsilon: float = 20.0, **options: Unpack[Options]
    ) -> None:
        super().__init__(weight, **options)
        self.epsilon = self._in_range("epsilon", epsilon)

    def initial_state(self, n_classes: int) -> RunningState:
        """The threshold, and the values since the last fit with their number."""
        return {
            "threshold": torch.full((), LEAST, dtype=torch.float32),
            "losses": torch.zeros(QUEUE, dtype=torch.float32),
            "filled": torch.zeros((), dtype=torch.int64),
        }

    def after_batch(
        self, state: RunningState, log_probs: Tensor, labels: Labels, **training: Any
    ) -> RunningState:
        """The values of the batch, and a threshold for each 4,096.

        Raises:
            TypeError: if the call does not say the learning rate.
            ConfigError: if that is no number from 0.
            MissingExtraError: if scikit-learn is not installed.
        """
        if training.get("lr") is None:
            raise TypeError("ogc: a training call needs the learning rate of the step, lr=...")
        rate = in_range("ogc", "lr", training["lr"], Range(0.0))
        finite = torch.where(log_probs.isneginf(), math.log(LEAST), log_probs)
        losses = -(labels.shares(log_probs) * finite).sum(dim=1)
        losses = torch.where(counted_rows(log_probs, labels), losses.clamp(_GRID[0], _GRID[-1]), torch.nan)
        return _after_losses(state, self.loss_state.gathered(losses), 1.0 + rate * self.epsilon)

    def costs_at(self, log_probs: Tensor, state: RunningState) -> Tensor:
        """Cross-entropy, clipped at the threshold."""
        tau = 1.0 / state["threshold"].to(log_probs.dtype)
        costs: Tensor = linear_below(log_probs, tau, -tau.log())
        return costs


def _after_losses(state: RunningState, losses: Tensor, limit: float) -> RunningState:
    """The state after more values of cross-entropy, in their order; those that are NaN are none."""
    require_mixtures()  # in the first call, not in that of the first fit
    fresh = losses[~losses.isnan()].to(state["losses"])
    filled = int(state["filled"])
    waiting = torch.cat([state["losses"][:filled], fresh])
    threshold = state["threshold"]
    whole = len(waiting) // QUEUE * QUEUE
    if whole:
        last = waiting[whole - QUEUE : whole].cpu().double().numpy()
        found = clipping_threshold(fit_mixture(last), limit)
        threshold = torch.full_like(threshold, found)
    rest = waiting[whole:]
    return {
        "threshold": threshold,
        "losses": torch.nn.functional.pad(rest, (0, QUEUE - len(rest))),
        "filled": torch.full_like(state["filled"], len(rest)),
    }


_after_losses._torchdynamo_disable = True  # type: ignore[attr-defined]
