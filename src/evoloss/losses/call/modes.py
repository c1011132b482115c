"""The mode of a call: plain means eager, on real tensors, differentiated by ``backward`` or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor, nn
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack
from torch.autograd import forward_ad

__all__ = [
    "as_constant",
    "autograd_takes",
    "can_fuse_gradient",
    "constant_to_compilers",
    "inside_transform",
    "is_eager",
    "is_exporting",
    "is_fake_of",
    "is_real",
    "is_traced_input",
    "kind_of",
    "moved",
    "on_real_tensors",
    "within_backward",
]

P = ParamSpec("P")
T = TypeVar("T")

_REAL = (Tensor, nn.Parameter, nn.Buffer)


def constant_to_compilers(function: Callable[P, T]) -> Callable[P, T]:
    """``torch.compiler.assume_constant_result`` without importing the compiler, which takes seconds."""
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function


def can_fuse_gradient(logits: Tensor, target: Tensor, weight: Tensor | None) -> bool:
    """Return whether costs and gradient may be made together: eagerly, on the CPU, for the logits alone."""
    return (
        type(logits) in _REAL
        and type(target) in _REAL
        and logits.device.type == "cpu"
        and target.device.type == "cpu"
        and logits.shape[0] > 0
        and not target.requires_grad
        and (weight is None or (type(weight) in _REAL and not weight.requires_grad))
        # is_eager, without a call of its own
        and not torch.compiler.is_compiling()
        and torch._C._functorch.peek_interpreter_stack() is None
        and forward_ad._current_level < 0
        and torch._C._get_tracing_state() is None
        and (torch._C._len_torch_dispatch_stack() == 0 or not _records_operations())
    )


def is_eager() -> bool:
    """Return whether nothing watches or transforms the operations of a call.

    Neither a compiler, an exporter or ``torch.jit.trace``, nor ``torch.func`` (grad, vmap, jvp) or
    forward-mode differentiation, nor a mode that records operations, such as ``FakeTensorMode``: none of them
    sees through a gradient that is worked out on the way.
    """
    if torch.compiler.is_compiling():
        return False
    return (
        torch._C._functorch.peek_interpreter_stack() is None
        and forward_ad._current_level < 0
        and torch._C._get_tracing_state() is None
        and (torch._C._len_torch_dispatch_stack() == 0 or not _records_operations())
    )


def _records_operations() -> bool:
    """Return whether a dispatch mode is on that records or replaces operations, where others only watch."""
    keys = torch._C._TorchDispatchModeKey
    recorders = (keys.FAKE, keys.PROXY, keys.FUNCTIONAL)
    return any(torch._C._get_dispatch_mode(key) is not None for key in recorders)


@constant_to_compilers
def inside_transform() -> bool:
    """Return whether a transform of ``torch.func`` is running; compilers ask while they trace, within one."""
    return torch._C._functorch.peek_interpreter_stack() is not None


def within_backward() -> bool:
    """Return whether a backward pass is running, where gradient checkpointing runs forward passes again."""
    return torch._C._current_graph_task_id() != -1


def is_exporting() -> bool:
    """Return whether ``torch.export`` traces: what it records must not depend on what a module keeps."""
    return torch.compiler.is_exporting()


def is_real(tensor: Tensor) -> bool:
    """Return whether a tensor is an ordinary one: no subclass, with values."""
    return type(tensor) in _REAL and not tensor.is_meta


@contextmanager
def on_real_tensors() -> Iterator[None]:
    """A region in which tensors are made on the CPU with values, whatever modes are on.

    Not fake ones under ``FakeTensorMode``, not on ``torch.device("meta")``, and such that autograd takes them
    although they were made under ``torch.inference_mode``. What is computed there is part of no transform of
    ``torch.func`` and of no trace, and autocast rounds none of it.
    """
    tracing = torch._C._get_tracing_state()
    dispatch_off = torch.utils._python_dispatch._disable_current_modes()
    # The default device is a mode of __torch_function__.
    with dispatch_off, torch._C.DisableTorchFunction(), temporarily_clear_interpreter_stack():
        torch._C._set_tracing_state(None)  # type: ignore[attr-defined]
        try:
            with torch.inference_mode(False), torch.autocast("cpu", enabled=False):
                yield
        finally:
            torch._C._set_tracing_state(tracing)  # type: ignore[attr-defined]


def autograd_takes(tensor: Any) -> Any:
    """A tensor, made anew if it comes from ``torch.inference_mode``, whose tensors autograd does not take."""
    if not isinstance(tensor, Tensor) or not tensor.is_inference():
        return tensor  # what is no tensor is for PyTorch to refuse
    with on_real_tensors():
        return tensor.clone()


def kind_of(tensor: Tensor) -> AbstractContextManager[object]:
    """A region in which tensors are made of the kind of this one: fake where it is fake.

    Operations on a fake tensor alone need no mode, but the numbers in a formula become tensors too.
    """
    mode = None if torch.compiler.is_compiling() else getattr(tensor, "fake_mode", None)
    return nullcontext() if mode is None else mode


def as_constant(tensor: Tensor) -> Tensor:
    """A real tensor as operations take it here: under ``FakeTensorMode``, a constant made by the mode."""
    if torch.compiler.is_dynamo_compiling() or not is_real(tensor) or _fake_mode() is None:
        return tensor
    with on_real_tensors():
        numbers = tensor.tolist()
    return torch.tensor(numbers, dtype=tensor.dtype, device=tensor.device)


def moved(fn: Callable[[Tensor], Tensor], tensor: Tensor, *, keep_dtype: bool = False) -> Tensor:
    """The result of moving or casting a tensor by ``fn``: itself on another device, never other numbers.

    On the meta device, in empty memory and under ``FakeTensorMode`` there are no values, so it stays where it
    is; half precision would round it, so it stays as wide as it is.

    Args:
        fn: what ``nn.Module._apply`` does to each tensor.
        tensor: real.
        keep_dtype: stay as it is in double precision too.
    """
    after = fn(as_constant(tensor))
    if after is tensor:
        return tensor
    cast = not keep_dtype and after.dtype in (torch.float32, torch.float64)
    with on_real_tensors():
        device = after.device if is_real(after) else tensor.device
        return tensor.detach().to(device, after.dtype if cast else tensor.dtype, copy=True)


def is_fake_of(tensor: Tensor, real: Tensor) -> bool:
    """Return whether a tensor is what the running ``FakeTensorMode`` has put in the place of a real one.

    So it does when it exports a model, whose buffers keep their values meanwhile.
    """
    mode = _fake_mode()
    return mode is not None and not is_real(tensor) and mode.from_tensor(real) is tensor


def is_traced_input(tensor: Tensor) -> bool:
    """Return whether ``make_fx`` traces with this tensor as an input, or as what follows from one."""
    mode = torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.PROXY)
    if mode is None:
        return False
    from torch.fx.experimental.proxy_tensor import has_proxy_slot

    return bool(has_proxy_slot(tensor, mode.tracer))


def _fake_mode() -> Any:
    return torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.FAKE)
