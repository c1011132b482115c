"""Warnings of a comparison: what a reader should know before believing a difference."""

from __future__ import annotations

from evoloss.compare.inference import MIN_SEEDS
from evoloss.compare.results import Results
from evoloss.report.html.verdict import is_within_test_error, signed, some
from evoloss.report.tables import counted, edge_names
from evoloss.safe_text import one_line


def cautions_of(results: Results) -> list[str]:
    """Return one sentence or two on each thing that limits what the comparison says; none where nothing does.

    Args:
        results: complete or not.
    """
    if not results.runs:
        return []
    return [
        *_incomplete(results),
        *_few_seeds(results),
        *_edges(results),
        *_noisy_test(results),
        *_noisy_validation(results),
        *_small_test_set(results),
        *_one_rate(results),
        *_diverged(results),
    ]


def has_noisy_validation(results: Results) -> bool:
    """Test whether validation labels are, or may be, as wrong as those that are trained on."""
    run = results.runs[0]
    noisy = run.label_noise > 0 or bool(results.config.get("train_labels"))
    return (run.validation_noise and noisy) or results.config.get("own_data") is True


def _incomplete(results: Results) -> list[str]:
    return [] if results.complete else ["The comparison is not complete: some runs are still to come."]


def _few_seeds(results: Results) -> list[str]:
    if results.summary:
        fewest = min(row.n_seeds for row in results.summary)
    else:
        fewest = min(row.n_seeds for row in results.losses)
    if fewest >= MIN_SEEDS:
        return []
    return [
        f"Only {counted(fewest, 'seed')}: no test and no interval below {MIN_SEEDS}, and any difference may "
        "be chance."
    ]


def _edges(results: Results) -> list[str]:
    told = edge_names(results, {"lowest": "lower end", "highest": "upper end"})
    if not told:
        return []
    text = f"Learning rate at the edge of its grid: {some(told)}. A better rate may lie beyond it."
    if results.baseline in results.edges:
        text += f" {one_line(results.baseline)} is the baseline, so every difference depends on it."
    return [text]


def _noisy_validation(results: Results) -> list[str]:
    if not has_noisy_validation(results):
        return []
    told = "Validation labels may be as wrong as the training labels"
    if results.config.get("own_data") is not True:
        told = "Validation labels are as wrong as the training labels"
    chosen = f"the best {results.unit} and the temperature"
    if results.tuning:
        chosen = f"the best {results.unit}, the temperature and the learning rate"
    return [f"{told}: {chosen} are chosen on them."]


def _noisy_test(results: Results) -> list[str]:
    if results.config.get("own_data") is not True:
        return []
    return [
        "Accuracy is agreement with the test labels as given. If a share of them is wrong, a perfect "
        "classifier misses 100 % by that share, and differences look smaller than they are: check some "
        "test labels."
    ]


def _small_test_set(results: Results) -> list[str]:
    rows = [row for row in results.summary if is_within_test_error(row)]
    if not rows:
        return []
    told = [
        f"{one_line(row.loss)} {signed(row.mean_difference)} ({row.test_sampling_error or 0:.1f})"
        for row in rows
    ]
    return [
        f"Test set too small for the effect: with {results.runs[0].n_test:,} test samples, which all seeds "
        f"share, these differences are below two standard errors of the test set alone (in brackets, in "
        f"points): {some(told)}."
    ]


def _one_rate(results: Results) -> list[str]:
    if results.tuning or not results.summary:
        return []
    rates = {run.lr for run in results.runs}
    if len(rates) > 1:
        return []
    return [
        f"One learning rate, {rates.pop():g}, for all losses: a difference may be one of rates. "
        "--tune-lr chooses a rate for each loss."
    ]


def _diverged(results: Results) -> list[str]:
    told = [
        f"{one_line(row.loss)} ({row.n_diverged} of {row.n_seeds})"
        for row in results.losses
        if row.n_diverged
    ]
    return [f"Diverged runs, which count as predictions at chance: {', '.join(told)}."] if told else []
