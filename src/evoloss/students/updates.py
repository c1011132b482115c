"""The optimisers of students: clipping, weight decay, SGD and Adam on all of them at once, as in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from evoloss.students.network import Blocks
from evoloss.tasks.student_config import StudentConfig


def accumulates(config: StudentConfig) -> bool:
    """Return whether nothing happens to a gradient but that it is added to the momentum.

    The products that make gradients then add them at once, which saves writing and reading them.
    """
    unadorned = config.clip is None and not config.weight_decay and not config.nesterov
    return config.optimizer == "sgd" and config.momentum > 0 and unadorned


class Sgd:
    """Stochastic gradient descent with momentum, as ``torch.optim.SGD``.

    Args:
        config: clipping, weight decay, momentum.
        params: changed by :meth:`step`.
        grads: read and overwritten by :meth:`step`.
        moments: the momentum, all zero at the start; where it :func:`accumulates`, ``grads`` are the same.
    """

    MOMENTS = ("momentum",)

    def __init__(
        self, config: StudentConfig, params: Blocks, grads: Blocks, moments: Sequence[Blocks]
    ) -> None:
        self.config, self.params, self.grads = config, params, grads
        (self._moment,) = moments

    @staticmethod
    def rates(config: StudentConfig, rates: Tensor) -> Tensor:
        """Step sizes for :meth:`step` from learning rates ``(steps, ...)``: their negatives."""
        del config
        return -rates

    def step(self, rate: Tensor) -> None:
        """One step; ``rate`` is a row of :meth:`rates`, ``(1,)`` or ``(tasks,)``."""
        if accumulates(self.config):
            move(self.params, self.grads, rate)
            return
        regularise(self.config, self.params, self.grads)
        momentum, change = self.config.momentum, self.grads
        if momentum:
            for grad, moment in zip(self.grads.pieces, self._moment.pieces, strict=True):
                torch.add(grad, moment, alpha=momentum, out=moment)
                if self.config.nesterov:
                    grad.add_(moment, alpha=momentum)
            change = self.grads if self.config.nesterov else self._moment
        move(self.params, change, rate)


class Adam:
    """Adam (Kingma and Ba 2015, arXiv:1412.6980), as ``torch.optim.Adam``; arguments as :class:`Sgd`.

    The moments are the mean and the mean square.
    """

    MOMENTS = ("mean", "mean square")

    def __init__(
        self, config: StudentConfig, params: Blocks, grads: Blocks, moments: Sequence[Blocks]
    ) -> None:
        self.config, self.params, self.grads = config, params, grads
        self._mean, self._square = moments

    @staticmethod
    def rates(config: StudentConfig, rates: Tensor) -> Tensor:
        """Negative rates over the first bias correction, and behind them the root of the second."""
        step = torch.arange(1, len(rates) + 1, device=rates.device, dtype=torch.float64)[:, None]
        first, second = (1 - beta**step for beta in config.betas)
        return torch.cat([-rates.double() / first, second.sqrt()], dim=1).to(rates.dtype)

    def step(self, rate: Tensor) -> None:
        """One step; ``rate`` is a row of :meth:`rates`, ``(2,)`` or ``(tasks + 1,)``."""
        regularise(self.config, self.params, self.grads)
        first, second = self.config.betas
        moments = zip(self.grads.pieces, self._mean.pieces, self._square.pieces, strict=True)
        for grad, mean, square in moments:
            mean.lerp_(grad, 1 - first)
            square.mul_(second).addcmul_(grad, grad, value=1 - second)
            # From here on the gradient's memory holds the change.
            torch.sqrt(square, out=grad).div_(rate[-1]).add_(self.config.eps)
            torch.div(mean, grad, out=grad)
        move(self.params, self.grads, rate[:-1])


OPTIMIZERS: dict[str, type[Sgd] | type[Adam]] = {"adam": Adam, "sgd": Sgd}


def move(params: Blocks, change: Blocks, factor: Tensor) -> None:
    """Add the change times a factor, which is one number, ``(1,)``, or one a task, ``(tasks,)``."""
    if len(factor) == 1:
        for param, step in zip(params.pieces, change.pieces, strict=True):
            param.addcmul_(step, factor)
    else:
        for param, step in zip(params.by_task, change.by_task, strict=True):
            param.addcmul_(step, factor[:, None])


def regularise(config: StudentConfig, params: Blocks, grads: Blocks) -> None:
    """Clip every student's gradient and add the weight decay, in place."""
    if config.clip is not None:
        _clip(config.clip, grads)
    if config.weight_decay:
        for grad, param in zip(grads.pieces, params.pieces, strict=True):
            grad.add_(param, alpha=config.weight_decay)


def _clip(limit: float, grads: Blocks) -> None:
    norms = torch.stack([torch.linalg.vector_norm(block, dim=1) for block in grads.by_student])
    # The small number as in clip_grad_norm_, so that the two agree to the last digits.
    factor = (limit / norms.square_().sum(dim=0).sqrt_().add_(1e-6)).clamp_(max=1.0)[:, None]
    # Other devices are not waited for; here a look at the factors saves a pass over all gradients.
    if factor.is_cpu and not torch.compiler.is_compiling() and factor.amin() == 1:
        return
    for block in grads.by_student:
        block.mul_(factor)
