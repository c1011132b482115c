"""Tables of the chaos page on what the noise and the searches are like, and on the machine."""

from __future__ import annotations

import torch

from benchmarks.chaos.conditions import CONDITIONS, NOISY, QUIET
from benchmarks.chaos.results import finished, load, load_facts
from evoloss.ablate.variants import parse_variants
from evoloss.pretraining import PretrainConfig
from evoloss.pretraining.components import make_mutation
from evoloss.random_streams import stream
from evoloss.report.ablation_table import markdown_rows


def kinds() -> list[str]:
    """The noise of each variant: moments, spread, dependence from one generation to the next."""
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
        values = (
            float(z.pow(4).mean()),
            float(length.std()),
            _correlation(z[:-1], z[1:]),
            _correlation(z[:-1].square(), z[1:]),
            _correlation(length[:-1], length[1:]),
        )
        rows.append((variant.name, *(f"{value:.2f}".replace("-0.00", "0.00") for value in values)))
    heads = ("noise", "kurtosis", "spread of a candidate's length", "corr(z, z')", "corr(z², z')")
    return markdown_rows((*heads, "corr(length, length')"), rows)


def _correlation(first: torch.Tensor, second: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack((first.flatten(), second.flatten())))[0, 1])


def levels() -> list[str]:
    """The noise of the fitness, as rank correlations."""
    correlations = load_facts()["rank_correlation"]
    rows = [
        (f"{name}, {settings['pairs']} pairs", *(f"{value:.2f}" for value in correlations[name].values()))
        for name, settings in (("quiet", QUIET), ("noisy", NOISY))
    ]
    generations = (f"generation {generation}" for generation in correlations["quiet"])
    return markdown_rows(("rank correlation with 16,384 pairs", *generations), rows)


def lengths() -> list[str]:
    """The random step lengths that are selected, less the mean one."""
    differences = load_facts()["selected_lengths"]
    sigmas = (f"sigma {float(sigma):g}" for sigma in differences)
    rows = [
        (f"{phase} generations", *(f"{row[phase]:+.3f}" for row in differences.values()))
        for phase in ("first 20", "last 50")
    ]
    return markdown_rows(("selected step length less the mean one", *sigmas), rows)


def facts() -> list[str]:
    """One line on the searches, versions and machine."""
    studies = [load(name) for name in finished()]
    machine = studies[0].created_with
    versions = " and ".join(sorted({study.created_with["evoloss"] for study in studies}))
    n_runs = sum(len(study.runs) for study in studies)
    seconds = sum(run.seconds for study in studies for run in study.runs)
    return [
        f"{n_runs:,} searches, {seconds / 60:.0f} minutes in all; evoloss {versions}, torch "
        f"{machine['torch']}, {machine['platform']}, {machine['threads']} thread."
    ]
