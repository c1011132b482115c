"""Tables as CSV that a spreadsheet may open: no text in a cell is taken for a formula.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-`` or ``@``, and the name of a class or of a file
may be anybody's. Such a text gets an apostrophe in front, as is usual. Numbers keep their sign.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TypeVar

T = TypeVar("T")

# Apostrophes may stand before the mark already: one more is put there too, so that one can be taken away.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_NUMBER = re.compile(r"'*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]], *, lineterminator: str = "\n") -> str:
    r"""Return a table as CSV, cells with separators in double quotes, and texts as :func:`harmless` has them.

    Example:
        >>> csv_text(["label", "p"], [("=1+1", -0.5), ("a,b", "-1e-05")])
        'label,p\n\'=1+1,-0.5\n"a,b",-1e-05\n'
    """
    text = io.StringIO()
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\r\n")  # it quotes those characters alone that end its lines
    for row in chain([header], rows):
        line.seek(0)
        line.truncate()
        writer.writerow([harmless(cell) for cell in row])
        text.write(line.getvalue().removesuffix("\r\n") + lineterminator)
    return text.getvalue()


def harmless(cell: T) -> T | str:
    """Return a cell as it can be shown to a spreadsheet: with an apostrophe if it would be run as a formula.

    Example:
        >>> harmless("@home"), harmless("'@home"), harmless("-1.5"), harmless(-1.5), harmless("cat")
        ("'@home", "''@home", '-1.5', -1.5, 'cat')
    """
    return f"'{cell}" if isinstance(cell, str) and _is_formula(cell) else cell


def as_it_was(cell: str) -> str:
    """Return the text that :func:`harmless` made this cell of.

    Example:
        >>> [as_it_was(cell) for cell in ("'@home", "''@home", "-1.5", "cat", "'tis")]
        ['@home', "'@home", '-1.5', 'cat', "'tis"]
    """
    return cell[1:] if cell.startswith("'") and _is_formula(cell) else cell


def _is_formula(text: str) -> bool:
    return _FORMULA.match(text) is not None and _NUMBER.fullmatch(text) is None
