"""The card of a learned loss: what it is, how it was made, what was measured, how to use it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

from evoloss.networks import NETWORKS
from evoloss.safe_text import one_line, paragraphs, table_cell

CARD_LINE = r"A \w+ loss network \(.*\) for .*, written by evoloss \S+\.$"
"""The line by which a card is told from another ``README.md``, in every version."""

_MAX_ROWS = 200  # of a table; a stranger's record may have any number

SCORE_TITLES = {
    "consistency": "ranking consistency",
    "kendall_tau": "Kendall's tau-b",
    "spearman_rho": "Spearman's rho",
}


def card_text(
    config: Mapping[str, Any], n_params: int, table_errors: Mapping[int, tuple[float, float]] | None = None
) -> str:
    """Write a card in Markdown from the content of ``config.json``.

    Args:
        config: the artefact's config; ``record`` may have ``title``, ``notes`` (Markdown), ``scores``
            (class count to measured ranking) and ``pretraining`` (the configuration it was evolved with).
        n_params: number of parameters.
        table_errors: by class count, how far value and slope of the loss in use are from the network.
    """
    network, record = config["network"], config["record"]
    details = [f"{n_params} parameters"]
    if "hidden" in network:
        details = [*_hidden_layers(network), f"features {network['features']}", *details]
    kind = NETWORKS.get(network["kind"])  # a stranger's kind may be one of his own
    size = ", n_samples=len(train_set)" if kind is not None and kind.keeps_state else ""
    classes = f"{network['n_classes']} classes" if "n_classes" in network else "any number of classes"
    lines = [
        f"# {one_line(record.get('title', 'An evolved classification loss'), 120)}",
        "",
        f"A {network['kind']} loss network ({', '.join(details)}) for {classes}, written by evoloss "
        f"{config['evoloss_version']}.",
        "",
        "```python",
        "from evoloss import EvolvedLoss",
        "",
        f'criterion = EvolvedLoss.from_pretrained("path/to/this/directory"{size})',
        "loss = criterion(logits, target)  # as nn.CrossEntropyLoss",
        "```",
        "",
        _origin(record.get("pretraining"), record.get("evolve")),
    ]
    if record.get("notes"):
        lines += ["", paragraphs(record["notes"]).strip()]
    lines += _tables(table_errors or {})
    lines += _learnability(record.get("learnability"), record.get("prior"))
    lines += _scores(record.get("scores"))
    lines += _pretraining(record.get("pretraining"), has_layers=bool(network.get("hidden")))
    return "\n".join(lines) + "\n"


def _origin(pretraining: Any, evolve: Any = None) -> str:
    """The sentence that says where the parameters are from."""
    if isinstance(evolve, Mapping) and evolve.get("data_shape") is not None:
        return (
            "It was learned from synthetic prediction-label pairs and tasks; of a data set only the shape "
            "was read, which is below."
        )
    if not isinstance(pretraining, Mapping) or pretraining.get("generations") != 0:
        return "It was learned from synthetic prediction-label pairs alone; no data set was read."
    if pretraining.get("start") == "set_by_hand":
        return "Its parameters were set by hand; no search has changed them."
    return "Its parameters are those that a search would start from; no search has changed them."


def _hidden_layers(network: Mapping[str, Any]) -> list[str]:
    if not network["hidden"]:
        return ["no hidden layers"]
    return [f"hidden layers {'-'.join(map(str, network['hidden']))}", network["activation"]]


def _tables(errors: Mapping[int, tuple[float, float]]) -> list[str]:
    if not errors:
        return []
    rows = [f"| {count} | {value:.1e} | {slope:.1e} |" for count, (value, slope) in errors.items()]
    return [
        "",
        "## In use",
        "",
        "On logits of float32 or less the loss is read from tables. Largest errors against the network, of a "
        "term of the loss and of its slope in log p (cross-entropy's is -1):",
        "",
        "| classes | value | slope |",
        "| ---: | ---: | ---: |",
        *rows,
    ]


def _learnability(found: object, prior: object) -> list[str]:
    if not isinstance(found, Mapping) or not found:
        return []
    rows = []
    # Losses of earlier versions do not say it.
    stretch = _number(prior.get("stretch")) if isinstance(prior, Mapping) else None
    times = "ten" if stretch is None or stretch == 10 else f"{stretch:g}"
    for name, line in (
        ("short", "short training"),
        ("long", "long training, few samples"),
        ("stretched", f"trained {times} times longer than in the search"),
    ):
        row = found.get(name)
        numbers = [row.get(key) if isinstance(row, Mapping) else None for key in ("mean", "se", "tasks")]
        mean, error, tasks = (math.nan if _number(number) is None else _number(number) for number in numbers)
        rows.append(f"| {line} | {tasks:g} | {mean:+.2f} | {error:.2f} |")
    return [
        "",
        "## On held-out synthetic tasks",
        "",
        "Accuracy of students less that of cross-entropy's students, in points; nothing was chosen by them.",
        "",
        "| tasks | number | mean | standard error |",
        "| --- | ---: | ---: | ---: |",
        *rows,
    ]


def _scores(scores: object) -> list[str]:
    if not isinstance(scores, Mapping) or not scores:
        return []
    names = dict(SCORE_TITLES)
    if any(isinstance(row, Mapping) and "dominance" in row for row in scores.values()):
        names["dominance"] = "consistency under dominance"
    rows = [_score_row(n_classes, row, tuple(names)) for n_classes, row in _first_rows(scores)]
    head = [f"| classes | {' | '.join(names.values())} |", "| ---: |" + " ---: |" * len(names)]
    return ["", "## Ranking on held-out synthetic pairs", "", *head, *rows]


def _score_row(n_classes: object, row: object, names: tuple[str, ...]) -> str:
    # A record may come from a stranger's artefact, and whatever could be loaded can be saved again.
    numbers = [row.get(name) if isinstance(row, Mapping) else None for name in names]
    cells = ["-" if (value := _number(number)) is None else f"{value:.5f}" for number in numbers]
    return f"| {table_cell(n_classes)} | {' | '.join(cells)} |"


def _pretraining(pretraining: object, *, has_layers: bool) -> list[str]:
    if not isinstance(pretraining, Mapping) or not pretraining:
        return []
    # Settings of layers that the network does not have were without effect.
    unused = () if has_layers else ("hidden", "activation")
    settings = {key: value for key, value in _first_rows(pretraining) if key not in unused}
    rows = [f"| {table_cell(key)} | {table_cell(value, 1000)} |" for key, value in settings.items()]
    return ["", "## Pretraining", "", "| setting | value |", "| --- | --- |", *rows]


def _first_rows(table: Mapping[Any, Any]) -> list[tuple[Any, Any]]:
    return list(itertools.islice(table.items(), _MAX_ROWS))


def _number(value: object) -> float | None:
    """The value as a number of a table; None for what is none, or beyond the range of numbers."""
    try:
        return float(value) if isinstance(value, int | float) else None
    except OverflowError:
        return None
