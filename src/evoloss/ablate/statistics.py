"""Statistics over the runs of an ablation: time to a target, final score, paired differences."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from evoloss.compare.statistics import (
    holm,
    paired_effect_size,
    paired_t_test,
    signed_rank_test,
    t_interval,
)

CHANCE = 0.5
"""The score of a search whose mean is no usable loss: a consistency no better than chance."""


@dataclass(frozen=True, kw_only=True)
class AblationRun:
    """One pretraining.

    Attributes:
        variant: name of its variant.
        seed: runs of equal seed start alike and see the same pairs.
        popsize: candidates a generation.
        generations: how many it ran.
        measured_at: generations at which the mean of the search was scored on held-out pairs.
        consistency: the scores; None where the mean was no usable loss.
        kendall_tau: of the loss that came out, on held-out pairs; None if there is none.
        usable: whether a loss came out at all.
        seconds: time of the run.
        advantage: with the learnability fitness, test accuracy of students trained with the search's last
            mean less that of students trained with cross-entropy, in points, on held-out tasks.
    """

    variant: str
    seed: int
    popsize: int
    generations: int
    measured_at: tuple[int, ...]
    consistency: tuple[float | None, ...]
    kendall_tau: float | None
    usable: bool
    seconds: float
    advantage: float | None = None

    @property
    def final_consistency(self) -> float:
        """The last score; chance where there is none."""
        last = self.consistency[-1]
        return CHANCE if last is None else last

    def generations_to(self, target: float) -> int | None:
        """The first generation measured at which the score was at least ``target``; None if never."""
        for generation, value in zip(self.measured_at, self.consistency, strict=True):
            if value is not None and value >= target:
                return generation
        return None

    def counted(self, target: float) -> int:
        """:meth:`generations_to`, and one more than there were if the target was never reached."""
        reached = self.generations_to(target)
        return self.generations + 1 if reached is None else reached


@dataclass(frozen=True, kw_only=True)
class VariantSummary:
    """One variant over its seeds.

    Attributes:
        variant: its name.
        n_seeds: runs.
        n_reached: runs that reached the target.
        n_usable: runs that ended with a usable loss.
        quartiles: lower quartile, median, upper quartile of the generations to the target, None beyond the
            end of the runs.
        mean_generations: to the target, counted as one more than there were where it was not reached.
        median_evaluations: candidates evaluated until the target; None as above.
        mean_final: final consistency.
        sd_final: sample standard deviation; None with one seed.
        median_final: its median.
        mean_kendall_tau: over the runs that have one; None if none has.
        mean_seconds: of a run.
        mean_advantage: over held-out tasks and runs, in points; None without students.
        sd_advantage: over the runs; None with one.
    """

    variant: str
    n_seeds: int
    n_reached: int
    n_usable: int
    quartiles: tuple[float | None, ...]
    mean_generations: float
    median_evaluations: float | None
    mean_final: float
    sd_final: float | None
    median_final: float
    mean_kendall_tau: float | None
    mean_seconds: float
    mean_advantage: float | None = None
    sd_advantage: float | None = None


@dataclass(frozen=True, kw_only=True)
class Effect:
    """A paired difference.

    Attributes:
        mean_difference: over the seeds that both have.
        ci_low: lower end of the 95 % t interval of the mean; None with one seed.
        ci_high: upper end.
        effect_size: Cohen's d_z; None with one seed or without spread.
        p_value: two-sided.
        p_holm: the same, corrected for the number of comparisons of the ablation.
    """

    mean_difference: float
    ci_low: float | None
    ci_high: float | None
    effect_size: float | None
    p_value: float | None
    p_holm: float | None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A variant minus another one, seed by seed.

    Attributes:
        variant: what is compared.
        reference: with what.
        n_seeds: seeds that both have.
        generations: to the target (one more than there were where it was not reached); Wilcoxon's
            signed-rank test. Below 0 the variant is faster.
        final: final consistency; paired t-test. Above 0 the variant is better.
        advantage: advantage on held-out tasks, in points, over the seeds where both have one; likewise. None
            without students.
    """

    variant: str
    reference: str
    n_seeds: int
    generations: Effect
    final: Effect
    advantage: Effect | None = None


def summarise(runs: Iterable[AblationRun], target: float) -> list[VariantSummary]:
    """Summarise each variant, in order of first appearance."""
    return [_summarise(name, group, target) for name, group in by_variant(runs).items()]


