"""Chart of a lineage: the parents of every generation, and the means that they made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evoloss.report.html.chart_parts import Chart, chart, tooltip
from evoloss.report.html.search.course import FLOOR, SHARE_AXIS, colour_of, series_control

_LABELS = {
    "advantage": "accuracy over cross-entropy, points",
    "disorder": "share of couples in the wrong order",
}
_SHOWN = {"parents": "parents, on what their generation saw", "mean": "mean that they made, held out"}
_RING = "theme:surface"


def descent_chart(section: Mapping[str, Any]) -> Chart | None:
    """Return the chart, where there is anything to draw."""
    lineage = section["lineage"]
    columns = lineage["descent"]["columns"]
    rows = [dict(zip(columns, row, strict=True)) for row in lineage["descent"]["rows"]]
    if not rows:
        return None
    parts = {row["part"] for row in rows}
    series = {name: text for name, text in _SHOWN.items() if any(row["series"] == name for row in rows)}
    is_disorder = lineage["measure"] == "disorder"
    label = _LABELS[lineage["measure"]]
    y: dict[str, Any] = {"field": "value", "type": "quantitative", "title": label}
    y |= SHARE_AXIS if is_disorder else {"scale": {"zero": True}}
    gain = "'÷ ' + format(datum.gain, '.2~g')" if is_disorder else "format(datum.gain, '+.1f')"
    x = {
        "field": "generation",
        "type": "quantitative",
        "axis": {"tickMinStep": 1, "labelOverlap": "greedy", "labelSeparation": 8},
        "scale": {"nice": False, "zero": False, "padding": 14},
    }
    layers = [
        *_parent_layers(y, label, single="parent" in parts),
        *_mean_layers(y, label, gain, below=is_disorder),
    ]
    return chart(
        "descent",
        ["lineage", "descent"],
        {"height": 280, "encoding": {"x": x}, "layer": layers},
        title="Line of descent",
        caption=_caption(rows, parts, is_disorder=is_disorder, is_finished=bool(section["summary"])),
        controls=[series_control(series)] if len(series) > 1 else [],
    )


def _parent_layers(y: Mapping[str, Any], label: str, *, single: bool) -> list[dict[str, Any]]:
    """The range of the parents, and in a short line each of them; one that lives on has a thread."""
    ink = colour_of("parents")
    ends = {"y": {**y, "field": "low"}, "y2": {"field": "high"}}
    told = tooltip({"generation": "generation", "low": f"parents, {label}: from", "high": "to"})
    layers: list[dict[str, Any]] = [
        {
            "transform": [{"filter": "datum.part == 'range'"}],
            "mark": {"type": "rule", "strokeWidth": 1.2} if single else {"type": "area", "opacity": 0.3},
            "encoding": {**ends, "tooltip": told},
        }
    ]
    layers[0]["mark"] |= {"color": ink}
    if not single:
        return layers
    is_parent = {"filter": "datum.part == 'parent'"}
    told = tooltip(
        {"generation": "generation", "candidate": "candidate", "rank": "rank as a parent", "value": label}
    )
    return [
        *layers,
        {
            "transform": [is_parent],
            "mark": {"type": "line", "strokeWidth": 1, "color": ink, "opacity": 0.6},
            "encoding": {"y": y, "detail": {"field": "id", "type": "nominal"}},
        },
        {
            "transform": [is_parent],
            "mark": {"type": "circle", "size": 34, "color": ink, "opacity": 0.75},
            "encoding": {"y": y, "tooltip": told},
        },
    ]


def _mean_layers(y: Mapping[str, Any], label: str, gain: str, *, below: bool) -> list[dict[str, Any]]:
    """The line of the mean; a dot where it was better than ever before, and the largest gains in figures."""
    ink = colour_of("mean")
    is_mean = {"filter": "datum.series == 'mean'"}
    told = tooltip({"generation": "mean after generation", "value": f"held out, {label}"})
    text = {
        "transform": [{"filter": "isValid(datum.gain)"}, {"calculate": gain, "as": "text"}],
        "encoding": {"y": y, "text": {"field": "text"}},
    }
    mark = {"type": "text", "dy": 16 if below else -16, "fontSize": 12.5, "fontWeight": "bold"}
    return [
        {
            "transform": [is_mean],
            "mark": {"type": "line", "strokeWidth": 2.4, "color": ink},
            "encoding": {"y": y},
        },
        {
            "transform": [{"filter": "datum.part == 'improvement'"}],
            "mark": {"type": "circle", "size": 80, "opacity": 1, "color": ink, "stroke": _RING},
            "encoding": {"y": y, "tooltip": told},
        },
        # Its ground first, so that it can be read over the parents.
        {**text, "mark": {**mark, "stroke": _RING, "strokeWidth": 4, "color": _RING}},
        {**text, "mark": {**mark, "color": "theme:text"}},
    ]


def _caption(rows: list[dict[str, Any]], parts: set[str], *, is_disorder: bool, is_finished: bool) -> str:
    told = []
    if len({row["series"] for row in rows}) == 1 and "range" not in parts:
        told.append(f"line: the mean of the search, on held-out {'pairs' if is_disorder else 'tasks'}")
    if "parent" in parts:
        told.append("Small dots: parents of each generation, and a line over their range")
        ids = [row["id"] for row in rows if row["part"] == "parent"]
        if len(set(ids)) < len(ids):
            told.append("a thread: a parent that lived on")
    elif "range" in parts:
        told.append("Band: range of the parents of each generation")
    if "improvement" in parts:
        by = "the share" if is_disorder else "the score that the search chooses by"
        told.append(f"large dots: means that were better than ever before, by {by}")
        gains = "by what the share was divided" if is_disorder else "in points of accuracy"
        if any(row["gain"] is not None for row in rows):
            told.append(f"figures: the largest gains, {gains}")
    if is_disorder and any(FLOOR in (row["value"], row["low"]) for row in rows):
        told.append(f"a share of 0 is drawn at {100 * FLOOR:g} %")
    text = "; ".join(told)
    end = "the generation whose loss was kept" if is_finished else "the last generation so far"
    return f"{text[:1].upper()}{text[1:]}. The line ends with {end}."
