"""Settings that were changed and decide nothing, because another one takes their part away."""

from __future__ import annotations

from dataclasses import MISSING, fields

from evoloss.pretraining.components import make_network
from evoloss.pretraining.config import PretrainConfig

_LEARNABILITY = (
    *("groups", "tasks", "rates", "scoring", "nll_weight", "worst_weight", "clean_weight", "clean_tolerance"),
    *("promote", "ranking_floor", "ranking_weight", "elites", "eval_groups"),
)
_LAYERS = ("hidden", "activation")


def without_effect(config: PretrainConfig) -> list[str]:
    """A sentence for each reason why settings that differ from their defaults have no effect.

    Example:
        >>> without_effect(PretrainConfig(margin=0.2))
        ["no effect of margin: the objective 'sign' has no margin"]
    """
    network = make_network(config)
    reasons = (
        (
            _LEARNABILITY if config.fitness == "ranking" else (),
            "only the learnability fitness (fitness='learnability') trains students",
        ),
        (
            ("clean_tolerance",) if config.fitness != "ranking" and not config.clean_weight else (),
            "clean_weight is 0",
        ),
        (("margin",) if config.objective == "sign" else (), "the objective 'sign' has no margin"),
        (
            ("chaotic_map", "chaos_drives", "chaos_order") if config.mutation != "chaotic" else (),
            f"the mutation is {config.mutation}, not chaotic",
        ),
        (("step_control",) if config.strategy != "es_comma" else (), "the strategy is not es_comma"),
        (("learning_rate",) if config.strategy != "open_es" else (), "the strategy is not open_es"),
        (
            () if getattr(network, "hidden", ()) else _LAYERS,
            f"a {config.network} network has no hidden layers",
        ),
    )
    changed = {field.name for field in fields(PretrainConfig) if _is_changed(config, field.name)}
    sentences = []
    for names, reason in reasons:
        given = [name for name in names if name in changed]
        if given:
            sentences.append(f"no effect of {', '.join(given)}: {reason}")
    return sentences


def _is_changed(config: PretrainConfig, name: str) -> bool:
    field = next(field for field in fields(PretrainConfig) if field.name == name)
    if field.default is not MISSING:
        return bool(getattr(config, name) != field.default)
    return field.default_factory is not MISSING and getattr(config, name) != field.default_factory()
