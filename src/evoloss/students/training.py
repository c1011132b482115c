"""The training loop of a chunk of students."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from evoloss.networks import TrainingState
from evoloss.students.batch_labels import BatchLabels
from evoloss.students.evaluation import StudentMetrics, evaluate_students
from evoloss.students.logit_gradient import LogitGradient
from evoloss.students.network import Blocks, Memory, Shape, StudentNetwork
from evoloss.students.slope_tables import SlopeTables
from evoloss.students.updates import OPTIMIZERS, accumulates
from evoloss.students.workspace import Workspace, chunk_rows
from evoloss.tasks.student_config import StudentConfig
from evoloss.tasks.student_plan import StudentPlan, StudentTasks, Weights

StepFunction = Callable[..., None]  # a compiled :func:`functional_step`

_STEP_SEEDS = 1 << 24  # between the seeds of two trainings; a training has fewer steps
_EVALUATED = 32  # samples evaluated at once, at least: products of fewer columns are slow


class TrainingStep:
    """One step of every student: forward, gradient of the loss, backward, update.

    Args:
        config: networks and optimiser.
        shape: of the chunk.
        tables: the candidates' slopes, divided by the size of a batch.
        batch: its size.
        params: changed in place.
        grads: scratch, or the first of the moments if the optimiser :func:`accumulates`.
        moments: what the optimiser remembers, changed in place.
        memory: for everything in between.
        state: what losses with a state remember of these trainings, changed in place.
    """

    def __init__(
        self,
        config: StudentConfig,
        shape: Shape,
        tables: SlopeTables,
        batch: int,
        params: Blocks,
        grads: Blocks,
        moments: Sequence[Blocks],
        memory: Memory,
        state: TrainingState | None = None,
    ) -> None:
        momentum = config.momentum if accumulates(config) else 0.0
        self.network = StudentNetwork(config, shape, params, grads, memory, momentum)
        self.logit_gradient = LogitGradient(tables, self.network.grad_logits(batch), memory, state)
        self.update = OPTIMIZERS[config.optimizer](config, params, grads, moments)

    def __call__(self, inputs: Tensor, labels: BatchLabels, rate: Tensor) -> None:
        """Train on inputs ``(tasks, features, batch)``; labels() and rates() made the rest."""
        self.logit_gradient(self.network.forward(inputs), labels)
        self.network.backward(inputs)
        self.update.step(rate)


class _FreshMemory:
    """Memory that is new each time; a compiler sees that it outlives nothing."""

    def take(self, name: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        del name
        return torch.empty(shape, dtype=like.dtype, device=like.device)


def functional_step(
    config: StudentConfig,
    tables: SlopeTables,
    params: list[Tensor],
    moments: list[list[Tensor]],
    inputs: Tensor,
    labels: BatchLabels,
    rate: Tensor,
    state: TrainingState | None = None,
) -> None:
    """A :class:`TrainingStep` of blocks of parameters and moments, as one function for ``torch.compile``."""
    n_tasks, features, batch = inputs.shape
    widths = (features // config.patches, *(block.shape[2] for block in params[::2]))
    shape = Shape(n_tasks, params[0].shape[1], widths)
    memory, moment_blocks = _FreshMemory(), [Blocks(block) for block in moments]
    grads = moment_blocks[0] if accumulates(config) else Blocks.apart("grads", shape, memory, inputs)
    step = TrainingStep(config, shape, tables, batch, Blocks(params), grads, moment_blocks, memory, state)
    step(inputs, labels, rate)


class StudentData:
    """Tasks and plan in the dtype, on the device and in the layout of students.

    Args:
        tasks: what students learn; gives dtype and device.
        plan: how.
        config: the students.
    """

    def __init__(self, tasks: StudentTasks, plan: StudentPlan, config: StudentConfig) -> None:
        self.plan, self.config = plan, config
        self.like = tasks.x[:0]
        self.n_tasks, self.samples, self.features = tasks.x.shape
        self.widths = config.widths(self.features, tasks.n_classes)
        self.evaluate_at = plan.evaluate_at or (plan.steps,)
        self.batch = plan.batches.shape[2]
        self.columns = max(self.batch, _EVALUATED)
        rates = plan.rates.to(self.like)
        rates = rates[:, None] if rates.dim() == 1 else rates
        self.rates = OPTIMIZERS[config.optimizer].rates(config, rates)
        self.initial = [(weight.to(self.like), bias.to(self.like)) for weight, bias in plan.initial]
        self.rows = tasks.x.reshape(-1, self.features)
        self.labels = tasks.y.flatten()
        self.test = (tasks.x_test.to(self.like).mT.contiguous(), tasks.y_test)
        self.train = (tasks.x.mT.contiguous(), tasks.y)

    def bytes_per_candidate(self) -> int:
        """Memory that the students of one candidate take while they are trained."""
        shape, config = Shape(self.n_tasks, 1, self.widths), self.config
        blocks = 2 + len(OPTIMIZERS[config.optimizer].MOMENTS)
        first = config.hidden[0] * (3 * config.patches + 2) if config.patches > 1 else 3 * config.hidden[0]
        units = first + 3 * sum(config.hidden[1:]) + 7 * self.widths[-1]
        return self.like.element_size() * self.n_tasks * (blocks * shape.n_params + units * self.columns)

    def batches(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Inputs ``(steps, tasks, features, batch)`` and labels ``(steps, tasks, batch)`` of some steps."""
        first = torch.arange(self.n_tasks, device=self.labels.device)[:, None] * self.samples
        position = self.plan.batches[start:stop] + first
        inputs = self.rows[position.flatten()].view(*position.shape, -1)
        if self.plan.augmentation is not None:
            inputs += self._noise(start, stop, self.plan.augmentation)
        return inputs.mT.contiguous(), self.labels[position]

    def _noise(self, start: int, stop: int, size: Tensor) -> Tensor:
        """The noise of the inputs of some steps, ``(steps, tasks, batch, features)``.

        A function of the step: the same for all candidates, whatever chunks they and the steps come in.
        """
        generator = torch.Generator()
        noise = torch.empty(stop - start, self.n_tasks, self.batch, self.features, dtype=torch.float32)
        for step, row in zip(range(start, stop), noise.unbind(), strict=True):
            row.normal_(generator=generator.manual_seed(_STEP_SEEDS * self.plan.augmentation_seed + step))
        return noise.mul_(size.float().cpu()[:, None, None]).to(self.like)


