"""Text from files that strangers wrote, made fit for a terminal, a table or a card.

An escape sequence can move the cursor, change what was printed before, or set a window's title; a name of a
megabyte fills the screen. Whatever is shown of a record, a name or a key goes through this module.
"""

from __future__ import annotations

ELLIPSIS = "…"


def one_line(text: object, limit: int = 80) -> str:
    r"""Return the text on one line: what cannot be printed is escaped, as ``\x1b``, and the rest cut.

    Args:
        text: any value; ``str`` of it is shown.
        limit: characters that are shown at most.
    """
    return _cut(_escape(str(text), keep=""), limit)


def quoted(value: object, limit: int = 60) -> str:
    """Return the ``repr`` of a value, cut: text in quotes, and what cannot be printed escaped.

    Args:
        value: any value.
        limit: characters that are shown at most.
    """
    return _cut(repr(value), limit)


def paragraphs(text: object, limit: int = 20_000) -> str:
    """Return a text of several lines, without what cannot be printed, and cut.

    Args:
        text: any value; ``str`` of it is shown.
        limit: characters that are shown at most.
    """
    return _cut(_escape(str(text).replace("\r\n", "\n"), keep="\n\t"), limit)


def table_cell(text: object, limit: int = 200) -> str:
    """Return the text as one cell of a Markdown table.

    Args:
        text: any value; ``str`` of it is shown.
        limit: characters that are shown at most.
    """
    return one_line(text, limit).replace("|", "\\|")


def figure_text(text: object, limit: int = 40) -> str:
    """Return the text for matplotlib, in which a dollar sign is no beginning of a formula.

    Args:
        text: any value; ``str`` of it is shown.
        limit: characters that are shown at most.
    """
    return one_line(text, limit).replace("$", r"\$")


def _escape(text: str, keep: str) -> str:
    # repr escapes exactly what isprintable() denies: control characters, line ends, marks that turn the
    # direction of writing, halves of surrogate pairs.
    return "".join(char if char.isprintable() or char in keep else repr(char)[1:-1] for char in text)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + ELLIPSIS
