"""Records of judgings, damaged in every way: what is read of them is what was written, or less of it.

``python -m benchmarks.robustness.evolving.judgings`` rewrites ``results/judgings.json``. What is missing is
judged again, so a record that lost lines is right; one that has another number is not.
"""

from __future__ import annotations

import random
from pathlib import Path

import torch

from benchmarks.robustness.campaign import Campaign, Damage, main
from benchmarks.robustness.mutations import damage_bytes
from evoloss.evolve.journal import JOURNAL_FILE, Entry, Head, Journal, Key

_GROUPS = 8
_HEAD = Head(12, 600.0, 480.5, 4.0)
_ENDED = 501.25


def _key(tasks: str, group: int) -> Key:
    return Key.of(tasks, group, torch.tensor([0.5, -2.0]))


class JudgingCampaign(Campaign):
    """Damaged records of judgings."""

    name = "judgings"

    def prepare(self, folder: Path) -> None:
        """Write the record of a run that has ended."""
        journal, draw = Journal(folder), torch.Generator().manual_seed(0)
        journal.begin(_HEAD)
        for tasks in ("choose", "report", "fresh"):
            for group in range(_GROUPS):
                result = {name: torch.rand(3, 4, generator=draw) for name in ("accuracy", "nll")}
                journal.add(_key(tasks, group), Entry(result, 480.5 + group))
        journal.end(_ENDED)

    def trial(self, seed: int, prepared: Path, folder: Path) -> tuple[str, str]:
        """Damage a copy, cut it off or take a line out of it, and read it."""
        draw = random.Random(seed)
        whole = (prepared / JOURNAL_FILE).read_bytes()
        what = draw.choice(("bytes", "bytes", "cut off", "a line less"))
        lines = whole.splitlines(keepends=True)
        if what == "bytes":
            damaged = damage_bytes(whole, draw)
        elif what == "cut off":
            damaged = whole[: draw.randrange(len(whole))]
        else:
            gone = draw.randrange(len(lines))
            damaged = b"".join(lines[:gone] + lines[gone + 1 :])
        (folder / JOURNAL_FILE).write_bytes(damaged)
        try:
            found = Journal(folder)
        except Exception as error:
            raise Damage(what) from error
        return what, "read" if _is_part(found, Journal(prepared)) else "changed"


def _is_part(found: Journal, wanted: Journal) -> bool:
    """Tell whether a record has nothing but what another one has, and its end with all of it alone."""
    kept = 0
    for tasks in ("choose", "report", "fresh"):
        for group in range(_GROUPS):
            one, other = found.find(_key(tasks, group)), wanted.find(_key(tasks, group))
            if one is None or other is None:
                continue
            kept += 1
            if one.seconds != other.seconds or any(
                not torch.equal(one.result[name], other.result[name]) for name in other.result
            ):
                return False
    is_whole = found.head == _HEAD and kept == 3 * _GROUPS
    return found.head in (None, _HEAD) and (
        found.ended_after is None or (found.ended_after == _ENDED and is_whole)
    )


if __name__ == "__main__":
    main(JudgingCampaign(), 5000)
