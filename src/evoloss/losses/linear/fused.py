"""A linear layer and a loss in one function, for class counts whose logits would not fit into memory."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._compile import _disable_dynamo

from evoloss.errors import ConfigError
from evoloss.losses.base import ClassificationLoss
from evoloss.losses.call.autocast import autocast_dtype, autocast_off
from evoloss.losses.call.labels import Labels
from evoloss.losses.call.modes import can_fuse_gradient, is_eager, is_real
from evoloss.losses.call.numbers import positive_count
from evoloss.losses.call.validation import Reduction
from evoloss.losses.evolved import EvolvedLoss
from evoloss.losses.kernels.index_labels import check_range
from evoloss.losses.linear.chunks import Layer, LinearGradients, LinearRows, rows_of_chunk
from evoloss.losses.resolve import make_loss
from evoloss.losses.state import states_of
from evoloss.networks.terms import wide_dtype
from evoloss.safe_text import quoted

__all__ = ["fusable_loss", "fused_linear_loss"]

_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_Flags = tuple[bool, bool, bool]


def fused_linear_loss(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    loss: str | nn.Module,
    *,
    linear_bias: Tensor | None = None,
    chunk_rows: int | None = None,
) -> Tensor:
    r"""A loss on the logits of a linear layer, without making the logits of all rows.

    .. math:: L(x W^\top + b,\, y)

    equal to ``loss(F.linear(input, linear_weight, linear_bias), target)`` in value and gradient up to
    rounding. N rows of C logits are taken a chunk of rows at a time, and the gradients by input, weight and
    bias are added up on the way, so that beside them there is memory for one chunk of logits. As in
    :func:`torch.nn.functional.linear_cross_entropy`, for other losses. A paced loss takes two passes: how far
    the labels of the batch are learned comes first.

    ``weight``, ``ignore_index``, ``reduction`` and ``label_smoothing`` are those of the loss. Gradients are
    exact; second derivatives are refused. Compiled code leaves this function to run as it is; transforms of
    ``torch.func``, traces and tensors without values make the logits.

    Args:
        input: of the layer, shape ``(..., F)``, such as the last hidden states of a language model; float16,
            bfloat16, float32 or float64.
        linear_weight: shape ``(C, F)``, of the dtype of ``input`` (under autocast any).
        target: class indices in ``[0, C)`` or the loss's ``ignore_index``, int64, shape ``(...)``.
        loss: a name that :func:`~evoloss.make_loss` takes, or a loss, that keeps no running statistics.
        linear_bias: shape ``(C,)``; None for none.
        chunk_rows: rows of a chunk, at least 1; by default as many as make its logits twice as large
            as ``input``, and at least 64.

    Returns:
        A scalar, or shape ``(...)`` for ``reduction="none"``; of the dtype of the logits, under autocast
        float32.

    Raises:
        ConfigError: if the loss cannot be taken in chunks, or shapes or dtypes do not fit.
        RuntimeError: in a backward pass with ``create_graph=True``.
        IndexError: if a target is outside ``[0, C)`` (on a CPU).
        UnknownNameError: if there is no such loss.

    Example:
        >>> hidden, head = torch.ones(2, 3, 4, requires_grad=True), torch.zeros(1000, 4, requires_grad=True)
        >>> tokens = torch.tensor([[5, 7, -100], [1, 2, 999]])
        >>> loss = fused_linear_loss(hidden, head, tokens, "cross_entropy")
        >>> loss.backward()
        >>> print(f"{loss.item():.4f}", tuple(head.grad.shape))
        6.9078 (1000, 4)
    """
    criterion = fusable_loss(loss)
    if chunk_rows is not None:
        chunk_rows = positive_count("chunk_rows", chunk_rows, "fused_linear_loss")
    parts = _checked(input, linear_weight, linear_bias, target)
    if torch.compiler.is_compiling():
        result: Tensor = _left_alone(parts, target, criterion, chunk_rows)
        return result
    if not (is_eager() and all(part is None or is_real(part) for part in parts)):
        return _with_logits(parts, target, criterion)
    return _in_chunks(parts, target, criterion, chunk_rows)


def fusable_loss(loss: str | nn.Module) -> ClassificationLoss:
    """A loss that can be taken in chunks of rows.

    Raises:
        ConfigError: if this one cannot.
    """
    made = make_loss(loss) if isinstance(loss, str) else loss
    if not isinstance(made, ClassificationLoss):
        raise ConfigError(
            f"the loss is a {type(made).__name__}; expected a name, or a loss of evoloss, of which is known "
            "whether the cost of a row hangs on the others"
        )
    of_training = isinstance(made, EvolvedLoss) and made.is_paced  # its batch may be a larger one
    if made.training_arguments or (states_of(made) and not of_training):
        name = getattr(made, "told_name", None) or getattr(made, "name", type(made).__name__)
        raise ConfigError(
            f"loss {quoted(name, 200)} keeps statistics of its training, for which it sees all logits of a "
            "batch at once; take a loss that keeps none, such as 'evolved-base', 'evolved-noise' or 'gce', "
            "or make the logits and call this one"
        )
    return made


def _checked(input: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor) -> Layer:
    """The parts of a layer in one dtype, as autocast wants it; what does not fit together is refused."""
    for name, part in {"input": input, "linear_weight": weight, "target": target}.items():
        if not isinstance(part, Tensor):
            raise ConfigError(f"{name} is a {type(part).__name__}; expected a tensor")
    if weight.dim() != 2 or input.dim() < 1 or input.shape[-1] != weight.shape[1]:
        raise ConfigError(
            f"input has shape {tuple(input.shape)} and linear_weight {tuple(weight.shape)}; expected "
            "(..., F) and (C, F)"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ConfigError(f"linear_bias has shape {tuple(bias.shape)}; expected {tuple(weight.shape[:1])}")
    if target.shape != input.shape[:-1] or target.is_floating_point():
        raise ConfigError(
            f"target is {target.dtype} of shape {tuple(target.shape)}; expected class indices, int64, of "
            f"shape {tuple(input.shape[:-1])}. Probabilities are as large as the logits, so that nothing is "
            "to be gained with them; make the logits and call the loss"
        )
    device = input.device.type
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        if input.dtype != torch.float64:
            input, weight = input.to(dtype), weight.to(dtype)
            bias = None if bias is None else bias.to(dtype)
    if input.dtype not in _DTYPES or any(
        part is not None and part.dtype != input.dtype for part in (weight, bias)
    ):
        found = ", ".join(str(part.dtype) for part in (input, weight, bias) if part is not None)
        raise ConfigError(f"input, linear_weight and linear_bias are {found}; expected one floating dtype")
    return Layer(input, weight, bias)


def _with_logits(layer: Layer, target: Tensor, criterion: ClassificationLoss) -> Tensor:
    """The same with the logits of all rows."""
    logits = F.linear(*layer).reshape(-1, len(layer.weight))
    result: Tensor = criterion(logits, target.reshape(-1))
    return result.reshape(target.shape) if criterion.reduction == "none" else result


def _in_chunks(layer: Layer, target: Tensor, criterion: ClassificationLoss, chunk_rows: int | None) -> Tensor:
    input = layer.input.reshape(-1, layer.input.shape[-1])
    layer = layer._replace(input=input)
    labels = _labels(target, criterion, layer)
    step = chunk_rows or rows_of_chunk(len(input), input.shape[1], len(layer.weight))
    may_fuse = can_fuse_gradient(input, labels.target, labels.weight)
    if may_fuse:
        check_range(labels, len(layer.weight))
    rows = LinearRows(criterion, labels, step, may_fuse)
    wanted = tuple(torch.is_grad_enabled() and part is not None and part.requires_grad for part in layer)
    if isinstance(criterion, EvolvedLoss) and criterion.is_paced and len(layer.weight) > 1:
        variable = next((part for part in layer if part is not None and part.requires_grad), input)
        criterion.warn_of_one_sample(len(input), variable)
        joint = criterion.joint_batch
        join = None if joint is None else joint.joining(variable)
        with torch.no_grad(), autocast_off(input.device.type):
            rows.see_batch(layer, join)
    result: Tensor = _FusedLinear.apply(*layer, rows, criterion.reduction, wanted)  # type: ignore[no-untyped-call]
    result = result.to(autocast_dtype(input))
    return result.reshape(target.shape) if criterion.reduction == "none" else result


# In compiled code. It imports the compiler when it is called, and so is not the way of other code.
_left_alone = _disable_dynamo(_in_chunks)


def _labels(target: Tensor, criterion: ClassificationLoss, layer: Layer) -> Labels:
    weight, n_classes = criterion.weight, len(layer.weight)
    if weight is not None:
        if weight.shape != (n_classes,):
            raise ConfigError(
                f"the loss has a weight of shape {tuple(weight.shape)}, and linear_weight {n_classes} rows, "
                "one a class"
            )
        weight = weight.to(torch.promote_types(layer.input.dtype, torch.float32))
    smoothing = max(0.0, criterion.label_smoothing)
    return Labels(target.reshape(-1).long(), weight, smoothing, criterion.ignore_index, smoothing > 0.0)


class _FusedLinear(torch.autograd.Function):
    """The reduced costs; of a sum or mean with the gradients, which wait for their scale."""

    @staticmethod
    def forward(
        ctx: Any,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        rows: LinearRows,
        reduction: Reduction,
        wanted: _Flags,
    ) -> Tensor:
        """The costs; what the backward pass needs is kept."""
        now = wanted if reduction != "none" else (False, False, False)
        with autocast_off(input.device.type):
            costs, made = rows.run(Layer(input, weight, bias), None, now)
        ctx.save_for_backward(input, weight, bias)
        ctx.rows, ctx.wanted, ctx.of_rows = rows, wanted, reduction == "none"
        ctx.made = made if any(now) else None
        ctx.scale = _scale(rows.labels) if reduction == "mean" else None
        return rows.labels.reduce(costs, reduction)

    @staticmethod
    def backward(ctx: Any, incoming: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients by input, weight and bias."""
        if torch.is_grad_enabled():
            raise RuntimeError(
                "fused_linear_loss has no second derivatives, which create_graph=True asks for; make the "
                "logits and call the loss"
            )
        layer = Layer(*ctx.saved_tensors)
        made, ctx.made = ctx.made, None  # not kept: what is scaled in place is given away
        if made is None:  # costs of rows, or a graph that is walked again
            with autocast_off(incoming.device.type):
                made = ctx.rows.run(layer, incoming if ctx.of_rows else None, ctx.wanted)[1]
        scale = None if ctx.of_rows else incoming if ctx.scale is None else incoming * ctx.scale
        return (*_scaled(made, scale, layer), None, None, None)


def _scale(labels: Labels) -> Tensor:
    """The factor from a sum to a mean; 0 where the mean is over nothing, and NaN, as in PyTorch."""
    total = torch.as_tensor(labels.total(), device=labels.target.device)
    return torch.where(total == 0, 0.0, 1.0 / total.to(wide_dtype(total.device)))


def _scaled(made: LinearGradients, scale: Tensor | None, layer: Layer) -> list[Tensor | None]:
    """The gradients, scaled in place, in the dtype of what they are by."""
    gradients: list[Tensor | None] = []
    for gradient, part in zip(made, layer, strict=True):
        if gradient is None or part is None:
            gradients.append(None)
        else:
            scaled = gradient if scale is None else gradient.mul_(scale)
            gradients.append(scaled.to(part.dtype))
    return gradients
