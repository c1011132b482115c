"""Write ``docs/chaos.md`` and its figures from the results under ``benchmarks/chaos/results/``.

    python -m benchmarks.chaos.page

The prose of the page is ``page.md.in``; a line ``<!-- NAME WORDS -->`` in it is replaced by the table
that the function ``NAME`` of :data:`TABLES` makes of its words. Numbers in the prose are not checked; there
should be few that a table has.
"""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

from benchmarks.chaos.run import CONDITIONS, OPTIONAL, RESULTS, TUNED_SIGMAS
from evoloss.ablate.results import Ablation
from evoloss.ablate.statistics import AblationRun, Comparison, Effect, by_variant
from evoloss.ablate.variants import parse_variants
from evoloss.atomic_files import write_text
from evoloss.compare.statistics import paired_effect_size, signed_rank_test, t_interval
from evoloss.pretraining import PretrainConfig
from evoloss.pretraining.parts import make_mutation
from evoloss.random_streams import stream
from evoloss.report.ablation_figure import draw_band, draw_differences
from evoloss.report.ablation_table import format_p, markdown_rows

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs/chaos.md"
FIGURES = HERE.parents[1] / "docs/figures"
CURVES = ("fixed-0.02", "fixed-0.1", "fixed-0.3", "fixed-1.0", "noisy-0.1", "noisy-0.3")
SHOWN = ("gaussian", "logistic", "logistic independent", "logistic step", "logistic step independent")


@cache
def load(name: str) -> Ablation:
    """The result of one condition."""
    return Ablation.read(RESULTS / name)


def there() -> list[str]:
    """Conditions that have a result."""
    return [name for name in CONDITIONS if (RESULTS / name / "ablation.json").exists()]


def under(prefix: str) -> list[str]:
    """Conditions ``PREFIX-NUMBER`` that have a result."""
    return [name for name in there() if re.fullmatch(rf"{prefix}-[\d.]+", name)]


def conditions() -> list[str]:
    """Every condition, and what the Gaussian search does in it."""
    rows = []
    for name in there():
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
    names = [name for name in CONDITIONS if name not in there()]
    if not names:
        return ["Every planned condition was run."]
    return [f"Planned and not run yet, for want of processor time: {', '.join(names)}."]


def differences(endpoint: str, prefix: str, target: str = "") -> list[str]:
    """Each variant minus Gaussian: rows are variants, columns are conditions."""
    return _matrix(endpoint, prefix, target, lambda row: row.reference == "gaussian")


def twins(endpoint: str, prefix: str, target: str = "") -> list[str]:
    """Each orbit minus its independent or shuffled twin."""
    return _matrix(endpoint, prefix, target, lambda row: row.reference != "gaussian")


def _matrix(endpoint: str, prefix: str, target: str, chosen: Callable[[Comparison], bool]) -> list[str]:
    columns = under(prefix)
    if not columns:
        return ["*Not measured yet.*"]
    cells: dict[str, dict[str, str]] = {}
    for name in columns:
        ablation = load(name).at(float(target)) if target else load(name)
        idle = endpoint == "generations" and not any(row.n_reached for row in ablation.summary)
        for row in filter(chosen, ablation.comparisons):
            label = row.variant if row.reference == "gaussian" else f"{row.variant} - {row.reference}"
            effect = row.generations if endpoint == "generations" else row.final
            text = "none arrives" if idle else _cell(effect, 1.0 if endpoint == "generations" else 100.0)
            cells.setdefault(label, {})[name] = text
    rows = [(label, *(texts.get(name, "") for name in columns)) for label, texts in cells.items()]
    return markdown_rows(("difference", *columns), rows)


def _cell(effect: Effect, scale: float) -> str:
    assert effect.ci_low is not None, "there are many seeds"
    assert effect.ci_high is not None
    text = (
        f"{scale * effect.mean_difference:+.1f} [{scale * effect.ci_low:+.1f}, {scale * effect.ci_high:+.1f}]"
    )
    return f"**{text}**" if effect.p_holm is not None and effect.p_holm < 0.05 else text


