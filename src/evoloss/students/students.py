r"""Students: small classifiers trained with every candidate loss on every task, all at once.

How well they generalise is what a loss is worth. Nothing is differentiated by autograd: a candidate enters
through the table of its derivative (:mod:`evoloss.students.slope_tables`), and the students' own gradients
are batched matrix products (:mod:`evoloss.students.network`). Candidates are worked on in chunks that fit
a budget of memory; within a chunk no large memory is allocated from step to step, and nothing is read back
from the device.

::

    reference = tabulate_functions([CrossEntropyLoss().slopes(10)], 10, like=params)
    tables = join_tables([reference, tabulate_network(network, params, 10)])
    scores = Students(StudentConfig(), tasks, plan).train(tables)
    scores.test_accuracy[-1]  # (1 + popsize, tasks), at the end of training
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from evoloss.errors import ConfigError
from evoloss.students.slope_tables import SlopeTables
from evoloss.students.training import StepFunction, StudentChunk, StudentData, functional_step
from evoloss.students.workspace import Workspace
from evoloss.tasks.student_config import StudentConfig
from evoloss.tasks.student_plan import StudentPlan, StudentTasks, Weights, check_plan

# Bytes; on CPUs about what stays in cache. More candidates at once are no faster there.
CPU_MEMORY, DEVICE_MEMORY = 16 << 20, 1 << 30


class StudentScores(NamedTuple):
    """Scores of students; accuracies are shares, and NaN where there is none.

    Attributes:
        steps: after how many steps, the first axis of the next four.
        test_accuracy: shape ``(len(steps), popsize, tasks)``; a tie between k classes counts 1 / k.
        test_nll: mean negative log-likelihood of the test labels, likewise.
        test_scaled_nll: the same with the best of the plan's temperatures, likewise.
        temperature: the best of the plan's temperatures, or 1, likewise.
        train_accuracy: on the training labels as they are, noise included, likewise; None if not measured.
        diverged: students that were not finite at an evaluation or at the end, ``(popsize, tasks)``.
        usable: candidates with a table; the others were not trained, ``(popsize,)``.
        weights: of all students at the end, ``(popsize, tasks, ...)``, if they were asked for.
    """

    steps: tuple[int, ...]
    test_accuracy: Tensor
    test_nll: Tensor
    test_scaled_nll: Tensor
    temperature: Tensor
    train_accuracy: Tensor | None
    diverged: Tensor
    usable: Tensor
    weights: Weights | None


class Students:
    """Trains students on one set of tasks, which all candidates share; built once, used for any population.

    Dtype (float32 or float64) and device are those of ``tasks.x``.

    Args:
        config: the students and their optimiser.
        tasks: what they learn.
        plan: start, batches and learning rates.
        workspace: memory that is used again; a new one if it is not given. It must not serve another object
            while this one is at work.
        memory: bytes for the students that are trained at once, about; bounds the candidates in a chunk (at
            least one). None for ``CPU_MEMORY`` or, on other devices, ``DEVICE_MEMORY``.
        compiled: make the steps by ``torch.compile``, which takes half a minute for every new shape of a
            chunk; of shapes a process may have ``torch._dynamo.config.recompile_limit``.

    Raises:
        ConfigError: if plan, tasks and config do not fit together, or dtype or memory is out of range.

    Example:
        >>> from evoloss.losses import LOSSES
        >>> from evoloss.tasks import Prior, draw_group
        >>> group = draw_group(Prior(samples=(60, 60)), 2, torch.Generator().manual_seed(0), long=False)
        >>> losses = [LOSSES[name]().slopes(group.tasks.n_classes) for name in ("cross_entropy", "gce")]
        >>> tables = tabulate_functions(losses, group.tasks.n_classes, like=group.tasks.x)
        >>> scores = Students(group.config, group.tasks, group.plan).train(tables)
        >>> scores.test_accuracy[-1].shape  # of each loss on each task
        torch.Size([2, 2])
    """

    def __init__(
        self,
        config: StudentConfig,
        tasks: StudentTasks,
        plan: StudentPlan,
        *,
        workspace: Workspace | None = None,
        memory: int | None = None,
        compiled: bool = False,
    ) -> None:
        check_plan(tasks, plan, config)
        if tasks.x.dtype not in (torch.float32, torch.float64):
            raise ConfigError(f"students are trained in float32 or float64, got inputs of {tasks.x.dtype}")
        self.config, self.tasks, self.plan = config, tasks, plan
        self._data = StudentData(tasks, plan, config)
        self._workspace = workspace or Workspace()
        if memory is not None and memory < 1:
            raise ConfigError(f"memory must be at least 1 byte, or None for the default, got {memory}")
        if memory is None:
            memory = CPU_MEMORY if tasks.x.device.type == "cpu" else DEVICE_MEMORY
        self._memory = memory
        self._compiled: StepFunction | None = None
        if compiled:
            self._compiled = torch.compile(functional_step, fullgraph=True, dynamic=False)

    @property
    def chunk(self) -> int:
        """Largest number of candidates that are trained at once."""
        return max(1, self._memory // self._data.bytes_per_candidate())

    @torch.no_grad()
    def train(self, tables: SlopeTables, *, keep_weights: bool = False) -> StudentScores:
        """Train the students of every candidate that exists.

        Args:
            tables: of the candidates, for the class count of the tasks.
            keep_weights: whether the result holds the students' weights.

        Raises:
            ConfigError: if the tables are for another class count.
        """
        if tables.n_classes != self.tasks.n_classes:
            raise ConfigError(
                f"the tables are for {tables.n_classes} classes, the tasks have {self.tasks.n_classes}"
            )
        like, steps = self._data.like, self._data.evaluate_at
        popsize, n_tasks = len(tables), self.tasks.n_tasks
        empty = like.new_full((5, len(steps), popsize, n_tasks), torch.nan)
        accuracy, nll, scaled_nll, temperature, train_accuracy = empty.unbind()
        diverged = torch.zeros(popsize, n_tasks, dtype=torch.bool, device=like.device)
        final_weights = [
            (weight.new_zeros(popsize, *weight.shape), bias.new_zeros(popsize, *bias.shape))
            for weight, bias in self.plan.initial
        ]
        tables = tables.to(like.dtype, like.device)
        usable = tables.exists.nonzero().squeeze(1)
        # Chunks of nearly one size, where the last one might have been tiny.
        for rows in torch.tensor_split(usable, -(-len(usable) // self.chunk)) if len(usable) else ():
            students = StudentChunk(self._data, tables[rows], self._workspace, self._compiled)
            for at, (metrics, on_training) in enumerate(students.train()):
                for metric, values in zip(empty, metrics, strict=False):
                    metric[at, rows] = values
                train_accuracy[at, rows] = on_training
            diverged[rows] = ~(students.finite() & nll[:, rows].isfinite().all(dim=0))
            if keep_weights:
                for layer, trained in zip(final_weights, students.weights(), strict=True):
                    for whole, values in zip(layer, trained, strict=True):
                        whole[rows] = values.to(whole.dtype)
        return StudentScores(
            steps,
            accuracy,
            nll,
            scaled_nll,
            temperature,
            train_accuracy if self.plan.measure_training else None,
            diverged,
            tables.exists,
            tuple(final_weights) if keep_weights else None,
        )
