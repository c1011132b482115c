"""Diagnostics of a paced loss over the course of a training, from chance to learned classes.

The cost of a prediction under such a loss depends on the agreement A of its batch, see
:mod:`evoloss.networks.kinds.paced`. A training starts at A = 0 and ends near 1 where labels are right, so a
reading at one A is no reading of the loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evoloss.diagnostics.criterion import NotApplicable
from evoloss.diagnostics.inspection import Inspection
from evoloss.diagnostics.readings import START, Reading, readings

AGREEMENTS: tuple[float, ...] = (0.0, 0.2, 0.5, 0.8, 1.0)
"""Agreements at which a paced loss is inspected; 0 is where a training starts."""


def readings_over(inspections: Mapping[float, Inspection]) -> tuple[Reading, ...]:
    """One reading a diagnostic: what holds at every agreement, or what holds from where to where.

    Args:
        inspections: by agreement, at least one.
    """
    agreements = sorted(inspections)
    rows = zip(*(readings(inspections[agreement]) for agreement in agreements), strict=True)
    return tuple(
        _start_over(inspections, row) if row[0].diagnostic == START else _together(agreements, row)
        for row in rows
    )


def _together(agreements: Sequence[float], row: Sequence[Reading]) -> Reading:
    values = _by_range(agreements, [reading.value for reading in row])
    return Reading(row[0].diagnostic, values, _by_range(agreements, [reading.meaning for reading in row]))


def _by_range(agreements: Sequence[float], texts: Sequence[str]) -> str:
    """Each text with the range of neighbouring agreements that have it; alone, if all have the same."""
    groups: list[tuple[str, list[float]]] = []
    for agreement, text in zip(agreements, texts, strict=True):
        if groups and groups[-1][0] == text:
            groups[-1][1].append(agreement)
        else:
            groups.append((text, [agreement]))
    if len(groups) == 1:
        return groups[0][0]
    return "\n".join(f"A = {_range(held)}: {text}" for text, held in groups)


def _range(agreements: Sequence[float]) -> str:
    first, last = f"{agreements[0]:g}", f"{agreements[-1]:g}"
    return first if first == last else f"{first} to {last}"


def _start_over(inspections: Mapping[float, Inspection], row: Sequence[Reading]) -> Reading:
    """The gradient of unsure predictions: the first steps are at the lowest agreement alone."""
    agreements = sorted(inspections)
    together = _together(agreements, row)
    ratios = [ratio for agreement in agreements[1:] for ratio in _ratios(inspections[agreement])]
    if not ratios:
        return together
    later = (
        f"later (A = {_range(agreements[1:])}) a prediction that is unsure of a class that is learned pulls "
        f"{min(ratios):.2g} to {max(ratios):.2g} times as much as with cross-entropy"
    )
    first = f"first steps (A = {agreements[0]:g}): {row[0].meaning}"
    return Reading(together.diagnostic, together.value, f"{first}\n{later}")


def _ratios(inspection: Inspection) -> list[float]:
    if isinstance(inspection.landmarks, NotApplicable):
        return []
    values = inspection.landmarks.gradient_at_uniform.values()
    return [value for value in values if not isinstance(value, NotApplicable)]