def significant() -> list[str]:
    """Every comparison that stands after correction, and how many there were."""
    rows, counts = [], {"generations": 0, "final": 0}
    for name in there():
        for row in load(name).comparisons:
            for endpoint, effect, scale in (("generations", row.generations, 1), ("final", row.final, 100)):
                counts[endpoint] += 1
                if effect.p_holm is not None and effect.p_holm < 0.05:
                    size = "" if effect.effect_size is None else f"{effect.effect_size:+.2f}"
                    cells = (_cell(effect, scale).strip("*"), size, format_p(effect.p_holm))
                    rows.append((name, row.variant, row.reference, endpoint, *cells))
    said = [
        f"Of {counts['generations']} comparisons, {sum(row[3] == 'generations' for row in rows)} differ in "
        f"generations and {sum(row[3] == 'final' for row in rows)} in final consistency after Holm's "
        "correction within their condition:",
        "",
    ]
    heads = ("condition", "variant", "against", "endpoint", "difference [95 %]", "d", "p (Holm)")
    return said + markdown_rows(heads, rows)


def taught() -> list[str]:
    """The conditions with students: advantage of the last mean on held-out tasks, and its differences."""
    rows = []
    for name in OPTIONAL:
        if not (RESULTS / name / "ablation.json").exists():
            continue
        ablation = load(name)
        for row in ablation.summary:
            mean, spread = row.mean_advantage, row.sd_advantage
            assert mean is not None
            assert spread is not None
            rows.append((name, row.variant, f"{mean:+.2f} (sd {spread:.2f})", "", "", ""))
        for each in ablation.comparisons:
            effect = each.advantage
            assert effect is not None
            size = "" if effect.effect_size is None else f"{effect.effect_size:+.2f}"
            told = f"{each.variant} - {each.reference}"
            rows.append((name, told, "", _cell(effect, 1.0), size, format_p(effect.p_holm)))
    heads = ("condition", "variant", "advantage, points", "difference [95 %]", "d", "p (Holm)")
    return markdown_rows(heads, rows) if rows else ["*Not measured yet.*"]


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
    """Each variant at its own best step size: chosen on one half of the seeds, compared on the other."""
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
    return statistics.fmean(run.counted(0.99) for run in runs if run.seed in seeds)


def _second_half(runs: Sequence[AblationRun], half: set[int]) -> dict[int, int]:
    return {run.seed: run.counted(0.99) for run in runs if run.seed not in half}


def kinds() -> list[str]:
    """What the noise of each variant is like: moments, bound, dependence from one generation to the next."""
    rows = []
    for variant in parse_variants([], CONDITIONS["fixed-0.3"][1]):
        mutation = make_mutation(variant.config(PretrainConfig(), 0))
        generator = stream(0, "kinds")
        state, samples = mutation.init(64, 120, generator), []
        for _ in range(256):
            noise, state = mutation.sample(state, generator)
            samples.append(noise.double())
        z = torch.stack(samples)
        length = z.square().mean(2).sqrt()
        cells = (
            float(z.pow(4).mean()),
            float(length.std()),
            _correlation(z[:-1], z[1:]),
            _correlation(z[:-1].square(), z[1:]),
            _correlation(length[:-1], length[1:]),
        )
        rows.append((variant.name, *(f"{value:.2f}".replace("-0.00", "0.00") for value in cells)))
    heads = ("noise", "kurtosis", "spread of a candidate's length", "corr(z, z')", "corr(z², z')")
    return markdown_rows((*heads, "corr(length, length')"), rows)


def _correlation(first: torch.Tensor, second: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack((first.flatten(), second.flatten())))[0, 1])


def levels() -> list[str]:
    """How noisy the fitness is."""
    content: dict[str, Any] = json.loads((RESULTS / "facts.json").read_text(encoding="utf-8"))
    found = content["rank_correlation"]
    rows = [
        (f"{name}, {pairs} pairs", *(f"{value:.2f}" for value in found[name].values()))
        for name, pairs in (("quiet", 512), ("noisy", 32))
    ]
    return markdown_rows(
        ("rank correlation with 16,384 pairs", *(f"generation {g}" for g in found["quiet"])), rows
    )


