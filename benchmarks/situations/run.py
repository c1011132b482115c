"""What a newcomer's first comparison gives and says, on files as a newcomer has them.

    python -m benchmarks.situations.run                  # make the files, call evoloss compare on each
    python -m benchmarks.situations.run --only wine      # one situation
    python -m benchmarks.situations.run --write          # the tables of the README, from the results

Every comparison is the command line with default settings, in a folder that holds the situation's files.
"""

from __future__ import annotations

import csv
import os
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from benchmarks.harness import command
from benchmarks.harness.accuracy_study import ALLOCATOR
from benchmarks.harness.comparison import require_known
from benchmarks.harness.page import replace_between
from benchmarks.harness.results import machine_facts, update_record
from benchmarks.harness.study_tables import BEGIN, END
from benchmarks.situations import data
from benchmarks.situations.table import COMMANDS, lines
from evoloss.atomic_files import write_text
from evoloss.compare.keeping.suspects import average_precision
from evoloss.compare.results import FILE_NAME, Results
from evoloss.errors import ResultsError

README = Path(__file__).parent / "README.md"
RESULTS = Path(__file__).parent / "results"
LOSSES = ("cross_entropy", "gce", "evolved-base", "evolved-noise", "evolved-noise-strong", "adaptive")
SEEDS = 5
WRONG = ("--label-noise", "0.4", "--validation-noise")
"""What is added where the labels of the files are right."""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """Files that somebody has, and what they write for them.

    Attributes:
        title: what readers are told.
        write: puts the files into a folder.
        words: of the command: data and network.
        wrong: whether it is run with wrong labels too, as where those of the files are right.
        look: what is found in the folder of the comparison afterwards, by name.
    """

    title: str
    write: Callable[[Path], None]
    words: tuple[str, ...]
    wrong: bool = True
    look: Callable[[Path], dict[str, Any]] | None = None


@dataclass(frozen=True, kw_only=True)
class SituationStudy:
    """Compare in every situation, or write the tables."""

    only: tuple[str, ...] = ()
    """Situations; all by default."""
    seeds: int = SEEDS
    """Runs for each loss."""
    epochs: int | None = None
    """Passes over the training split; the command's default if not given."""
    out: Path = RESULTS
    """Folder of the results."""
    files: Path | None = None
    """Folder for the files of the situations and all that the commands leave; a temporary one by default."""
    write: bool = False
    """Write the tables into the README, and run nothing."""


