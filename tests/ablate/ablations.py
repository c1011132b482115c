"""Made-up runs of an ablation, for tests that need results without searches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evoloss.ablate.results import Ablation
from evoloss.ablate.statistics import AblationRun


def make_ablation_run(
    variant: str = "gaussian",
    seed: int = 0,
    curve: Sequence[float | None] = (0.6, 0.9, 0.995),
    **changes: Any,
) -> AblationRun:
    values: dict[str, Any] = {
        "variant": variant,
        "seed": seed,
        "popsize": 8,
        "generations": 10 * len(curve),
        "measured_at": tuple(range(10, 10 * len(curve) + 1, 10)),
        "consistency": tuple(curve),
        "kendall_tau": 0.9,
        "usable": True,
        "seconds": 0.5,
    }
    return AblationRun(**{**values, **changes})


def make_ablation(**changes: Any) -> Ablation:
    """Three variants over four seeds; ``fast`` reaches the target first, ``stuck`` never."""
    runs = []
    for seed in range(4):
        runs.append(make_ablation_run("gaussian", seed, (0.6, 0.9, 0.99 + seed / 1000)))
        runs.append(make_ablation_run("fast", seed, (0.7, 0.992 + seed / 1000, 0.999)))
        runs.append(make_ablation_run("stuck", seed, (0.6, None, None), kendall_tau=None, usable=False))
    values: dict[str, Any] = {
        "created_with": {"evoloss": "0"},
        "base": {"popsize": 8},
        "variants": {"gaussian": {}, "fast": {"sigma": 0.1}, "stuck": {"sigma": 1.0}},
        "baseline": "gaussian",
        "contrasts": (("fast", "stuck"),),
        "target": 0.99,
        "runs": tuple(runs),
    }
    return Ablation(**{**values, **changes})