class StudentChunk:
    """The students of some candidates.

    Args:
        data: tasks and plan.
        tables: one candidate each, in the dtype and on the device of the students.
        workspace: where the memory comes from; it holds one chunk at a time.
        compiled: a compiled :func:`functional_step`, if the steps are to be made by one.
    """

    def __init__(
        self,
        data: StudentData,
        tables: SlopeTables,
        workspace: Workspace,
        compiled: StepFunction | None = None,
    ) -> None:
        self.data, self.compiled = data, compiled
        self.shape = Shape(data.n_tasks, len(tables), data.widths)
        config, like = data.config, data.like
        make = Blocks.joined if compiled is None else Blocks.apart
        self.params, *self.moments = (
            make(name, self.shape, workspace, like)
            for name in ("params", *OPTIMIZERS[config.optimizer].MOMENTS)
        )
        grads = self.moments[0] if accumulates(config) else make("grads", self.shape, workspace, like)
        for weight, bias, start in zip(self.params.weights, self.params.biases, data.initial, strict=True):
            weight.copy_(start[0].mT.unsqueeze(1))
            bias.copy_(start[1][:, None, :, None])
        for moment in self.moments:
            for piece in moment.pieces:
                piece.zero_()
        self.tables = tables.times(1 / data.batch)
        states = tables.states
        # What does not fill a batch is left out of an epoch.
        epoch = data.plan.samples_per_epoch or data.samples
        self.state = None if states is None else states.begin(data.n_tasks, epoch)
        self.step = TrainingStep(
            config,
            self.shape,
            self.tables,
            data.batch,
            self.params,
            grads,
            self.moments,
            workspace,
            self.state,
        )

    def train(self) -> Iterator[tuple[StudentMetrics, Tensor]]:
        """Train; yield the judgement on the test samples and training accuracy at each evaluation."""
        done = 0
        for stop in self.data.evaluate_at:
            self._steps(done, stop)
            done = stop
            metrics = self._evaluate(*self.data.test, self.data.plan.temperatures)
            train_accuracy = torch.full_like(metrics.accuracy, torch.nan)
            if self.data.plan.measure_training:
                train_accuracy = self._evaluate(*self.data.train).accuracy
            yield metrics, train_accuracy
        self._steps(done, self.data.plan.steps)

    def finite(self) -> Tensor:
        """Mask of the students with finite weights, ``(popsize, tasks)``."""
        finite = torch.stack([block.isfinite().all(dim=1) for block in self.params.by_student])
        return finite.all(dim=0).view(self.shape.tasks, self.shape.popsize).T

    def weights(self) -> Weights:
        """Weights ``(popsize, tasks, fan_in, fan_out)`` and biases ``(popsize, tasks, fan_out)``."""
        return tuple(
            (weight.transpose(0, 1).mT, bias.transpose(0, 1).squeeze(3))
            for weight, bias in zip(self.params.weights, self.params.biases, strict=True)
        )

    def _steps(self, start: int, stop: int) -> None:
        data = self.data
        # Batches are gathered for as many steps at once as stay in cache.
        block = chunk_rows(data.n_tasks * data.batch * (data.features + data.widths[-1]))
        for first in range(start, stop, block):
            last = min(stop, first + block)
            inputs, target = data.batches(first, last)
            labels, rates = self.step.logit_gradient.labels(target), data.rates[first:last]
            for batch in zip(inputs.unbind(), labels.unbind(), rates.unbind(), strict=True):
                if self.compiled is None:
                    self.step(*batch)
                else:
                    moments = [moment.blocks for moment in self.moments]
                    params = self.params.blocks
                    self.compiled(data.config, self.tables, params, moments, *batch, self.state)

    def _evaluate(self, inputs: Tensor, target: Tensor, temperatures: Sequence[float] = ()) -> StudentMetrics:
        return evaluate_students(self.step.network, inputs, target, self.data.columns, temperatures)
