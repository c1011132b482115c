"""Many students side by side, forward and backward as batched matrix products, without autograd.

Everything is laid out ``(tasks, popsize, units, columns)``, a column being a sample: a processor's vectors
then run along the batch, however few the classes, and since the samples of a task are the same for all its
students, their first layers together are one matrix, ``(popsize * width, features) @ (features, columns)``.
Where an input is made of patches, a column of the first layer is one patch of a sample.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from evoloss.students.activations import STUDENT_ACTIVATIONS
from evoloss.tasks.student_config import StudentConfig

_NORM_EPS = 1e-5  # as nn.LayerNorm


class Memory(Protocol):
    """A source of memory; see :class:`evoloss.students.workspace.Workspace`."""

    def take(self, name: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """A buffer of the dtype and device of ``like``, with anything in it."""
        ...


class Shape(NamedTuple):
    """Sizes of a chunk of students.

    Attributes:
        tasks: number of tasks.
        popsize: number of candidates, each with one student a task.
        widths: features (of a patch), hidden widths, classes.
    """

    tasks: int
    popsize: int
    widths: tuple[int, ...]

    @property
    def students(self) -> int:
        """Number of students."""
        return self.tasks * self.popsize

    @property
    def n_params(self) -> int:
        """Parameters of one student."""
        return sum(fan_in * fan_out + fan_out for fan_in, fan_out in itertools.pairwise(self.widths))

    @property
    def blocks(self) -> list[tuple[int, ...]]:
        """Shapes of the blocks of all students; see :class:`Blocks`."""
        layers = itertools.pairwise(self.widths)
        return [(self.tasks, self.popsize, out, size) for into, out in layers for size in (into, 1)]


class Blocks:
    """The parameters of all students, or something of their size, block by block.

    The blocks are the weights of the first layer, ``(tasks, popsize, fan_out, fan_in)``, its biases,
    ``(tasks, popsize, fan_out, 1)``, and so on; each is a matrix product's result or operand as it is.

    Args:
        blocks: contiguous tensors of these shapes.
        flat: the memory they are parts of, without gaps, if it is one.

    Attributes:
        pieces: what an operation that treats all numbers alike is applied to: ``flat`` or the blocks.
        by_student: the blocks, a row a student, ``(tasks * popsize, ...)``.
        by_task: the blocks, a row a task, ``(tasks, ...)``.
    """

    def __init__(self, blocks: Sequence[Tensor], flat: Tensor | None = None) -> None:
        self.blocks = list(blocks)
        self.pieces = self.blocks if flat is None else [flat]
        self.weights, self.biases = self.blocks[::2], self.blocks[1::2]
        self.by_student = [block.flatten(0, 1).flatten(1) for block in blocks]
        self.by_task = [block.flatten(1) for block in blocks]

    @classmethod
    def joined(cls, name: str, shape: Shape, workspace: Memory, like: Tensor) -> Blocks:
        """Blocks in one piece of memory."""
        flat = workspace.take(name, (shape.students * shape.n_params,), like)
        sizes = [math.prod(block) for block in shape.blocks]
        pieces = zip(torch.split(flat, sizes), shape.blocks, strict=True)
        return cls([piece.view(block_shape) for piece, block_shape in pieces], flat)

    @classmethod
    def apart(cls, name: str, shape: Shape, workspace: Memory, like: Tensor) -> Blocks:
        """Blocks in memory of their own, which is what a compiler can make good use of."""
        return cls([workspace.take(f"{name} {at}", size, like) for at, size in enumerate(shape.blocks)])


class _Layer(NamedTuple):
    """A layer of all students for so many samples: views made once, because making them takes time as well.

    In the first layer the students of a task are rows of one matrix, so there are as many matrices as tasks;
    in the others there are as many as students.

    Attributes:
        matrix: weights, ``(matrices, rows, fan_in)``.
        matrix_grad: their gradients.
        bias: added to each row, ``(matrices, rows, 1)``.
        bias_grad: its gradient, ``(tasks, popsize, units, 1)``.
        product: what the matrices give, ``(matrices, rows, columns)``.
        units: the same memory as ``(tasks, popsize, units, columns)``.
        before: the same memory as ``(students, units, columns)``, normalised if that is asked for.
        after: what follows the activation, laid out likewise; the same memory again where that is enough.
        output: what the next layer reads: ``after``, or its sum over the patches.
        output_grad: its gradient; the memory of ``grad`` where ``output`` is ``after``.
        grad: the gradient of ``before``, laid out likewise.
        grad_product: the same memory, laid out as ``product``.
        grad_units: the same memory, laid out as ``units``.
        spread: what layer normalisation divides by, ``(students, 1, columns)``.
    """

    matrix: Tensor
    matrix_grad: Tensor
    bias: Tensor
    bias_grad: Tensor
    product: Tensor
    units: Tensor
    before: Tensor
    after: Tensor
    output: Tensor
    output_grad: Tensor
    grad: Tensor
    grad_product: Tensor
    grad_units: Tensor
    spread: Tensor


class StudentNetwork:
    """The networks of a chunk of students.

    Args:
        config: activation, normalisation and patches.
        shape: sizes.
        params: parameters.
        grads: their gradients after :meth:`backward`.
        memory: for everything in between.
        momentum: :meth:`backward` adds the gradients to ``grads`` times this number; 0 overwrites them.
    """

    def __init__(
        self,
        config: StudentConfig,
        shape: Shape,
        params: Blocks,
        grads: Blocks,
        memory: Memory,
        momentum: float = 0.0,
    ) -> None:
        self.shape, self.params, self.grads = shape, params, grads
        self._activation = STUDENT_ACTIVATIONS[config.activation]
        self._normalised, self._patches = config.norm == "layer", config.patches
        self._memory, self._momentum = memory, momentum
        self._layers: dict[int, list[_Layer]] = {}

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits ``(tasks, popsize, classes, n)`` of inputs ``(tasks, features, n)``; overwritten later."""
        *hidden_layers, last = self._layers_for(inputs.shape[2])
        # (tasks, features, columns) for the first layer, whose matrix holds all students of a task row by
        # row; (students, fan_in, columns) behind it.
        hidden = self._cut(inputs)
        for layer in hidden_layers:
            torch.baddbmm(layer.bias, layer.matrix, hidden, out=layer.product)
            if self._normalised:
                _normalise(layer)
            self._activation.forward(layer.before, layer.after)
            if layer.output is not layer.after:
                _pool(layer, self._patches)
            hidden = layer.output
        torch.baddbmm(last.bias, last.matrix, hidden, out=last.product)
        return last.units

    def grad_logits(self, columns: int) -> Tensor:
        """The gradient of the logits that :meth:`backward` reads, ``(tasks, popsize, classes, columns)``."""
        return self._layers_for(columns)[-1].grad_units

    def backward(self, inputs: Tensor) -> None:
        """Gradients of all parameters from :meth:`grad_logits`, after :meth:`forward` of the same inputs."""
        layers = self._layers_for(inputs.shape[2])
        # A layer's matrix is (students, fan_out, fan_in), its grad (students, fan_out, columns); so the
        # gradient of its weights is grad @ hidden.mT, and that of what it read is matrix.mT @ grad.
        for layer, below in zip(layers[:0:-1], layers[-2::-1], strict=True):
            self._collect(layer, layer.grad, below.output)
            torch.bmm(layer.matrix.mT, layer.grad, out=below.output_grad)
            if below.output is not below.after:
                _pool_backward(below, self._patches)
            self._activation.backward(below.grad, below.before, below.after)
            if self._normalised:
                _normalise_backward(below)
        self._collect(layers[0], layers[0].grad_product, self._cut(inputs))

    def _cut(self, inputs: Tensor) -> Tensor:
        """Each patch a column, ``(tasks, features of a patch, patches * n)``; a view of contiguous inputs."""
        return inputs if self._patches == 1 else inputs.reshape(len(inputs), self.shape.widths[0], -1)

    def _collect(self, layer: _Layer, grad: Tensor, hidden: Tensor) -> None:
        """The gradients of one layer's weights and biases.

        Args:
            layer: the layer.
            grad: of what its matrices gave, ``(matrices, rows, columns)``.
            hidden: what it read, ``(matrices, fan_in, columns)``.
        """
        total = layer.matrix_grad
        if self._momentum:
            torch.baddbmm(total, grad, hidden.mT, beta=self._momentum, out=total)
            layer.bias_grad.mul_(self._momentum).add_(layer.grad_units.sum(dim=3, keepdim=True))
        else:
            torch.bmm(grad, hidden.mT, out=total)
            torch.sum(layer.grad_units, dim=3, keepdim=True, out=layer.bias_grad)

    def _layers_for(self, columns: int) -> list[_Layer]:
        if columns not in self._layers:
            self._layers[columns] = [self._layer(at, columns) for at in range(len(self.params.weights))]
        return self._layers[columns]

    def _layer(self, position: int, columns: int) -> _Layer:
        tasks, popsize, widths = self.shape
        units = widths[position + 1]
        matrices = self.shape.students if position else tasks
        weight, weight_grad = self.params.weights[position], self.grads.weights[position]

        pooled = position == 0 and self._patches > 1
        samples, columns = columns, columns * self._patches if pooled else columns

        def take(name: str, units: int, columns: int = columns) -> Tensor:
            size = (self.shape.students, units, columns)
            return self._memory.take(f"{name} {position}", size, weight)

        before, grad = take("before", units), take("grad", units)
        apart = self._activation.before or self._normalised
        after = take("after", units) if apart else before
        return _Layer(
            matrix=weight.view(matrices, -1, widths[position]),
            matrix_grad=weight_grad.view(matrices, -1, widths[position]),
            bias=self.params.biases[position].view(matrices, -1, 1),
            bias_grad=self.grads.biases[position],
            product=before.view(matrices, -1, columns),
            units=before.view(tasks, popsize, units, columns),
            before=before,
            after=after,
            output=take("output", units, samples) if pooled else after,
            output_grad=take("output grad", units, samples) if pooled else grad,
            grad=grad,
            grad_product=grad.view(matrices, -1, columns),
            grad_units=grad.view(tasks, popsize, units, columns),
            spread=take("spread", 1) if self._normalised else before[:, :1],
        )


