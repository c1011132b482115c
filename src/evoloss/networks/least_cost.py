r"""The least that a classwise loss costs over all predictions, searched by tensor operations alone.

:math:`L(p, k) = \sum_{j \ne k} \phi_0(\log p_j) + \phi_1(\log p_k)` is blind to the order of the other
classes, and at its least they take few different values: those where the slope of :math:`\phi_0` by p is one
number. Searched are predictions that give t to the label and the rest to two groups of other classes, each
shared equally: a group of 1, 2 or half of them takes a share r of the rest, and the others what is left. A
grid in the log-odds of t and r finds the place, finer grids around it the digits. The certain prediction is
on the grid, and costs 0 in canonical form, so the least is never above 0.

Only the place is searched without gradient. The cost there is an ordinary function of the parameters, and its
derivative is that of the minimum (envelope theorem), also within transforms of ``torch.func``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

# Log-odds: t from 1e-17 up to 1 to every digit, r from nothing to everything.
_LABEL_GRID = (-40.0, 75.0, 78)
_SHARE_GRID = (-40.0, 40.0, 21)
_ROUNDS, _FINE = 7, 9

Phi = Callable[[Tensor], Tensor]  # log-probabilities (M,) to values (M,)


def least_cost(phi_label: Phi, phi_other: Phi, n_classes: int, like: Tensor) -> Tensor:
    """The least cost over all predictions, a scalar.

    Args:
        phi_label: of the label's class, ``(M,)`` to ``(M,)``.
        phi_other: of another class.
        n_classes: at least 2.
        like: gives dtype and device.
    """
    n_other = n_classes - 1
    sizes = sorted({1, min(2, n_other), max(1, n_other // 2)})
    label, share = (
        torch.linspace(*grid, dtype=like.dtype, device=like.device) for grid in (_LABEL_GRID, _SHARE_GRID)
    )
    size = torch.tensor(sizes, dtype=like.dtype, device=like.device)
    u, v, n = (axis.reshape(-1) for axis in torch.meshgrid(label, share, size, indexing="ij"))
    with torch.no_grad():
        width_u, width_v = (float(grid[1] - grid[0]) / (grid[2] - 1) for grid in (_LABEL_GRID, _SHARE_GRID))
        steps = torch.linspace(-1.0, 1.0, _FINE, dtype=like.dtype, device=like.device)
        for _ in range(_ROUNDS):
            u, v, n = _best(phi_label, phi_other, u, v, n, n_other)
            u, v = (
                axis.reshape(-1)
                for axis in torch.meshgrid(u + width_u * steps, v + width_v * steps, indexing="ij")
            )
            n = n.expand_as(u)
            width_u, width_v = width_u * 2 / (_FINE - 1), width_v * 2 / (_FINE - 1)
        u, v, n = _best(phi_label, phi_other, u, v, n, n_other)
    return _cost(phi_label, phi_other, u, v, n, n_other)[0]


def _best(phi_label: Phi, phi_other: Phi, u: Tensor, v: Tensor, n: Tensor, n_other: int) -> list[Tensor]:
    """The cheapest of the predictions, ``(1,)`` each; no value is asked for, so that it traces."""
    best = _cost(phi_label, phi_other, u, v, n, n_other).argmin(dim=0, keepdim=True)
    return [axis.gather(0, best) for axis in (u, v, n)]


def _cost(phi_label: Phi, phi_other: Phi, u: Tensor, v: Tensor, n: Tensor, n_other: int) -> Tensor:
    """Costs ``(M,)`` of predictions at log-odds u of the label and v of the share of a group of n classes."""
    rest = F.logsigmoid(-u)
    group = rest + F.logsigmoid(v) - n.log()
    if n_other == 1:
        return phi_label(F.logsigmoid(u)) + phi_other(rest)
    # Where the group is all there is, the log of a number below 1 keeps what is multiplied by 0 finite.
    left = rest + F.logsigmoid(-v) - (n_other - n).clamp(min=1.0).log()
    # Nothing is left for a group of nobody: its share goes to the other group.
    group = torch.where(n == n_other, rest - n.log(), group)
    return phi_label(F.logsigmoid(u)) + n * phi_other(group) + (n_other - n) * phi_other(left)
