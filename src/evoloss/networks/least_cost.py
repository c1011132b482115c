r"""The least that a classwise loss costs over all predictions, searched by tensor operations alone.

:math:`L(p, k) = \sum_{j \ne k} \phi_0(\log p_j) + \phi_1(\log p_k)` is blind to the order of the other
classes. At its least their slopes of :math:`\phi_0` by p are one number, and at most one of them lies where
:math:`\phi_0` is concave in p, so they take few different values. Searched are predictions that give t to the
label and the rest to two groups of other classes, each shared equally: a group of m takes a share r of it,
the other classes what is left. A grid in the log-odds of t and r finds a place for each m, finer grids
around each the digits. Predictions that give the label less than 1e-30 are left out.

Only the place is searched without gradient. The cost there is an ordinary function of the parameters, and its
derivative is that of the minimum (envelope theorem), also within transforms of ``torch.func``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from evoloss.networks.terms import LOG_P_FLOOR

Phi = Callable[[Tensor], Tensor]  # log-probabilities (M,) to values (M,)

_CERTAIN = 75.0  # log-odds of a prediction that is certain to every digit
_DENSE, _STEP = 8.0, 0.5  # within these log-odds, a grid of this step
_WIDE_STEP = 2.5  # and beyond
_NODES = 1 << 12  # of phi_0, between which the first grid interpolates
_ROUNDS, _FINE, _WIDTH = 15, 9, 2.5  # finer grids: 9 x 9 places around the best, a quarter as far apart each


class Place(NamedTuple):
    """A prediction: log-odds of the label, of a group's share of the rest, and the group's size; ``(1,)``."""

    label: Tensor
    share: Tensor
    size: Tensor

    @property
    def is_certain(self) -> Tensor:
        """True if the label has all of the probability."""
        return self.label > _CERTAIN - _WIDE_STEP


def least_place(phi_label: Phi, phi_other: Phi, n_classes: int, like: Tensor) -> Place:
    """The prediction that costs least, without gradient; no value is asked for, so that it traces.

    Args:
        phi_label: of the label's class, ``(M,)`` to ``(M,)``.
        phi_other: of another class.
        n_classes: at least 2.
        like: gives dtype and device.
    """
    n_other = n_classes - 1
    with torch.no_grad():
        label = _log_odds(LOG_P_FLOOR, _CERTAIN, like)
        share = _log_odds(LOG_P_FLOOR, -LOG_P_FLOOR, like) if n_other > 1 else like.new_zeros(1)
        size = torch.tensor(_sizes(n_other), dtype=like.dtype, device=like.device)
        nodes = torch.linspace(0.0, LOG_P_FLOOR, _NODES, dtype=like.dtype, device=like.device)
        values = phi_other(nodes)
        shape = (len(size), len(label), len(share))
        group, left, n_left = _others(label[:, None], share, size[:, None, None], n_other)
        costs = phi_label(F.logsigmoid(label))[:, None] + size[:, None, None] * _between(values, group)
        costs = (costs + n_left * _between(values, left)).expand(shape).reshape(len(size), -1)
        best = costs.argmin(dim=1)  # one start a size
        u = label[best.div(len(share), rounding_mode="floor")]
        v = share[best % len(share)]
        steps = torch.linspace(-_WIDTH, _WIDTH, _FINE, dtype=like.dtype, device=like.device)
        across = steps if n_other > 1 else steps.new_zeros(1)
        for _ in range(_ROUNDS):
            # All sizes at once, (S, 9, 9).
            some_u = (u[:, None] + steps).clamp(LOG_P_FLOOR, _CERTAIN)
            near_u = some_u[:, :, None].expand(-1, -1, len(across))
            near_v = (v[:, None] + across)[:, None, :].expand(-1, len(steps), -1)
            near = _costs(phi_label, phi_other, near_u, near_v, size[:, None, None], n_other)
            best = near.reshape(len(size), -1).argmin(dim=1, keepdim=True)
            u = near_u.reshape(len(size), -1).gather(1, best)[:, 0]
            v = near_v.reshape(len(size), -1).gather(1, best)[:, 0]
            steps, across = steps / 4, across / 4
        final = _costs(phi_label, phi_other, u, v, size, n_other).argmin(dim=0, keepdim=True)
        return Place(*(axis.gather(0, final) for axis in (u, v, size)))


def cost_at(phi_label: Phi, phi_other: Phi, place: Place, n_classes: int, like: Tensor) -> Tensor:
    """The cost of the prediction at a place, a scalar of the dtype of ``like``; 0 where it is certain."""
    u, v, n = (number.to(like.dtype) for number in place)
    return torch.where(place.is_certain, 0.0, _costs(phi_label, phi_other, u, v, n, n_classes - 1))[0]


def _sizes(n_other: int) -> list[int]:
    """Group sizes up to half of the other classes: all small ones, then a third or so further each time."""
    sizes, half = [1], n_other // 2
    while (size := max(sizes[-1] + 1, sizes[-1] * 4 // 3)) < half:
        sizes.append(size)
    return sizes if half <= 1 else [*sizes, half]


def _log_odds(low: float, high: float, like: Tensor) -> Tensor:
    """A grid of log-odds: fine where both shares are seen, coarse beyond, both ends in it."""
    dense = torch.arange(-_DENSE, _DENSE + _STEP, _STEP, dtype=like.dtype, device=like.device)
    below, above = (
        torch.linspace(a, b, 1 + round((b - a) / _WIDE_STEP), dtype=like.dtype, device=like.device)
        for a, b in ((low, -_DENSE), (_DENSE, high))
    )
    return torch.cat([below[:-1], dense, above[1:]])


def _others(label: Tensor, share: Tensor, size: Tensor, n_other: int) -> tuple[Tensor, Tensor, Tensor]:
    """Log-probabilities of a class of the group and of one of the others, and how many the latter are."""
    rest = F.logsigmoid(-label)
    n_left = n_other - size
    # Where nobody is left the group has all the rest; the log of 1 keeps what is multiplied by 0 finite.
    group = rest - size.log() + torch.where(n_left == 0, 0.0, F.logsigmoid(share))
    return group, rest + F.logsigmoid(-share) - n_left.clamp(min=1.0).log(), n_left


def _costs(phi_label: Phi, phi_other: Phi, u: Tensor, v: Tensor, size: Tensor, n_other: int) -> Tensor:
    """Costs of predictions, of the shape of u and v, with which the group size broadcasts."""
    group, left, n_left = _others(u, v, size, n_other)
    label = phi_label(F.logsigmoid(u).reshape(-1)).reshape(u.shape)
    others = size * phi_other(group.reshape(-1)).reshape(u.shape)
    return label + others + n_left * phi_other(left.reshape(-1)).reshape(u.shape)


def _between(values: Tensor, log_p: Tensor) -> Tensor:
    """Values at equally spaced nodes from 0 to the floor, interpolated at log-probabilities."""
    place = (log_p / LOG_P_FLOOR).clamp(max=1.0) * (len(values) - 1)
    node = place.floor().clamp(max=len(values) - 2)
    first = node.long()
    return torch.lerp(values[first], values[first + 1], place - node)
