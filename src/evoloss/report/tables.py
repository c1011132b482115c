"""The table of a comparison, for the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.markup import escape
from rich.table import Table

from evoloss.compare.inference import MIN_SEEDS
from evoloss.compare.results import Results
from evoloss.compare.statistics import LossSummary, PairedDifference
from evoloss.compare.tuning import Edge
from evoloss.own_files import holds_line
from evoloss.safe_text import one_line, table_cell
from evoloss.training import RunResult

TABLE_FILE = "table.md"
is_table = holds_line(r"\| loss \| lr \| test accuracy, % \||No run has finished yet\.")
"""A function that tells whether the content of a file is a table of this module, in any version."""

NOTHING = "–"
_SHOWN_CLASSES = 10
EDGE_MARKS: dict[Edge, str] = {"lowest": "↓", "highest": "↑"}
"""Beside a learning rate at an end of its grid, and beside what was measured with it."""
_AT_BEST = "at best epoch, %"
HEADERS = (
    "loss",
    "lr",
    "test accuracy, %",
    "test set s.e.",
    _AT_BEST,
    "difference, points",
    "test set s.e. of it",
    "95 % interval",
    "interval (Holm)",
    "p (Holm)",
    "NLL",
    "ECE",
    "T",
    "NLL at T",
    "ECE at T",
    "s / run",
)


def headers(results: Results) -> list[str]:
    """Return :data:`HEADERS` in the words of the results: trees have rounds."""
    return [f"at best {results.unit}, %" if name == _AT_BEST else name for name in HEADERS]


def table_rows(results: Results) -> list[tuple[str, ...]]:
    """Return the cells below :func:`headers`, one row a loss, in the order of the results."""
    differences, edges = {row.loss: row for row in results.summary}, results.edges
    return [
        _row(loss, differences.get(loss.loss), results.baseline, marked(edges.get(loss.loss)))
        for loss in results.losses
    ]


def marked(edge: Edge | None) -> str:
    """The mark of a rate at an end of its grid, with a space before it; empty for any other."""
    return "" if edge is None else f" {EDGE_MARKS[edge]}"


def edge_names(results: Results, ends: Mapping[Edge, str]) -> list[str]:
    """The losses whose learning rate was chosen at an end of its grid, with the end behind each in brackets.

    Args:
        results: of a comparison.
        ends: what the lowest and the highest rate of a grid are called.
    """
    return [f"{one_line(loss)} ({ends[edge]})" for loss, edge in results.edges.items()]


def edge_legend(edges: Mapping[str, Edge], baseline: str) -> str:
    """Say what the marks mean, and whether they stand for every difference; empty without marks."""
    if not edges:
        return ""
    ends = {"lowest": "lower", "highest": "upper"}
    known = [f"{EDGE_MARKS[edge]} {ends[edge]}" for edge in EDGE_MARKS if edge in edges.values()]
    text = f"Learning rate at an end of its grid ({', '.join(known)}): one beyond it may be better."
    if baseline in edges:
        text += f" So it is for {one_line(baseline)}, which every difference depends on."
    return text


def caption(results: Results) -> str:
    """Say in one paragraph what was run and how to read the table."""
    if not results.runs:
        return "No run has finished yet."
    run = results.runs[0]
    seeds = len({r.seed for r in results.runs})
    names = class_names(results)
    classes = f"{counted(len(names), 'class')} ({_first(names)}), " if names else ""
    sentences = [
        f"{one_line(run.dataset)}, {classes}{run.n_train:,} training samples, {_labels(results)}; "
        f"{_classifier(run)}, {_rates(results)}{_varied(run)}; {counted(seeds, 'seed')}.",
        _judged(run),
    ]
    sentences += _sampling(results)
    if results.summary:
        sentences += _tests(results)
    if results.tuning:
        sentences.append("Learning rates chosen on the validation split, with seeds of their own.")
    if any(loss.mean_temperature is not None for loss in results.losses):
        sentences.append(f"T: temperature fitted on the validation split{_last(run)}.")
    if results.config.get("own_data") is True:
        sentences.append("Accuracy is agreement with the test labels as given, which may be wrong too.")
    sentences += _noise_rates(results)
    if legend := edge_legend(results.edges, results.baseline):
        sentences.append(legend)
    if not results.complete:
        sentences.append("The comparison is not complete.")
    return " ".join(sentences)


def _classifier(run: RunResult) -> str:
    """The classifier, its size, and how long it is trained."""
    size = f"{run.n_parameters:,} {'leaves' if run.grows_trees else 'parameters'}"
    most = "" if run.early_stopping is None else "at most "
    return f"{one_line(run.classifier)} ({size}), {most}{counted(run.epochs, run.unit)}"


def _varied(run: RunResult) -> str:
    """The setting that changes most what a loss does: of images, or of trees."""
    return (
        f"hessian: {one_line(run.hessian)}" if run.grows_trees else f"augmentation: {one_line(run.augment)}"
    )


def _judged(run: RunResult) -> str:
    own = f"{one_line(run.library)} is the objective of the library itself. " if run.grows_trees else ""
    best = f" and best validation {run.unit}" if run.early_stopping is None else ""
    return f"{own}Accuracy: mean ± standard deviation over seeds, {run.judged}{best}."


def _labels(results: Results) -> str:
    """The noise of the training labels: what was added, and what nobody knows of labels that users bring."""
    run, own = results.runs[0], results.config.get("own_data") is True
    file = results.config.get("train_labels")
    given = "labels as given (how many are wrong is unknown)" if own else ""
    if isinstance(file, str):
        given = f"labels of {one_line(file)}"
    if not run.label_noise:
        return given or "clean labels"
    added = f"{run.label_noise:.0%} {one_line(run.noise_kind)} label noise"
    return f"{added} added to {given}" if given else added


def class_names(results: Results) -> list[str]:
    """Return the names of the classes; none where they are counted, or in a file of an earlier version."""
    names = _texts(results, "class_names")
    return [] if names == [str(index) for index in range(len(names))] else names


def _texts(results: Results, key: str) -> list[str]:
    """A list of text in the configuration, which a stranger may have written."""
    found = results.config.get(key)
    return [one_line(text, 400) for text in found] if isinstance(found, list) else []


def _first(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN_CLASSES} more" if len(names) > _SHOWN_CLASSES else ""
    return ", ".join(one_line(name, 40) for name in names[:_SHOWN_CLASSES]) + more


def _noise_rates(results: Results) -> list[str]:
    """The share of wrong training labels by each loss that senses it: that of its median run."""
    sentences = []
    for loss in results.losses:
        sensed = [run.noise_rate for run in results.runs if run.loss == loss.loss and run.noise_rate]
        told = [rate for rate in sensed if rate.estimate is not None]
        if told:
            middle = sorted(told, key=lambda rate: rate.estimate or 0.0)[len(told) // 2]
            few = "" if len(told) == len(sensed) else f" in {len(told)} of {len(sensed)} runs"
            sentences.append(f"Wrong training labels by {one_line(loss.loss)}: {middle}{few}.")
        elif sensed:
            sentences.append(f"Wrong training labels by {one_line(loss.loss)}: {one_line(sensed[0], 400)}.")
    return sentences


def _last(run: RunResult) -> str:
    """The epoch of a value, where values of two are told."""
    return f", {run.judged}" if run.early_stopping is None else ""


def _sampling(results: Results) -> list[str]:
    """The error that the finite test set adds to the spread over seeds."""
    n_test = results.runs[0].n_test
    errors = [row.test_sampling_error for row in results.losses if row.test_sampling_error is not None]
    paired = [row.test_sampling_error for row in results.summary if row.test_sampling_error is not None]
    text = f"Test set s.e. ({n_test:,} samples, shared by all seeds): {max(errors):.2f} points at most"
    return [text + (f", of a difference {max(paired):.2f} at most." if paired else ".")]


def _tests(results: Results) -> list[str]:
    """The tests of differences, and the differences that had none."""
    parts = [f"Difference: paired with {one_line(results.baseline)}{_last(results.runs[0])}."]
    if any(row.p_holm is not None for row in results.summary):
        parts.append(
            "t-test; p and interval corrected alike (Holm): it excludes 0 exactly if p is below 0.05."
        )
    few = sorted({row.n_seeds for row in results.summary if row.n_seeds < MIN_SEEDS})
    parts += [f"{counted(count, 'seed')}: no test and no interval below {MIN_SEEDS}." for count in few]
    return parts


def markdown_table(results: Results) -> str:
    """Return caption and table as GitHub Markdown, and below it what was done to the data."""
    lines = markdown_lines(headers(results), table_rows(results))
    notes = [f"- {note}" for note in _texts(results, "data_notes")]
    below = ["", "Data:", "", *notes] if notes else []
    return caption(results) + "\n\n" + "\n".join([*lines, *below]) + "\n"


def markdown_lines(
    heads: Sequence[str], rows: Iterable[Sequence[str]], words: Sequence[int] = (0,)
) -> list[str]:
    """The lines of a table in GitHub Markdown.

    Args:
        heads: of the columns.
        rows: their cells.
        words: places of the columns of words; the others are of numbers.
    """
    return [
        f"| {' | '.join(map(table_cell, heads))} |",
        f"|{'|'.join('---' if place in words else '---:' for place in range(len(heads)))}|",
        *(f"| {' | '.join(map(table_cell, row))} |" for row in rows),
    ]


def rich_table(results: Results) -> Table:
    """Return the table for a terminal: without best epoch, temperature and seconds, corrected intervals."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0)  # 80 columns hold it
    table.caption, table.caption_justify = escape(caption(results)), "left"
    table.add_column("loss", overflow="fold")
    for header in ("lr", "accuracy, % (s.e.)", "difference [95 %]", "p", "NLL", "ECE"):
        table.add_column(header, justify="right", no_wrap=True)
    for name, rate, last, error, _, difference, _, _, interval, p, nll, ece, *_ in table_rows(results):
        low, _, high = interval.partition(" to ")
        shown = f"{difference} [{low}, {high}]" if high else difference
        table.add_row(escape(name), rate, f"{last} ({error[:-1]})", escape(shown), p, nll, ece)
    if len({loss.lr for loss in results.losses}) == 1 and not results.edges:
        table.columns.pop(1)  # the caption has it
    return table


