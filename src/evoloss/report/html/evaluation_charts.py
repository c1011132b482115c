"""Charts of what was kept of runs: confusion, recall by class, reliability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evoloss.report.html.chart_parts import NAME_LIMIT, Chart, by_loss, chart, shown_losses, tooltip, within
from evoloss.report.html.controls import checkboxes, select

_MOST_CLASSES = 30  # of a confusion matrix; recall has room for twice as many
_MOST_COUNTS = 12  # classes of a confusion matrix with the counts in its cells
_ROW = 28  # pixels of a class
_NARROWEST = 17  # pixels of a column, as high as the letters of its name
_NAMES = 170  # pixels of the names beside them


def confusion_chart(section: Mapping[str, Any]) -> Chart | None:
    """The confusion of one loss; None without any, and for many classes."""
    rows, classes = section["confusion"]["rows"], section["classes"]
    stored = list(dict.fromkeys(row[0] for row in rows))
    if not rows or len(classes) > _MOST_CLASSES:
        return None
    label = {"labelLimit": NAME_LIMIT, "labelOverlap": False}
    x = {
        "field": "predicted",
        "type": "nominal",
        "scale": {"domain": classes},
        "title": "predicted",
        "axis": {**label, "labelAngle": -45},
    }
    above = {"titleAngle": 0, "titleAlign": "right", "titleX": -6, "titleY": -8}  # leaves names the width
    y = {
        "field": "label",
        "type": "nominal",
        "scale": {"domain": classes},
        "title": "label",
        "axis": {**label, **above},
    }
    told = tooltip({"label": "label", "predicted": "predicted", "count": "samples", "share": "share"})
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "rect", "stroke": "theme:surface", "strokeWidth": 1},
            "encoding": {
                "color": {
                    "field": "share",
                    "type": "quantitative",
                    "scale": {"domain": [0, 1], "range": ["theme:low", "theme:high"]},
                    "legend": None,
                },
            },
        }
    ]
    if len(classes) <= _MOST_COUNTS:
        light = {"test": "datum.share > 0.5", "value": "theme:onhigh"}
        layers.append(
            {
                "mark": {"type": "text", "fontSize": 11},
                "encoding": {
                    "text": {"field": "count"},
                    "color": {"condition": light, "value": "theme:text"},
                },
            }
        )
    return chart(
        "confusion",
        ["confusion"],
        {"height": _ROW * len(classes), "encoding": {"x": x, "y": y, "tooltip": told}, "layer": layers},
        title="Confusion on the test split",
        caption="Counts; the darker, the larger the share of the label's samples.",
        controls=[select("loss", "Loss", {loss: loss for loss in stored}, _first_shown(section, stored))],
        widths=(_NAMES + _NARROWEST * len(classes), 2 * _NAMES + 3 * _ROW * len(classes)),
    )


def recall_chart(section: Mapping[str, Any], losses: Sequence[str]) -> Chart | None:
    """The recall of every class; None without any, and for many classes."""
    rows = section["recall"]["rows"]
    if not rows or len(section["classes"]) > 2 * _MOST_CLASSES:
        return None
    y = {
        "field": "label",
        "type": "nominal",
        "scale": {"domain": section["classes"]},
        "title": None,
        "axis": {"labelLimit": NAME_LIMIT},
    }
    x = {
        "field": "recall",
        "type": "quantitative",
        "title": "recall",
        "axis": {"format": "%", "tickCount": 5, "labelSeparation": 8},
        "scale": {"zero": False},
    }
    told = tooltip({"loss": "loss", "label": "class", "recall": "recall", "samples": "samples"})
    spec = {
        "height": 22 * len(section["classes"]),
        "mark": {"type": "point", "size": 60, "strokeWidth": 2, "strokeDash": [1, 0]},
        "encoding": {"x": x, "y": y, "color": by_loss(losses)["color"], "tooltip": told},
    }
    stored = [loss for loss in losses if any(row[0] == loss for row in rows)]
    return chart(
        "recall",
        ["recall"],
        spec,
        title="Recall by class",
        caption="Share of a class's test samples that are predicted right.",
        controls=[
            checkboxes("loss", "Losses", stored, within(shown_losses(section), stored), losses, swatches=True)
        ],
    )


def reliability_chart(section: Mapping[str, Any], losses: Sequence[str]) -> Chart | None:
    """Accuracy against confidence; None where nothing was kept."""
    rows = section["reliability"]["rows"]
    if not rows:
        return None
    unit = {"domain": [0, 1]}
    x = {
        "field": "confidence",
        "type": "quantitative",
        "title": "confidence",
        "scale": unit,
        "axis": {"format": "%"},
    }
    y = {
        "field": "accuracy",
        "type": "quantitative",
        "title": "accuracy",
        "scale": unit,
        "axis": {"format": "%"},
    }
    told = tooltip({"loss": "loss", "confidence": "confidence", "accuracy": "accuracy", "count": "samples"})
    diagonal = {"x": {"datum": 0}, "y": {"datum": 0}, "x2": {"datum": 1}, "y2": {"datum": 1}}
    spec = {
        "height": 300,
        "layer": [
            {"mark": {"type": "rule", "color": "theme:muted", "strokeDash": [4, 4]}, "encoding": diagonal},
            {"mark": {"type": "line", "strokeWidth": 2}, "encoding": {"x": x, "y": y, **by_loss(losses)}},
            {
                "mark": {"type": "circle", "opacity": 0.8},
                "encoding": {
                    "x": x,
                    "y": y,
                    "color": by_loss(losses)["color"],
                    "size": {
                        "field": "count",
                        "type": "quantitative",
                        "scale": {"range": [15, 240]},
                        "legend": None,
                    },
                    "tooltip": told,
                },
            },
        ],
    }
    stored = [loss for loss in losses if any(row[0] == loss for row in rows)]
    return chart(
        "reliability",
        ["reliability"],
        spec,
        title="Reliability",
        caption="Accuracy of test predictions against their confidence, before temperature scaling; on the "
        "dashed line both agree. Larger dots hold more samples.",
        controls=[
            checkboxes("loss", "Losses", stored, within(shown_losses(section), stored), losses, swatches=True)
        ],
    )


def _first_shown(section: Mapping[str, Any], stored: Sequence[str]) -> str:
    """The loss that is looked at first: that of the verdict, else the first."""
    loss = section["verdict"]["loss"]
    return loss if loss in stored else stored[0]
