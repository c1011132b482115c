r"""Sums over the classes, :math:`L(p, k) = \sum_{j \ne k} \phi_0(p_j) + \phi_1(p_k)`."""

from __future__ import annotations

from typing import Any

from evoloss.formulas.operations import BatchOperations


def sum_of_classes(
    label: Any,
    other: Any,
    below: Any,
    at_certain: float,
    at_floor: float,
    tail: float,
    least: float,
    on: BatchOperations,
) -> Any:
    r"""Canonical costs of every class as the label, ``(N, C)``.

    Args:
        label: :math:`\phi_1` of each class, ``(N, C)``, in canonical scale.
        other: :math:`\phi_0`, likewise.
        below: how far log p is below the floor, ``(N, C)``.
        at_certain: :math:`\phi_1` where p = 1; subtracted.
        at_floor: :math:`\phi_0` at the floor; subtracted.
        tail: slope of :math:`\phi_1` by log p below the floor.
        least: the least cost of a prediction; subtracted.
        on: operations.
    """
    other = other - at_floor
    return on.beside(on.total(other)) - other + (label - at_certain - tail * below) - least
