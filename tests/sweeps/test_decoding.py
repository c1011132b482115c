from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import pytest

from evoloss.sweeps.decoding import DecodeError, build


@dataclass
class Inner:
    name: str


@dataclass
class Outer:
    count: int
    share: float
    flag: bool
    maybe: float | None
    rows: tuple[Inner, ...]
    words: dict[str, str]
    free: dict[str, Any]
    later: Inner | None = None


GOOD: dict[str, Any] = {
    "count": 1,
    "share": 2,
    "flag": False,
    "maybe": None,
    "rows": [{"name": "x"}],
    "words": {"a": "b"},
    "free": {"c": [1, None]},
}


def test_builds_nested_values() -> None:
    built = build(Outer, GOOD)
    assert built == Outer(1, 2.0, False, None, (Inner("x"),), {"a": "b"}, {"c": [1, None]})
    assert isinstance(built.share, float)
    assert asdict(built) == {**GOOD, "rows": ({"name": "x"},), "later": None}


def test_a_field_with_a_default_may_be_missing_or_null_or_there() -> None:
    assert build(Outer, {**GOOD, "later": None}).later is None
    assert build(Outer, {**GOOD, "later": {"name": "y"}}).later == Inner("y")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": True}, "count is True; expected a whole number"),
        ({"count": 1.0}, "count is 1.0; expected a whole number"),
        ({"share": "2"}, "share is '2'; expected a finite number"),
        ({"share": True}, "share is True; expected a finite number"),
        ({"share": 10**400}, "share is 1000000"),
        ({"share": float("inf")}, "share is inf; expected a finite number"),
        ({"flag": 0}, "flag is 0; expected true or false"),
        ({"maybe": "no"}, "maybe is 'no'; expected a finite number or null"),
        ({"rows": {}}, "rows is {}; expected a list"),
        ({"rows": [{"name": 1}]}, r"rows\[0\].name is 1; expected a text"),
        ({"rows": [[]]}, r"rows\[0\] is \[\]; expected an object"),
        ({"words": {"a": 1}}, "words.a is 1; expected a text"),
        ({"later": {"name": 1}}, r"later.name is 1; expected a text"),
        ({"later": 1}, r"later is 1; expected an object or null"),
        ({"words": []}, r"words is \[\]; expected an object"),
        ({"more": 1}, "more is not a known entry"),
    ],
)
def test_says_what_is_wrong_and_where(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        build(Outer, {**GOOD, **change})


def test_every_field_without_a_default_is_needed() -> None:
    for name in GOOD:
        with pytest.raises(DecodeError, match=f"{name} is missing"):
            build(Outer, {key: value for key, value in GOOD.items() if key != name})
    with pytest.raises(DecodeError, match="the document is 3; expected an object"):
        build(Outer, 3)
