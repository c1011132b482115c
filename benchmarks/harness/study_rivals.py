"""A loss against the best of the others in each condition of an accuracy study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from benchmarks.harness.loss_needs import ORACLE, is_free, keeps_state, need
from benchmarks.harness.markdown import half_interval, numbers_table, points_text
from benchmarks.harness.study_results import BASELINE, Measured
from evoloss.compare.statistics import PairedDifference, paired_differences
from evoloss.report.tables import NOTHING


def rivals(measured: Mapping[str, Measured], loss: str) -> list[str]:
    """The loss less the best other one in each condition where it has been run, paired by seed.

    The best is the one with the highest mean on the seeds that are reported, so that a rival is flattered by
    having been picked.
    """
    body = []
    for name, found in measured.items():
        if loss not in found.losses:
            continue
        others = [other for other in found.losses if other != loss and not need(other).startswith(ORACLE)]
        best = found.over_best_epoch(loss)
        body.append(
            (
                name,
                f"{found.losses[loss].mean_test_accuracy:.1f}",
                _against(found, loss, (BASELINE,)).removesuffix(f" {BASELINE}"),
                NOTHING if best is None else points_text(*best),
                _against(found, loss, (other for other in others if not keeps_state(other))),
                _against(found, loss, (other for other in others if is_free(other) and other != BASELINE)),
                _against(found, loss, others),
            )
        )
    if not body:
        return [f"No run with `{loss}` has ended yet."]
    heads = (
        *("condition", "accuracy, %", "less cross-entropy", "less its best epoch"),
        *("less the best static loss", "less the best with nothing to set", "less the best of all"),
    )
    note = (
        "The best of the others is picked by the reported seeds themselves, which flatters it; intervals are "
        "not corrected. Oracles are no rivals; cross-entropy, beside the others with nothing to set, has "
        "columns of its own."
    )
    return [*numbers_table(heads, body), "", note]


def _against(found: Measured, loss: str, others: Iterable[str]) -> str:
    """The difference to the best of some losses, with its name."""
    rows = [_difference(found, loss, other) for other in others if other in found.losses]
    known = [row for row in rows if row is not None]
    if not known:
        return NOTHING
    row = max(known, key=lambda row: found.losses[row.baseline].mean_test_accuracy)
    return f"{points_text(row.mean_difference, half_interval(row))} {row.baseline}"


def _difference(found: Measured, loss: str, other: str) -> PairedDifference | None:
    runs = [run for run in found.runs if run.loss in (loss, other)]
    return next(iter(paired_differences(runs, other)), None)
