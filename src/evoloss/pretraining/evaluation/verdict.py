"""The verdict on a search, in words: settled or not, what that means, and what to do.

A search by ranking has *settled* when its loss orders at least 99.9 % of the held-out couples right at every
class count that it was evolved on: of two predictions the more erroneous one costs more. By the error
``dominance`` only those couples count in which mass moved off the label. A search by learnability is judged
by what students gain with its loss over cross-entropy, on held-out tasks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from evoloss.networks import NETWORKS
from evoloss.pretraining.config import PretrainConfig

SETTLED = 0.999
_CERTAIN = 2.0  # standard errors
_SOONEST = "monotone"  # the network that follows dominance by construction


class Verdict(NamedTuple):
    """The verdict on a search.

    Attributes:
        text: one or two sentences.
        advice: what to do if that is not good enough; empty where it is.
        generations: so many generations are worth a try, where going on is one of the things to do.
    """

    text: str
    advice: str = ""
    generations: int | None = None


def is_settled(config: PretrainConfig, scores: Mapping[str, Mapping[str, float]]) -> bool | None:
    """Return whether a search by ranking has settled; None with the learnability fitness.

    Args:
        config: of the run.
        scores: on held-out pairs, by class count, as in the summary.
    """
    if config.fitness != "ranking":
        return None
    return bool(scores) and _lowest(config, scores)[0] >= SETTLED


def verdict_of(config: PretrainConfig, summary: Mapping[str, Any]) -> Verdict:
    """The verdict on a run, from its configuration and summary."""
    if config.fitness == "learnability":
        return _on_learnability(config, summary)
    if not summary["scores"]:
        return Verdict(
            "The search has not settled: its loss is not finite on all held-out pairs, so that their order "
            "could not be measured.",
            "Try a smaller sigma or another seed.",
        )
    lowest, count = _lowest(config, summary["scores"])
    percent = math.floor(1e5 * lowest) / 1e3  # not rounded up to what is asked for
    share = f"{percent:.3f} % of held-out couples are in the right order at {count} classes"
    if lowest >= SETTLED:
        return Verdict(f"The search has settled: {share}, where they are fewest.")
    done = int(summary["generations"])
    return Verdict(
        f"The search has not settled: only {share}, of {100 * SETTLED:.1f} % asked for. "
        "The loss can be used, but a worse prediction sometimes costs less.",
        _advice(config),
        max(2 * done, done + 300),
    )


def _lowest(config: PretrainConfig, scores: Mapping[str, Mapping[str, float]]) -> tuple[float, str]:
    """The lowest share of couples in the right order, and the class count that it belongs to."""
    # The order that was asked for: under dominance most couples of predictions are not compared.
    order = "dominance" if config.error == "dominance" else "consistency"
    return min((row[order], count) for count, row in scores.items())


def _advice(config: PretrainConfig) -> str:
    """Further advice, the surest first."""
    if config.features == "probs":
        return (
            "A network that sees probabilities alone cannot tell the smallest ones apart: "
            "take features='log_probs'."
        )
    kind = NETWORKS[config.network]
    if kind.follows_dominance_only and config.error != "dominance":
        return (
            f"A {config.network} network cannot order all predictions by {config.error}: take "
            "error='dominance', which it can follow."
        )
    if config.generations is not None and config.start == "random":
        return (
            "Or begin again without a number of generations: the search then goes on until it has settled, "
            "from other starts where it is stuck."
        )
    if config.network == _SOONEST or kind.tells_classes_apart:
        return "Or try another seed, or more pairs."
    return f"Or try another seed, or network={_SOONEST!r}, which settles soonest."


def _on_learnability(config: PretrainConfig, summary: Mapping[str, Any]) -> Verdict:
    if "learnability" not in summary:
        return Verdict(
            "No mean of the search could be judged on held-out tasks: none is fit for training.",
            "Look more often (eval_every), run more generations, or take a smaller sigma.",
        )
    kinds = [summary["learnability"][name] for name in ("short", "long", "stretched")]
    tasks = sum(kind["tasks"] for kind in kinds)
    mean = sum(kind["mean"] * kind["tasks"] for kind in kinds) / tasks
    error = math.sqrt(sum((kind["se"] * kind["tasks"]) ** 2 for kind in kinds)) / tasks
    gain = f"{mean:+.2f} ± {error:.2f} points of accuracy over cross-entropy on {tasks} held-out tasks"
    if mean > _CERTAIN * error:
        return Verdict(f"Better: {gain}.")
    advice = "Run more generations, give each more groups of tasks, or take a prior nearer to your data."
    if mean < -_CERTAIN * error:
        return Verdict(f"Worse: {gain}. Keep cross-entropy.", advice)
    return Verdict(f"No different: {gain}. Keep cross-entropy.", advice)
