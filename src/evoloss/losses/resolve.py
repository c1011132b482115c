"""One name space for all losses: known ones, shipped ones, directories, and classes of the user's."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any, get_args

from torch import Tensor, nn

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.losses import LOSSES
from evoloss.losses.artefact.hub import hub_hint, is_on_hub
from evoloss.losses.base import ClassificationLoss, Reduction
from evoloss.losses.call.numbers import python_number
from evoloss.losses.evolved import EvolvedLoss
from evoloss.losses.known.ranges import Range, Ranges, in_range
from evoloss.losses.spec import LossSpec
from evoloss.losses.user_loss import make_user_loss
from evoloss.safe_text import quoted
from evoloss.user_paths import names_callable
from evoloss.zoo import NAMES, is_shipped

__all__ = ["make_loss", "resolve_loss"]


def make_loss(spec: str | os.PathLike[str], **parameters: Any) -> nn.Module:
    """Make the loss that a user named.

    Args:
        spec: one of these, looked for in this order; write ``./name`` for a directory that has the name of a
            loss.

            - a known loss, a key of :data:`evoloss.losses.LOSSES`: ``"gce"``;
            - a shipped loss, or ``"evolved"``, which stands for the recommended one;
            - a directory with a saved loss, also as a ``pathlib.Path``, or ``"hf://user/name"``, one on the
              Hugging Face Hub, of which ``"hf://user/name@revision"`` names a branch, a tag or a commit;
            - ``"package.module:callable"``: a class that is an ``nn.Module``, or a function that returns one.
              It is called as ``criterion(logits, target)``, and is taken to return the mean over the batch.

            Each may be followed by parameters, ``"gce:q=0.5"`` or ``"package.module:MyLoss:sharpness=2"``.
        **parameters: those of the loss (:func:`~evoloss.list_losses` has them with their ranges), and
            ``weight``, ``ignore_index``, ``reduction``, ``label_smoothing`` as in ``nn.CrossEntropyLoss``.
            What is not a loss of this package gets them as they are.

    Returns:
        The loss; a :class:`~evoloss.losses.ClassificationLoss` unless a callable of the user's says
        otherwise.

    Raises:
        UnknownNameError: if there is no such loss, or the loss has no parameter of a name.
        ConfigError: if a value is of the wrong type or out of its range, or a callable cannot be used.
        ArtefactError: if it is a directory without a readable loss, or one that the hub does not give.

    Example:
        >>> criterion = make_loss("gce", q=0.5)
        >>> criterion
        GceLoss(q=0.5, ignore_index=-100, reduction='mean', label_smoothing=0.0)
        >>> make_loss("gce:q=0.5").hyperparameters == criterion.hyperparameters
        True
        >>> print(criterion(torch.zeros(2, 4), torch.tensor([0, 3])))
        tensor(1.)
        >>> make_loss("gce:q=2")
        Traceback (most recent call last):
        evoloss.errors.ConfigError: loss 'gce:q=2': q must be a number above 0 and at most 1, got 2; without
        it the loss has its default, 0.7
    """
    if not isinstance(spec, str | os.PathLike):
        raise ConfigError(f"a loss is named by a text or the path of a directory, got {quoted(spec)}")
    spec = os.fspath(spec)
    parsed = LossSpec.parse(spec)
    twice = sorted(parsed.parameters.keys() & parameters.keys())
    if twice:
        raise ConfigError(f"loss {quoted(spec, 200)} is given {', '.join(twice)} twice; give it once")
    base, given = parsed.base, {**parsed.parameters, **parameters}
    if base in LOSSES:
        return _make(spec, base, LOSSES[base], given)
    if is_shipped(base):
        return _make(spec, base, EvolvedLoss.from_pretrained, given, base)
    if is_on_hub(base) or os.path.isdir(base):
        return _make(spec, "saved loss", EvolvedLoss.from_pretrained, given, base)
    head = base.partition(":")[0]
    if head != base and (head in LOSSES or is_shipped(head)):
        raise ConfigError(
            f"loss {quoted(spec, 200)}: after {head!r} and a colon come parameters, name=value"
            + (f", as in '{head}:{_example(head)}'" if head in LOSSES and LOSSES[head].ranges else "")
        )
    if names_callable(base):
        return make_user_loss(base, **given)
    known = [*LOSSES, *NAMES, "package.module:callable"]
    raise UnknownNameError.among("loss or directory", base, known, hub_hint(base))


resolve_loss = make_loss
"""The name that :func:`make_loss` had."""


def _example(name: str) -> str:
    first = next(iter(LOSSES[name].ranges))
    return f"{first}={_default(LOSSES[name], first):g}"


def _default(build: Callable[..., Any], name: str) -> Any:
    return inspect.signature(build).parameters[name].default


def _make(
    spec: str, name: str, build: Callable[..., ClassificationLoss], given: dict[str, Any], *where: str
) -> ClassificationLoss:
    """Check what a loss of this package is given, by name and value, and build it."""
    where_given = f"loss {quoted(spec, 200)}"
    own: Ranges = build.ranges if isinstance(build, type) and issubclass(build, ClassificationLoss) else {}
    signature = [key for key in inspect.signature(build).parameters if key not in ("options", "name_or_dir")]
    shared = ("weight", "ignore_index", "reduction", "label_smoothing")
    known = list(dict.fromkeys([*own, *shared, *signature]))
    for key, value in given.items():
        if key not in known:
            raise UnknownNameError.among(f"{name} parameter", key, known)
        if key in own:
            try:
                in_range(where_given, key, value, own[key])
            except ConfigError as error:
                default = _default(build, key)
                raise ConfigError(f"{error}; without it the loss has its default, {default:g}") from None
        else:
            _check_shared(where_given, key, value)
    return build(*where, **given)


def _check_shared(loss: str, name: str, value: Any) -> None:
    """Check an argument that all losses share; PyTorch takes anything here, and fails in the first call."""
    expected = ""
    if name == "weight" and not (value is None or isinstance(value, Tensor)):
        expected = "a torch.Tensor with one factor a class, or None; no text, list or other array"
    elif name == "reduction" and value not in get_args(Reduction):
        expected = f"one of {', '.join(get_args(Reduction))}"
    elif name in ("ignore_index", "n_samples"):
        number = python_number(value)
        optional = name == "n_samples" and value is None
        if not optional and (isinstance(number, bool) or not isinstance(number, int)):
            expected = "a whole number" + (", at least 1" if name == "n_samples" else "")
    elif name == "exact" and not isinstance(value, bool):
        expected = "true or false"
    elif name == "label_smoothing":
        in_range(loss, name, value, Range(0.0, 1.0))
    if expected:
        raise ConfigError(f"{loss}: {name} must be {expected}, got {quoted(value)}")
