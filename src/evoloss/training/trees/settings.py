"""Settings of a training that boosted trees have, and those that only a network has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from evoloss.errors import ConfigError
from evoloss.models import names_trees
from evoloss.training.config import TrainRecipe

ROUNDS = 300
"""Rounds of trees at most, where nothing is said."""
PATIENCE = 50
"""Rounds without a better validation split after which no more trees are grown, likewise."""
OF_NETWORKS = (
    *("batch_size", "last_batch", "optimizer", "momentum", "nesterov", "weight_decay", "schedule"),
    *("clip_grad", "augment", "eval_every", "backbone", "pretrained", "precision", "devices"),
)
"""Settings that mean nothing to trees."""
OF_TREES = ("hessian",)
"""Settings that mean nothing to a network."""


def without_meaning(model: str) -> tuple[str, ...]:
    """Names of the settings of a comparison that mean nothing to a classifier.

    Example:
        >>> without_meaning("mlp")
        ('hessian', 'rounds')
    """
    return (*OF_NETWORKS, "epochs") if names_trees(model) else (*OF_TREES, "rounds")


def require_for_trees(recipe: TrainRecipe, model: str, more: Iterable[str] = ()) -> None:
    """Refuse what trees have not, where it is set to something.

    Args:
        recipe: settings of a training.
        model: name of the classifier, for the message.
        more: further settings that only networks have.

    Raises:
        ConfigError: if one is not at its default.
    """
    for name, value in _changed(recipe, (*OF_NETWORKS, *more)):
        instead = "they have rounds: set those instead" if name == "epochs" else "leave it out"
        raise ConfigError(
            f"{name}={value!r} is a setting of networks, and {model} grows trees, which have no "
            f"{name.replace('_', ' ')}; {instead}"
        )
    if recipe.accelerator not in ("auto", "cpu"):
        raise ConfigError(f"accelerator={recipe.accelerator!r}: {model} grows its trees on the CPU here")


def require_for_network(recipe: TrainRecipe, model: str, more: Iterable[str] = ()) -> None:
    """Refuse what a network has not, where it is set to something.

    Args:
        recipe: settings of a training.
        model: name of the classifier, for the message.
        more: further settings that only trees have.

    Raises:
        ConfigError: if one is not at its default.
    """
    for name, value in _changed(recipe, (*OF_TREES, *more)):
        instead = "epochs: set those instead" if name == "rounds" else f"no {name}: leave it out"
        raise ConfigError(f"{name}={value!r} is a setting of trees; {model} has {instead}")


def _changed(recipe: TrainRecipe, names: Iterable[str]) -> Iterator[tuple[str, object]]:
    """Yield name and value of those settings that are not at their defaults."""
    known = type(recipe).__dataclass_fields__
    for name in names:
        value = getattr(recipe, name)
        if value != known[name].default:
            yield name, value
