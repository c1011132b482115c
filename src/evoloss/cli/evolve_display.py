"""The display of a search: a line that follows the clock on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.live import Live
from rich.table import Table
from rich.text import Text

from evoloss.cli.terminal import Terminal
from evoloss.evolve.progress import STAGES, OnProgress, Progress
from evoloss.evolve.ranges import time_text

_BARS, _ASCII_BARS = "▁▂▃▄▅▆▇█", "_.-=+*#@"
_SHOWN = 40  # looks at held-out tasks in the sparkline
_REFRESH = 2  # a second


def sparkline(values: Sequence[float], *, unicode: bool = True) -> str:
    """Values as bars, the lowest of them or 0 at the bottom.

    Example:
        >>> sparkline([0.0, 2.0, 4.0])
        '▁▅█'
    """
    shown, bars = list(values)[-_SHOWN:], _BARS if unicode else _ASCII_BARS
    low, high = min(0.0, *shown, 0.0), max(0.0, *shown, 0.0)
    height = (high - low) or 1.0
    return "".join(bars[round((value - low) / height * (len(bars) - 1))] for value in shown)


def status(progress: Progress, *, unicode: bool = True) -> str:
    """The state of a search in a line: gain, rejected candidates, time left."""
    parts = [STAGES[progress.stage]]
    if progress.stage == "searching":
        following = progress.generation + 1
        parts = [f"searching, generation {following}"]
        if not progress.generation:
            parts[0] += f" (about {time_text(progress.generation_seconds)} each)"
    if progress.stage == "judging" and progress.groups[0]:
        parts[0] += f", {progress.groups[0]} groups done"
    if progress.gains:
        gain = progress.gains[-1]
        points = f"{gain.points:+.1f} {'±' if unicode else '+-'} {gain.error:.1f} points"
        line = sparkline([one.points for one in progress.gains], unicode=unicode)
        parts.append(f"{points} over cross-entropy on held-out tasks {line}")
    if progress.candidates:
        parts.append(f"{100 * progress.rejected / progress.candidates:.0f} % of candidates rejected")
    left = progress.seconds_left
    parts.append(f"{time_text(left)} left" if left > 0 else f"{time_text(-left)} over the budget")
    return " · ".join(parts) if unicode else " | ".join(parts)


@contextmanager
def display(console: Terminal) -> Iterator[OnProgress]:
    """A function to be called with progress, which is shown until the end of the context."""
    if console.is_terminal:
        with _Live(console) as show:
            yield show
        return
    yield _Lines(console)


class _Lines:
    """A line whenever something is known that was not."""

    def __init__(self, console: Terminal) -> None:
        self.console, self.unicode = console, has_unicode(console)
        self.seen: tuple[str, int, int] = ("", -1, -1)

    def __call__(self, progress: Progress) -> None:
        # Of generations those that were looked at on held-out tasks, and the first.
        looked = 1 if progress.generation == 1 else len(progress.gains) + bool(progress.generation)
        seen = (progress.stage, looked, progress.groups[0] // 8)
        if seen != self.seen and progress.stage != "done":
            self.console.say(status(progress, unicode=self.unicode))
        self.seen = seen


class _Live:
    """Lines that are drawn again as the clock goes on."""

    def __init__(self, console: Terminal) -> None:
        self.unicode = has_unicode(console)
        self.progress: Progress | None = None
        self.live = Live(
            console=console, get_renderable=self.renderable, refresh_per_second=_REFRESH, transient=True
        )

    def __enter__(self) -> OnProgress:
        self.live.start()
        return self.update

    def __exit__(self, *error: object) -> None:
        self.live.stop()

    def update(self, progress: Progress) -> None:
        self.progress = progress

    def renderable(self) -> Table:
        """The status as it is now, a part a line."""
        table = Table.grid(padding=(0, 1))
        if self.progress is not None:
            separator = " · " if self.unicode else " | "
            for part in status(self.progress, unicode=self.unicode).split(separator):
                table.add_row(Text(part, overflow="ellipsis", no_wrap=True))
        return table


def has_unicode(console: Terminal) -> bool:
    """Tell whether what is printed may have bars, dashes and the like."""
    return console.encoding.lower().startswith("utf")
