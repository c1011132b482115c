"""The table of a comparison, for the terminal and as Markdown."""

from __future__ import annotations

from rich import box
from rich.markup import escape
from rich.table import Table

from evoloss.compare.results import Results
from evoloss.compare.statistics import LossSummary, PairedDifference
from evoloss.own_files import holds_line
from evoloss.safe_text import one_line, table_cell

TABLE_FILE = "table.md"
is_table = holds_line(r"\| loss \| lr \| test accuracy, % \||No run has finished yet\.")
"""A function that tells whether the content of a file is a table of this module, in any version."""

NOTHING = "–"
HEADERS = (
    "loss",
    "lr",
    "test accuracy, %",
    "at best epoch, %",
    "difference, points",
    "95 % interval",
    "p (Holm)",
    "NLL",
    "ECE",
    "T",
    "NLL at T",
    "ECE at T",
    "s / run",
)


def table_rows(results: Results) -> list[tuple[str, ...]]:
    """Return the cells below :data:`HEADERS`, one row a loss, in the order of the results."""
    differences = {row.loss: row for row in results.summary}
    return [_row(loss, differences.get(loss.loss), results.baseline) for loss in results.losses]


def caption(results: Results) -> str:
    """Say in one paragraph what was run and how to read the table."""
    if not results.runs:
        return "No run has finished yet."
    run = results.runs[0]
    noise = (
        f"{run.label_noise:.0%} {one_line(run.noise_kind)} label noise" if run.label_noise else "clean labels"
    )
    seeds = len({r.seed for r in results.runs})
    sentences = [
        f"{one_line(run.dataset)}, {run.n_train:,} training samples, {noise}; {one_line(run.model)} "
        f"({run.n_parameters:,} parameters), {_count(run.epochs, 'epoch')}, {_rates(results)}"
        f"augmentation: {one_line(run.augment)}; {_count(seeds, 'seed')}.",
        "Accuracy: mean ± standard deviation over seeds, last epoch and best validation epoch.",
    ]
    if results.summary:
        sentences.append(
            f"Difference: paired with {one_line(results.baseline)}, last epoch, t interval, Holm-corrected "
            "t-test."
        )
    if results.tuning:
        sentences.append("Learning rates chosen on the validation split, with seeds of their own.")
    if any(loss.mean_temperature is not None for loss in results.losses):
        sentences.append("T: temperature fitted on the validation split, last epoch.")
    if seeds == 1:
        sentences.append("One seed: no spread and no interval.")
    if not results.complete:
        sentences.append("The comparison is not complete.")
    return " ".join(sentences)


def markdown_table(results: Results) -> str:
    """Return caption and table as GitHub Markdown."""
    rows = [tuple(table_cell(cell) for cell in row) for row in table_rows(results)]
    lines = [
        "| " + " | ".join(HEADERS) + " |",
        "|" + "|".join(["---"] + ["---:"] * (len(HEADERS) - 1)) + "|",
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
    return caption(results) + "\n\n" + "\n".join(lines) + "\n"


def rich_table(results: Results) -> Table:
    """Return the table for a terminal of 80 columns: without best epoch, temperature and seconds."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.caption, table.caption_justify = escape(caption(results)), "left"
    table.add_column("loss", overflow="fold")
    for header in ("lr", "accuracy, %", "difference [95 %]", "p", "NLL", "ECE"):
        table.add_column(header, justify="right", no_wrap=True)
    for name, rate, last, _, difference, interval, p, nll, ece, *_ in table_rows(results):
        low, _, high = interval.partition(" to ")
        shown = f"{difference} [{low}, {high}]" if high else difference
        table.add_row(escape(name), rate, last, escape(shown), p, nll, ece)
    if len({loss.lr for loss in results.losses}) == 1:
        table.columns.pop(1)  # the caption has it
    return table


def _row(loss: LossSummary, difference: PairedDifference | None, baseline: str) -> tuple[str, ...]:
    name = one_line(loss.loss) + (
        f" ({loss.n_diverged} of {loss.n_seeds} diverged)" if loss.n_diverged else ""
    )
    return (
        name,
        f"{loss.lr:g}",
        _spread(loss.mean_test_accuracy, loss.sd_test_accuracy),
        _spread(loss.mean_best_test_accuracy, loss.sd_best_test_accuracy),
        *_difference(difference, is_baseline=loss.loss == baseline),
        f"{loss.mean_test_nll:.3f}",
        f"{loss.mean_test_ece:.3f}",
        NOTHING if loss.mean_temperature is None else f"{loss.mean_temperature:.2f}",
        NOTHING if loss.mean_test_nll_scaled is None else f"{loss.mean_test_nll_scaled:.3f}",
        NOTHING if loss.mean_test_ece_scaled is None else f"{loss.mean_test_ece_scaled:.3f}",
        f"{loss.mean_train_seconds:.2g}"
        if loss.mean_train_seconds < 10
        else f"{loss.mean_train_seconds:.0f}",
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _rates(results: Results) -> str:
    rates = {loss.lr for loss in results.losses}
    return f"learning rate {rates.pop():g}, " if len(rates) == 1 else ""


def _difference(row: PairedDifference | None, *, is_baseline: bool) -> tuple[str, str, str]:
    if row is None:
        return ("baseline" if is_baseline else NOTHING, NOTHING, NOTHING)
    mean = f"{row.mean_difference:+.2f}"
    if row.ci_low is None or row.ci_high is None or row.p_holm is None:
        return (mean, "one seed", NOTHING)
    p = "< 0.001" if row.p_holm < 0.001 else f"{row.p_holm:.3f}"
    return (mean, f"{row.ci_low:+.2f} to {row.ci_high:+.2f}", p)


def _spread(mean: float, deviation: float | None) -> str:
    return f"{mean:.2f}" if deviation is None else f"{mean:.2f} ± {deviation:.2f}"
