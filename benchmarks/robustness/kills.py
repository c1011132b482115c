"""Commands that are killed at random moments and resumed: do they end with what an undisturbed one leaves?

``python -m benchmarks.robustness.kills`` rewrites ``results/kills.json``; 60 trials take about a quarter of
an hour on a core.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import resource
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.robustness.killed_commands import (
    KillableCommand,
    Stop,
    content,
    finish,
    left_files,
    stop_at_random,
)
from evoloss._version import __version__
from evoloss.atomic_files import write_text

RESULTS = Path(__file__).parent / "results" / "kills.json"
MOST_STOPS = 3
FAULTS = (
    "different result",
    "cannot go on",
    "hang",
    "process left",
    "file left",
    "wrong status",
    "no word on how to go on",
    "traceback",
)

_SEARCH = ("popsize=16", "pairs=64", "eval_pairs=32", "n_grid=16", "network=monotone", "hidden=[4]")
_WORKERS = ("--executor", "processes", "--workers", "2")
COMMANDS: tuple[KillableCommand, ...] = (
    KillableCommand(
        "pretrain",
        (
            *(
                "pretrain",
                "--network",
                "monotone",
                "--hidden",
                "4",
                "--classes",
                "3",
                "10",
                "--popsize",
                "16",
            ),
            *("--pairs", "64", "--eval-pairs", "32", "--n-grid", "16", "--mutation", "chaotic"),
            *("--generations", "400", "--eval-every", "50", "--checkpoint-every", "7"),
        ),
        ("--resume",),
    ),
    KillableCommand(
        "pretrain, students in workers",
        (
            *("pretrain", "--network", "monotone", "--hidden", "4", "--classes", "3", "--popsize", "8"),
            *("--fitness", "learnability", "--prior", "few-shot", "--prior-classes", "2", "3"),
            *("--prior-samples", "20", "24", "--pairs", "24", "--eval-pairs", "32", "--n-grid", "16"),
            *("--groups", "1", "--tasks", "1", "--eval-groups", "2", "--elites", "2", "--sigma", "0.1"),
            *("--generations", "6", "--eval-every", "3", "--checkpoint-every", "2", *_WORKERS),
        ),
        ("--resume",),
    ),
    KillableCommand(
        "compare",
        (
            *(
                "compare",
                "--dataset",
                "digits",
                "--model",
                "mlp",
                "--losses",
                "cross_entropy",
                "evolved-base",
            ),
            *("--seeds", "0", "1", "2", "--epochs", "6", "--train-samples", "300", "--accelerator", "cpu"),
            *("--threads", "1", "--quiet", *_WORKERS),
        ),
    ),
    KillableCommand(
        "ablate",
        (
            *("ablate", "--vary", "mutation=gaussian,chaotic", "--seeds", "0", "1", "2", "--no-figures"),
            *("--quiet", "--fixed", "generations=60", "classes=[3,10]", *_SEARCH, *_WORKERS),
        ),
    ),
    KillableCommand(
        "evolve",
        ("evolve", "--for", "noise", "--classes", "3", "--noise", "0.2-0.5", "--budget", "28s"),
        ("--resume",),
        module="benchmarks.robustness.evolving.small_evolve",
    ),
)


@dataclass
class Counts:
    """Counts of the outcomes of one command's trials.

    Attributes:
        trials: killed and resumed runs.
        identical: those that ended with the files of the undisturbed run.
        stops: by signal, and by what the command was doing.
        faults: by kind.
        examples: a few faults of each kind: trial, and what there was to see.
        slowest_end: most seconds from the end of a command to that of its last worker.
    """

    trials: int = 0
    identical: int = 0
    stops: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    slowest_end: float = 0.0

    def blame(self, kind: str, trial: int, text: str) -> None:
        """Count a fault."""
        self.faults[kind] += 1
        self.examples.setdefault(kind, []).append(f"trial {trial}: {text[-600:]}")


def run(
    commands: Sequence[KillableCommand],
    trials: int,
    *,
    seed: int = 0,
    on_trial: Callable[[int, dict[str, Counts]], None] | None = None,
) -> dict[str, Counts]:
    """Kill and resume each command in turn.

    Args:
        commands: what is killed.
        trials: in all.
        seed: of the signals and their moments; the machine decides what they meet.
        on_trial: called after each trial with the number of trials and the counts so far.
    """
    counts = {command.name: Counts() for command in commands}
    with tempfile.TemporaryDirectory(prefix="kills-") as place:
        wanted, seconds = {}, {}
        for number, command in enumerate(commands):
            out = Path(place) / f"undisturbed-{number}"
            end = finish(command, out)
            if end.status != 0:
                raise RuntimeError(f"{command.name} fails undisturbed:\n{end.printed}")
            wanted[command.name], seconds[command.name] = content(out), end.working_seconds
        for trial in range(trials):
            command, out = commands[trial % len(commands)], Path(place) / f"{trial}"
            found = counts[command.name]
            _try(command, out, seconds[command.name], random.Random(f"{seed} {trial}"), trial, found)
            if difference := _difference(content(out), wanted[command.name]):
                found.blame("different result", trial, difference)
            else:
                found.identical += 1
            if on_trial is not None:
                on_trial(trial + 1, counts)
    return counts


def _try(
    command: KillableCommand, out: Path, seconds: float, draw: random.Random, trial: int, counts: Counts
) -> None:
    """Stop the command a few times, then let it finish."""
    counts.trials += 1
    for _ in range(draw.randint(1, MOST_STOPS)):
        stop = stop_at_random(command, out, seconds, draw)
        counts.stops[f"{stop.number.name}, {stop.phase}"] += 1
        counts.slowest_end = max(counts.slowest_end, stop.seconds_to_last_worker)
        for kind, text in _faults_of(stop, command, out):
            counts.blame(kind, trial, f"{stop.number.name}, {stop.phase}, status {stop.status}: {text}")
        if stop.phase == "finished":
            break
    end = finish(command, out)
    if end.status != 0:
        counts.blame("cannot go on", trial, end.printed)
    if left := left_files(out):
        counts.blame("file left", trial, ", ".join(left))
    if end.living:
        counts.blame("process left", trial, f"{end.living}")


def _faults_of(stop: Stop, command: KillableCommand, out: Path) -> list[tuple[str, str]]:
    faults = []
    if stop.hung:
        faults.append(("hang", stop.printed))
    if stop.living:
        faults.append(("process left", f"{stop.living}"))
    if stop.number is signal.SIGKILL or stop.phase != "working":
        return faults
    # A polite signal in the middle of the work: the work is saved, and the user told how to go on.
    if stop.status != 130:
        faults.append(("wrong status", stop.printed))
    if command.can_go_on(out) and not re.search(r"\b(go|goes)\s+on\b", stop.printed):
        faults.append(("no word on how to go on", stop.printed))
    if "Traceback" in stop.printed:
        faults.append(("traceback", stop.printed))
    if left := left_files(out):
        faults.append(("file left", ", ".join(left)))
    return faults


def _difference(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    return "; ".join(_places(found, wanted, ""))


def _places(found: Any, wanted: Any, place: str) -> list[str]:
    """The places where two values differ, with both."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        names = sorted(found.keys() | wanted.keys())
        return [
            text for name in names for text in _places(found.get(name), wanted.get(name), f"{place}/{name}")
        ]
    if isinstance(found, list | tuple) and isinstance(wanted, list | tuple) and len(found) == len(wanted):
        pairs = enumerate(zip(found, wanted, strict=True))
        return [text for index, pair in pairs for text in _places(*pair, f"{place}/{index}")]
    return [] if found == wanted else [f"{place}: {str(found)[:120]} in place of {str(wanted)[:120]}"]


