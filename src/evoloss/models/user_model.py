"""Classifiers of the user's own, named ``package.module:callable``."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from evoloss.errors import ConfigError
from evoloss.user_paths import current_folder_importable, find_callable


def build_user_model(spec: str, *, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """Call the user's callable and check, with one forward on zeros, that a classifier came back.

    The callable gets ``input_shape`` and ``n_classes`` as keywords. The current folder can be imported from,
    as in ``python -m``.

    Args:
        spec: ``package.module:callable``.
        input_shape: shape of one input.
        n_classes: number of classes.

    Raises:
        UnknownNameError: if the module has nothing of that name.
        ConfigError: if the import or the call fails, or if what comes back is not a module that maps
            ``(2, *input_shape)`` to ``(2, n_classes)`` floating-point logits.
    """
    with current_folder_importable():
        factory = find_callable("model", spec)
        try:
            model = factory(input_shape=input_shape, n_classes=n_classes)
        except Exception as error:  # anything can go wrong in the user's code; the cause stays attached
            raise ConfigError(
                f"model {spec!r}: the call with input_shape={input_shape}, n_classes={n_classes} failed "
                f"with {type(error).__name__}: {error}; it must accept these keywords and return an nn.Module"
            ) from error
    if not isinstance(model, nn.Module):
        raise ConfigError(
            f"model {spec!r} returned {type(model).__name__}; expected an nn.Module. "
            "Name the function or class that builds the model, not the model's output"
        )
    check_forward(spec, model, input_shape, n_classes)
    return model


def check_forward(spec: str, model: nn.Module, input_shape: tuple[int, ...], n_classes: int) -> None:
    """Raise :class:`ConfigError` where a forward on zeros fails or gives no logits; modes stay."""
    # Evaluation mode: batch norm keeps its statistics, dropout draws nothing.
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            logits = model(torch.zeros(2, *input_shape, dtype=torch.float32))
    except Exception as error:
        raise ConfigError(
            f"model {spec!r}: a forward on zeros of shape {(2, *input_shape)} failed with "
            f"{type(error).__name__}: {error}"
        ) from error
    finally:
        for module, training in modes.items():
            module.training = training
    if not isinstance(logits, Tensor):
        raise ConfigError(
            f"model {spec!r}: forward returned {type(logits).__name__}; expected a tensor of logits"
        )
    if tuple(logits.shape) != (2, n_classes) or not logits.is_floating_point():
        raise ConfigError(
            f"model {spec!r}: inputs {(2, *input_shape)} gave {logits.dtype} of shape {tuple(logits.shape)}; "
            f"expected floating-point logits of shape {(2, n_classes)}"
        )
