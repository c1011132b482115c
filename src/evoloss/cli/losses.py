"""``evoloss losses``: every loss that can be named, with one line each."""

from __future__ import annotations

from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from evoloss.cli.terminal import Terminal
from evoloss.losses.catalogue import list_losses


@dataclass(frozen=True, kw_only=True)
class LossesCommand:
    """No options."""


def run(command: LossesCommand) -> int:
    """Print the table."""
    table = Table("loss", "kind", "what it is", "parameters, defaults and ranges", title="Losses")
    for loss in list_losses():
        needs = [f"needs {', '.join(loss.needs)}"] if loss.needs else []
        facts = "; ".join([*map(str, loss.parameters), *needs])
        table.add_row(loss.name, loss.kind, loss.summary, Text(facts))
    console = Terminal()
    console.print(table)
    console.say("with parameters: gce:q=0.5; your own: package.module:callable; a saved one: its directory")
    return 0
