"""Numbers of a comparison for a page and its JSON twin, in the order in which they are read."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from evoloss.compare.results import Results
from evoloss.report.html.again import command_of, needs_paths
from evoloss.report.html.cautions import cautions_of, has_noisy_validation
from evoloss.report.html.columns import Cell, Numbers, numbers
from evoloss.report.html.shapes import shapes_of
from evoloss.report.html.stored import StoredRun
from evoloss.report.html.verdict import is_better, is_worse, verdict_of
from evoloss.report.tables import class_names, counted
from evoloss.safe_text import one_line
from evoloss.training import RunResult

_DIGITS = 6
_LONGEST_COURSE = 300  # epochs of a curve that are drawn
_MOST_CLASSES = 30  # of a confusion matrix that is drawn


def comparison_section(
    results: Results,
    *,
    name: str,
    stored: Sequence[StoredRun] = (),
    written: str = "",
    given: Mapping[str, str] | None = None,
    longest_course: int = _LONGEST_COURSE,
) -> dict[str, Any]:
    """Return what a page says of a comparison, as JSON values.

    Args:
        results: complete or not.
        name: of its directory.
        stored: what was kept of its runs.
        written: the date of the file, for people.
        given: losses of the reader's own whose shape is drawn; see
            :func:`~evoloss.report.html.shapes.shapes_of`.
        longest_course: epochs of a curve at most; longer ones are thinned.
    """
    losses = list(dict.fromkeys(run.loss for run in results.runs))
    classes = next((item.evaluation["classes"] for item in stored if item.evaluation), class_names(results))
    section: dict[str, Any] = {
        "kind": "comparison",
        "name": name,
        "title": _title(results),
        "written": written,
        "labels": labels_sentence(results),
        "data": _data(results),
        "command": command_of(results),
        "needs_paths": needs_paths(results),
        "verdict": asdict(verdict_of(results)),
        "warnings": cautions_of(results),
        "baseline": results.baseline,
        "complete": results.complete,
        "classes": classes,
        "losses": _losses(results, stored),
        "differences": _differences(results),
        "curves": _curves(results, longest_course),
        "unit": results.unit,
        "judged": results.judged,
        "rates": _rates(results),
        "noise_rates": _noise_rates(results),
        "kept": [_stored(item) for item in stored],
        **_evaluations(stored),
        "shapes": shapes_of(
            {loss: _fingerprint(results, loss) for loss in losses},
            results.runs[0].n_classes if results.runs else None,
            given,
        ),
        "config": results.config,
        "created_with": results.created_with,
    }
    return section


def labels_sentence(results: Results) -> str:
    """Say whose errors the labels have: those that nobody knows, and those that this run added."""
    if not results.runs:
        return ""
    run, file = results.runs[0], results.config.get("train_labels")
    if isinstance(file, str):
        given = f"Training labels as given in {one_line(file)}: their noise is unknown."
    elif results.config.get("own_data") is True:
        given = "Labels as given: their noise is unknown."
    else:
        given = "Labels as the data set has them."
    if run.label_noise:
        given += (
            f" {one_line(run.noise_kind).capitalize()} noise was added by this run: "
            f"{100 * run.label_noise:.0f} % of the "
            "training labels were made wrong; test labels were not."
        )
    if has_noisy_validation(results) and results.config.get("own_data") is not True:
        given += " Validation labels are as noisy as the training labels."
    return given


def _title(results: Results) -> str:
    if not results.runs:
        return "Comparison of losses"
    run = results.runs[0]
    return f"{one_line(run.dataset)}: {one_line(run.model)} with {len(results.losses)} losses"


def _data(results: Results) -> list[list[str]]:
    """Facts on data and training, each with its name."""
    if not results.runs:
        return []
    run, config = results.runs[0], results.config
    notes = config.get("data_notes")
    seeds = sorted({r.seed for r in results.runs})
    facts = [
        ("Data set", one_line(run.dataset, 400)),
        ("Samples", f"{run.n_train:,} training, {run.n_validation:,} validation, {run.n_test:,} test"),
        ("Classes", str(run.n_classes)),
        ("Classifier", f"{one_line(run.classifier, 400)}, {run.n_parameters:,} {_numbers(run)}"),
        ("Training", _training(run)),
        *([] if run.grows_trees else [("Augmentation", one_line(run.augment))]),
        ("Learning rate", _rate_sentence(results)),
        ("Seeds", ", ".join(map(str, seeds))),
        ("Baseline", one_line(results.baseline, 400)),
        (
            "Test",
            f"read once, for the {run.judged}; differences are paired by seed, intervals and p-values "
            "corrected for the number of losses (Holm)",
        ),
    ]
    told = notes if isinstance(notes, list) else []
    facts += [("Note on the data", one_line(note, 600)) for note in told if isinstance(note, str)]
    return [list(fact) for fact in facts]


def _numbers(run: RunResult) -> str:
    return "leaves" if run.grows_trees else "parameters"


def _training(run: RunResult) -> str:
    length = counted(run.epochs, run.unit)
    if run.early_stopping is not None:
        length = f"at most {length}, until {run.early_stopping} bring no better validation accuracy"
    if not run.grows_trees:
        return f"{length}, batches of {run.batch_size}, {one_line(run.schedule)} schedule"
    return (
        f"{length}; second derivative of a loss: {one_line(run.hessian)}; {one_line(run.library)} is the "
        "objective of the library itself"
    )


def _rate_sentence(results: Results) -> str:
    if not results.tuning:
        return "the same for all losses" if len({r.lr for r in results.runs}) == 1 else "given for each loss"
    rates = sorted({run.lr for run in results.tuning})
    grid = ", ".join(f"{rate:g}" for rate in rates)
    return f"chosen for each loss among {grid}, on the validation split, with seeds of its own"


def _losses(results: Results, stored: Sequence[StoredRun]) -> list[dict[str, Any]]:
    """One record a loss: its means, its difference to the baseline, and what the table shows of both."""
    differences, edges = {row.loss: row for row in results.summary}, results.edges
    balanced = {item.loss: item.evaluation.get("balanced_accuracy") for item in stored if item.evaluation}
    records = []
    for row in results.losses:
        found = differences.get(row.loss)
        values = [getattr(run, "balanced_accuracy", None) for run in results.runs if run.loss == row.loss]
        whole = [value for value in values if value is not None]
        records.append(
            {
                **asdict(row),
                "balanced_accuracy": statistics.fmean(whole)
                if whole and len(whole) == len(values)
                else balanced.get(row.loss),
                "balanced_accuracy_seeds": len(whole) if whole and len(whole) == len(values) else 1,
                "rate_at_edge": edges.get(row.loss),
                "difference": None if found is None else asdict(found),
                "finding": _finding(results, row.loss),
            }
        )
    return records


def _finding(results: Results, loss: str) -> str:
    """The finding on a loss in two words or three."""
    if loss == results.baseline:
        return "baseline"
    row = next((row for row in results.summary if row.loss == loss), None)
    if row is None:
        return "no pair"
    if row.p_holm is None:
        return "not tested"
    return "better" if is_better(row) else "worse" if is_worse(row) else "not distinguishable"


def _differences(results: Results) -> Numbers:
    """Paired differences: a row a seed, and a row a mean with its corrected interval."""
    reference = {run.seed: run.test_accuracy for run in results.runs if run.loss == results.baseline}
    rows: list[list[Cell]] = []
    for row in results.summary:
        finding = _finding(results, row.loss)
        for run in results.runs:
            base = reference.get(run.seed)
            if run.loss == row.loss and base is not None and run.test_accuracy is not None:
                rows.append([row.loss, "seed", run.seed, run.test_accuracy - base, None, None, None, finding])
        ends = [row.ci_low_holm, row.ci_high_holm, row.p_holm]
        rows.append([row.loss, "mean", None, row.mean_difference, *ends, finding])
    return numbers(["loss", "part", "seed", "difference", "low", "high", "p", "finding"], rows)


def _curves(results: Results, longest: int) -> Numbers:
    """Accuracy over epochs, a row a run and split."""
    rows: list[list[Cell]] = []
    for run in results.runs:
        courses = {"validation": run.history.validation_accuracy, "training": run.history.train_accuracy}
        for split, course in courses.items():
            shown = [epoch for epoch, value in enumerate(course, 1) if value is not None]
            shown = _thinned(shown, longest, {run.best_epoch})
            if shown:
                epochs: list[float | None] = list(shown)
                values = [course[epoch - 1] for epoch in shown]
                rows.append([run.loss, run.seed, split, run.best_epoch, shown[-1], epochs, values])
    return numbers(["loss", "seed", "split", "best_epoch", "last_epoch", "epoch", "accuracy"], rows, _DIGITS)


def _thinned(epochs: list[int], longest: int, needed: set[int]) -> list[int]:
    if len(epochs) <= longest:
        return epochs
    step = (len(epochs) - 1) / (longest - 1)
    taken = {epochs[round(index * step)] for index in range(longest)}
    return sorted(taken | (needed & set(epochs)))


def _rates(results: Results) -> Numbers:
    """Validation accuracy of the trainings that chose a learning rate."""
    chosen = {run.loss: run.lr for run in results.runs}
    rows: list[list[Cell]] = [
        [
            run.loss,
            run.lr,
            run.seed,
            run.validation_accuracy,
            run.validation_nll,
            chosen.get(run.loss) == run.lr,
        ]
        for run in results.tuning
    ]
    return numbers(["loss", "lr", "seed", "accuracy", "nll", "chosen"], rows)


def _noise_rates(results: Results) -> list[dict[str, Any]]:
    """Share of wrong training labels, by each run whose loss senses it."""
    return [
        {"loss": run.loss, "seed": run.seed, **asdict(run.noise_rate)}
        for run in results.runs
        if run.noise_rate is not None
    ]


def _stored(item: StoredRun) -> dict[str, Any]:
    return {
        "loss": item.loss,
        "seed": item.seed,
        "folder": item.folder,
        "command": item.command,
        "balanced_accuracy": item.evaluation.get("balanced_accuracy") if item.evaluation else None,
        "temperature": item.evaluation.get("temperature") if item.evaluation else None,
        "suspects_method": dict(item.method),
        "suspects": item.suspects,
    }


def _evaluations(stored: Sequence[StoredRun]) -> dict[str, Any]:
    """Confusion, recall and reliability of the runs that were kept, on the test split."""
    confusion: list[list[Cell]] = []
    recall: list[list[Cell]] = []
    reliability: list[list[Cell]] = []
    for item in stored:
        if item.evaluation is None:
            continue
        classes = item.evaluation["classes"]
        for label, counts, share in zip(
            classes, item.evaluation["confusion"], item.evaluation["recall"], strict=True
        ):
            total = sum(counts)
            recall.append([item.loss, label, share, total])
            confusion += [
                [item.loss, label, predicted, count, count / total if total else None]
                for predicted, count in zip(classes, counts, strict=True)
                if count or len(classes) <= _MOST_CLASSES
            ]
        bins = item.evaluation.get("reliability") or {}
        reliability += [
            [item.loss, *values]
            for values in zip(
                *(bins.get(name, []) for name in ("confidence", "accuracy", "counts")), strict=True
            )
            if values[2]
        ]
    return {
        "confusion": numbers(["loss", "label", "predicted", "count", "share"], confusion, _DIGITS),
        "recall": numbers(["loss", "label", "recall", "samples"], recall, _DIGITS),
        "reliability": numbers(["loss", "confidence", "accuracy", "count"], reliability, _DIGITS),
    }


def _fingerprint(results: Results, loss: str) -> str | None:
    runs: list[RunResult] = [run for run in results.runs if run.loss == loss]
    return runs[0].loss_fingerprint if runs else None
