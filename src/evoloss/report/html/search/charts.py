"""Charts of a search: its course, and what was held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evoloss.evolve.verdict import rates_text
from evoloss.report.html.chart_parts import NAME_LIMIT, Chart, chart, shapes_chart, tooltip
from evoloss.report.html.controls import checkboxes, select
from evoloss.report.html.search.course import FLOOR, SHARE_AXIS, colour_of, series_control
from evoloss.report.html.search.descent import descent_chart

_SERIES = {
    "best": "best candidate, on what its generation saw",
    "mean": "mean of the search, held out",
}


def search_charts(section: Mapping[str, Any]) -> list[Chart]:
    """Return the charts that the numbers of a search allow."""
    losses = [record["loss"] for record in section["losses"]]
    charts = [
        *_convergence_charts(section),
        descent_chart(section),
        _held_out_chart(section),
        _fresh_chart(section),
        shapes_chart(section, losses),
    ]
    return [found for found in charts if found is not None]


def _convergence_charts(section: Mapping[str, Any]) -> list[Chart]:
    rows = section["convergence"]["rows"]
    measures: dict[str, tuple[str, str, dict[str, Any]]] = {
        "advantage": (
            "Points over cross-entropy",
            "accuracy over cross-entropy, points",
            {"scale": {"zero": True}},
        ),
        "disorder": ("Couples of predictions in the wrong order", "share of couples", SHARE_AXIS),
    }
    # Where all couples are in the right order throughout, there is no course to draw.
    found = [measure for measure in measures if any(row[0] == measure and row[4] != FLOOR for row in rows)]
    if not found:
        return []
    charts = []
    for measure in found:
        title, label, axis = measures[measure]
        charts.append(_course(section, measure, title, label, axis))
    return charts


def _course(
    section: Mapping[str, Any], measure: str, title: str, label: str, axis: Mapping[str, Any]
) -> Chart:
    series = {
        key: text
        for key, text in _SERIES.items()
        if any(row[:2] == [measure, key] for row in section["convergence"]["rows"])
    }
    colour = {
        "field": "series",
        "type": "nominal",
        "scale": {"domain": list(_SERIES), "range": list(map(colour_of, _SERIES))},
        "legend": None,
    }
    x = {
        "field": "generation",
        "type": "quantitative",
        "axis": {"tickMinStep": 1},
        "scale": {"nice": False, "zero": False},
    }
    y = {"field": "value", "type": "quantitative", "title": label, **axis}
    told = tooltip({"series": "of", "generation": "generation", "attempt": "start", "value": label})
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "line", "strokeWidth": 1.6, "point": {"size": 22}},
            "encoding": {"y": y, "color": colour, "detail": {"field": "attempt"}, "tooltip": told},
        }
    ]
    stored, last = section["kept_generation"], max(row[2] for row in section["convergence"]["rows"])
    if isinstance(stored, int) and 1 <= stored <= last:
        layers.append(
            {
                "mark": {"type": "rule", "color": "theme:muted", "strokeDash": [4, 4]},
                "encoding": {"x": {"datum": stored}},
            }
        )
    base = {"transform": [{"filter": f"datum.measure == '{measure}'"}], "height": 260, "encoding": {"x": x}}
    caption = (
        "Dashed: the generation whose loss was kept." if len(layers) > 1 else "Each point is a generation."
    )
    spec = {**base, "layer": layers}
    controls = [series_control(series)]
    return chart(measure, ["convergence"], spec, title=title, caption=caption, controls=controls)


def _held_out_chart(section: Mapping[str, Any]) -> Chart | None:
    rows = section["held_out"]["rows"]
    if not rows:
        return None
    return chart(
        "held_out",
        ["held_out"],
        _intervals("training", [row[1] for row in rows], {"se": "standard error", "tasks": "tasks"}),
        title="Held-out tasks",
        caption="Points of accuracy over cross-entropy on tasks that no generation trained on; line: 1.96 "
        "standard errors to each side.",
        controls=[select("kind", "Tasks", {"": "all", **{row[0]: row[1] for row in rows}}, "")],
    )


def _fresh_chart(section: Mapping[str, Any]) -> Chart | None:
    names = [row[0] for row in section["fresh"]["rows"]]
    if not names:
        return None
    rates = section["fresh_rates"]
    at_rates = "" if rates is None else f", {rates_text(rates)}"
    return chart(
        "fresh",
        ["fresh"],
        _intervals("loss", names, {"accuracy": "accuracy, %", "temperature": "temperature"}),
        title="Fresh tasks, beside other losses",
        caption=f"Points of accuracy over cross-entropy{at_rates}; line: 95 % interval.",
        controls=[checkboxes("loss", "Losses", names, names)],
    )


def _intervals(field: str, names: Sequence[str], more: Mapping[str, str]) -> dict[str, Any]:
    """Means with their intervals, one a row, and a line at cross-entropy."""
    y = {"field": field, "type": "nominal", "scale": {"domain": list(names)}, "title": None}
    title = "accuracy over cross-entropy, points"
    x = {"field": "mean", "type": "quantitative", "title": title, "axis": {"tickCount": 7}}
    told = tooltip({field: field, "mean": "points", "low": "from", "high": "to", **more})
    ink = "theme:text"
    return {
        "height": 40 * len(names),
        "encoding": {"y": {**y, "axis": {"labelLimit": NAME_LIMIT}}, "tooltip": told},
        "layer": [
            {"mark": {"type": "rule", "color": "theme:muted"}, "encoding": {"x": {"datum": 0}, "y": None}},
            {
                "mark": {"type": "rule", "strokeWidth": 3, "color": ink},
                "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 90, "color": ink, "opacity": 1},
                "encoding": {"x": x},
            },
            {
                "mark": {"type": "text", "dy": -13, "fontSize": 12, "color": ink},
                "encoding": {"x": x, "text": {"field": "mean", "format": "+.2f"}},
            },
        ],
    }
