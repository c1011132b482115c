"""Words and cells of a search, made of the numbers of its JSON twin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evoloss.report.html.view import NOTHING, settings_of

_MOST_IMPROVEMENTS = 12  # more stand in the table that is closed at first
_MOST_GENERATIONS = 100
_MOST_PARENTS = 12
_MEASURES = {"advantage": "points over cross-entropy", "disorder": "couples in the wrong order"}


def search_view(section: Mapping[str, Any]) -> dict[str, Any]:
    """The words and cells of a search, beside its numbers."""
    lineage = section["lineage"]
    measure, is_disorder = _MEASURES[lineage["measure"]], lineage["measure"] == "disorder"
    improvements = lineage["improvements"]["rows"]
    has_error = any(row[2] is not None for row in improvements)
    rows = lineage["generations"]["rows"]
    improved = {row[0] for row in improvements}
    short = rows if len(rows) <= _MOST_GENERATIONS else [row for row in rows if row[0] in improved]
    return {
        **section,
        "settings": settings_of(section["config"]),
        "improvement_heads": ["generation", measure, "gain"],
        "improvement_rows": [
            [f"{row[0]:,}", _value(row[1], row[2], is_disorder), _gain(row[3], is_disorder)]
            for row in improvements
            if len(improvements) <= _MOST_IMPROVEMENTS
        ],
        "improvement_caption": _caption(is_disorder, has_error=has_error),
        "descent_title": f"{'Generations' if short is rows else 'Improvements'} as a table",
        "descent_heads": [
            *("generation", "parents, best first", "best parent", "last parent", "mutation", "step"),
            *("mean, held out", "gain"),
        ],
        "descent_rows": [
            [row[0], _parents(row[1]), *_shares(row[2:4], is_disorder), *row[4:7], _gain(row[7], is_disorder)]
            for row in short
        ],
    }


def _caption(is_disorder: bool, *, has_error: bool) -> str:
    if is_disorder:
        where = "held-out pairs, where it was better than ever before"
    else:
        where = (
            "held-out tasks, where its score was better than ever before; the score is of accuracy and "
            "likelihood, on mean and worst tasks"
        )
    error = ". ±: standard error" if has_error else ""
    return f"The mean of the search on {where}{error}. The gain is on the row above."


def _value(value: float, error: float | None, is_disorder: bool) -> str:
    if is_disorder:
        return f"{100 * value:.3g} %"
    return f"{value:+.2f}{'' if error is None else f' ± {error:.2f}'}".replace("-", "−")


def _gain(gain: float | None, is_disorder: bool) -> str:
    if gain is None:
        return NOTHING
    return f"÷ {gain:.3g}" if is_disorder else f"{gain:+.2f}".replace("-", "−")


def _parents(named: str | None) -> str | None:
    """Numbers of candidates; of many the first."""
    places = (named or "").split()
    if len(places) <= _MOST_PARENTS:
        return named if named is None else named or "none was accepted"
    return f"{' '.join(places[:_MOST_PARENTS])} … ({len(places)})"


def _shares(scores: list[float | None], is_disorder: bool) -> list[float | None]:
    """Scores of parents as the charts have them: of pairs, what is in the wrong order."""
    return [None if score is None else 1 - score if is_disorder else score for score in scores]
