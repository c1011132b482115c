"""One run of an ablation: a pretraining, and what is kept of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from evoloss.ablate.results import check_run
from evoloss.ablate.statistics import AblationRun
from evoloss.ablate.variants import Variant
from evoloss.errors import CanonicalFormError
from evoloss.pretraining import GenerationRecord, PretrainConfig, pretrain
from evoloss.sweeps.decoding import DecodeError, build
from evoloss.sweeps.run_files import Run

KIND = "ablation"
"""The kind of an ablation's runs among the runs of a sweep."""

HISTORY = "history"
"""Entry beside a result, on its way from a worker: records of generations."""


def evolve_with_history(settings: dict[str, Any]) -> dict[str, Any]:
    """A run as :func:`evolve` does it, with the records of its generations beside the result."""
    records: list[dict[str, Any]] = []
    return {**evolve(settings, lambda record: records.append(asdict(record))), HISTORY: records}


def evolve(
    settings: dict[str, Any], on_generation: Callable[[GenerationRecord], object] | None = None
) -> dict[str, Any]:
    """One pretraining, reduced to what an ablation keeps; plain values in and out, for any executor.

    A search that finds no usable loss is a result, not an error; one that is given up early has no
    consistency at its end.
    """
    config = PretrainConfig.from_dict(settings)
    last = config.most_generations
    history: list[GenerationRecord] = []

    def take_in(record: GenerationRecord) -> None:
        history.append(record)
        if on_generation is not None:
            on_generation(record)

    try:
        summary = pretrain(config, on_generation=take_in).summary
    except CanonicalFormError:
        summary = None
    measured = [
        record
        for record in history
        if record.generation % config.eval_every == 0 or record.generation == last
    ]
    given_up = [] if history[-1].generation == last else [last]
    return {
        "popsize": config.popsize,
        "generations": last,
        "measured_at": [*(record.generation for record in measured), *given_up],
        # Six digits: a millionth of the couples is less than one of them.
        "consistency": [
            *(_rounded(record.held_out_consistency, 6) for record in measured),
            *(None for _ in given_up),
        ],
        "kendall_tau": _rounded(None if summary is None else summary["kendall_tau"], 6),
        "usable": summary is not None,
        "seconds": round(history[-1].seconds, 3),
        "advantage": _rounded(history[-1].held_out_advantage, 4),
    }


def check_evolution(run: Run, result: dict[str, Any]) -> None:
    """Raise :class:`DecodeError` where a result that was read is not one of :func:`evolve`."""
    seed = run.config["seed"]
    found = build(AblationRun, {"variant": run.kind, "seed": seed, **result}, "result")
    check_run(found, "result", known=(run.kind,))
    if (found.seed, found.popsize, found.generations) != (
        seed,
        run.config["popsize"],
        run.config["generations"],
    ):
        raise DecodeError("result has another seed, popsize or number of generations than its run")


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _tuples(result: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in result.items()}


def run_of(variant: Variant, seed: int, result: dict[str, Any]) -> AblationRun:
    """The run of a variant, from what :func:`evolve` returned."""
    return AblationRun(variant=variant.name, seed=seed, **_tuples(result))
