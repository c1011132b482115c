"""The conditions of the chaos study: step sizes, noise levels, networks, and the variants of each.

Fixed before the first run: one condition is one step size, step control, noise level and network; its runs
are paired by seed (start, pairs). Primary endpoint: generations until the mean of the search has a ranking
consistency of 0.99 on held-out pairs, cut off at the end of the run; secondary: the consistency at the end.
Each variant is compared with the Gaussian one, and each orbit with its independent and its shuffled twin, in
one Holm correction for each condition and endpoint.
"""

from __future__ import annotations

from typing import Any

from evoloss.ablate.ablation import AblateConfig
from evoloss.pretraining import PretrainConfig

SEEDS = tuple(range(30))
TARGET = 0.99
MAPS = ("logistic", "tent", "sine", "chebyshev", "gauss", "henon")

QUIET = {"pairs": 512, "couples_per_pair": 1}
NOISY = {"pairs": 32, "couples_per_pair": 1}
BASE: dict[str, Any] = {"generations": 100, "classes": [10], "eval_every": 5, "eval_pairs": 256}
PAPER = {"network": "concat", "features": "probs", "pairs": 128, "couples_per_pair": 1}
TUNED_SIGMAS = (0.02, 0.1, 0.3, 1.0, 2.0)


def chaotic(name: str, drives: str = "direction", order: str = "orbit") -> str:
    """A variant with the orbits of a map, or one of its twins, such as ``"henon step shuffled"``."""
    label = " ".join(
        [name, *([] if drives == "direction" else [drives]), *([] if order == "orbit" else [order])]
    )
    return f"{label}: mutation=chaotic chaotic_map={name} chaos_drives={drives} chaos_order={order}"


def orbit_and_twins(
    name: str, drives: str = "direction", orders: tuple[str, ...] = ("independent", "shuffled")
) -> list[str]:
    """The variants of an orbit and of its twins: the same values without their dependence in time."""
    return [chaotic(name, drives, order) for order in ("orbit", *orders)]


GAUSSIAN = ["gaussian: mutation=gaussian"]
WITHOUT_CHAOS = [*GAUSSIAN, "uniform: mutation=uniform", "student_t: mutation=student_t"]
# The twin of the tent's density is the uniform one, of Chebyshev's the arcsine, which the logistic map has.
WIDE = [
    *WITHOUT_CHAOS,
    *orbit_and_twins("logistic"),
    chaotic("tent"),
    *orbit_and_twins("sine", orders=("independent",)),
    chaotic("chebyshev"),
    *orbit_and_twins("gauss", orders=("independent",)),
    *orbit_and_twins("henon"),
    *orbit_and_twins("logistic", "step"),
    *orbit_and_twins("henon", "step", ("independent",)),
    *orbit_and_twins("logistic", "both", ("independent",)),
]
UNDER_NOISE = [
    *GAUSSIAN,
    *orbit_and_twins("logistic"),
    *orbit_and_twins("henon", orders=("independent",)),
    *orbit_and_twins("logistic", "step"),
]
ARCSINE = [*GAUSSIAN, *orbit_and_twins("logistic", orders=("independent",))]
FEW = [*ARCSINE, *orbit_and_twins("logistic", "step", ("independent",))]

CONDITIONS: dict[str, tuple[dict[str, Any], list[str]]] = {
    **{f"fixed-{s}": ({**QUIET, "sigma": s, "step_control": "none"}, WIDE) for s in (0.02, 0.1, 0.3)},
    **{f"fixed-{s}": ({**QUIET, "sigma": s, "step_control": "none"}, FEW) for s in (1.0, 2.0)},
    **{f"self-{s}": ({**QUIET, "sigma": s, "step_control": "self"}, FEW) for s in (0.02, 0.1, 0.3)},
    **{f"csa-{s}": ({**QUIET, "sigma": s, "step_control": "csa"}, ARCSINE) for s in (0.3, 1.0)},
    **{f"noisy-{s}": ({**NOISY, "sigma": s, "step_control": "none"}, UNDER_NOISE) for s in (0.02, 0.1, 0.3)},
    **{f"noisy-self-{s}": ({**NOISY, "sigma": s, "step_control": "self"}, FEW) for s in (0.02, 0.1, 0.3)},
    "concat-0.3": ({**PAPER, "sigma": 0.3, "step_control": "none"}, ARCSINE),
}
"""Settings and variants of each condition, by name."""

# Where a search has something to find: from cross-entropy, under label noise (notebook, entry 17).
LEARNABILITY = {
    **{"fitness": "learnability", "prior": "label-noise", "scoring": "points", "worst_weight": 0.0},
    **{"network": "mixture", "start": "cross_entropy", "sigma": 0.4, "step_control": "none"},
    **{"groups": 3, "tasks": 2, "promote": 0.25, "popsize": 16, "generations": 12},
    **{"eval_every": 12, "eval_groups": 4, "elites": 1, "pairs": 128, "couples_per_pair": 1},
}
OPTIONAL: dict[str, tuple[dict[str, Any], list[str]]] = {
    "learnability-0.4": (LEARNABILITY, ARCSINE),
}
"""Run only when named: an hour where others take minutes. The endpoint is the advantage on held-out tasks."""


def contrasts(variants: list[str]) -> tuple[str, ...]:
    """Every orbit against each of its twins."""
    names = [text.partition(":")[0] for text in variants]
    ends = (" independent", " shuffled")
    return tuple(f"{name.removesuffix(end)}:{name}" for name in names for end in ends if name.endswith(end))


def ablation_config(name: str) -> AblateConfig:
    """The ablation of a condition."""
    settings, variants = (CONDITIONS | OPTIONAL)[name]
    return AblateConfig(
        base=PretrainConfig.from_dict({**BASE, **settings}),
        variant=tuple(variants),
        seeds=SEEDS,
        target=TARGET,
        baseline="gaussian",
        contrast=contrasts(variants),
    )
