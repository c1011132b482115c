"""Command lines, drawn from a seed: every command and option, values that are good, odd or impossible."""

from __future__ import annotations

import importlib
import random
import shlex
import types
import typing
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from evoloss.cli import COMMANDS

INPUTS = "in"
"""Folder of the good inputs, beside the folders that the places below make."""

# Small enough that a good line is done within a second.
SEARCH = shlex.split("popsize=4 pairs=16 eval_pairs=16 n_grid=8 eval_every=2 classes=[3] hidden=[4]")
BASES: dict[str, tuple[str, ...]] = {
    "pretrain": (
        *shlex.split("--generations 2 --popsize 4 --pairs 16 --eval-pairs 16 --n-grid 8 --eval-every 2"),
        *shlex.split("--classes 3"),
        *shlex.split(
            "--hidden 4 --network monotone --out out --groups 1 --tasks 1 --eval-groups 2 --elites 2"
        ),
        *shlex.split("--prior-samples 20 24 --fitness learnability --prior-classes 2 3"),
    ),
    "compare": (
        *shlex.split(
            f"--dataset {INPUTS}/tiny.npz --model mlp --losses cross_entropy gce --seeds 0 --epochs 1"
        ),
        *shlex.split("--batch-size 8 --accelerator cpu --threads 1 --quiet --out out"),
    ),
    "ablate": (
        *shlex.split("--vary sigma=0.2,0.3 --seeds 0 --no-figures --quiet --out out"),
        *("--fixed", "generations=2", "network=monotone", *SEARCH),
    ),
    "inspect": ("gce",),
    "losses": (),
    "report": (f"{INPUTS}/results", "--out", "out"),
}
EVOLVE_BASES: dict[str, tuple[str, ...]] = {
    "evolve": ("--for", "noise", "--classes", "3", "--budget", "17s", "--out", "out"),
    "export": ("gce", "--format", "json", "--out", "out.json"),
}
"""Of commands with a campaign of their own: the shortest run of the first takes longer than a trial may."""
WHOLE = (
    *("0", "-1", "1", "2", "3", "7", "256", "257", "1000", "65537", "1000001", "99999999", "2147483648"),
    *("9223372036854775807", "-9223372036854775809", "1" + "0" * 30, "1_000", "１２"),
)
REAL = (
    *("0", "-0.0", "1", "0.5", "-1", "2", "1e-320", "1e-30", "1e30", "1e308", "-1e308", "1e400", "nan"),
    *("inf", "-inf", "0.1", "0.999999", "1" * 400),
)
NO_NUMBERS = (
    *("1" + "0" * 5000, "1.5", "1e3", "nan", "x", "", " ", "0x10", "1,5", "None", "[red]", "[/x]", "\udcff"),
    *("--", "-", "=", "+5", "0.1.2", "1j", "True"),
)
WORDS = (
    *("", " ", "x", "[/x]", "[red]", "\udcff\udcfe", "a\nb", "\x1b[2J\u202e", "é", "None", "A" * 5000, "--"),
    *("~nouser-here", "../..", "/", "%s%n", "{0}", "$HOME", "-1", "=", ":", "*"),
)
NAMES: dict[str, tuple[str, ...]] = {
    "loss": ("gce", "evolved-base", "evolved-noise", "nce_rce", "focal", f"{INPUTS}/loss", "cross_entropie"),
    "losses": ("gce", "evolved-small", "cross_entropy", "sce", f"{INPUTS}/loss", "./gce", "gcee"),
    "baseline": ("gce", "cross_entropy", "sigma=0.2"),
    "dataset": ("digits", "cifar10", f"{INPUTS}/tiny.npz", f"{INPUTS}/images", "digit", "mnist"),
    "model": (
        "mlp",
        "cnn",
        "torch:nothing",
        "nothing:here",
        "os:getcwd",
        "json:loads",
        ":",
        "a:",
        ":b",
        "a.b:c.d",
    ),
    "vary": (
        "sigma=0.1,0.2",
        "sigma=",
        "=1",
        "sigma=nan,1",
        "sigma=1e308,1",
        "popsize=4,99999999",
        "nothing=1,2",
    ),
    "variant": ("a: sigma=0.2", "a:", ": sigma=1", "[red]: sigma=0.1", "a: a: sigma=1", "b: hidden=[4"),
    "fixed": (
        "sigma=0.2",
        "classes=[2]",
        "classes=[]",
        "n_grid=99999999",
        "pairs=1e9",
        "=",
        "sigma",
        "seed=1",
    ),
    "contrast": ("sigma=0.2:sigma=0.3", "a:b", ":", "sigma=0.2:sigma=0.2", "x[/x]y:z"),
    "formats": ("png", "svg", "pdf", "PNG"),
    "address": ("auto", "nowhere:1"),
    "like": (f"{INPUTS}/tiny.npz", f"{INPUTS}/images", "digits", "digit", "mnist", "cifar10"),
    "classes": ("2", "3-5", "2-1000", "1", "3-2", "1001", "3 to 4", "3..4"),
    "samples": ("20", "10-30", "4", "3", "100000", "100001", "30-10"),
    "features": ("4", "2-6", "images", "Images", "1", "1e9"),
    "noise": ("0.2", "0.2-0.5", "0", "0.95", "0.96", "40", "0.5-0.2", "0.2 to 0.3"),
    "budget": ("17s", "1s", "0s", "1h", "1e9h", "10", "-5m", "1h30m", "30m20", "0.5m"),
}
OPTIONS = {"purpose": "for"}
"""Options of another name than their field."""
# Where a path may lead; what is not missing is made before each line.
PLACES = (
    *("x[/x]y", "[red]", "[link=http://x]y", "\udcff\udcfe", "~nouser-here", "~nouser-here/x", "~", "~/x"),
    *("not-there", "not/there", "fifo", "folder", "file", "file/below", "unreadable", "unreadable-folder"),
    *(
        "dangling",
        "loop",
        "a\nb",
        "\x1b[2J",
        "n" * 300,
        "p/" * 3000,
        "/dev/null",
        "/proc/evoloss",
        ".",
        "empty",
    ),
    *(
        "$HOME",
        "é",
        "-",
        "x y",
        "'",
        "a:b",
        "\u202ex",
        "damaged",
        "damaged.npz",
        "damaged.toml",
        "damaged-loss",
    ),
    *(
        f"{INPUTS}/{name}"
        for name in ("loss", "results", "run", "images", "tiny.npz", "run/pretrain.toml", "tar")
    ),
)