def lengths() -> list[str]:
    """Which random step lengths are selected."""
    content: dict[str, Any] = json.loads((RESULTS / "facts.json").read_text(encoding="utf-8"))
    found = content["selected_lengths"]
    heads = ("selected step length less the mean one", *(f"sigma {float(s):g}" for s in found))
    phases = ("first 20", "last 50")
    return markdown_rows(
        heads, [(f"{each} generations", *(f"{row[each]:+.3f}" for row in found.values())) for each in phases]
    )


def facts() -> list[str]:
    """One line on what ran on what."""
    studies = [load(name) for name in there()]
    made = studies[0].created_with
    versions = " and ".join(sorted({study.created_with["evoloss"] for study in studies}))
    n_runs = sum(len(study.runs) for study in studies)
    seconds = sum(run.seconds for study in studies for run in study.runs)
    return [
        f"{n_runs:,} searches, {seconds / 60:.0f} minutes in all; evoloss {versions}, torch "
        f"{made['torch']}, {made['platform']}, {made['threads']} thread."
    ]


TABLES: dict[str, Callable[..., list[str]]] = {
    "conditions": conditions,
    "missing": missing,
    "differences": differences,
    "twins": twins,
    "significant": significant,
    "taught": taught,
    "sigmas": sigmas,
    "tuned": tuned,
    "kinds": kinds,
    "levels": levels,
    "lengths": lengths,
    "facts": facts,
}


def render() -> str:
    """The page."""
    lines: list[str] = []
    for line in (HERE / "page.md.in").read_text(encoding="utf-8").splitlines():
        found = re.fullmatch(r"<!-- (\w+)((?: \S+)*) -->", line)
        lines += TABLES[found[1]](*found[2].split()) if found and found[1] in TABLES else [line]
    return "\n".join(lines) + "\n"


def draw() -> None:
    """All figures of the page."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    drawn, grid = plt.subplots(2, 3, figsize=(13, 7.2), sharex=True, sharey="row", layout="constrained")
    for axes, name in zip(grid.flat, CURVES, strict=True):
        groups = by_variant(load(name).runs)
        for index, variant in enumerate(SHOWN):
            draw_band(axes, groups[variant], variant, index)
        axes.axhline(0.01, color="0.6", linewidth=0.8, linestyle="--")
        base = load(name).base
        axes.set(yscale="log", title=f"sigma {base['sigma']:g}, {base['pairs']} pairs")
        axes.grid(alpha=0.25)
    grid[0][0].legend(frameon=False, fontsize=8)
    drawn.supxlabel("generation")
    drawn.supylabel("held-out couples in the wrong order (median and quartiles of 30 seeds)")
    drawn.savefig(FIGURES / "chaos-convergence.png", dpi=120)
    plt.close(drawn)

    drawn, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for index, variant in enumerate(SHOWN):
        _draw_sigmas(axes, variant, index)
    axes.set(xscale="log", xlabel="step size sigma, fixed", ylabel="generations to 0.99 (never: 101)")
    axes.set_xticks(TUNED_SIGMAS, [f"{s:g}" for s in TUNED_SIGMAS])
    axes.minorticks_off()
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=8)
    drawn.savefig(FIGURES / "chaos-sigma.png", dpi=120)
    plt.close(drawn)

    forest = draw_differences(load("fixed-0.3"), title="sigma 0.3, fixed")
    forest.savefig(FIGURES / "chaos-differences.png", dpi=120, bbox_inches="tight")


def _draw_sigmas(axes: Any, variant: str, index: int) -> None:
    """Means and 95 % intervals, set a little apart along the axis."""
    places, means, bars = [], [], []
    for s in TUNED_SIGMAS:
        times = [float(run.counted(0.99)) for run in by_variant(load(f"fixed-{s}").runs)[variant]]
        low, high = t_interval(times) or (math.nan, math.nan)
        places.append(s * 1.06 ** (index - 2))
        means.append(statistics.fmean(times))
        bars.append((high - low) / 2)
    axes.errorbar(places, means, bars, marker="o", markersize=4, linewidth=1.2, capsize=2, label=variant)


def main() -> None:
    FIGURES.mkdir(parents=True, exist_ok=True)
    draw()
    write_text(PAGE, render())


if __name__ == "__main__":
    main()
