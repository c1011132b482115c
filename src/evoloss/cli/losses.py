"""``evoloss losses``: every loss that can be named, with one line each."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rich.table import Table

from evoloss.cli.terminal import Terminal
from evoloss.losses import LOSSES
from evoloss.zoo import ALIASES, SHIPPED


@dataclass(frozen=True, kw_only=True)
class LossesCommand:
    """No options."""


def run(command: LossesCommand) -> int:
    """Print the table."""
    table = Table("loss", "kind", "what it is", title="Losses")
    for name, other in ALIASES.items():
        table.add_row(name, "evolved", f"the recommended loss: {other} in this version")
    for name, line in SHIPPED.items():
        table.add_row(name, "evolved", line)
    for name, cls in LOSSES.items():
        table.add_row(name, "known", _first_clause(cls.__doc__ or ""))
    Terminal().print(table)
    return 0


def _first_clause(docstring: str) -> str:
    return re.split(r"[;.](?:\s|$)", " ".join(docstring.split()), maxsplit=1)[0]
