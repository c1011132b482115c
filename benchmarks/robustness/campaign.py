"""A campaign: many damaged inputs, each tried in a process that may hang, crash or fill its memory.

A campaign is a class with a name, a way to prepare what is damaged, and a trial: a function of a seed that
damages something in a folder of its own and gives it to the package. What comes of a trial is one of

- ``read``: it was read, and what was read is what had been written, or an equally good other thing;
- ``changed``: it was read, and is not what had been written, which nothing noticed;
- ``refused``: an error of ours of one line that names the file or folder;
- ``unclear``: an error of ours that does not;
- ``traceback``: another error; ``crash``: the process died; ``hang``: it took longer than ``SECONDS``;
  ``memory``: it grew by more than ``MEGABYTES``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import platform
import resource
import shutil
import tempfile
import time
import traceback
import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from evoloss._version import __version__
from evoloss.atomic_files import write_text
from evoloss.errors import EvolossError

SECONDS, MEGABYTES = 60.0, 600.0  # a first call of the largest network takes some 6 s of a core to itself
OUTCOMES = ("read", "changed", "refused", "unclear", "traceback", "crash", "hang", "memory")
LINE_OUTCOMES = ("done", "usage", "refused", "stopped", "late", *OUTCOMES[3:])
"""Of command lines; see :mod:`benchmarks.robustness.command_lines`."""
GOOD = ("read", "changed", "refused", "done", "usage", "stopped")
RESULTS = Path(__file__).parent / "results"

_ADDRESS_SPACE = 24 << 30  # what a trial may ask for before it is refused by the system
_EXAMPLES = 5
_REPORT_EVERY = 250  # trials
_LONGEST_MESSAGE = 4000


class Campaign(ABC):
    """The kind of damage, and how it is done. Instances are sent to other processes.

    Attributes:
        name: of the campaign and its results file.
        outcomes: what may come of a trial.
    """

    name: str
    outcomes: tuple[str, ...] = OUTCOMES

    @abstractmethod
    def prepare(self, folder: Path) -> None:
        """Write, once, what all trials damage copies of."""

    @abstractmethod
    def trial(self, seed: int, prepared: Path, folder: Path) -> tuple[str, str]:
        """Damage something in ``folder``, which is empty, and give it to the package.

        Returns:
            What was damaged, in two words or three, and one of the good outcomes.

        Raises:
            Damage: whatever the package raised, with what was damaged.
            Misbehaviour: what the campaign itself calls bad.
        """


class Damage(Exception):
    """The package raised; the cause is attached."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class Misbehaviour(Exception):
    """A trial that ended badly without an error of Python."""

    def __init__(self, what: str, outcome: str, message: str) -> None:
        super().__init__(what, outcome, message)
        self.what, self.outcome, self.message = what, outcome, message