def suspects(folder: Path) -> dict[str, Any]:
    """How well the labels that are wrong in ``digits.npz`` are told, by cross-entropy's first run."""
    wrong = data.wrong_in_file()
    with (folder / "kept/cross_entropy/seed-0/suspects.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    scores = torch.zeros(len(wrong))
    for rank, row in enumerate(rows):
        scores[int(row["index"])] = len(rows) - rank
    listed = torch.tensor([int(row["index"]) for row in rows])
    flags = torch.tensor(wrong)
    first = listed[: int(flags[listed].sum())]
    return {
        "average_precision": average_precision(scores[listed], flags[listed]),
        "wrong": int(flags[listed].sum()),
        "wrong_among_as_many_first": int(flags[first].sum()),
    }


def backbone(folder: Path) -> dict[str, Any]:
    """Whether the frozen body is the same after training with any loss, and no head is."""
    found = [load_file(path) for path in sorted(folder.glob("kept/*/seed-0/model.safetensors"))]
    body = [weights["0.0.weight"].numpy() for weights in found]
    head = [weights["2.weight"].numpy() for weights in found]
    return {
        "models": len(found),
        "body_is_the_same": all(np.array_equal(body[0], other) for other in body[1:]),
        "heads_differ": all(not np.array_equal(head[0], other) for other in head[1:]),
    }


def _table(name: str, target: str) -> Callable[[Path], None]:
    return partial(data.table, name, target)


def _csv(name: str, target: str) -> tuple[str, ...]:
    return ("--dataset", f"{name}.csv", "--target", target, "--model", "mlp")


SITUATIONS: dict[str, Situation] = {
    "digits-npz": Situation(
        title="digits, `.npz`, 40 % of the training labels wrong in the file, test labels right",
        write=data.noisy_digits,
        words=("--dataset", "digits.npz", "--model", "mlp"),
        wrong=False,
        look=suspects,
    ),
    "breast-cancer": Situation(
        title="breast cancer, CSV, classes as text, empty cells",
        write=_table("breast_cancer", "diagnosis"),
        words=_csv("breast_cancer", "diagnosis"),
    ),
    "wine": Situation(
        title="wine, CSV, classes as text, empty cells",
        write=_table("wine", "cultivar"),
        words=_csv("wine", "cultivar"),
    ),
    "iris": Situation(
        title="iris, CSV, classes as text, empty cells",
        write=_table("iris", "species"),
        words=_csv("iris", "species"),
    ),
    "digits-389": Situation(
        title="digits 3, 8 and 9, `.npz`",
        write=data.three_digits,
        words=("--dataset", "digits-389.npz", "--model", "cnn_small"),
    ),
    "image-folder": Situation(
        title="folder of images of several sizes, modes and formats (digits 0 to 4)",
        write=data.image_folder,
        words=("--dataset", "photos", "--image-size", "8", "--model", "cnn_small"),
    ),
    "strings": Situation(
        title="CSV of words and numbers, with an identifier, a date, empty cells (breast cancer)",
        write=data.table_of_words,
        words=_csv("patients", "diagnosis"),
    ),
    "own-dataset": Situation(
        title="a torch `Dataset` by `module:callable` (digits 0 to 4)",
        write=data.own_dataset,
        words=("--dataset", "my_data:load", "--model", "mlp"),
    ),
    "backbone": Situation(
        title="a frozen body with random weights by `module:callable`, mechanics only (digits 3, 8 and 9)",
        write=data.own_backbone,
        words=("--dataset", "digits-389.npz", "--model", "my_backbone:build"),
        wrong=False,
        look=backbone,
    ),
}
MECHANICS = ("backbone",)
"""Situations whose accuracy means nothing."""


def plan(options: SituationStudy) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield the name of a situation, that of a run of it, and the words of its command behind ``evoloss``.

    Raises:
        UnknownNameError: if there is no such situation.
    """
    require_known("situation", options.only, SITUATIONS)
    epochs = () if options.epochs is None else ("--epochs", str(options.epochs))
    for name in options.only or SITUATIONS:
        situation = SITUATIONS[name]
        for run, more in ((name, ()), (f"{name}-wrong40", WRONG))[: 1 + situation.wrong]:
            yield (
                name,
                run,
                (
                    *("compare", "--out", f"cmp-{run}", *situation.words, *more, *epochs),
                    *("--losses", *LOSSES, "--seeds", *map(str, range(options.seeds)), "--threads", "1"),
                ),
            )


def said(text: str) -> list[str]:
    """The warnings among the lines that a command printed."""
    return [line.removeprefix("warning: ") for line in text.splitlines() if line.startswith("warning: ")]


def call(words: tuple[str, ...], folder: Path) -> dict[str, Any]:
    """Call ``evoloss`` in a folder, and say what it took and told.

    Raises:
        ResultsError: if it failed, with what it said.
    """
    before, start = _children_seconds(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "evoloss", *words],
        cwd=folder,
        env={**os.environ, **ALLOCATOR},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds, cpu = time.perf_counter() - start, _children_seconds() - before
    if done.returncode:
        raise ResultsError(f"evoloss {shlex.join(words)} ended with {done.returncode}: {done.stderr[-2000:]}")
    return {
        "command": f"evoloss {shlex.join(words)}",
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "warnings": said(done.stdout),
        "stderr": done.stderr.splitlines(),
    }


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def study(options: SituationStudy, folder: Path) -> None:
    """Make the files of each situation in a folder of its own, compare there, and keep the results."""
    for name, run, words in plan(options):
        situation, place = SITUATIONS[name], folder / name
        if not place.exists():
            place.mkdir(parents=True)
            situation.write(place)
        found = call(words, place)
        if situation.look is not None:
            found["found"] = situation.look(place / f"cmp-{run}")
        results = Results.read(place / f"cmp-{run}")
        results.write(options.out / run / FILE_NAME)
        entry: Mapping[str, Any] = {"situation": name, **found, "facts": machine_facts()}
        update_record(options.out / COMMANDS, run, entry)
        print(f"{run}: {found['cpu_seconds']:.0f} s of processor time", flush=True)


def main(options: SituationStudy) -> None:
    """Run, or write the tables."""
    if options.write:
        titles = {name: situation.title for name, situation in SITUATIONS.items()}
        made = lines(options.out, titles, MECHANICS)
        write_text(README, replace_between(README.read_text(encoding="utf-8"), BEGIN, END, made))
    elif options.files is not None:
        study(options, options.files)
    else:
        with tempfile.TemporaryDirectory() as folder:
            study(options, Path(folder))


if __name__ == "__main__":
    command.run(SituationStudy, main)
