"""Words, cells and the chart of several data sets, made of the numbers of the JSON twin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evoloss.report.html.chart_parts import NAME_LIMIT, Chart, by_loss, chart, tooltip
from evoloss.report.html.controls import checkboxes
from evoloss.report.html.view import NOTHING, Head, TableCell
from evoloss.report.joint_words import signed
from evoloss.safe_text import one_line

_LONGEST_NAME = 200
_ROW_HEIGHT, _LINE_HEIGHT = 16, 14  # of a data set, and of each loss in it
HEADS = (
    Head("Loss", "word", "ascending"),
    Head("Data sets"),
    Head("Mean accuracy, %"),
    Head("Mean difference, points"),
    Head("Median"),
    Head("Worst"),
    Head("Better on"),
    Head("Worse on", first="ascending"),
)


def joint_view(section: Mapping[str, Any]) -> dict[str, Any]:
    """The words and cells of a part on several data sets, beside its numbers."""
    losses = [row["loss"] for row in section["losses"] if row["loss"] != section["baseline"]]
    return {
        **section,
        "heads": HEADS,
        "table": [_row(row, section["baseline"]) for row in section["losses"]],
        "dataset_heads": [
            Head("Data set", "word", "ascending"),
            Head("Classifier", "word", "ascending"),
            Head("Training samples"),
            Head(f"{one_line(section['baseline'], 40)}, %"),
            *(Head(one_line(loss, _LONGEST_NAME)) for loss in losses),
        ],
        "dataset_table": [_dataset_row(section, dataset, losses) for dataset in section["datasets"]],
    }


def joint_charts(section: Mapping[str, Any]) -> list[Chart]:
    """The chart of differences by data set, where there are some."""
    rows = section["differences"]["rows"]
    if not rows:
        return []
    losses = [row["loss"] for row in section["losses"]]
    drawn = [loss for loss in losses if loss != section["baseline"]]
    places = [dataset["label"] for dataset in section["datasets"]]
    told = {
        **{"dataset": "data set", "loss": "loss", "difference": "points"},
        **{"low": "interval from", "high": "to", "finding": ""},
    }
    x = {"field": "difference", "type": "quantitative", "title": "difference, points of test accuracy"}
    spec = {
        "height": len(places) * (_ROW_HEIGHT + _LINE_HEIGHT * len(drawn)),
        "encoding": {
            "y": {
                "field": "dataset",
                "type": "nominal",
                "scale": {"domain": places},
                "title": None,
                "axis": {"labelLimit": NAME_LIMIT},
            },
            "yOffset": {"field": "loss", "type": "nominal", "scale": {"domain": drawn}},
            "tooltip": tooltip(told),
            **by_loss(losses),
        },
        "layer": [
            {
                "mark": {"type": "rule", "color": "theme:muted"},
                "encoding": {
                    **{"x": {"datum": 0}, "y": None, "yOffset": None, "tooltip": None},
                    **{"color": None, "strokeDash": None},
                },
            },
            {
                "transform": [{"filter": "isValid(datum.low)"}],
                "mark": {"type": "rule", "strokeWidth": 2.5},
                "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "point", "size": 70, "filled": True, "opacity": 1},
                "encoding": {"x": x, "strokeDash": None},
            },
        ],
    }
    return [
        chart(
            "joint",
            ["differences"],
            spec,
            title="Differences by data set",
            caption=f"Test accuracy less that of {one_line(section['baseline'], 40)}, paired by seed. Dot: "
            "mean; line: 95 % interval, corrected for all losses on all data sets, from three seeds on.",
            controls=[checkboxes("loss", "Losses", drawn, drawn, losses, swatches=True)],
        )
    ]


def _row(row: Mapping[str, Any], baseline: str) -> list[TableCell]:
    cells = [
        TableCell(one_line(row["loss"], _LONGEST_NAME), row["loss"]),
        _count(row["n_datasets"]),
        TableCell(f"{row['mean_accuracy']:.2f}", repr(row["mean_accuracy"])),
    ]
    if row["loss"] == baseline:
        return [*cells, TableCell("baseline", "0"), *[TableCell(NOTHING)] * 4]
    where = row["worst_dataset"]
    return [
        *cells,
        _points(row["mean_difference"]),
        _points(row["median_difference"]),
        _points(row["worst_difference"], "" if where is None else f"on {one_line(where)}"),
        _count(row["n_better"], found=row["n_better"] > 0),
        _count(row["n_worse"], found=row["n_worse"] > 0),
    ]


def _dataset_row(
    section: Mapping[str, Any], dataset: Mapping[str, Any], losses: list[str]
) -> list[TableCell]:
    columns = section["differences"]["columns"]
    found = {
        record["loss"]: record
        for record in (dict(zip(columns, row, strict=True)) for row in section["differences"]["rows"])
        if record["dataset"] == dataset["label"]
    }
    accuracy, size = dataset["baseline_accuracy"], dataset["n_train"]
    cells = [
        TableCell(one_line(dataset["label"], _LONGEST_NAME), dataset["label"]),
        TableCell(
            NOTHING if dataset["model"] is None else one_line(dataset["model"]), dataset["model"] or ""
        ),
        TableCell(NOTHING) if size is None else TableCell(f"{size:,}", str(size)),
        TableCell(NOTHING) if accuracy is None else TableCell(f"{accuracy:.2f}", repr(accuracy)),
    ]
    for loss in losses:
        if loss not in found:
            cells.append(TableCell(NOTHING))
            continue
        finding = found[loss]["finding"]
        cells.append(_points(found[loss]["difference"], finding, found=finding in ("better", "worse")))
    return cells


def _points(value: float | None, more: str = "", *, found: bool = False) -> TableCell:
    return TableCell(NOTHING) if value is None else TableCell(signed(value), repr(value), more, found)


def _count(number: int, *, found: bool = False) -> TableCell:
    return TableCell(str(number), str(number), found=found)
