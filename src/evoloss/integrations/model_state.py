"""The running statistics of a loss inside the state dict of a model, for trainers that save nothing else."""

from __future__ import annotations

from typing import Any, Self

from torch import Tensor, nn

from evoloss.errors import ConfigError
from evoloss.losses import ClassificationLoss
from evoloss.losses.state import NAME

_PREFIX = "evoloss."


def keep_state_in(model: nn.Module, criterion: nn.Module) -> None:
    """Let the state dict of a model have the running statistics of a loss, without the loss as a submodule.

    They are saved with the model and loaded with it. A state dict without them loads too, and leaves them as
    they are; :func:`~evoloss.losses.strip_loss_state` takes them out of one. Doing it again for the same loss
    changes nothing; another loss takes the place of the one before. A copy of the model, such as one whose
    weights are averages, has none: it is not trained.

    Args:
        model: the model.
        criterion: the loss; one without statistics adds nothing.

    Raises:
        ConfigError: if one of them is no module, or the model is a loss.

    Example:
        >>> from evoloss import make_loss
        >>> model = nn.Linear(2, 2)
        >>> keep_state_in(model, make_loss("adaptive", n_samples=50))
        >>> print(model.state_dict()["evoloss.loss_state.n_samples"])
        tensor(50.)
    """
    for value, what in ((model, "model"), (criterion, "loss")):
        if not isinstance(value, nn.Module):
            raise ConfigError(f"the {what} is a {type(value).__name__}; expected an nn.Module")
    if isinstance(model, ClassificationLoss):
        raise ConfigError("the model is a loss: the call is keep_state_in(model, criterion)")
    for hook in model._state_dict_hooks.values():
        if isinstance(hook, _Save):
            hook.criterion = hook.load.criterion = criterion
            return
    load = _Load(criterion)
    model.register_state_dict_post_hook(_Save(criterion, load))  # type: ignore[no-untyped-call]
    model.register_load_state_dict_pre_hook(load)  # type: ignore[no-untyped-call]


class _Hook:
    """A hook of a model for a loss; that of a copy of the model alone is for none."""

    def __init__(self, criterion: nn.Module | None) -> None:
        self.criterion = criterion

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        made = memo[id(self)] = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__, criterion=memo.get(id(self.criterion)))
        return made


class _Load(_Hook):
    """Take the statistics out of a state dict that is about to be loaded."""

    def __call__(self, model: nn.Module, state_dict: dict[str, Tensor], prefix: str, *_: Any) -> None:
        start = f"{prefix}{_PREFIX}"
        found = {key: state_dict.pop(key) for key in list(state_dict) if key.startswith(f"{start}{NAME}.")}
        if found and self.criterion is not None:
            own = {name: value for name, value in self.criterion.state_dict().items() if not _is_state(name)}
            self.criterion.load_state_dict(own | {key[len(start) :]: value for key, value in found.items()})


class _Save(_Hook):
    """Put the statistics into the state dict of a model."""

    def __init__(self, criterion: nn.Module, load: _Load) -> None:
        super().__init__(criterion)
        self.load = load

    def __call__(self, model: nn.Module, state_dict: dict[str, Tensor], prefix: str, *_: Any) -> None:
        if self.criterion is not None:
            for name, value in self.criterion.state_dict().items():
                if _is_state(name):
                    state_dict[f"{prefix}{_PREFIX}{name}"] = value


def _is_state(name: str) -> bool:
    return NAME in name.split(".")[:-1]