def _pool(layer: _Layer, patches: int) -> None:
    """The sum over the patches of a sample, divided by the root of their number."""
    torch.sum(layer.after.view(*layer.after.shape[:2], patches, -1), dim=2, out=layer.output)
    layer.output.mul_(patches**-0.5)


def _pool_backward(layer: _Layer, patches: int) -> None:
    """Every patch gets its share of the gradient; ``output_grad`` is used up."""
    layer.output_grad.mul_(patches**-0.5)
    layer.grad.view(*layer.grad.shape[:2], patches, -1).copy_(layer.output_grad[:, :, None])


def _normalise(layer: _Layer) -> None:
    """Mean 0 and variance 1 over the units of ``before``, in place; ``spread`` keeps the divisor."""
    before, spread = layer.before, layer.spread
    torch.mean(before, dim=1, keepdim=True, out=spread)
    before.sub_(spread)
    torch.mul(before, before, out=layer.grad)
    torch.mean(layer.grad, dim=1, keepdim=True, out=spread)
    spread.add_(_NORM_EPS).sqrt_()
    before.div_(spread)


def _normalise_backward(layer: _Layer) -> None:
    """From the gradient of the normalised units to that of the units, in place."""
    normal, grad = layer.before, layer.grad
    # What followed the activation is not needed any more: its memory takes the product.
    along = torch.mul(grad, normal, out=layer.after).mean(dim=1, keepdim=True)
    grad.sub_(grad.mean(dim=1, keepdim=True)).addcmul_(normal, along, value=-1).div_(layer.spread)