def compare_variants(
    runs: Iterable[AblationRun], target: float, baseline: str, contrasts: Sequence[tuple[str, str]] = ()
) -> list[Comparison]:
    """Compare every other variant with the baseline, then the pairs of ``contrasts``.

    All of them are one family for the correction, each endpoint for itself.
    """
    groups = {name: {run.seed: run for run in group} for name, group in by_variant(runs).items()}
    pairs = [(name, baseline) for name in groups if name != baseline] + list(contrasts)
    rows = []
    for name, reference in pairs:
        ours, theirs = groups.get(name, {}), groups.get(reference, {})
        seeds = sorted(ours.keys() & theirs.keys())
        if seeds:
            rows.append(_compare(name, reference, [(ours[seed], theirs[seed]) for seed in seeds], target))
    times = holm([row.generations.p_value for row in rows])
    scores = holm([row.final.p_value for row in rows])
    gains = holm([None if row.advantage is None else row.advantage.p_value for row in rows])
    return [
        replace(
            row,
            generations=replace(row.generations, p_holm=time),
            final=replace(row.final, p_holm=score),
            advantage=None if row.advantage is None else replace(row.advantage, p_holm=gain),
        )
        for row, time, score, gain in zip(rows, times, scores, gains, strict=True)
    ]


def _compare(
    name: str, reference: str, pairs: Sequence[tuple[AblationRun, AblationRun]], target: float
) -> Comparison:
    faster = [float(ours.counted(target) - theirs.counted(target)) for ours, theirs in pairs]
    better = [ours.final_consistency - theirs.final_consistency for ours, theirs in pairs]
    gained = [
        ours.advantage - theirs.advantage
        for ours, theirs in pairs
        if ours.advantage is not None and theirs.advantage is not None
    ]
    return Comparison(
        variant=name,
        reference=reference,
        n_seeds=len(pairs),
        generations=_effect(faster, signed_rank_test(faster)),
        final=_effect(better, paired_t_test(better)),
        advantage=_effect(gained, paired_t_test(gained)) if gained else None,
    )


def by_variant(runs: Iterable[AblationRun]) -> dict[str, list[AblationRun]]:
    """Runs of each variant, in order of first appearance."""
    groups: dict[str, list[AblationRun]] = {}
    for run in runs:
        groups.setdefault(run.variant, []).append(run)
    return groups


def quantile(values: Sequence[float], share: float) -> float:
    """Quantile by linear interpolation; infinite where one of the two neighbours is."""
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    fraction = position - below
    if fraction == 0:
        return ordered[below]
    return (
        ordered[below] + fraction * (ordered[below + 1] - ordered[below])
        if ordered[below] < math.inf
        else math.inf
    )


def _summarise(name: str, runs: Sequence[AblationRun], target: float) -> VariantSummary:
    reached = [run.generations_to(target) for run in runs]
    times = [math.inf if value is None else float(value) for value in reached]
    evaluations = [time * run.popsize for time, run in zip(times, runs, strict=True)]
    final = [run.final_consistency for run in runs]
    taus = [run.kendall_tau for run in runs if run.kendall_tau is not None]
    gains = [run.advantage for run in runs if run.advantage is not None]
    return VariantSummary(
        variant=name,
        n_seeds=len(runs),
        n_reached=sum(value is not None for value in reached),
        n_usable=sum(run.usable for run in runs),
        quartiles=tuple(_finite(quantile(times, share)) for share in (0.25, 0.5, 0.75)),
        mean_generations=statistics.fmean(run.counted(target) for run in runs),
        median_evaluations=_finite(quantile(evaluations, 0.5)),
        mean_final=statistics.fmean(final),
        sd_final=statistics.stdev(final) if len(final) > 1 else None,
        median_final=statistics.median(final),
        mean_kendall_tau=statistics.fmean(taus) if taus else None,
        mean_seconds=statistics.fmean(run.seconds for run in runs),
        mean_advantage=statistics.fmean(gains) if gains else None,
        sd_advantage=statistics.stdev(gains) if len(gains) > 1 else None,
    )


def _effect(differences: Sequence[float], p_value: float | None) -> Effect:
    low, high = t_interval(differences) or (None, None)
    return Effect(
        mean_difference=statistics.fmean(differences),
        ci_low=low,
        ci_high=high,
        effect_size=paired_effect_size(differences),
        p_value=p_value if len(differences) > 1 else None,
        p_holm=None,
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