def document(counts: dict[str, Counts], trials: int, seed: int, seconds: float) -> dict[str, Any]:
    """The JSON document that is committed."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "schema": 1,
        "campaign": "kills",
        "trials": trials,
        "seed": seed,
        "seconds": round(seconds),
        "processor_seconds": round(used.ru_utime + used.ru_stime),
        "created_with": {
            "evoloss": __version__,
            "python": platform.python_version(),
            "platform": f"{platform.system()} {platform.machine()}",
        },
        "identical": sum(count.identical for count in counts.values()),
        "stops": sum(count.stops.total() for count in counts.values()),
        "faults": {kind: sum(count.faults[kind] for count in counts.values()) for kind in FAULTS},
        "commands": {
            name: {
                "trials": totals.trials,
                "identical": totals.identical,
                "stops": dict(sorted(totals.stops.items())),
                "faults": dict(sorted(totals.faults.items())),
                "slowest_end_of_workers_seconds": round(totals.slowest_end, 2),
                "examples": {kind: found[:3] for kind, found in sorted(totals.examples.items())},
            }
            for name, totals in counts.items()
        },
    }


def put_in(before: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """A document with the commands of another one before it that were not tried again."""
    commands = {**before["commands"], **found["commands"]}
    rows = {command.name: commands[command.name] for command in COMMANDS if command.name in commands}
    kept = [name for name in rows if name not in found["commands"]]
    summed = ("seconds", "processor_seconds") if kept else ()
    return {
        **found,
        **{name: before[name] + found[name] for name in summed},
        "trials": sum(row["trials"] for row in rows.values()),
        "identical": sum(row["identical"] for row in rows.values()),
        "stops": sum(sum(row["stops"].values()) for row in rows.values()),
        "faults": {kind: sum(row["faults"].get(kind, 0) for row in rows.values()) for kind in FAULTS},
        "commands": rows,
    }


def main() -> None:
    """Run the campaign from the command line and write its counts."""
    parser = argparse.ArgumentParser(description="kill commands at random moments, resume them, and compare")
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    names = [command.name for command in COMMANDS]
    parser.add_argument("--only", nargs="+", choices=names, help="try these, and keep the others' counts")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    began = time.monotonic()
    before = json.loads(arguments.out.read_text()) if arguments.only and arguments.out.exists() else None

    def save(trials: int, counts: dict[str, Counts]) -> None:
        found = document(counts, trials, arguments.seed, time.monotonic() - began)
        found = found if before is None else put_in(before, found)
        write_text(arguments.out, json.dumps(found, indent=1) + "\n")
        faults = {kind: number for kind, number in found["faults"].items() if number}
        print(f"{trials}: {found['stops']} stops, {found['identical']} identical, {faults}", flush=True)

    chosen = [command for command in COMMANDS if not arguments.only or command.name in arguments.only]
    run(chosen, arguments.trials, seed=arguments.seed, on_trial=save)


if __name__ == "__main__":
    main()
