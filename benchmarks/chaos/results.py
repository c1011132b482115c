"""The committed results of the chaos study, by condition."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from benchmarks.chaos.conditions import CONDITIONS, OPTIONAL
from benchmarks.chaos.run import FACTS, RESULTS
from evoloss.ablate.results import FILE_NAME, Ablation

SHOWN = ("gaussian", "logistic", "logistic independent", "logistic step", "logistic step independent")
"""The variants that figures and tables over step sizes have."""


@cache
def load(name: str) -> Ablation:
    """The result of one condition."""
    return Ablation.read(RESULTS / name)


def load_facts() -> dict[str, Any]:
    """Properties of the searches; see :mod:`benchmarks.chaos.search_facts`."""
    content: dict[str, Any] = json.loads(FACTS.read_text(encoding="utf-8"))
    return content


def finished(conditions: tuple[str, ...] = tuple(CONDITIONS)) -> list[str]:
    """The conditions that have a result."""
    return [name for name in conditions if (RESULTS / name / FILE_NAME).exists()]


def finished_optional() -> list[str]:
    """The conditions with students that have a result."""
    return finished(tuple(OPTIONAL))


def series(prefix: str) -> list[str]:
    """The conditions ``PREFIX-NUMBER`` that have a result."""
    return [name for name in finished() if re.fullmatch(rf"{prefix}-[\d.]+", name)]
