"""Tables, inputs and the plain float64 reference for triton_rows_checks.py.

The tables are piecewise linear, so the gradient jumps at the borders of their cells: logits are drawn until
no log p lies on one.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from evoloss.losses import EvolvedLoss
from evoloss.networks import ClasswiseNetwork, LookupTables, tabulate
from evoloss.networks.kinds.classwise import LOG_P_FLOOR

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
N_NODES = 512
IGNORED = -100


class Tables(NamedTuple):
    scale: float
    floor: float
    other_value: Tensor
    other_slope: Tensor
    label_value: Tensor
    label_slope: Tensor
    n_classes: int


def tabulated(other: Tensor, label: Tensor, tail: float, n_classes: int) -> Tables:
    """Tables of phi_0 and delta from their values at the nodes; ``tail`` is delta's slope at the floor."""
    nodes = torch.linspace(0.0, LOG_P_FLOOR, len(other), dtype=torch.float64)
    columns = []
    for values, last in ((other, 0.0), (label, tail)):
        slopes = torch.cat([values.diff() / nodes.diff(), torch.tensor([last], dtype=torch.float64)])
        columns += [values - slopes * nodes, slopes]
    scale = (len(nodes) - 1) / -LOG_P_FLOOR
    return Tables(scale, LOG_P_FLOOR, *[column.float().to(DEVICE) for column in columns], n_classes=n_classes)


def smooth_tables(n_classes: int, *, others: bool = True) -> Tables:
    """A loss of the general kind: phi_0 and delta curved, delta rising without end towards p = 0."""
    log_p = torch.linspace(0.0, LOG_P_FLOOR, N_NODES, dtype=torch.float64)
    phi_0 = 0.4 * log_p.exp() + 0.2 * (0.2 * log_p).exp() if others else torch.zeros_like(log_p)
    return tabulated(phi_0 - phi_0[-1], -log_p + 0.3 * (0.5 * log_p).exp() - 0.3 - phi_0, -1.0, n_classes)


def evolved_tables(loss: EvolvedLoss, n_classes: int, n_nodes: int) -> LookupTables:
    """The tables of a classwise loss, as the package makes them."""
    assert isinstance(loss.network, ClasswiseNetwork)
    return tabulate(loss.network, loss.params.to(DEVICE), n_classes, n_nodes)


def look_up(log_p: Tensor, tables: Tables | LookupTables, which: str) -> Tensor:
    value, slope = (getattr(tables, f"{which}_{part}").double() for part in ("value", "slope"))
    cell = (log_p.detach().nan_to_num(nan=0.0).clamp(tables.floor, 0.0) * -tables.scale + 1e-9).long()
    # phi_0 is flat below the floor; clamped, -inf times its slope 0 is 0.
    return value[cell] + slope[cell] * (log_p.clamp(min=tables.floor) if which == "other" else log_p)


def reference(
    logits: Tensor,
    target: Tensor,
    tables: Tables | LookupTables | None,
    *,
    weight: Tensor | None = None,
    ignore_index: int = IGNORED,
    label_smoothing: float = 0.0,
) -> Tensor:
    """The costs, float64, by the definition: every L(p, k), weighted."""
    log_p = logits.double().log_softmax(dim=1)
    costs = log_p
    if tables is not None:
        costs = look_up(log_p, tables, "other").sum(dim=1, keepdim=True) + look_up(log_p, tables, "label")
    n_classes = logits.shape[1]
    if target.dim() == 1:
        counts = target != ignore_index
        share = F.one_hot(torch.where(counts, target, 0), n_classes).double()
    else:
        counts, share = torch.ones(len(target), dtype=torch.bool, device=target.device), target.double()
    share = (1.0 - label_smoothing) * share + label_smoothing / n_classes
    if weight is not None:
        share = share * weight.double()
    # A label that counts for nothing costs nothing, even where it would cost infinity.
    return torch.where(counts, torch.where(share == 0, 0.0, share * costs).sum(dim=1), 0.0)


def draw(n: int, n_classes: int, dtype: torch.dtype = torch.float32, spread: float = 3.0) -> Tensor:
    """Logits of no log p on the border of a cell."""
    scale = (N_NODES - 1) / -LOG_P_FLOOR
    for seed in range(100):
        logits = spread * torch.randn(n, n_classes, generator=torch.Generator().manual_seed(seed))
        position = logits.to(dtype).double().log_softmax(dim=1) * -scale
        if ((position - position.round()).abs() > 5e-5)[position > 0.5].all():
            return logits.to(DEVICE, dtype)
    raise AssertionError("every draw has a log p on a border")


def draw_labels(n: int, n_classes: int) -> Tensor:
    return torch.randint(n_classes, (n,), generator=torch.Generator().manual_seed(7)).to(DEVICE)


def draw_probs(n: int, n_classes: int) -> Tensor:
    noise = torch.randn(n, n_classes, generator=torch.Generator().manual_seed(8))
    return (2 * noise).softmax(dim=1).to(DEVICE)


def draw_weight(n_classes: int) -> Tensor:
    return (0.5 + torch.rand(n_classes, generator=torch.Generator().manual_seed(9))).to(DEVICE)


def incoming(n: int) -> Tensor:
    """A gradient for each row."""
    return torch.linspace(-1.0, 2.0, n, device=DEVICE) if n != 1 else torch.ones(1, device=DEVICE)
