"""Words and cells of a page, made of the numbers of its JSON twin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from evoloss.report.html.columns import Cell, Numbers, numbers
from evoloss.report.html.stored import StoredRun
from evoloss.report.html.verdict import signed
from evoloss.safe_text import one_line
from evoloss.training.trees.settings import without_meaning

NOTHING = "–"
_LONGEST_NAME = 200
_SHOWN_CONFUSIONS = 20
_SHOWN_FEATURES = 6
_ORDINARY = ("better", "worse")


class Head(NamedTuple):
    """Head of a column that can be sorted by.

    Attributes:
        text: for people.
        kind: ``number``, or ``word``, by which a column is sorted.
        first: the order of the first click, that in which the best comes first.
    """

    text: str
    kind: str = "number"
    first: str = "descending"


class TableCell(NamedTuple):
    """Cell of the table of losses.

    Attributes:
        text: for people.
        value: what it is sorted by; empty where there is nothing.
        more: in small letters behind it.
        found: whether it is a finding, and may have a colour.
    """

    text: str
    value: str = ""
    more: str = ""
    found: bool = False


HEADS = (
    Head("Loss", "word", "ascending"),
    Head("Accuracy, %"),
    Head("Difference, points"),
    Head("Balanced accuracy, %"),
    Head("NLL", first="ascending"),
    Head("ECE", first="ascending"),
    Head("Seconds a run", first="ascending"),
    Head("Learning rate"),
)


def comparison_view(section: Mapping[str, Any], stored: Sequence[StoredRun]) -> dict[str, Any]:
    """The words and cells of a comparison, beside its numbers."""
    rows = [_row(record, section["baseline"]) for record in section["losses"]]
    # A column in which nothing is known says so below the table.
    known = [place for place, _ in enumerate(HEADS) if any(row[place].value for row in rows)]
    return {
        **section,
        "heads": [HEADS[place] for place in known],
        "table": [[row[place] for place in known] for row in rows],
        "balanced_note": _balanced_note(section),
        "difference_rows": [
            [row[0], "mean" if row[1] == "mean" else f"seed {row[2]}", *row[3:]]
            for row in section["differences"]["rows"]
        ],
        "rate_rows": [[*row[:5], "chosen" if row[5] else ""] for row in section["rates"]["rows"]],
        "confusion_rows": _largest_confusions(section),
        "noise_sentences": _noise_sentences(section["noise_rates"]),
        "suspects": _suspects(section, stored),
        "settings": settings_of(_with_meaning(section["config"])),
    }


def losses_csv(section: Mapping[str, Any]) -> Numbers:
    """The records of losses as columns, for a spreadsheet."""
    records = section["losses"]
    own = [name for name in (records[0] if records else {}) if name != "difference"]
    names = ("mean_difference", "ci_low", "ci_high", "p_value", "p_holm", "ci_low_holm", "ci_high_holm")
    rows: list[list[Cell]] = [
        [*(record[name] for name in own), *((record["difference"] or {}).get(name) for name in names)]
        for record in records
    ]
    return numbers([*own, *names], rows)


def _with_meaning(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a comparison that do something to its classifier."""
    unused = without_meaning(str(config.get("model", "")))
    return {name: value for name, value in config.items() if name not in unused}


