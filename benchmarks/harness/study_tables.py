"""The results of an accuracy study as Markdown tables, for its README; what is not there yet is named."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.harness.accuracy_study import Study
from benchmarks.harness.loss_needs import ORACLE, is_free, need
from benchmarks.harness.markdown import difference_text, numbers_table, points_text
from benchmarks.harness.study_results import BASELINE, Measured, Overall, load, overall
from benchmarks.harness.study_rivals import rivals
from evoloss.report.tables import NOTHING, marked

OWN = "adaptive"
"""The loss that keeps a state and has nothing to set."""
BEGIN, END = "<!-- tables of the results -->", "<!-- end of the tables -->"
"""Between these stand the tables in a README."""
READING = (
    "Points are percentage points of test accuracy over cross-entropy, paired by seed, with half the 95 % "
    "interval (none below three seeds), each for itself; bold: p below 0.05 after correction for the losses "
    "of a condition (Holm). The last epoch counts. *At best epoch*: with the weights of the epoch that is "
    "best on the validation split. ↓ ↑: the learning rate was chosen at the lower or upper end of its grid, "
    "so that one beyond it may be better; at cross-entropy it concerns every difference of the condition."
)
Situations = Mapping[str, tuple[str, ...]]
"""Titles, and the conditions that are looked at together under each."""


def tables(study: Study, situations: Situations) -> list[str]:
    """All tables of a study, as far as it has been run."""
    measured = load(study)
    if not measured:
        return ["No run has ended yet."]
    return [
        *(READING, "", "### Over conditions", ""),
        *over_conditions(measured, situations, len(study.conditions)),
        *("", f"### `{OWN}` against the best of the others", ""),
        *rivals(measured, OWN),
        *("", "### What is there", ""),
        *what_is_there(study, measured),
        *(line for found in measured.values() for line in ("", *one_condition(found))),
    ]


def over_conditions(measured: Mapping[str, Measured], situations: Situations, n_conditions: int) -> list[str]:
    """Each loss over all conditions, and over those of each situation: points over cross-entropy."""
    heads = ("loss", "mean", "median", "worst condition", "one left out", *situations, "conditions", "seeds")
    body = [
        (*_overall_cells(row, situations), f"{len(row.points)}", f"{row.seeds}") for row in overall(measured)
    ]
    told = [f"`{row.loss}` {need(row.loss)}" for row in overall(measured) if need(row.loss)]
    notes = [
        "*One left out*: lowest and highest mean when any one condition is left out. *Seeds*: the fewest of "
        "a condition. The mean of a loss that misses conditions is one over others.",
    ]
    if len(measured) < n_conditions:
        notes.append(f"{len(measured)} of {n_conditions} conditions have runs so far.")
    old = sorted({loss for found in measured.values() for loss in found.outdated})
    if old:
        notes.append(f"Changed since some of its runs, which count here as they are: {', '.join(old)}.")
    if told:
        notes.append(f"Losses without a mark have nothing to set. † to be told: {'; '.join(told)}.")
    if any(need(row.loss).startswith(ORACLE) for row in overall(measured)):
        notes.append("‡ an oracle: its values are chosen by the noise rate, which nobody knows.")
    return [*numbers_table(heads, body), "", " ".join(notes)]


def _overall_cells(row: Overall, situations: Situations) -> tuple[str, ...]:
    worst, points = row.worst
    ends = row.left_out
    cells = []
    for names in situations.values():
        found = row.over(names)
        missing = "" if found is None or found[1] == len(names) else f" (of {found[1]})"
        cells.append(NOTHING if found is None else f"{found[0]:+.1f}{missing}")
    return (
        _name(row.loss),
        f"{row.mean:+.2f}",
        f"{row.median:+.2f}",
        f"{points:+.1f} {worst}",
        NOTHING if ends is None else f"{ends[0]:+.2f} to {ends[1]:+.2f}",
        *cells,
    )


def _name(loss: str) -> str:
    """A loss, with its mark if it has to be told something."""
    if need(loss).startswith(ORACLE):
        return f"{loss} ‡"
    return loss if is_free(loss) else f"{loss} †"


def what_is_there(study: Study, measured: Mapping[str, Measured]) -> list[str]:
    """What each condition has, and what it misses of what is planned."""
    body = []
    for condition in study.conditions:
        found = measured.get(condition.name)
        validation = "noisy" if condition.validation_noise else "clean"
        if found is None:
            body.append((condition.name, condition.title, validation, "none", NOTHING, "all"))
            continue
        seeds = sorted({row.n_seeds for row in found.losses.values()})
        missing = [name for name in study.planned_losses(condition) if name not in found.losses]
        missing += [f"{name} (again: it has changed)" for name in found.losses if name in found.outdated]
        body.append(
            (
                condition.name,
                condition.title,
                validation,
                f"{len(found.losses)}",
                " to ".join(str(n) for n in dict.fromkeys((seeds[0], seeds[-1]))) + f" of {condition.seeds}",
                ", ".join(missing) or "none",
            )
        )
    heads = ("condition", "what", "validation labels", "losses", "seeds", "losses still to run")
    return numbers_table(heads, body)


def one_condition(found: Measured) -> list[str]:
    """A heading, and the losses of a condition by their accuracy."""
    condition = found.condition
    heads = ("loss", "lr", "seeds", "accuracy, %", "at best epoch, %", "points", "over its best epoch")
    body = []
    for row in found.losses.values():
        difference, best = found.differences.get(row.loss), found.over_best_epoch(row.loss)
        mark = marked(found.edges.get(row.loss))
        name = _name(row.loss) + (f" ({row.n_diverged} diverged)" if row.n_diverged else "")
        points = NOTHING if difference is None else difference_text(difference)
        body.append(
            (
                name,
                f"{row.lr:g}{mark}",
                f"{row.n_seeds}",
                f"{row.mean_test_accuracy:.2f}{_half(row.sd_test_accuracy)}",
                f"{row.mean_best_test_accuracy:.2f}{_half(row.sd_best_test_accuracy)}",
                "baseline" if row.loss == BASELINE else points,
                NOTHING if best is None else points_text(*best),
            )
        )
    validation = "noisy" if condition.validation_noise else "clean"
    about = (
        f"Mean ± standard deviation over seeds; {validation} validation labels. *Over its best epoch*: the "
    )
    about += "loss's last epoch less cross-entropy's best one."
    title = f"### {condition.title[:1].upper()}{condition.title[1:]} (`{condition.name}`)"
    return [title, "", about, "", *numbers_table(heads, body)]


def _half(value: float | None) -> str:
    return "" if value is None else f" ± {value:.2f}"
