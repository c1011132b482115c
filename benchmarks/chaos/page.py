"""Write ``docs/chaos.md`` and its figures from the results in ``benchmarks/chaos/results/``.

    python -m benchmarks.chaos.page

The tables are in ``comparison_tables.py`` and ``noise_tables.py``; the prose is ``page.md.in``.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.chaos import comparison_tables, noise_tables
from benchmarks.chaos.figures import draw
from benchmarks.harness.page import DOCS, FIGURES, Page

PAGE = Page(
    template=Path(__file__).parent / "page.md.in",
    out=DOCS / "chaos.md",
    tables={
        "conditions": comparison_tables.conditions,
        "missing": comparison_tables.missing,
        "differences": comparison_tables.differences,
        "twins": comparison_tables.twins,
        "significant": comparison_tables.significant,
        "learnability": comparison_tables.learnability,
        "sigmas": comparison_tables.sigmas,
        "tuned": comparison_tables.tuned,
        "kinds": noise_tables.kinds,
        "levels": noise_tables.levels,
        "lengths": noise_tables.lengths,
        "facts": noise_tables.facts,
    },
)


def write() -> None:
    """Write the page and its figures."""
    draw(FIGURES)
    PAGE.write()


if __name__ == "__main__":
    write()