def _row(loss: LossSummary, difference: PairedDifference | None, baseline: str, mark: str) -> tuple[str, ...]:
    name = one_line(loss.loss, 200) + (
        f" ({loss.n_diverged} of {loss.n_seeds} diverged)" if loss.n_diverged else ""
    )
    return (
        name,
        f"{loss.lr:g}{mark}",
        _spread(loss.mean_test_accuracy, loss.sd_test_accuracy),
        _points(loss.test_sampling_error),
        _spread(loss.mean_best_test_accuracy, loss.sd_best_test_accuracy),
        *_difference(difference, mark, is_baseline=loss.loss == baseline),
        f"{loss.mean_test_nll:.3f}",
        f"{loss.mean_test_ece:.3f}",
        NOTHING if loss.mean_temperature is None else f"{loss.mean_temperature:.2f}",
        NOTHING if loss.mean_test_nll_scaled is None else f"{loss.mean_test_nll_scaled:.3f}",
        NOTHING if loss.mean_test_ece_scaled is None else f"{loss.mean_test_ece_scaled:.3f}",
        f"{loss.mean_train_seconds:.2g}"
        if loss.mean_train_seconds < 10
        else f"{loss.mean_train_seconds:.0f}",
    )


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural but for 1."""
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number} {noun}{ending}"


def _rates(results: Results) -> str:
    rates = {loss.lr for loss in results.losses}
    return f"learning rate {rates.pop():g}, " if len(rates) == 1 else ""


def _difference(row: PairedDifference | None, mark: str, *, is_baseline: bool) -> tuple[str, ...]:
    """Mean, sampling error, interval, corrected interval and corrected p-value."""
    if row is None:
        return ("baseline" if is_baseline else NOTHING, *[NOTHING] * 4)
    mean, error = f"{row.mean_difference:+.2f}{mark}", _points(row.test_sampling_error)
    if row.p_holm is None:
        return (mean, error, f"{untested(row.n_seeds)}: no test", NOTHING, NOTHING)
    p = "< 0.001" if row.p_holm < 0.001 else f"{row.p_holm:.3f}"
    return (mean, error, _ends(row.ci_low, row.ci_high), _ends(row.ci_low_holm, row.ci_high_holm), p)


def untested(n_seeds: int) -> str:
    """The reason why a difference over some seeds has no test and no interval."""
    return counted(n_seeds, "seed") if n_seeds < MIN_SEEDS else "equal differences"


def _ends(low: float | None, high: float | None) -> str:
    return NOTHING if low is None or high is None else f"{low:+.2f} to {high:+.2f}"


def _points(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"


def _spread(mean: float, deviation: float | None) -> str:
    return f"{mean:.2f}" if deviation is None else f"{mean:.2f} ± {deviation:.2f}"