def settings_of(config: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Settings with their values in words, cut where a stranger wrote a long one."""
    return [(one_line(name), one_line(_value(value), 400)) for name, value in (config or {}).items()]


def number(value: float) -> str:
    """A number with four digits."""
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}".replace("-", "−")


def percent(share: float) -> str:
    """A share in percent."""
    return f"{100 * share:.0f} %"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return {None: "none", True: "yes", False: "no"}.get(value, str(value)) if _is_word(value) else str(value)


def _is_word(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def _row(record: Mapping[str, Any], baseline: str) -> list[TableCell]:
    name = one_line(record["loss"], _LONGEST_NAME)
    if record["n_diverged"]:
        name += f" ({record['n_diverged']} of {record['n_seeds']} diverged)"
    edge = {"lowest": "lower edge of its grid", "highest": "upper edge of its grid", None: ""}
    deviation = record["sd_test_accuracy"]
    seconds = record["mean_train_seconds"]
    return [
        TableCell(name, record["loss"]),
        _cell(record["mean_test_accuracy"], ".2f", "" if deviation is None else f"± {deviation:.2f}"),
        _difference(record, is_baseline=record["loss"] == baseline),
        _cell(record["balanced_accuracy"], ".2f"),
        _cell(record["mean_test_nll"], ".3f"),
        _cell(record["mean_test_ece"], ".3f"),
        _cell(seconds, ".1f" if seconds < 10 else ".0f"),
        _cell(record["lr"], "g", edge[record["rate_at_edge"]]),
    ]


def _cell(value: float | None, form: str, more: str = "") -> TableCell:
    return TableCell(NOTHING) if value is None else TableCell(format(value, form), repr(value), more)


def _difference(record: Mapping[str, Any], *, is_baseline: bool) -> TableCell:
    found = record["difference"]
    if found is None:
        return TableCell("baseline" if is_baseline else NOTHING, "0" if is_baseline else "")
    low, high = found["ci_low_holm"], found["ci_high_holm"]
    more = record["finding"] if low is None else f"{signed(low)} to {signed(high)}, {record['finding']}"
    is_finding = record["finding"] in _ORDINARY
    return TableCell(signed(found["mean_difference"]), repr(found["mean_difference"]), more, is_finding)


def _balanced_note(section: Mapping[str, Any]) -> str:
    """The runs that the balanced accuracy is of, where these are not all."""
    known = [record for record in section["losses"] if record["balanced_accuracy"] is not None]
    if not known:
        return "Balanced accuracy is known where a comparison kept its runs (--keep first)."
    if any(record["balanced_accuracy_seeds"] < record["n_seeds"] for record in known):
        return "Balanced accuracy (mean recall of the classes) is that of the first seed."
    return "Balanced accuracy is the mean recall of the classes."


def _largest_confusions(section: Mapping[str, Any]) -> list[list[Any]]:
    rows = [row for row in section["confusion"]["rows"] if row[1] != row[2] and row[3]]
    return sorted(rows, key=lambda row: (-row[3], row[0]))[:_SHOWN_CONFUSIONS]


def _noise_sentences(rates: Sequence[Mapping[str, Any]]) -> list[str]:
    """The estimate of each loss that senses: that of its median run, and those of the others."""
    sentences = []
    for loss in dict.fromkeys(rate["loss"] for rate in rates):
        own = [rate for rate in rates if rate["loss"] == loss]
        told = sorted(
            (rate for rate in own if rate["estimate"] is not None), key=lambda rate: rate["estimate"]
        )
        name = one_line(loss, _LONGEST_NAME)
        if not told:
            sentences.append(f"{name} cannot tell: {one_line(own[0]['reason'], 400)}.")
            continue
        middle = told[len(told) // 2]
        text = (
            f"{name}: about {percent(middle['estimate'])} of the training labels are wrong "
            f"({percent(middle['low'])} to {percent(middle['high'])})"
        )
        if len(own) > 1:
            single = ", ".join(percent(rate["estimate"]) for rate in told)
            runs = f"{len(own)} runs" if len(told) == len(own) else f"{len(told)} of {len(own)} runs"
            text += f"; median of {runs}, which say {single}"
        sentences.append(f"{text}.")
    return sentences


def _suspects(section: Mapping[str, Any], stored: Sequence[StoredRun]) -> list[dict[str, Any]]:
    parts = []
    for item in stored:
        if not item.suspects:
            continue
        features = [name for name in item.suspects[0] if name.startswith("feature_")][:_SHOWN_FEATURES]
        rows = [
            {
                **{name: one_line(row[name], 80) for name in ("label", "suggested")},
                "where": one_line(_where(row), 200),
                "score": _short(row["score"]),
                "truth": _truth(row),
                "features": [_short(row[name]) for name in features],
                "picture": item.thumbnails.get(place, ""),
            }
            for place, row in enumerate(item.suspects, 1)
        ]
        parts.append(
            {
                "loss": one_line(item.loss, _LONGEST_NAME),
                "seed": item.seed,
                "folder": item.folder,
                "sentence": _suspects_sentence(item.method),
                "features": [one_line(name.removeprefix("feature_"), 40) for name in features],
                "pictures": bool(item.thumbnails),
                "truth": any(row["truth"] for row in rows),
                "rows": rows,
                "first": False,
            }
        )
    first = next((part for part in parts if part["loss"] == section["verdict"]["loss"]), None)
    for part in parts:
        part["first"] = part is (first or parts[0])
    return parts


def _suspects_sentence(method: Mapping[str, Any]) -> str:
    where = (
        "predictions of models that were not trained on them"
        if method.get("out_of_sample") is True
        else ("predictions of the model that was trained on them, which knows some wrong labels by heart")
    )
    text = f"Training labels that disagree most with {where}. A high score is a reason to look, not a proof."
    if isinstance(method.get("method"), str):
        text += f" Ranked by {one_line(method['method'], 120)}."
    precision = method.get("average_precision")
    if isinstance(precision, float):
        text += f" Where the wrong labels are known, the ranking has an average precision of {precision:.2f}."
    return text


def _where(row: Mapping[str, str]) -> str:
    """The place of a sample in the user's own data, as well as a folder of an earlier version tells it."""
    if row.get("where") or row.get("file"):
        return row.get("where") or row["file"]
    return f"row {row['row']} below the names" if row.get("row") else f"sample {row['index']}"


def _truth(row: Mapping[str, str]) -> str:
    """The label before noise, where it is known."""
    before = row.get("label_before_noise", "")
    if not before:
        return ""
    return f"was {one_line(before, 80)}" if before != row["label"] else "label is right"


def _short(text: str) -> str:
    try:
        return f"{float(text):.4g}"
    except ValueError:
        return one_line(text, 80)
