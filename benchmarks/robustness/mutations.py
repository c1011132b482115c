"""Ways to damage bytes and JSON, drawn from a seeded random number generator."""

from __future__ import annotations

import copy
import random
from typing import Any

NUMBERS: tuple[Any, ...] = (0, 1, -1, 2, 7, 0.5, -0.5, 1e-320, 1e30, 1e308, 10**12, -(10**18), 10**400)
JUNK: tuple[Any, ...] = (
    *(None, True, False, "", "x", "1", "nan", "a" * 100_000, "\x1b[2J\u202e", "\ud800", [], {}, [[]]),
    *([1, 2, 3], [None], {"a": 1}, [0] * 1000, float("nan"), float("inf"), -float("inf")),
    *NUMBERS,
)


def damage_bytes(content: bytes, draw: random.Random) -> bytes:
    """Flip bits, cut, drop, repeat, insert, blank or move a piece."""
    data = bytearray(content)
    if not data:
        return draw.randbytes(draw.randrange(1, 50))
    way = draw.choice(("flip", "flip", "flip", "cut", "drop", "repeat", "insert", "blank", "swap", "noise"))
    first, last = sorted(draw.randrange(len(data) + 1) for _ in range(2))
    last = min(last, first + draw.choice((1, 4, 64, 4096)))
    if way == "flip":
        for _ in range(draw.choice((1, 1, 2, 8, 64))):
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    elif way == "cut":
        del data[first:]
    elif way == "drop":
        del data[first:last]
    elif way == "repeat":
        data[last:last] = data[first:last] * draw.choice((1, 2, 100))
    elif way == "insert":
        data[first:first] = draw.randbytes(draw.choice((1, 2, 8, 1000)))
    elif way == "blank":
        data[first:last] = bytes(last - first)
    elif way == "noise":
        data[first:last] = draw.randbytes(last - first)
    else:
        other = draw.randrange(len(data))
        data[first:last], data[other : other + 4] = data[other : other + 4], data[first:last]
    return bytes(data)


def damage_json(value: Any, draw: random.Random) -> Any:
    """Put something else in one place, or two: junk, another number, a copy of another place, or nothing."""
    value = copy.deepcopy(value)
    deepest = 400  # once at most: the damage has to be written, too
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        places = _places(value)
        if not places:
            return _junk(draw)
        container, key = draw.choice(places)
        way = draw.choice(("junk", "junk", "number", "nudge", "drop", "rename", "copy", "nest"))
        if way == "junk":
            container[key] = _junk(draw)
        elif way == "number":
            container[key] = draw.choice(NUMBERS)
        elif way == "nudge":
            container[key] = _nudged(container[key], draw)
        elif way == "drop":
            del container[key]
        elif way == "rename" and isinstance(container, dict):
            container[draw.choice(("x", key + "_", key.upper(), "\x1b[2J" * 50))] = container.pop(key)
        elif way == "copy":
            other, place = draw.choice(places)
            if place in other if isinstance(other, dict) else place < len(other):
                container[key] = copy.deepcopy(other[place])
        elif way == "nest":
            nested: Any = container[key]
            depth = draw.choice((1, 3, deepest))
            for _ in range(depth):
                nested = [nested] if draw.random() < 0.5 else {"a": nested}
            container[key] = nested
            deepest = min(deepest, 400 - depth) or 1
    return value


def _junk(draw: random.Random) -> Any:
    return copy.deepcopy(draw.choice(JUNK))  # the next damage may be inside it


def _nudged(value: Any, draw: random.Random) -> Any:
    """A value of the same type, near or far."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + draw.choice((-1, 1, 10, -100, 10**9))
    if isinstance(value, float):
        return value * draw.choice((-1.0, 0.0, 1.0001, 10.0, 1e12)) + draw.choice((0.0, 1e-6, 1.0))
    if isinstance(value, str) and value:
        place = draw.randrange(len(value))
        return value[:place] + draw.choice("abcxyz09 /\\.") + value[place + 1 :]
    return value


def _places(value: Any, depth: int = 20) -> list[tuple[Any, Any]]:
    if not isinstance(value, dict | list) or not depth:
        return []
    keys = list(value) if isinstance(value, dict) else list(range(min(len(value), 50)))
    return [(value, key) for key in keys] + [pair for key in keys for pair in _places(value[key], depth - 1)]
