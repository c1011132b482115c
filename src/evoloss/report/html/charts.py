"""Charts of a comparison: Vega-Lite specifications without their rows, and the controls that choose rows.

A chart names the part of the JSON twin that it draws, so that the numbers are on the page once. Colours are
``theme:NAME``, which the page replaces by those of its light or dark scheme. A colour stands for a loss and for
nothing else; in the chart of differences, where it would suggest a finding, only what is significant has one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evoloss.report.html.controls import Control, checkboxes, select, slider
from evoloss.safe_text import one_line

Chart = dict[str, Any]

COLOURS = 7
DASHES: tuple[list[int], ...] = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3])
"""Colours and line styles: losses beyond the colours have another style."""
_SHOWN_LOSSES = 7
_MOST_CLASSES = 30
_LETTERS = 40


def comparison_charts(section: Mapping[str, Any]) -> list[Chart]:
    """Return the charts that the numbers of a comparison allow, in the order of the page."""
    losses = [record["loss"] for record in section["losses"]]
    charts = [
        _differences(section),
        _curves(section, losses),
        _rates(section, losses),
        _confusion(section),
        _recall(section, losses),
        _reliability(section, losses),
        shapes_chart(section, losses),
    ]
    return [chart for chart in charts if chart is not None]


def chart(
    name: str,
    source: Sequence[str],
    spec: Mapping[str, Any],
    *,
    title: str,
    caption: str,
    controls: Sequence[Control] = (),
    expand: Sequence[str] = (),
    grid: Sequence[str] = (),
) -> Chart:
    """A chart for the page.

    Args:
        name: unique in its section.
        source: keys that lead from the section to the numbers, :class:`~evoloss.report.html.columns.Numbers`.
        spec: Vega-Lite, without data; its rows are the data set ``rows``.
        title: above the chart.
        caption: below it; also what a screen reader says.
        controls: choose among the rows.
        expand: columns that hold lists of one length; each entry becomes a row.
        grid: column of the values that these lists belong to, and keys that lead to them; empty where they are
            a column themselves.
    """
    whole = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": f"{title}. {caption}",
        "data": {"name": "rows"},
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
        **spec,
    }
    return {
        "name": name,
        "source": list(source),
        "title": title,
        "caption": caption,
        "controls": list(controls),
        "expand": list(expand),
        "grid": list(grid),
        "spec": whole,
    }


def by_loss(losses: Sequence[str]) -> dict[str, Any]:
    """Colour and line style of losses, the same in every chart; the controls are the legend."""
    domain = list(losses)
    colours = [f"theme:series{index % COLOURS}" for index in range(len(losses))]
    dashes = [DASHES[index // COLOURS % len(DASHES)] for index in range(len(losses))]
    return {
        "color": {
            "field": "loss",
            "type": "nominal",
            "scale": {"domain": domain, "range": colours},
            "legend": None,
        },
        "strokeDash": {
            "field": "loss",
            "type": "nominal",
            "scale": {"domain": domain, "range": dashes},
            "legend": None,
        },
    }


def tooltip(fields: Mapping[str, str]) -> list[dict[str, Any]]:
    """What is told of a mark: fields with their names; numbers with four digits."""
    return [{"field": field, "title": title} for field, title in fields.items()]


def shown_losses(section: Mapping[str, Any]) -> list[str]:
    """The losses that are drawn at first: all, or of many the baseline and those with the largest differences."""
    losses = [record["loss"] for record in section["losses"]]
    if len(losses) <= _SHOWN_LOSSES:
        return losses
    gain = {
        record["loss"]: record["difference"]["mean_difference"]
        for record in section["losses"]
        if record["difference"]
    }
    best = sorted(gain, key=lambda loss: -gain[loss])[: _SHOWN_LOSSES - 2]
    return [loss for loss in losses if loss in best or loss == section["baseline"]]


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
    y = {"field": "loss", "type": "nominal", "scale": {"domain": order}, "title": None, "axis": {"labelLimit": 130}}
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
        caption=f"Test accuracy less that of {one_line(section['baseline'], _LETTERS)}, seed by seed. Dot: mean; "
        f"{bar}small marks: single seeds. Only what is distinguishable from 0 has a colour.",
        controls=[select("seed", "Seeds shown", {"": "all", **{seed: f"seed {seed}" for seed in seeds}}, "")],
    )


def _curves(section: Mapping[str, Any], losses: Sequence[str]) -> Chart | None:
    rows = section["curves"]["rows"]
    if not rows:
        return None
    seeds = sorted({row[1] for row in rows})
    splits = {"validation": "validation split", "training": "training labels as given"}
    splits = {key: text for key, text in splits.items() if any(row[2] == key for row in rows)}
    x = {
        "field": "epoch",
        "type": "quantitative",
        "title": "epoch",
        "axis": {"tickMinStep": 1},
        "scale": {"nice": False},
    }
    y = {"field": "accuracy", "type": "quantitative", "title": "accuracy, %", "scale": {"zero": False}}
    told = tooltip({"loss": "loss", "seed": "seed", "epoch": "epoch", "accuracy": "accuracy, %"})
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
                "transform": [{"filter": "datum.split == 'validation' && datum.epoch == datum.best_epoch"}],
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
        caption="Thick line: mean of the seeds chosen; thin lines: single seeds. Diamond: best validation epoch; "
        "dot: last epoch.",
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
        caption="Line: mean of the tuning seeds; small dots: single trainings; ring: the rate that was chosen.",
        controls=[checkboxes("loss", "Losses", losses, shown_losses(section), swatches=True)],
    )


def _confusion(section: Mapping[str, Any]) -> Chart | None:
    rows, classes = section["confusion"]["rows"], section["classes"]
    kept = list(dict.fromkeys(row[0] for row in rows))
    if not rows or len(classes) > _MOST_CLASSES:
        return None
    label = {"labelLimit": 90, "labelOverlap": False}
    x = {
        "field": "predicted",
        "type": "nominal",
        "scale": {"domain": classes},
        "title": "predicted",
        "axis": {**label, "labelAngle": -45},
    }
    y = {"field": "label", "type": "nominal", "scale": {"domain": classes}, "title": "label", "axis": label}
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
                "tooltip": tooltip(
                    {"label": "label", "predicted": "predicted", "count": "samples", "share": "share"}
                ),
            },
        }
    ]
    if len(classes) <= 12:
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
        {"height": 26 * len(classes), "encoding": {"x": x, "y": y}, "layer": layers},
        title="Confusion on the test split",
        caption="Counts; the darker, the larger the share of the label's samples.",
        controls=[select("loss", "Loss", {loss: loss for loss in kept}, _first_shown(section, kept))],
    )


def _recall(section: Mapping[str, Any], losses: Sequence[str]) -> Chart | None:
    rows = section["recall"]["rows"]
    if not rows or len(section["classes"]) > 2 * _MOST_CLASSES:
        return None
    y = {
        "field": "label",
        "type": "nominal",
        "scale": {"domain": section["classes"]},
        "title": None,
        "axis": {"labelLimit": 120},
    }
    x = {
        "field": "recall",
        "type": "quantitative",
        "title": "recall",
        "axis": {"format": "%"},
        "scale": {"zero": False},
    }
    told = tooltip({"loss": "loss", "label": "class", "recall": "recall", "samples": "samples"})
    spec = {
        "height": 22 * len(section["classes"]),
        "mark": {"type": "point", "size": 60, "strokeWidth": 2, "strokeDash": [1, 0]},
        "encoding": {"x": x, "y": y, "color": by_loss(losses)["color"], "tooltip": told},
    }
    kept = [loss for loss in losses if any(row[0] == loss for row in rows)]
    return chart(
        "recall",
        ["recall"],
        spec,
        title="Recall by class",
        caption="Share of a class's test samples that are predicted right.",
        controls=[
            checkboxes("loss", "Losses", kept, _within(shown_losses(section), kept), losses, swatches=True)
        ],
    )


def _reliability(section: Mapping[str, Any], losses: Sequence[str]) -> Chart | None:
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
    kept = [loss for loss in losses if any(row[0] == loss for row in rows)]
    return chart(
        "reliability",
        ["reliability"],
        spec,
        title="Reliability",
        caption="Accuracy of test predictions against their confidence, before temperature scaling; on the dashed "
        "line both agree. Larger dots hold more samples.",
        controls=[
            checkboxes("loss", "Losses", kept, _within(shown_losses(section), kept), losses, swatches=True)
        ],
    )


def shapes_chart(section: Mapping[str, Any], losses: Sequence[str]) -> Chart | None:
    """The chart of the shapes of losses, for comparisons and for searches."""
    rows = section["shapes"]["curves"]["rows"]
    if not rows:
        return None
    drawn = [loss for loss in losses if any(row[0] == loss for row in rows)]
    counts, agreements, sensed = (
        sorted({row[place] for row in rows if row[place] is not None}) for place in (1, 3, 4)
    )
    n_classes = section.get("n_classes") or len(section.get("classes", ())) or 10
    start = n_classes if n_classes in counts else 10 if 10 in counts else counts[0]
    controls = [
        checkboxes("loss", "Losses", drawn, _within(shown_losses(section), drawn), losses, swatches=True),
        slider("classes", "Classes", counts, start),
        select("rest", "Other classes share 1 − p", {"uniform": "evenly", "rival": "one has all"}, "uniform"),
    ]
    if agreements:
        controls.append(
            slider("agreement", "Agreement of the batch (0: chance, 1: learned)", agreements, 1.0)
        )
    if sensed:
        controls.append(
            slider("sensed", "Sensed: wrong labels being memorised (0: none, 1: certain)", sensed, 0.0)
        )
    told = tooltip({"loss": "loss", "p": "p", "pull": "pull"})
    spec = {
        "height": 300,
        "mark": {"type": "line", "strokeWidth": 2.2, "clip": True},
        "encoding": {
            "x": {
                "field": "p",
                "type": "quantitative",
                "title": "probability p of the label",
                "scale": {"domain": [0, 1]},
            },
            "y": {"field": "pull", "type": "quantitative", "title": "pull on the label's logit, −∂L/∂z"},
            **by_loss(losses),
            "tooltip": told,
        },
    }
    return chart(
        "shapes",
        ["shapes", "curves"],
        spec,
        title="Shape of the losses",
        caption="How hard a sample pulls on its label, by the probability that the label has. Cross-entropy pulls "
        "with 1 − p. Where doubted labels have a small p, a loss that is robust to wrong labels pulls less.",
        controls=controls,
        expand=["pull"],
        grid=["p", "shapes", "p"],
    )


def _first_shown(section: Mapping[str, Any], kept: Sequence[str]) -> str:
    """The loss that is looked at first: that of the verdict, else the first."""
    loss = section["verdict"]["loss"]
    return loss if loss in kept else kept[0]


def _within(names: Iterable[str], known: Sequence[str]) -> list[str]:
    return [name for name in names if name in known] or list(known)