@dataclass(frozen=True)
class Line:
    """A command line.

    Attributes:
        arguments: after ``evoloss``.
        what: the command, and the option that was last drawn, if any.
    """

    arguments: tuple[str, ...]
    what: str


def draw_line(draw: random.Random) -> Line:
    """Draw a command with good options, and put up to three drawn ones behind them."""
    command = draw.choices(tuple(BASES), weights=(8, 8, 6, 3, 1, 3))[0]
    return line_of(command, BASES[command], draw)


def line_of(command: str, base: tuple[str, ...], draw: random.Random) -> Line:
    """A line of a command: its good options, and drawn ones behind them."""
    arguments, what = list(base), "nothing else"
    if command in ("inspect", "export", "report") and draw.random() < 0.5:
        what = "a positional argument"
        arguments[0] = draw.choice((*PLACES, *NAMES["loss"], *WORDS))
    options = _options(command)
    for _ in range(draw.choice((0, 1, 1, 1, 2, 3)) if options else 0):
        what = draw.choice(sorted(options))
        arguments += _drawn(what, options[what], draw)
    arguments.insert(0, command)
    if draw.random() < 0.1:
        what = "a broken line"
        _break(arguments, draw)
    return Line(tuple(arguments), f"{command}: {what}")


def _options(command: str) -> dict[str, Any]:
    """Options with their types, as the command declares them; those of a nested record stand as such."""
    module, name, _ = COMMANDS[command]
    return _typed_fields(getattr(importlib.import_module(module), name))


@cache
def _typed_fields(record: type) -> dict[str, Any]:
    hints = typing.get_type_hints(record)
    return {
        field.name: hints[field.name]
        for field in fields(record)
        if field.name not in ("loss", "directories")  # positional
    }


def _drawn(name: str, kind: Any, draw: random.Random) -> list[str]:
    if is_dataclass(kind):
        inner = _typed_fields(typing.cast(type, kind))
        below = draw.choice(sorted(inner))
        return [f"--{_dashed(name)}.{_dashed(below)}", *_values(below, inner[below], draw)]
    if kind is bool:
        return [draw.choice((f"--{_dashed(name)}", f"--no-{_dashed(name)}"))]
    values = _values(name, kind, draw)
    if draw.random() < 0.1 and len(values) == 1:
        return [f"--{_dashed(name)}={values[0]}"]
    return [f"--{_dashed(name)}", *values]


def _values(name: str, kind: Any, draw: random.Random) -> list[str]:
    """Values of an option: good and bad ones of its own type, and now and then one of another."""
    origin, of = typing.get_origin(kind), typing.get_args(kind)
    if draw.random() < 0.05:
        return [draw.choice((*WHOLE, *REAL, *NO_NUMBERS, *WORDS))]
    if name == "executor":  # a cluster that starts, or is looked for, takes longer than a trial may
        return [draw.choice(("serial", "serial", "Serial", "processes", "", "thread"))]
    if origin is tuple:
        return [value for _ in range(draw.choice((0, 1, 1, 2, 3))) for value in _values(name, of[0], draw)]
    if origin in (types.UnionType, typing.Union):
        return _values(name, draw.choice([each for each in of if each is not types.NoneType]), draw)
    if origin is Literal:
        return [draw.choice((*map(str, of), *map(str, of), *WORDS[:6], str(of[0]).upper()))]
    if kind is int:
        return [draw.choice(WHOLE if draw.random() < 0.9 else NO_NUMBERS)]
    if kind is float:
        return [draw.choice(REAL if draw.random() < 0.9 else NO_NUMBERS)]
    if kind is Path:
        return [draw.choice(PLACES)]
    known = NAMES.get(name, ())
    return [draw.choice((*known, *known, *WORDS, *PLACES))]


def _dashed(name: str) -> str:
    return OPTIONS.get(name, name).replace("_", "-")


def _break(arguments: list[str], draw: random.Random) -> None:
    """Leave out, repeat, mangle or add an argument."""
    place = draw.randrange(len(arguments))
    way = draw.choice(("drop", "repeat", "mangle", "add", "cut"))
    if way == "drop":
        del arguments[place]
    elif way == "repeat":
        arguments.insert(place, arguments[place])
    elif way == "mangle":
        arguments[place] = draw.choice(("-", "--", "")) + arguments[place][: draw.randrange(6)]
    elif way == "cut":
        del arguments[place:]
    else:
        arguments.insert(
            place, draw.choice((*WORDS, "--nothing", "-h", "--help", "--out", "--version", "@x"))
        )
