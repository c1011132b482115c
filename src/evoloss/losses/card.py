"""The card of a learned loss: what it is, how it was made, what was measured, how to use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SCORES = ("consistency", "kendall_tau", "spearman_rho")


def card_text(config: Mapping[str, Any], n_params: int) -> str:
    """Write a card in Markdown from the content of ``config.json``.

    Args:
        config: the artefact's config; ``record`` may have ``title``, ``notes`` (Markdown), ``scores``
            (class count to measured ranking) and ``pretraining`` (the configuration it was evolved with).
        n_params: number of parameters.
    """
    network, record = config["network"], config["record"]
    shape = "-".join(map(str, network["hidden"]))
    classes = f"{network['n_classes']} classes" if "n_classes" in network else "any number of classes"
    lines = [
        f"# {record.get('title', 'An evolved classification loss')}",
        "",
        f"A {network['kind']} loss network (hidden layers {shape}, {network['activation']}, features "
        f"{network['features']}, {n_params} parameters) for {classes}, written by evoloss "
        f"{config['evoloss_version']}.",
        "",
        "```python",
        "from evoloss import EvolvedLoss",
        "",
        'criterion = EvolvedLoss.from_pretrained("path/to/this/directory")',
        "loss = criterion(logits, target)  # as nn.CrossEntropyLoss",
        "```",
        "",
        "It was learned from synthetic prediction-label pairs alone; no data set was read.",
    ]
    if record.get("notes"):
        lines += ["", str(record["notes"]).strip()]
    lines += _scores(record.get("scores"))
    lines += _pretraining(record.get("pretraining"))
    return "\n".join(lines) + "\n"


def _scores(scores: object) -> list[str]:
    if not isinstance(scores, Mapping) or not scores:
        return []
    rows = [_score_row(n_classes, row) for n_classes, row in scores.items()]
    head = [
        "| classes | ranking consistency | Kendall's tau-b | Spearman's rho |",
        "| ---: | ---: | ---: | ---: |",
    ]
    return ["", "## Ranking on held-out synthetic pairs", "", *head, *rows]


def _score_row(n_classes: object, row: object) -> str:
    # A record may come from a stranger's artefact, and whatever could be loaded can be saved again.
    numbers = [row.get(name) if isinstance(row, Mapping) else None for name in _SCORES]
    cells = [f"{number:.5f}" if isinstance(number, int | float) else "-" for number in numbers]
    return f"| {n_classes} | {' | '.join(cells)} |"


def _pretraining(pretraining: object) -> list[str]:
    if not isinstance(pretraining, Mapping) or not pretraining:
        return []
    rows = [f"| {key} | {value} |" for key, value in pretraining.items()]
    return ["", "## Pretraining", "", "| setting | value |", "| --- | --- |", *rows]
