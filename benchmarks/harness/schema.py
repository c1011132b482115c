"""The schema of the speed results in ``benchmarks/speed/results/``; the tests check every committed file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

SCHEMA = 1

_TOP = {"schema": int, "benchmark": str, "command": str, "facts": dict, "rows": list, "targets": list}
_FACTS = {"evoloss": str, "torch": str, "python": str, "machine": str, "processor": str}
_FACTS_NUMBERS = ("cpus", "threads", "load")
_ROW_TEXT = ("case", "subject", "baseline")
_ROW_NUMBERS = ("rounds", "ratio")
MEASURES = ("seconds", "mebibytes")
"""Units of what a row has measured; it has one of them."""


def check_results(content: Mapping[str, Any]) -> None:
    """Check a result file's content.

    Raises:
        ValueError: saying which entry is missing, mistyped or inconsistent.
    """
    _require_types(content, _TOP, "the file")
    if content["schema"] != SCHEMA:
        raise ValueError(f"schema must be {SCHEMA}, got {content['schema']}")
    _require_types(content["facts"], _FACTS, "facts")
    for name in _FACTS_NUMBERS:
        _require_number(content["facts"], name, "facts", least=0)
    if not content["rows"]:
        raise ValueError("a result has at least one row")
    for position, row in enumerate(content["rows"]):
        _check_row(row, f"row {position}")
    for position, target in enumerate(content["targets"]):
        _check_target(target, f"target {position}")


def _check_row(row: Mapping[str, Any], where: str) -> None:
    _require_types(row, dict.fromkeys(_ROW_TEXT, str), where)
    measures = [name for name in MEASURES if name in row]
    if len(measures) != 1:
        raise ValueError(f"{where} must have measured one of {', '.join(MEASURES)}, got {measures}")
    for name in (*_ROW_NUMBERS, *measures):
        _require_number(row, name, where, least=0, above=True)
    for name in (f"{measures[0]}_quartiles", "ratio_quartiles"):
        spread = row.get(name)
        if not (isinstance(spread, list) and len(spread) == 2 and 0 < spread[0] <= spread[1]):
            raise ValueError(f"{where}: {name} must be two rising positive numbers, got {spread!r}")


def _check_target(target: Mapping[str, Any], where: str) -> None:
    _require_types(target, {"name": str, "at_least": bool, "reached": bool, "reason": str}, where)
    _require_number(target, "limit", where)
    _require_number(target, "measured", where)
    measured, limit = target["measured"], target["limit"]
    met = measured >= limit if target["at_least"] else measured <= limit
    if met != target["reached"]:
        raise ValueError(f"{where}: reached is {target['reached']}, the numbers say {met}")
    if not met and not target["reason"]:
        raise ValueError(f"{where}: {target['name']!r} was missed; say why in 'reason'")


def _require_types(values: Any, types: Mapping[str, type], where: str) -> None:
    if not isinstance(values, Mapping):
        raise ValueError(f"{where} must be an object, got {type(values).__name__}")
    for name, kind in types.items():
        if not isinstance(values.get(name), kind):
            raise ValueError(f"{where}: {name!r} must be {kind.__name__}, got {values.get(name)!r}")


def _require_number(
    values: Mapping[str, Any], name: str, where: str, *, least: float = -math.inf, above: bool = False
) -> None:
    value = values.get(name)
    number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not math.isfinite(number) or number < least or (above and number == least):
        raise ValueError(f"{where}: {name!r} must be a finite number in range, got {value!r}")
