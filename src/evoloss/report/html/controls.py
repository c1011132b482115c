"""Controls of a chart: which rows it shows. The page makes native inputs of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict


class Option(TypedDict):
    """A value that can be chosen: as JSON, its text, and its colour and line style among the losses."""

    value: Any
    text: str
    series: int | None


class Control(TypedDict):
    """A control: rows stay whose field is empty or has one of the chosen values.

    Attributes:
        kind: of the inputs.
        field: column of the rows.
        label: for people.
        options: what can be chosen, in order; the empty text chooses everything.
        chosen: places of the options that are chosen at first.
    """

    kind: Literal["checkboxes", "select", "slider"]
    field: str
    label: str
    options: list[Option]
    chosen: list[int]


def checkboxes(
    field: str,
    label: str,
    values: Sequence[Any],
    chosen: Sequence[Any],
    series: Sequence[Any] | None = None,
    *,
    swatches: bool = False,
) -> Control:
    """Any number of values.

    Args:
        field: column of the rows.
        label: for people.
        values: what can be chosen.
        chosen: at first.
        series: all values that have a colour, in their order; those that can be chosen by default.
        swatches: whether each shows its colour.
    """
    places = {value: place for place, value in enumerate(series or values)}
    options = [
        Option(value=value, text=str(value), series=places[value] if swatches else None) for value in values
    ]
    return Control(
        kind="checkboxes",
        field=field,
        label=label,
        options=options,
        chosen=[place for place, value in enumerate(values) if value in chosen],
    )


def select(field: str, label: str, texts: Mapping[Any, str], chosen: Any) -> Control:
    """One value of a list, with its text."""
    options = [Option(value=value, text=text, series=None) for value, text in texts.items()]
    return Control(
        kind="select", field=field, label=label, options=options, chosen=[list(texts).index(chosen)]
    )


def slider(field: str, label: str, values: Sequence[float], chosen: float) -> Control:
    """One of some numbers in ascending order."""
    options = [Option(value=value, text=f"{value:g}", series=None) for value in values]
    return Control(
        kind="slider", field=field, label=label, options=options, chosen=[list(values).index(chosen)]
    )
