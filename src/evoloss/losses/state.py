"""The running statistics of a loss that is part of a training, as buffers of a module."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, Self, TypeVar

import torch
from torch import Tensor, nn

from evoloss.losses.call.modes import (
    as_constant,
    inside_transform,
    is_eager,
    is_exporting,
    moved,
    on_real_tensors,
    within_backward,
)
from evoloss.losses.kernels.state_arrays import SharedArrays
from evoloss.losses.processes import Processes
from evoloss.networks import BatchSums, RunningState, StateArrays

__all__ = ["NAME", "LossState", "held_states", "other_class_count", "states_of", "strip_loss_state"]

NAME = "loss_state"
"""The name of this module inside a loss, and so a part of its keys in a state dict."""

SIZE = "n_samples"
"""The name of the statistic that is the size of the training set, 0 where it is not known."""
UNKNOWN_SIZE = (
    "this loss follows its training by the epoch, and does not know how many samples one has: give "
    "n_samples=len(train_set) when it is made, or call criterion.plan_training(n_samples=len(train_set)) "
    "before the training. Without that it senses nothing, and is cross-entropy"
)

V = TypeVar("V")


class LossState(nn.Module):
    """The running statistics of one training, which a loss reads and writes.

    They are in the state dict, so that a run that resumes goes on as if it had not stopped. A checkpoint
    without them loads too, strictly, and leaves them as they are: it may come from a model with another
    loss. :func:`strip_loss_state` takes them out of a checkpoint for such a model. A checkpoint from before a
    statistic existed has the others; that one begins. Copies are independent.

    A model that is cast to half precision rounds none of them, and one that is moved to the meta device or
    given empty memory loses none.

    Args:
        initial: the statistics of a training that has not begun.

    Attributes:
        synchronised: whether a batch is what all processes see together, False at first. Then each of them
            has to make every training call, as with ``nn.SyncBatchNorm``.
        processes: those that see it, of the default group at first; see :meth:`sync_batch`.
    """

    processes = Processes()  # also of what was saved by a version that had none

    def __init__(self, initial: RunningState) -> None:
        super().__init__()
        self._initial = dict(initial)
        self._of_classes = [name for name, value in initial.items() if not value.numel()]
        self._shared = SharedArrays()
        self._has_warned = False
        self.synchronised = False
        for name, value in initial.items():
            self.register_buffer(name, value.clone())
            # What gives models empty weights patches the line above.
            self._buffers[name] = value.clone()

    def values(self) -> dict[str, Tensor]:
        """The statistics by name."""
        return {name: self.get_buffer(name) for name in self._initial}

    def arrays(self, initial: Callable[[int], RunningState], n_classes: int) -> StateArrays | None:
        """The statistics as arrays of NumPy, to be read; :meth:`write` takes them.

        None where they are not on the CPU or of another class count, and where processes share batches.

        Args:
            initial: gives the statistics of a training that has not begun, for a class count.
            n_classes: of the call.
        """
        if self.synchronised:
            return None
        arrays = self._shared.of(self._buffers)
        if arrays is None:
            return None
        for name in self._of_classes:
            length = len(arrays[name])
            if length and length != n_classes:
                return None
            if not length:
                with on_real_tensors():
                    arrays = {**arrays, name: initial(n_classes)[name].numpy()}
        return arrays

    def write(self, arrays: StateArrays, values: Mapping[str, Any]) -> None:
        """Put others in the place of the statistics that :meth:`arrays` gave."""
        for name, array in arrays.items():
            array[...] = values[name]
        for name in self._of_classes:
            buffer = self._buffers[name]
            if buffer is not None and not buffer.numel():  # so far
                self._put(name, torch.from_numpy(arrays[name]))

    def begun(self, initial: Callable[[int], RunningState], log_probs: Tensor) -> dict[str, Tensor]:
        """Copies of the statistics as they are now, where predictions ``(N, C)`` are, for C classes.

        Copies, for the next batch writes to the statistics, and autograd may need these until then.

        Args:
            initial: gives those of a training that has not begun, for a class count.
            log_probs: the predictions.

        Raises:
            ValueError: if the training is one with another class count.
        """
        n_classes, values = log_probs.shape[1], self.values()
        for name in self._of_classes:
            if values[name].numel() and len(values[name]) != n_classes:
                raise other_class_count(len(values[name]), n_classes)
        unknown = [name for name in self._of_classes if not values[name].numel()]
        if unknown:
            with nullcontext() if torch.compiler.is_compiling() else on_real_tensors():
                values |= {name: initial(n_classes)[name] for name in unknown}
        return {name: as_constant(value).to(log_probs.device, copy=True) for name, value in values.items()}

    def of_call(
        self,
        logits: Tensor,
        initial: Callable[[int], RunningState],
        after: Callable[[RunningState], RunningState],
    ) -> dict[str, Tensor]:
        """The statistics by which a call costs: those after its batch, if it is one of the training.

        Args:
            logits: of the call, ``(N, C)``, with C at least 2.
            initial: gives the statistics of a training that has not begun, for a class count.
            after: gives the statistics after the batch from those before it; without gradient.

        Raises:
            ValueError: if the training is one with another class count.
        """
        if self.takes_in(logits):
            self.warn_of_unknown_size()
            with torch.no_grad():
                self.follow(logits.device)
                self.update(after(self.begun(initial, logits)))
        return self.begun(initial, logits)

    def follow(self, device: torch.device) -> None:
        """Move the statistics to the device of the logits."""
        for name, value in self.values().items():
            if value.device != device:
                setattr(self, name, value.to(device))

    def sync_batch(self, process_group: Any = None) -> None:
        """Take for a batch what all processes of a group see together; see :attr:`synchronised`.

        Args:
            process_group: of ``torch.distributed``; None for the default one.
        """
        self.synchronised, self.processes = True, Processes(process_group)

    def over_processes(self, sums: BatchSums) -> BatchSums:
        """The sums of the batches of all processes, where this loss is ``synchronised``."""
        return self.processes.summed(sums) if self.synchronised else sums

    def gathered(self, rows: Tensor) -> Tensor:
        """The rows of all processes, one process after another, where this loss is ``synchronised``.

        Args:
            rows: of the batch, equally many in every process.
        """
        return self.processes.gathered(rows) if self.synchronised else rows

    def update(self, values: RunningState) -> None:
        """Put others in the place of the statistics; without gradient."""
        for name, value in values.items():
            self._put(name, value)

    def know(self, name: str, value: float) -> None:
        """Put a number that is known of a training in its place, of which :meth:`reset` does not rob it.

        Args:
            name: of a statistic; if there is none of this name nothing happens.
            value: a number.
        """
        if name in self._initial:
            with torch.no_grad(), on_real_tensors():
                self._initial[name] = torch.full_like(self._initial[name], value)
                self._put(name, self._initial[name])

    def warn_of_unknown_size(self) -> None:
        """Warn at the first training call if the size of the training set is wanted and not known."""
        if self._has_warned or torch.compiler.is_compiling():
            return
        self._has_warned = True
        if SIZE in self._initial and not self.get_buffer(SIZE).item() > 0:
            warnings.warn(UNKNOWN_SIZE, stacklevel=2)

    def reset(self) -> None:
        """Forget the training."""
        with torch.no_grad():
            for name, value in self._initial.items():
                self._put(name, value)

    def _put(self, name: str, value: Tensor) -> None:
        """Write to a buffer, which is the same tensor afterwards: DDP and CUDA graphs hold on to it."""
        buffer, compiling = self.get_buffer(name), torch.compiler.is_compiling()
        if not compiling and buffer.is_inference() and not torch.is_inference_mode_enabled():
            self._buffers[name] = value.detach().to(buffer, copy=True)  # such a tensor cannot be written to
        elif buffer.shape == value.shape:
            buffer.copy_(value)
        elif compiling:
            setattr(self, name, value.to(buffer, copy=True))  # in its first batch; compilers resize nothing
        else:
            # Other memory in the same tensor: that which NumPy has seen cannot be resized.
            fresh = value.detach().to(buffer, copy=True)
            buffer.set_(fresh.untyped_storage(), 0, fresh.shape, fresh.stride())

    def takes_in(self, logits: Tensor) -> bool:
        """Return whether a call with these logits is one of the training.

        Not in evaluation mode, not under ``no_grad``, not where no gradient is asked for (a validation loss),
        not within a transform of ``torch.func``, which has no side effects, not where a call is exported,
        traced or has no values, and not within a backward pass, where gradient checkpointing runs a forward
        pass again.
        """
        return self.trains(logits) and (torch.compiler.is_compiling() or not within_backward())

    def trains(self, logits: Tensor) -> bool:
        """:meth:`takes_in`, and likewise where gradient checkpointing runs such a call again."""
        if not (self.training and torch.is_grad_enabled() and logits.requires_grad):
            return False
        if torch.compiler.is_compiling():
            return not (is_exporting() or inside_transform())
        has_values = not logits.is_meta and getattr(logits, "fake_mode", None) is None
        return has_values and is_eager()

    def __getstate__(self) -> dict[str, Any]:
        # Copies and pickles have memory of their own.
        return {name: value for name, value in self.__dict__.items() if name != "_shared"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._shared = SharedArrays()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        has_some = any(f"{prefix}{name}" in state_dict for name in self._initial)
        for name, initial in self._initial.items():
            # As large as they were saved: before its first batch a loss does not know the class count.
            absent = initial if has_some else self.get_buffer(name)
            saved = state_dict.setdefault(f"{prefix}{name}", absent)
            buffer = self.get_buffer(name)
            if name == SIZE and isinstance(saved, Tensor):  # what is known here stays so if it was not there
                state_dict[f"{prefix}{name}"] = torch.where(saved > 0, saved, initial.to(saved))
            if isinstance(saved, Tensor) and saved.dim() == buffer.dim() and saved.shape != buffer.shape:
                with on_real_tensors():
                    setattr(self, name, torch.empty(saved.shape, dtype=buffer.dtype, device=buffer.device))
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        for name, value in self._buffers.items():
            if value is not None:
                self._buffers[name] = moved(fn, value, keep_dtype=True)
        return self


def states_of(loss: object) -> list[LossState]:
    """The running statistics inside a loss; none of a loss that keeps none, or that is no module."""
    modules = loss.modules() if isinstance(loss, nn.Module) else ()
    return [module for module in modules if isinstance(module, LossState)]


def other_class_count(known: int, found: int) -> ValueError:
    """The error of a call with another class count than that of the training."""
    return ValueError(
        f"this loss is part of a training with {known} classes and cannot score {found}: one loss serves one "
        f"training; reset() it for another"
    )


@contextmanager
def held_states(loss: object) -> Iterator[None]:
    """A region in which a loss takes nothing in, for a look at it; its mode is what it was afterwards."""
    training = [state for state in states_of(loss) if state.training]
    for state in training:
        state.training = False
    try:
        yield
    finally:
        for state in training:
            state.training = True


def strip_loss_state(state_dict: Mapping[str, V]) -> dict[str, V]:
    """A state dict without the running statistics of losses, for a model with a loss that keeps none.

    Args:
        state_dict: of a model; it is not changed.

    Example:
        >>> state_dict = {"linear.weight": 1, "criterion.loss_state.accuracy": 2}
        >>> strip_loss_state(state_dict)
        {'linear.weight': 1}
    """
    return {key: value for key, value in state_dict.items() if NAME not in key.split(".")[:-1]}