@dataclass
class Counts:
    """Counts of the outcomes of trials.

    Attributes:
        outcomes: by outcome.
        inputs: by what was damaged, then by outcome.
        examples: a few of each bad outcome: seed, what was damaged, message.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    inputs: dict[str, Counter[str]] = field(default_factory=dict)
    examples: dict[str, list[tuple[int, str, str]]] = field(default_factory=dict)

    def add(self, seed: int, what: str, outcome: str, message: str) -> None:
        """Count one trial."""
        self.outcomes[outcome] += 1
        self.inputs.setdefault(what, Counter())[outcome] += 1
        shown = self.examples.setdefault(outcome, [])
        if outcome not in GOOD and len(shown) < _EXAMPLES:
            shown.append((seed, what, message[:300]))

    @classmethod
    def of(cls, content: dict[str, Any]) -> Counts:
        """Return what a :func:`document` says."""
        return cls(
            outcomes=Counter(content["outcomes"]),
            inputs={what: Counter(found) for what, found in content["inputs"].items()},
            examples={name: [tuple(row) for row in rows] for name, rows in content["examples"].items()},
        )

    @property
    def bad(self) -> int:
        """Trials that should not have ended as they did."""
        return sum(count for outcome, count in self.outcomes.items() if outcome not in GOOD)


def run_trial(campaign: Campaign, seed: int, prepared: Path) -> tuple[str, str, str]:
    """Do one trial in this process; return what was damaged, the outcome and a message."""
    with tempfile.TemporaryDirectory(prefix="trial-") as place, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            what, outcome = campaign.trial(seed, prepared, Path(place))
        except Damage as damage:
            return (damage.what, *_classify_error(damage.__cause__, place))
        except Misbehaviour as ending:
            return ending.what, ending.outcome, ending.message
    return what, outcome, ""


def _classify_error(error: BaseException | None, place: str) -> tuple[str, str]:
    message = f"{type(error).__name__}: {error}"
    if isinstance(error, EvolossError):
        named = Path(place).name in message  # a folder is also the name of the data set in it
        clear = named and message.isprintable() and len(message) < _LONGEST_MESSAGE
        return ("refused" if clear else "unclear"), message
    if isinstance(error, MemoryError):
        return "memory", message
    frames = traceback.extract_tb(error.__traceback__) if error is not None else []
    where = next((f for f in reversed(frames) if "evoloss" in f.filename), None)
    return (
        "traceback",
        f"{message} ({'' if where is None else f'{Path(where.filename).name}:{where.lineno}'})",
    )


def run_here(campaign: Campaign, seeds: Sequence[int]) -> Counts:
    """Do trials in this process, for the test suite; a hang hangs."""
    counts = Counts()
    with tempfile.TemporaryDirectory(prefix=f"{campaign.name}-") as place:
        campaign.prepare(Path(place))
        for seed in seeds:
            what, outcome, message = run_trial(campaign, seed, Path(place))
            counts.add(seed, what, outcome, message)
    return counts


def run(
    campaign: Campaign,
    seeds: Sequence[int],
    *,
    counts: Counts | None = None,
    report: Callable[[int, Counts], None] | None = None,
) -> Counts:
    """Do trials in a process of their own, which is replaced when it hangs, dies or grows.

    Args:
        campaign: what is tried.
        seeds: one for each trial.
        counts: of trials before these, which are added to.
        report: called now and then with the number of trials here and the counts so far.
    """
    counts = Counts() if counts is None else counts
    place = Path(tempfile.mkdtemp(prefix=f"{campaign.name}-"))
    try:
        campaign.prepare(place)
        for done, row in enumerate(_outcomes(campaign, seeds, place), 1):
            counts.add(*row)
            if report is not None and (done % _REPORT_EVERY == 0 or done == len(seeds)):
                report(done, counts)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return counts


def _outcomes(campaign: Campaign, seeds: Sequence[int], place: Path) -> Iterator[tuple[int, str, str, str]]:
    worker = _Worker(campaign, place)
    try:
        for seed in seeds:
            answer = worker.ask(seed)
            if answer is None or answer[3] > MEGABYTES:
                worker.stop()
                worker_died = answer is None and not worker.hung
                outcome = "memory" if answer is not None else "crash" if worker_died else "hang"
                what = "unknown" if answer is None else answer[0]
                yield seed, what, outcome, "" if answer is None else f"{answer[3]:.0f} MB; {answer[2]}"
                worker = _Worker(campaign, place)
            else:
                yield seed, answer[0], answer[1], answer[2]
    finally:
        worker.stop()


class _Worker:
    """One process that does trials in turn."""

    def __init__(self, campaign: Campaign, prepared: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, campaign, prepared), daemon=True)
        self._process.start()
        theirs.close()
        self._connection.recv()  # it is ready
        self.hung = False

    def ask(self, seed: int) -> tuple[str, str, str, float] | None:
        """Do a trial; None if there was no answer in time."""
        try:
            self._connection.send(seed)
            if not self._connection.poll(SECONDS):
                self.hung = True
                return None
            answer: tuple[str, str, str, float] = self._connection.recv()
        except (EOFError, OSError):
            return None
        return answer

    def stop(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.join()
        self._connection.close()


def _work(connection: Connection, campaign: Campaign, prepared: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    connection.send("ready")
    while True:
        seed = connection.recv()
        before = _reset_peak()
        what, outcome, message = run_trial(campaign, seed, prepared)
        connection.send((what, outcome, message, peak_megabytes() - before))


def _reset_peak() -> float:
    with contextlib.suppress(OSError):  # then the peak is the process's, and large trials hide smaller ones
        Path("/proc/self/clear_refs").write_text("5")
    return peak_megabytes()


def peak_megabytes() -> float:
    """Return the most memory that this process had since the peak was reset."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(campaign: Campaign, trials: int) -> None:
    """Run a campaign from the command line and write its counts, as it goes."""
    parser = argparse.ArgumentParser(description=campaign.__doc__)
    parser.add_argument("--trials", type=int, default=trials)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--out", type=Path, default=RESULTS / f"{campaign.name}.json")
    parser.add_argument("--resume", action="store_true", help="go on with what is in --out")
    arguments = parser.parse_args()
    first, done, counts, began = arguments.first, 0, Counts(), time.monotonic()
    if arguments.resume and arguments.out.exists():
        content = json.loads(arguments.out.read_text(encoding="utf-8"))
        if content["created_with"] != _versions() or content["first_seed"] != first:
            parser.error(f"{arguments.out} is of another version, machine or first seed")
        done, counts, began = content["trials"], Counts.of(content), began - content["seconds"]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)

    def report(more: int, counts: Counts) -> None:
        content = document(campaign, counts, done + more, first, time.monotonic() - began)
        write_text(arguments.out, json.dumps(content, indent=1) + "\n")
        print(f"{done + more}: {dict(counts.outcomes)}", flush=True)

    run(campaign, range(first + done, first + arguments.trials), counts=counts, report=report)
    print("written:", arguments.out)


def document(campaign: Campaign, counts: Counts, trials: int, first: int, seconds: float) -> dict[str, Any]:
    """What is committed of a campaign."""
    return {
        "schema": 1,
        "campaign": campaign.name,
        "trials": trials,
        "first_seed": first,
        "seconds_allowed": SECONDS,
        "megabytes_allowed": MEGABYTES,
        "seconds": round(seconds),
        "created_with": _versions(),
        "outcomes": {name: counts.outcomes[name] for name in campaign.outcomes},
        "inputs": {what: dict(sorted(found.items())) for what, found in sorted(counts.inputs.items())},
        "examples": {name: found for name, found in counts.examples.items() if found},
    }


def _versions() -> dict[str, str]:
    return {
        "evoloss": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
    }
