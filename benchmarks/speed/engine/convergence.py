"""Convergence of equal searches of the subjects: the quality behind the speed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed.engine.subjects import Subject
from benchmarks.speed.engine.workload import Work, draw
from benchmarks.speed.peers.formula import direct_fitness
from benchmarks.speed.peers.serving import Workload, couple_order

_PRINTED = (25, 50, 100)


def compare_convergence(
    work: Work, subjects: Mapping[str, Subject], directory: Path, *, seeds: int, generations: int, every: int
) -> dict[str, Any]:
    """Ranking consistency of the centre of the search on a held-out batch, in float64.

    Args:
        work: the size of the work.
        subjects: by name.
        directory: of the workload.
        seeds: searches of each subject.
        generations: length of a search.
        every: generations between two measurements.

    Returns:
        ``generations`` of the measurements, ``pairs``, and by subject ``mean``, ``std`` and ``by_seed``.
    """
    evaluation = _held_out(work, directory)
    measured_at = list(range(every, generations + 1, every))
    results: dict[str, Any] = {}
    for name, subject in subjects.items():
        centres = (subject.centres(generations, seed, every) for seed in range(seeds))
        scores = np.array([1 - direct_fitness(evaluation, centre) for centre in centres])
        results[name] = {
            "mean": scores.mean(axis=0).tolist(),
            "std": scores.std(axis=0, ddof=min(1, seeds - 1)).tolist(),
            "by_seed": scores.tolist(),
        }
        _print(name, results[name], measured_at)
    return {"generations": measured_at, "pairs": work.pairs, "subjects": results}


def _held_out(work: Work, directory: Path) -> Workload:
    pairs = draw(work, "held out")
    log_probs, target = pairs.log_probs.numpy()[None], pairs.target.numpy()[None]
    return replace(
        Workload.read(directory),
        scaled=log_probs / np.float32(4),
        flag=(np.arange(work.classes) == target[..., None]).astype(np.float32),
        order=couple_order(log_probs, target, work.couples_per_pair),
    )


def _print(name: str, result: Mapping[str, Any], measured_at: Sequence[int]) -> None:
    printed = [generation for generation in _PRINTED if generation in measured_at] or measured_at[-1:]
    scores = {
        generation: (result["mean"][index], result["std"][index])
        for index, generation in enumerate(measured_at)
    }
    line = "   ".join("{}: {:.4f} ± {:.4f}".format(generation, *scores[generation]) for generation in printed)
    print(f"consistency of {name:<20} after generations {line}", flush=True)
