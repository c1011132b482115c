"""Parts of charts: Vega-Lite specifications without their rows, and the controls that choose rows.

A chart names the part of the JSON twin that it draws, so that the numbers are on the page once. Colours are
``theme:NAME``, which the page replaces by those of its light or dark scheme. A colour stands for a loss and
for nothing else; in the chart of differences, where it would suggest a finding, only what is significant has
one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evoloss.report.html.controls import Control, checkboxes, select, slider

Chart = dict[str, Any]

COLOURS = 7
DASHES: tuple[list[int], ...] = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3])
"""Colours and line styles: losses beyond the colours have another style."""
_SHOWN_LOSSES = 7
NAME_LIMIT = {"expr": "max(170, 0.4 * containerSize()[0])"}
"""Pixels that a name at an axis may take: 28 letters on a phone, and more where there is room."""


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
    widths: tuple[int, int] | None = None,
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
        grid: column of the values that these lists belong to, and keys that lead to them; empty where they
            are a column themselves.
        widths: least and largest width in pixels; below the least the chart can be scrolled. By default it
            is as wide as the page.
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
        "widths": list(widths) if widths else [],
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
    """Tooltip of a mark: fields with their names."""
    return [{"field": field, "title": title} for field, title in fields.items()]


def shown_losses(section: Mapping[str, Any]) -> list[str]:
    """The losses that are drawn at first: all, or of many the baseline and the best."""
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


def within(names: Iterable[str], known: Sequence[str]) -> list[str]:
    """Those of some names that are known; all that are known if none is."""
    return [name for name in names if name in known] or list(known)


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
        checkboxes("loss", "Losses", drawn, within(shown_losses(section), drawn), losses, swatches=True),
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
        caption="How hard a sample pulls on its label, by the probability that the label has. "
        "Cross-entropy pulls "
        "with 1 − p. Where doubted labels have a small p, a loss that is robust to wrong labels pulls less.",
        controls=controls,
        expand=["pull"],
        grid=["p", "shapes", "p"],
    )
