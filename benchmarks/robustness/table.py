"""The table of campaigns in the README, from the counts in ``results/``.

``python -m benchmarks.robustness.table`` rewrites it between its markers; ``--check`` only says whether it is
up to date.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.robustness.campaign import GOOD, RESULTS
from evoloss.atomic_files import write_text

README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- campaigns: begin -->", "<!-- campaigns: end -->"
HEADS = ("campaign", "what is tried", "trials", "how they ended", "faults", "command")


@dataclass(frozen=True)
class Row:
    """A campaign in the table.

    Attributes:
        tried: what is tried, in a few words.
        count: from the content of the results file to trials, endings and faults.
        command: after ``python -m benchmarks.robustness.``.
    """

    tried: str
    count: Callable[[dict[str, Any]], tuple[int, str, int]]
    command: str


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "none"


def _outcomes(content: dict[str, Any]) -> tuple[int, str, int]:
    found = content["outcomes"]
    bad = {name: count for name, count in found.items() if name not in GOOD}
    return content["trials"], _listed(found), sum(bad.values())


def _kills(content: dict[str, Any]) -> tuple[int, str, int]:
    ended = f"{content['stops']:,} signals, {content['identical']:,} identical"
    if faults := {name: count for name, count in content["faults"].items() if count}:
        ended += "; " + _listed(faults)
    return content["trials"], ended, sum(content["faults"].values())


def _searches(content: dict[str, Any]) -> tuple[int, str, int]:
    trials = len(content["runs"])
    return trials, _listed(content["counts"]), trials - content["counts"].get("usable", 0)


def _settling(content: dict[str, Any]) -> tuple[int, str, int]:
    found = content["summary"]
    ended = f"{found['settled']} settled, {found['foreign_at_goal']} at {content['goal']:g} on foreign pairs"
    return found["seeds"], ended, found["seeds"] - min(found["settled"], found["foreign_at_goal"])


def _first_call(content: dict[str, Any]) -> tuple[int, str, int]:
    rows = content["rows"]
    slowest = max(
        value for row in rows for name, value in row.items() if name.startswith("first_call_seconds")
    )
    most = max(row["megabytes"] for row in rows)
    return len(rows), f"first call {slowest:g} s and {most:,} MB at most", 0


CAMPAIGNS: dict[str, Row] = {
    "kills": Row("commands that are killed and resumed", _kills, "kills"),
    "artefacts": Row("damaged saved losses", _outcomes, "artefacts"),
    "run_files": Row("damaged files of runs", _outcomes, "run_files"),
    "data_files": Row("damaged data files and folders", _outcomes, "data_files"),
    "command_lines": Row("command lines of any values and paths", _outcomes, "command_lines"),
    "evolve_lines": Row("lines of `evolve` (tiny tasks) and `export`", _outcomes, "evolving.evolve_lines"),
    "judgings": Row("damaged records of judgings", _outcomes, "evolving.judgings"),
    "first_call": Row("the largest losses that are accepted", _first_call, "first_call"),
    "searches": Row(
        "searches with unusual settings",
        _searches,
        "searches --out benchmarks/robustness/results/searches.json",
    ),
    "settling": Row(
        "searches with the defaults", _settling, "settling --out benchmarks/robustness/results/settling.json"
    ),
}


def table(results: Path = RESULTS) -> list[str]:
    """Lay out one row for each campaign; one without a results file has not been run."""
    lines = [f"| {' | '.join(HEADS)} |", "| --- | --- | ---: | --- | ---: | --- |"]
    for name, row in CAMPAIGNS.items():
        path = results / f"{name}.json"
        cells = ("-", "not run yet", "-")
        if path.exists():
            trials, ended, faults = row.count(json.loads(path.read_text(encoding="utf-8")))
            cells = (f"{trials:,}", ended, f"{faults:,}")
        command = f"`python -m benchmarks.robustness.{row.command}`"
        lines.append(f"| {' | '.join((name, row.tried, *cells, command))} |")
    return lines


def put_in(text: str, lines: list[str]) -> str:
    """Return the README with the table in it.

    Raises:
        ValueError: if the markers are not there, once each.
    """
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    new, count = pattern.subn(lambda _: "\n".join((BEGIN, *lines, END)), text)
    if count != 1:
        raise ValueError(f"expected one table between {BEGIN} and {END}, found {count}")
    return new


def main() -> None:
    """Rewrite the table, or check it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; status 1 if it would change")
    old = README.read_text(encoding="utf-8")
    new = put_in(old, table())
    if parser.parse_args().check:
        raise SystemExit(int(new != old))
    write_text(README, new)


if __name__ == "__main__":
    main()
