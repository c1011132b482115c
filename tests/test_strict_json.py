from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoloss.strict_json import parse_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(value=VALUES, ascii_only=st.booleans())
def test_what_is_written_is_read(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert parse_json(text) == value
    assert parse_json(text.encode()) == value
    assert parse_json(text.encode("utf-8-sig")) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ("NaN", "NaN is not a JSON number"),
        ("[-Infinity]", "-Infinity is not a JSON number"),
        ("1e999", "1e999 is beyond the range of numbers"),
        ("-1.5e400", "beyond the range"),
        ("1" * 10_000, "digits"),
        ('"\\ud800"', "surrogates not allowed"),
        ('{"\\uD83d": 1}', "surrogates not allowed"),
        ("[" * 100_000, "nested too deep"),
        (b"\xff", "can't decode"),
    ],
)
def test_what_is_no_json_or_could_not_be_written_is_refused(text: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_json(text)


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert parse_json('"\\ud83d\\ude00"') == "\U0001f600"
