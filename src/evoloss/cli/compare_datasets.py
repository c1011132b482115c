"""``evoloss compare`` with several data sets: a comparison on each, and a table of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from evoloss.cli.last_lines import edge_lines, run_lines, time_line, without_files
from evoloss.cli.terminal import Terminal
from evoloss.compare.config import CompareConfig
from evoloss.compare.joint.comparison import compare_datasets, estimate_datasets
from evoloss.compare.joint.results import JOINT_FILE, JointResults
from evoloss.compare.results import Results
from evoloss.errors import UnknownNameError
from evoloss.executors import Executor, ExecutorConfig
from evoloss.report.joint_table import joint_caption, rich_joint_tables
from evoloss.report.joint_words import joint_verdict
from evoloss.report.tables import rich_table
from evoloss.trackers.option import ComparisonLog

_Say = Callable[[str], None]


def compare_several(
    configs: Sequence[CompareConfig],
    out: Path,
    console: Terminal,
    *,
    progress: bool,
    executor: Executor | None,
    say: _Say,
    warn: _Say,
    log: ComparisonLog,
) -> int:
    """Run the comparisons, print the table of each as it ends, and last that of all."""
    begun = 0

    def begin(label: str) -> None:
        nonlocal begun
        begun += 1
        console.say(f"data set {begun} of {len(configs)}: {label}")
        log.begin(label)

    def done(folder: str, results: Results) -> None:
        table = rich_table(results)
        table.caption = None  # half a screen, which the report of the folder has
        console.print(table)
        for line in (*edge_lines(results), *without_files(results, configs[0].keep)):
            console.say(line)
        console.say(f"written: {out / folder}\n")

    try:
        joint = compare_datasets(
            configs,
            out=out,
            progress=progress,
            executor=executor,
            say=say,
            warn=warn,
            on_begin=begin,
            on_done=done,
            on_run=log.on_run,
            on_epoch=log.on_epoch,
        )
    except UnknownNameError as error:
        raise _with_hint(error, configs) from error
    print_joint(console, joint)
    for line in log.lines():
        console.say(line)
    console.say(f"written: {out / JOINT_FILE}")
    console.say(f"next: evoloss report {out} --html report.html")
    return 0


def print_joint(console: Terminal, joint: JointResults) -> None:
    """Print the tables of losses over all data sets, how to read them, and the verdict."""
    for table in rich_joint_tables(joint, console.width):
        console.print(table)
        console.say("")
    console.print(joint_caption(joint), highlight=False, markup=False)
    verdict = joint_verdict(joint)
    console.print(f"{verdict.text} {verdict.advice}", highlight=False, markup=False)


def estimate_several(
    configs: Sequence[CompareConfig], out: Path, config: ExecutorConfig, *, say: _Say, warn: _Say
) -> list[str]:
    """Return what a dry run says: the runs of each data set, and the time of all."""
    try:
        found = estimate_datasets(configs, out, say=say, warn=warn)
    except UnknownNameError as error:
        raise _with_hint(error, configs) from error
    lines = []
    for label, one in found.items():
        data, *others = run_lines(one)
        name = "" if label == one.dataset.name else f"{label}: "
        lines += [f"plan: {name}{data}", *(f"plan:   {line}" for line in others)]
        lines.append(f"plan:   {time_line(one.seconds, config)}")
    seconds = sum(one.seconds for one in found.values())
    lines.append(f"plan: {len(found)} data sets: {time_line(seconds, config)} in all; nothing was written")
    return lines


def _with_hint(error: UnknownNameError, configs: Sequence[CompareConfig]) -> UnknownNameError:
    """The error, and for a column that one of several tables lacks how a table gets columns of its own."""
    tables = [config.dataset for config in configs if config.target is not None or config.ignore_columns]
    if len(tables) < 2 or " has no column " not in str(error):
        return error
    lacking = next((table for table in tables if f" {table} has no column " in str(error)), tables[-1])
    return UnknownNameError(
        f"{error}. --target and --ignore-columns are for all tables; for one alone write "
        f"{lacking}:target=COLUMN"
    )
