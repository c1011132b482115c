"""Statistics over the runs of an ablation: time to a target, final score, paired differences."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from evoloss.compare.inference import (
    Interval,
    holm,
    holm_intervals,
    paired_effect_size,
    paired_t_test,
    signed_rank_interval,
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
        ci_low: lower end of the 95 % t interval of the mean, this comparison taken for itself.
        ci_high: upper end.
        effect_size: Cohen's d_z; None with one seed or without spread.
        p_value: two-sided.
        p_holm: the same, corrected for the number of comparisons of the ablation.
        ci_low_holm: lower end of the interval that belongs to ``p_holm``, by inverting the same test: it
            excludes 0 exactly if ``p_holm`` is below 0.05; see
            :func:`~evoloss.compare.inference.holm_confidences`.
        ci_high_holm: upper end.

    Intervals and p-values are None below three seeds; intervals and p-values of t-tests also where all
    differences are equal. The last two follow from the runs and are not in a file.
    """

    mean_difference: float
    ci_low: float | None
    ci_high: float | None
    effect_size: float | None
    p_value: float | None
    p_holm: float | None
    ci_low_holm: float | None = None
    ci_high_holm: float | None = None


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
    compared = []
    for name, reference in pairs:
        ours, theirs = groups.get(name, {}), groups.get(reference, {})
        seeds = sorted(ours.keys() & theirs.keys())
        if seeds:
            compared.append((name, reference, [(ours[seed], theirs[seed]) for seed in seeds]))
    couples = [found for _, _, found in compared]
    endpoints = zip(
        _family([_slower(found, target) for found in couples], signed_rank_test, signed_rank_interval),
        _family([_better(found) for found in couples], paired_t_test, t_interval),
        _family([_gained(found) for found in couples], paired_t_test, t_interval),
        strict=True,
    )
    rows = []
    for (name, reference, found), (generations, final, advantage) in zip(compared, endpoints, strict=True):
        assert generations is not None, "every run has a time"
        assert final is not None, "and a score"
        rows.append(
            Comparison(
                variant=name,
                reference=reference,
                n_seeds=len(found),
                generations=generations,
                final=final,
                advantage=advantage,
            )
        )
    return rows


_Couples = Sequence[tuple[AblationRun, AblationRun]]


def _slower(couples: _Couples, target: float) -> list[float]:
    return [float(ours.counted(target) - theirs.counted(target)) for ours, theirs in couples]


def _better(couples: _Couples) -> list[float]:
    return [ours.final_consistency - theirs.final_consistency for ours, theirs in couples]


def _gained(couples: _Couples) -> list[float]:
    return [
        ours.advantage - theirs.advantage
        for ours, theirs in couples
        if ours.advantage is not None and theirs.advantage is not None
    ]


def _family(
    samples: Sequence[Sequence[float]],
    test: Callable[[Sequence[float]], float | None],
    interval: Callable[[Sequence[float], float], Interval | None],
) -> list[Effect | None]:
    """The effects of one endpoint, corrected among themselves; None where there are no differences."""
    p_values = [test(differences) for differences in samples]
    corrected = holm(p_values)
    intervals = holm_intervals(samples, p_values, interval)
    return [
        _effect(differences, p, p_holm, ends) if differences else None
        for differences, p, p_holm, ends in zip(samples, p_values, corrected, intervals, strict=True)
    ]


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


def _effect(
    differences: Sequence[float], p: float | None, p_holm: float | None, corrected: Interval | None
) -> Effect:
    low, high = t_interval(differences) or (None, None)
    low_holm, high_holm = corrected or (None, None)
    return Effect(
        mean_difference=statistics.fmean(differences),
        ci_low=low,
        ci_high=high,
        effect_size=paired_effect_size(differences),
        p_value=p,
        p_holm=p_holm,
        ci_low_holm=low_holm,
        ci_high_holm=high_holm,
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
