"""Imports between rooms run one way, as docs/architecture.md says, and rooms and files stay small."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

import evoloss

ROOT = Path(evoloss.__file__).parent
REPOSITORY = Path(__file__).parents[1]

# What each room may import of ours, beside the modules that import nothing of ours: another room, or a part
# of one.
ROOMS: dict[str, set[str]] = {
    "pairs": set(),
    "mutation": set(),
    "zoo": set(),
    "data": set(),
    "models": set(),
    "executors": set(),
    "tasks": set(),
    "formulas": set(),
    "networks": {"pairs", "formulas"},
    "strategies": {"mutation"},
    "students": {"networks", "tasks"},
    "fitness": {"pairs", "networks", "tasks", "students", "losses.known"},
    "losses": {"networks", "zoo", "formulas"},
    "portable": {"formulas", "networks", "losses"},
    "pretraining": {"pairs", "networks", "tasks", "students", "fitness", "mutation", "strategies", "losses"},
    "diagnostics": {"pairs", "fitness", "losses"},
    "training": {"losses", "data", "models", "integrations.boosting"},  # trees in place of a network
    "sweeps": {"executors"},
    "compare": {"losses", "data", "models", "training", "sweeps", "executors", "zoo"},
    "integrations": {"losses", "formulas", "networks", "portable"},
    "ablate": {"compare", "pretraining", "sweeps", "executors"},
    "trackers": {"training", "compare", "ablate", "sweeps", "pretraining", "evolve"},
    "evolve": {"networks", "tasks", "students", "fitness", "losses", "zoo", "pretraining", "data"},
    "report": {"training", "compare", "ablate", "diagnostics", "pretraining", "losses", "zoo", "evolve"},
    "cli": {
        *("executors", "pairs", "networks", "losses", "zoo", "pretraining", "diagnostics", "portable"),
        *("compare", "ablate", "sweeps", "report", "evolve", "data", "models", "training", "trackers"),
    },
}
GROUND = {
    "memory",
    "default_dtype",
    "python_settings",
    "user_paths",
    "errors",
    "random_streams",
    "file_lock",
    "atomic_files",
    "directory_lock",
    "regular_files",
    "strict_json",
    "own_files",
    "safe_text",
    "_version",
}

LARGEST_ROOM = 16  # files in one folder
LARGEST_FILE = 329  # lines
CATALOGUES = {"losses/known"}  # folders of many alike files


def imported(path: Path) -> set[str]:
    """The modules of ours that a file imports, at any depth, type checking included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        found |= {name.removeprefix("evoloss.") for name in names if name.startswith("evoloss.")}
    return found


def test_every_room_is_listed() -> None:
    assert {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    for path in (ROOT / room).rglob("*.py"):
        known = GROUND | ROOMS[room] | {room}
        strangers = {
            name
            for name in imported(path)
            if not any(f"{name}.".startswith(f"{room_name}.") for room_name in known)
        }
        assert not strangers, f"{path.relative_to(ROOT)} imports {sorted(strangers)}"


def test_the_rooms_form_no_circle() -> None:
    placed: set[str] = set()
    while placed != set(ROOMS):
        ready = {
            room for room in set(ROOMS) - placed if {name.split(".")[0] for name in ROOMS[room]} <= placed
        }
        assert ready, f"a circle among {sorted(set(ROOMS) - placed)}"
        placed |= ready


def test_no_room_has_too_many_files() -> None:
    counts = Counter(path.parent.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))
    assert counts["losses/known"] > LARGEST_ROOM, "else it needs no exception"
    assert {room for room, count in counts.items() if count > LARGEST_ROOM} <= CATALOGUES


def test_no_file_is_too_long() -> None:
    folders = [REPOSITORY / name for name in ("src", "benchmarks", "examples", "recipes", "tests", "website")]
    paths = [path for folder in folders for path in folder.rglob("*.py")]
    assert len(paths) > 300
    lengths = {path.relative_to(REPOSITORY): len(path.read_text("utf-8").splitlines()) for path in paths}
    assert {path: length for path, length in lengths.items() if length > LARGEST_FILE} == {}
