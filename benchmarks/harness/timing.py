"""Timing: subjects in turn, medians, and ratios of the medians of one run.

Machines drift and are shared, so a time alone says little. Every subject has its turn in every round, the
figure that is quoted is the ratio of two medians of one run, and its spread is the quartiles of the ratio
within a round.
"""

from __future__ import annotations

import ctypes
import gc
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch.profiler import ProfilerActivity, profile

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of mallopt(3)

Subject = Callable[[], float]
"""Does its work once and returns the seconds that count."""
Rows = list[dict[str, Any]]
"""Rows of a result, one a subject and case; see :mod:`benchmarks.harness.schema`."""


def timed(
    work: Callable[[], object], repeats: int = 1, clock: Callable[[], float] = time.perf_counter
) -> Subject:
    """A subject that runs ``work`` so many times and returns the seconds of one.

    Args:
        work: what is timed.
        repeats: how many times.
        clock: what tells the time; ``time.process_time`` for work of one thread on a machine that others use,
            where most of the time that passes may be theirs.
    """

    def subject() -> float:
        start = clock()
        for _ in range(repeats):
            work()
        return (clock() - start) / repeats

    return subject


def repeats_for(work: Callable[[], object], seconds: float) -> int:
    """The number of times that ``work`` fits into ``seconds``, at least 1, from a few calls of it."""
    work()
    once = min(timed(work)() for _ in range(3))
    return max(1, round(seconds / once))


def alternate(subjects: Mapping[str, Subject], *, rounds: int, warmup: int = 1) -> dict[str, list[float]]:
    """Seconds of every subject in every round; within a round each has one turn, in the given order.

    Args:
        subjects: by name.
        rounds: counted rounds.
        warmup: rounds before them that do not count.
    """
    for _ in range(warmup):
        for subject in subjects.values():
            subject()
    seconds: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, subject in subjects.items():
            seconds[name].append(subject())
    return seconds


def peak_bytes(work: Callable[[], object]) -> int:
    """Largest number of bytes of tensors that ``work`` holds at once on a CPU, beyond those before it.

    Args:
        work: it has been done once, so that what is kept for the next time is there.
    """
    gc.collect()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        work()
    held = peak = 0
    for event in recorded.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def rows_of(
    case: str, measured: Mapping[str, Sequence[float]], baseline: str, measure: str = "seconds"
) -> Rows:
    """One row a subject: median, ratio of medians to the baseline, quartiles over rounds.

    Args:
        case: what was done.
        measured: by subject, a number a round.
        baseline: the subject of the ratios.
        measure: what the numbers are, one of :data:`benchmarks.harness.schema.MEASURES`.
    """
    rows = []
    for name, values in measured.items():
        ratios = [value / base for value, base in zip(values, measured[baseline], strict=True)]
        rows.append(
            {
                "case": case,
                "subject": name,
                "baseline": baseline,
                "rounds": len(values),
                measure: statistics.median(values),
                f"{measure}_quartiles": quartiles(values),
                "ratio": statistics.median(values) / statistics.median(measured[baseline]),
                "ratio_quartiles": quartiles(ratios),
            }
        )
    return rows


def quartiles(values: Sequence[float]) -> list[float]:
    """First and third quartile; of a single value, the value twice."""
    if len(values) < 2:
        return [values[0], values[0]]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return [low, high]


def target(
    name: str, limit: float, measured: float, *, at_least: bool = False, reason: str = ""
) -> dict[str, Any]:
    """A target and what was measured for it.

    Args:
        name: what is limited.
        limit: the target.
        measured: the figure.
        at_least: whether the figure must reach the limit from above; otherwise it must not exceed it.
        reason: why it was missed, if it was.
    """
    reached = measured >= limit if at_least else measured <= limit
    return {
        "name": name,
        "limit": limit,
        "measured": measured,
        "at_least": at_least,
        "reached": reached,
        "reason": "" if reached else reason,
    }


def keep_memory() -> None:
    """Let the C library keep what is freed, for the next allocation of this process; glibc alone can be told.

    Else memory of megabytes goes back to the system and is handed out page by page at the next step, which
    takes as long as the step itself, sometimes, and depends on what was allocated before.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)


def print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows as an aligned table."""
    for row in rows:
        low, high = row["ratio_quartiles"]
        amount = f"{1e3 * row['seconds']:11.4f} ms " if "seconds" in row else f"{row['mebibytes']:11.1f} MiB"
        print(
            f"{row['case']:<34} {row['subject']:<26} {amount}  "
            f"{row['ratio']:8.3f} x {row['baseline']} [{low:.3f}, {high:.3f}]",
            flush=True,
        )
