"""Charts of a comparison: paired differences, learning curves, learning rates, and what was kept of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evoloss.report.html.chart_parts import (
    NAME_LIMIT,
    Chart,
    by_loss,
    chart,
    shapes_chart,
    shown_losses,
    tooltip,
)
from evoloss.report.html.controls import checkboxes, select
from evoloss.report.html.evaluation_charts import confusion_chart, recall_chart, reliability_chart
from evoloss.safe_text import one_line

_LETTERS = 40


def comparison_charts(section: Mapping[str, Any]) -> list[Chart]:
    """Return the charts that the numbers of a comparison allow, in the order of the page."""
    losses = [record["loss"] for record in section["losses"]]
    charts = [
        _differences(section),
        _curves(section, losses),
        _rates(section, losses),
        confusion_chart(section),
        recall_chart(section, losses),
        reliability_chart(section, losses),
        shapes_chart(section, losses),
    ]
    return [chart for chart in charts if chart is not None]


def _differences(section: Mapping[str, Any]) -> Chart | None:
    rows = section["differences"]["rows"]
    if not rows:
        return None
    order = list(dict.fromkeys(row[0] for row in rows))
    seeds = sorted({row[2] for row in rows if row[1] == "seed"})
    tested = any(row[4] is not None for row in rows)
    findings = ["better", "worse", "not distinguishable", "not tested"]
    ink = {
        "field": "finding",
        "type": "nominal",
        "scale": {
            "domain": findings,
            "range": ["theme:accent", "theme:accent", "theme:muted", "theme:muted"],
        },
        "legend": None,
    }
    y = {
        "field": "loss",
        "type": "nominal",
        "scale": {"domain": order},
        "title": None,
        "axis": {"labelLimit": NAME_LIMIT},
    }
    told = tooltip(
        {"loss": "loss", "difference": "points", "low": "interval from", "high": "to", "finding": ""}
    )
    x = {
        "field": "difference",
        "type": "quantitative",
        "title": "difference, points of test accuracy",
        "axis": {"tickCount": 7},
    }
    is_mean, is_seed = {"filter": "datum.part == 'mean'"}, {"filter": "datum.part == 'seed'"}
    spec = {
        "height": 46 * len(order),
        "encoding": {"y": y},
        "layer": [
            {"mark": {"type": "rule", "color": "theme:muted"}, "encoding": {"x": {"datum": 0}, "y": None}},
            {
                "transform": [is_seed],
                "mark": {"type": "tick", "yOffset": 13, "size": 11, "thickness": 2, "color": "theme:muted"},
                "encoding": {
                    "x": x,
                    "tooltip": tooltip({"loss": "loss", "seed": "seed", "difference": "points"}),
                },
            },
            {
                "transform": [is_mean, {"filter": "isValid(datum.low)"}],
                "mark": {"type": "rule", "strokeWidth": 3},
                "encoding": {
                    "x": {**x, "field": "low"},
                    "x2": {"field": "high"},
                    "color": ink,
                    "tooltip": told,
                },
            },
            {
                "transform": [is_mean],
                "mark": {"type": "point", "size": 90, "filled": True, "opacity": 1},
                "encoding": {"x": x, "color": ink, "tooltip": told},
            },
            {
                "transform": [is_mean],
                "mark": {"type": "text", "dy": -14, "fontSize": 12, "color": "theme:text"},
                "encoding": {"x": x, "text": {"field": "difference", "format": "+.2f"}},
            },
        ],
    }
    bar = (
        "line: 95 % interval, corrected for the number of losses; "
        if tested
        else "no interval below 3 seeds; "
    )
    return chart(
        "differences",
        ["differences"],
        spec,
        title="Paired differences",
        caption=f"Test accuracy less that of {one_line(section['baseline'], _LETTERS)}, seed by seed. "
        "Dot: mean; "
        f"{bar}small marks: single seeds. Only what is distinguishable from 0 has a colour.",
        controls=[select("seed", "Seeds shown", {"": "all", **{seed: f"seed {seed}" for seed in seeds}}, "")],
    )


def _curves(section: Mapping[str, Any], losses: Sequence[str]) -> Chart | None:
    rows = section["curves"]["rows"]
    if not rows:
        return None
    seeds, unit = sorted({row[1] for row in rows}), section["unit"]
    splits = {"validation": "validation split", "training": "training labels as given"}
    splits = {key: text for key, text in splits.items() if any(row[2] == key for row in rows)}
    x = {
        "field": "epoch",
        "type": "quantitative",
        "title": unit,
        "axis": {"tickMinStep": 1},
        "scale": {"nice": False},
    }
    y = {"field": "accuracy", "type": "quantitative", "title": "accuracy, %", "scale": {"zero": False}}
    told = tooltip({"loss": "loss", "seed": "seed", "epoch": unit, "accuracy": "accuracy, %"})
    spec = {
        "height": 300,
        "encoding": {"x": x, **by_loss(losses)},
        "layer": [
            {
                "mark": {"type": "line", "opacity": 0.35, "strokeWidth": 1},
                "encoding": {"y": y, "detail": {"field": "seed", "type": "nominal"}},
            },
            {
                "mark": {"type": "line", "strokeWidth": 2.5},
                "encoding": {"y": {**y, "aggregate": "mean"}},
            },
            {
                "transform": [{"filter": "datum.epoch == datum.best_epoch"}],
                "mark": {
                    "type": "point",
                    "shape": "diamond",
                    "size": 80,
                    "strokeWidth": 1.5,
                    "strokeDash": [1, 0],
                },
                "encoding": {"y": y, "tooltip": told},
            },
            {
                "transform": [{"filter": "datum.epoch == datum.last_epoch"}],
                "mark": {"type": "circle", "size": 45, "opacity": 1},
                "encoding": {"y": y, "tooltip": told},
            },
        ],
    }
    return chart(
        "curves",
        ["curves"],
        spec,
        title="Learning curves",
        caption="Thick line: mean of the seeds chosen; thin lines: single seeds. Diamond: best "
        f"validation {unit}; "
        f"dot: last {unit}.",
        controls=[
            checkboxes("loss", "Losses", losses, shown_losses(section), swatches=True),
            checkboxes("seed", "Seeds", seeds, seeds),
            select("split", "Accuracy on", splits, next(iter(splits))),
        ],
        expand=["epoch", "accuracy"],
    )


def _rates(section: Mapping[str, Any], losses: Sequence[str]) -> Chart | None:
    rows = section["rates"]["rows"]
    if not rows:
        return None
    rates = sorted({row[1] for row in rows})
    x = {
        "field": "lr",
        "type": "quantitative",
        "scale": {"type": "log", "domain": [rates[0] / 1.3, rates[-1] * 1.3], "nice": False},
        "axis": {"values": rates, "format": "~g", "labelOverlap": True},
        "title": "learning rate",
    }
    y = {
        "field": "accuracy",
        "type": "quantitative",
        "title": "validation accuracy, %",
        "scale": {"zero": False},
    }
    mean = {**y, "aggregate": "mean"}
    spec = {
        "height": 280,
        "encoding": {"x": x, **by_loss(losses)},
        "layer": [
            {"mark": {"type": "line", "strokeWidth": 2}, "encoding": {"y": mean}},
            {
                "mark": {"type": "circle", "size": 24, "opacity": 0.6},
                "encoding": {
                    "y": y,
                    "tooltip": tooltip(
                        {"loss": "loss", "lr": "rate", "seed": "seed", "accuracy": "accuracy, %"}
                    ),
                },
            },
            {
                "transform": [{"filter": "datum.chosen"}],
                "mark": {"type": "point", "size": 150, "strokeWidth": 2, "strokeDash": [1, 0]},
                "encoding": {"y": mean},
            },
        ],
    }
    return chart(
        "rates",
        ["rates"],
        spec,
        title="Sensitivity to the learning rate",
        caption="Line: mean of the tuning seeds; small dots: single trainings; ring: the rate that "
        "was chosen.",
        controls=[checkboxes("loss", "Losses", losses, shown_losses(section), swatches=True)],
    )
