from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.markup import escape

from evoloss.safe_text import one_line, paragraphs, quoted, table_cell

ATTACK = "\x1b[2J\x1b]0;title\x07red\r\n\u202eabc\udcff\x9b31m\u2028"


@given(text=st.text(), limit=st.integers(1, 100))
def test_whatever_is_shown_can_be_printed_and_is_short(text: str, limit: int) -> None:
    for shown in (one_line(text, limit), quoted(text, limit), table_cell(text, 10_000)):
        assert shown.isprintable()
        shown.encode()
    assert len(one_line(text, limit)) <= limit
    assert len(quoted(text, limit)) <= limit
    assert len(paragraphs(text, limit)) <= limit
    assert all(char.isprintable() or char in "\n\t" for char in paragraphs(text))


@given(text=st.text().filter(str.isprintable))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert one_line(text, 10_000) == paragraphs(text) == text


def test_escapes_are_readable() -> None:
    expected = r"\x1b[2J\x1b]0;title\x07red\r\n\u202eabc\udcff\x9b31m\u2028"
    assert one_line(ATTACK) == expected
    assert quoted(ATTACK) == f"'{expected}'"
    assert paragraphs("a\r\nb\tc\x1b") == "a\nb\tc\\x1b"
    assert one_line("x" * 200) == "x" * 79 + "…"
    assert table_cell("a|b\nc") == r"a\|b\nc"
    assert one_line(None) == "None"


def test_rich_prints_it_as_it_is() -> None:
    console = Console(width=200, record=True, file=None, force_terminal=True)
    with console.capture() as captured:
        console.print(escape(one_line("[red]x[/red] " + ATTACK)), highlight=False)
    assert captured.get().strip() == "[red]x[/red] " + one_line(ATTACK)
