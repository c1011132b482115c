r"""Filters that a candidate has to pass before students are trained with it.

All are read off the slopes of a loss (:mod:`evoloss.networks.slopes`), in canonical form:

- the form exists at every class count asked for;
- *direct prediction* (the test of Gonzalez and Miikkulainen, arXiv:2010.00059, for free predictions):
  gradient descent on one prediction must lead to its label. The pull on the label's logit,
  :math:`-\partial L / \partial z_y = -(h_1(p_y) - p_y \sum_j h_j)`, must not be negative on the way from a
  hundredth of the uniform probability up to ``REACH``, be the rest spread over the other classes or on one of
  them;
- *no vanishing start*: with p_y at a tenth of the uniform probability the pull must be at least
  ``LEAST_PULL``, where it is 1 - 1/C at the uniform prediction. Students whose start is not quite uniform
  would never leave it.

Slopes of ``t log p`` are asked for at the exponent t of the prediction and, where t follows the batch or the
training, at that of a first batch in which nothing is learned yet: training starts there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from evoloss.networks import LOG_P_FLOOR, LossNetwork, SlopeArgument, States, Tempering, certainty_of

CLASS_COUNTS = (2, 10, 100, 1000)
REACH = 0.5
_TOLERANCE = 0.02
LEAST_PULL = 0.02
_POINTS = 12


def trainable(network: LossNetwork, params: Tensor, counts: Sequence[int] = CLASS_COUNTS) -> Tensor:
    """Mask of the candidates ``(popsize, n_params)`` that pass all filters at all class counts.

    Example:
        >>> from evoloss.networks import NETWORKS
        >>> network = NETWORKS["monotone"]()
        >>> params = network.initial(torch.Generator().manual_seed(0))
        >>> trainable(network, params[None], counts=(10,))
        tensor([True])
    """
    passed = torch.ones(len(params), dtype=torch.bool, device=params.device)
    for n_classes in counts:
        passed &= network.form(params, n_classes).exists
        spread, single, start = label_pulls(network, params, n_classes)
        passed &= (spread >= -_TOLERANCE).all(dim=1) & (single >= -_TOLERANCE).all(dim=1)
        passed &= start >= LEAST_PULL
    return passed


def label_pulls(network: LossNetwork, params: Tensor, n_classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """The pull on the label's logit of each candidate, ``-dL/dz_y``.

    Returns:
        ``(popsize, points)`` with the rest of the probability spread over the other classes, the same with
        the rest on one of them, and ``(popsize,)`` at a tenth of the uniform probability, spread.

    Example:
        >>> from evoloss.networks import NETWORKS
        >>> network = NETWORKS["mixture"]()
        >>> spread, rival, doubted = label_pulls(network, torch.zeros(4, network.n_params), 10)
        >>> spread.shape == rival.shape, doubted.shape
        (True, torch.Size([4]))
    """
    low, high = math.log(0.01 / n_classes), math.log(REACH)
    start = math.log(0.1 / n_classes)
    label = torch.cat(
        [torch.linspace(low, high, _POINTS, dtype=torch.float32), torch.tensor([start], dtype=torch.float32)]
    ).to(params)
    rest = torch.log1p(-label.exp())
    even = rest - math.log(n_classes - 1)
    tempering, states = network.tempering(params), network.states(params, n_classes)
    if tempering is not None or states is not None:
        argument = label.repeat(2)[None]
        first = None
        if states is not None:
            first = _first_argument(states, label, torch.stack([even, rest]), n_classes, params)
            argument = first.of(argument)
        if tempering is not None:
            top = torch.maximum(label, torch.stack([even, rest])).flatten()
            argument = argument * _exponent(tempering, top, n_classes)
        # Those of other classes are 0.
        own, p = network.slopes(params, n_classes)(argument)[:, 1], label.exp().repeat(2)
        pulls = -(1 - p) * own
        if first is not None and first.smoothing is not None:
            pulls = pulls + first.smoothing * (1 / n_classes - p)
        spread, single = pulls.chunk(2, dim=1)
        return spread[:, :-1], single[:, :-1], spread[:, -1]
    tiny = params.new_tensor([math.log(1e-8)])
    slopes = network.slopes(params, n_classes)(torch.cat([label, even, rest, tiny]))
    other, own = slopes.unbind(1)
    n = len(label)
    h_label = own[:, :n]
    p = label.exp()
    spread = p * (h_label + (n_classes - 1) * other[:, n : 2 * n]) - h_label
    single = p * (h_label + other[:, 2 * n : 3 * n] + (n_classes - 2) * other[:, 3 * n :]) - h_label
    return spread[:, :-1], single[:, :-1], spread[:, -1]


def _exponent(tempering: Tempering, top: Tensor, n_classes: int) -> Tensor:
    """The exponent where the largest log-probability is ``top`` and nothing is learned, ``(popsize, M)``."""
    followed = certainty_of(top.exp(), n_classes)[None]
    if tempering.paced is not None:
        followed = followed * (1 - tempering.paced)
    return tempering.at(followed)


def _first_argument(
    states: States, label: Tensor, rest: Tensor, n_classes: int, params: Tensor
) -> SlopeArgument:
    """The slopes' argument in the first batch of a training, attributes ``(popsize, 2 M)``.

    Each prediction is in a batch of its own, with one prediction that has not learned the same label.

    Args:
        states: of the candidates.
        label: log-probabilities of the label, ``(M,)``.
        rest: of each other class where they share what is left, and of one where it has all, ``(2, M)``.
        n_classes: the class count.
        params: of the candidates; gives popsize, dtype and device.
    """
    m = len(label)
    batches = params.new_full((2 * m, 1, n_classes, 2), -math.log(n_classes))
    batches[:, 0, 0, 0] = label.repeat(2)
    batches[:m, 0, 1:, 0] = rest[0, :, None]
    batches[m:, 0, 1, 0] = rest[1]
    batches[m:, 0, 2:, 0] = LOG_P_FLOOR
    is_label = torch.zeros_like(batches, dtype=torch.bool)
    is_label[:, :, 0] = True
    log_probs = batches.expand(-1, len(params), -1, -1)
    batch = states.begin(2 * m, log_probs.shape[3]).take_in(log_probs, is_label)
    return SlopeArgument(*(None if part is None else part[:, :, 0, 0].T for part in batch))
