"""The length of a training, told to a loss from what somebody else's loop knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evoloss.errors import ConfigError
from evoloss.losses import ClassificationLoss
from evoloss.losses.state import states_of


def samples_of(loader: Any, n_batches: Any, *, processes: int = 1) -> tuple[int | None, int | None]:
    """The samples of a training set, and those of an epoch in all processes; None where not known.

    Args:
        loader: with a ``dataset``, and a batch size.
        n_batches: of an epoch in a process; anything but an integer is not known.
        processes: how many there are.
    """
    try:
        n_samples = len(loader.dataset)
    except (AttributeError, TypeError):
        return None, None
    sizes = [getattr(loader, name, None) for name in ("batch_size", "bs")]
    sizes.append(getattr(getattr(loader, "batch_sampler", None), "batch_size", None))
    size = next((size for size in sizes if isinstance(size, int)), None)
    if size is None or not isinstance(n_batches, int):
        return n_samples, None
    return n_samples, min(n_samples, n_batches * size * processes)


def plan_training(
    criterion: ClassificationLoss,
    *,
    n_samples: int | None,
    samples_per_epoch: int | None,
    epochs: int | None,
    processes: int,
    advice: Mapping[str, str],
) -> None:
    """Tell a loss how long a training will be, and whether processes share its statistics.

    Args:
        criterion: the loss.
        n_samples: labels of the training set; None where that is not known.
        samples_per_epoch: those of an epoch, if that is known.
        epochs: None where that is not known.
        processes: how many train.
        advice: who can say it, by the name of the argument.

    Raises:
        ConfigError: if the loss asks for what is not known.
    """
    known = {"n_samples": n_samples, "epochs": epochs}
    for name in criterion.plan_arguments:
        if known[name] is None:
            raise ConfigError(f"{criterion.name} asks for {name}, which is not known here: {advice[name]}")
    if n_samples is not None:
        criterion.plan_training(n_samples=n_samples, epochs=epochs, samples_per_epoch=samples_per_epoch)
    for state in states_of(criterion):
        state.synchronised = processes > 1
