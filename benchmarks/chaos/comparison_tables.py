"""Tables of the chaos page that compare variants: differences to Gaussian, orbits with their twins."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

from benchmarks.chaos.conditions import CONDITIONS, TARGET, TUNED_SIGMAS
from benchmarks.chaos.results import SHOWN, finished, finished_optional, load, series
from evoloss.ablate.statistics import AblationRun, Comparison, Effect, by_variant
from evoloss.compare.inference import (
    is_significant,
    paired_effect_size,
    signed_rank_test,
    t_interval,
)
from evoloss.report.ablation_table import format_p, markdown_rows

NOT_MEASURED = ["*Not measured yet.*"]


def conditions() -> list[str]:
    """Every condition, and what the Gaussian search does in it."""
    rows = []
    for name in finished():
        ablation = load(name)
        base, gaussian = ablation.base, ablation.summary[0]
        median = gaussian.quartiles[1]
        rows.append(
            (
                name,
                f"{base['sigma']:g}",
                base["step_control"],
                f"{base['pairs']}",
                base["network"],
                f"{gaussian.n_seeds} x {len(ablation.variants)}",
                f"{gaussian.n_reached}/{gaussian.n_seeds}",
                "more than 100" if median is None else f"{median:.0f}",
                f"{gaussian.mean_final:.3f}",
            )
        )
    heads = ("condition", "sigma", "step control", "pairs", "network", "runs: seeds x variants")
    return markdown_rows((*heads, "Gaussian at 0.99", "median generations", "final consistency"), rows)


def missing() -> list[str]:
    """Conditions of the plan that have no result."""
    names = [name for name in CONDITIONS if name not in finished()]
    if not names:
        return ["Every planned condition was run."]
    return [f"Planned and not run yet, for want of processor time: {', '.join(names)}."]


def differences(endpoint: str, prefix: str, target: str = "") -> list[str]:
    """Each variant minus Gaussian: rows are variants, columns are conditions."""
    return _matrix(endpoint, prefix, target, lambda row: row.reference == "gaussian")


def twins(endpoint: str, prefix: str, target: str = "") -> list[str]:
    """Each orbit minus its independent or shuffled twin."""
    return _matrix(endpoint, prefix, target, lambda row: row.reference != "gaussian")


def _matrix(endpoint: str, prefix: str, target: str, selected: Callable[[Comparison], bool]) -> list[str]:
    columns = series(prefix)
    if not columns:
        return NOT_MEASURED
    cells: dict[str, dict[str, str]] = {}
    for name in columns:
        ablation = load(name).at(float(target)) if target else load(name)
        none_arrives = endpoint == "generations" and not any(row.n_reached for row in ablation.summary)
        for row in filter(selected, ablation.comparisons):
            label = row.variant if row.reference == "gaussian" else f"{row.variant} - {row.reference}"
            effect = row.generations if endpoint == "generations" else row.final
            scale = 1.0 if endpoint == "generations" else 100.0
            cells.setdefault(label, {})[name] = "none arrives" if none_arrives else _interval(effect, scale)
    rows = [(label, *(texts.get(name, "") for name in columns)) for label, texts in cells.items()]
    return markdown_rows(("difference", *columns), rows)


def _interval(effect: Effect, scale: float) -> str:
    if effect.ci_low is None or effect.ci_high is None:
        return f"{scale * effect.mean_difference:+.1f} (no spread)"
    mean, low, high = (scale * value for value in (effect.mean_difference, effect.ci_low, effect.ci_high))
    text = f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"
    return f"**{text}**" if is_significant(effect.p_holm) else text


def _size(effect: Effect) -> str:
    return "" if effect.effect_size is None else f"{effect.effect_size:+.2f}"


def significant() -> list[str]:
    """Every comparison that stands after correction, and how many there were."""
    rows, counts = [], {"generations": 0, "final": 0}
    for name in finished():
        for row in load(name).comparisons:
            for endpoint, effect, scale in (("generations", row.generations, 1), ("final", row.final, 100)):
                counts[endpoint] += 1
                if is_significant(effect.p_holm):
                    cells = (_interval(effect, scale).strip("*"), _size(effect), format_p(effect.p_holm))
                    rows.append((name, row.variant, row.reference, endpoint, *cells))
    count = (
        f"Of {counts['generations']} comparisons, {sum(row[3] == 'generations' for row in rows)} differ in "
        f"generations and {sum(row[3] == 'final' for row in rows)} in final consistency after Holm's "
        "correction within their condition:"
    )
    heads = ("condition", "variant", "against", "endpoint", "difference [95 %]", "d", "p (Holm)")
    return [count, "", *markdown_rows(heads, rows)]


def learnability() -> list[str]:
    """The conditions with students: advantage of the last mean on held-out tasks, and its differences."""
    rows = []
    for name in finished_optional():
        ablation = load(name)
        for row in ablation.summary:
            mean, spread = row.mean_advantage, row.sd_advantage
            assert mean is not None
            assert spread is not None
            rows.append((name, row.variant, f"{mean:+.2f} (sd {spread:.2f})", "", "", ""))
        for comparison in ablation.comparisons:
            effect = comparison.advantage
            assert effect is not None
            label = f"{comparison.variant} - {comparison.reference}"
            rows.append((name, label, "", _interval(effect, 1.0), _size(effect), format_p(effect.p_holm)))
    heads = ("condition", "variant", "advantage, points", "difference [95 %]", "d", "p (Holm)")
    return markdown_rows(heads, rows) if rows else NOT_MEASURED


def sigmas() -> list[str]:
    """Mean generations to the target by step size."""
    rows = []
    for variant in SHOWN:
        summaries = [
            next(row for row in load(f"fixed-{s}").summary if row.variant == variant) for s in TUNED_SIGMAS
        ]
        rows.append(
            (variant, *(f"{row.mean_generations:.1f} ({row.n_reached}/{row.n_seeds})" for row in summaries))
        )
    return markdown_rows(("mean generations (arrived)", *(f"sigma {s:g}" for s in TUNED_SIGMAS)), rows)


def tuned() -> list[str]:
    """Each variant at its best step size, chosen on one half of the seeds and compared on the other."""
    runs = {s: by_variant(load(f"fixed-{s}").runs) for s in TUNED_SIGMAS}
    seeds = sorted(run.seed for run in runs[TUNED_SIGMAS[0]]["gaussian"])
    half = set(seeds[: len(seeds) // 2])
    best = {variant: min(TUNED_SIGMAS, key=lambda s: _mean_time(runs[s][variant], half)) for variant in SHOWN}
    rows, reference = [], _second_half(runs[best["gaussian"]]["gaussian"], half)
    for variant in SHOWN:
        times = _second_half(runs[best[variant]][variant], half)
        difference = [float(times[seed] - reference[seed]) for seed in times]
        cells: tuple[str, ...] = ("baseline", "", "")
        if variant != "gaussian":
            low, high = t_interval(difference) or (math.nan, math.nan)
            size = paired_effect_size(difference)
            text = f"{statistics.fmean(difference):+.1f} [{low:+.1f}, {high:+.1f}]"
            cells = (text, "" if size is None else f"{size:+.2f}", format_p(signed_rank_test(difference)))
        rows.append((variant, f"{best[variant]:g}", f"{statistics.fmean(times.values()):.1f}", *cells))
    heads = ("variant", "best sigma", "mean generations", "minus Gaussian [95 %]", "d", "p, uncorrected")
    return markdown_rows(heads, rows)


def _mean_time(runs: Sequence[AblationRun], seeds: set[int]) -> float:
    return statistics.fmean(run.counted(TARGET) for run in runs if run.seed in seeds)


def _second_half(runs: Sequence[AblationRun], half: set[int]) -> dict[int, int]:
    return {run.seed: run.counted(TARGET) for run in runs if run.seed not in half}
