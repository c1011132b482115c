"""Students by autograd through the loss network: the ways that the engine is compared with."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.func import grad, vmap

from evoloss.networks import ACTIVATIONS, LOG_P_FLOOR, ClasswiseForm, ClasswiseNetwork
from evoloss.tasks.student_plan import StudentPlan, StudentTasks, Weights

BatchLoss = Callable[[Tensor, Tensor], Tensor]
"""The sum of a loss over all students, of log-probabilities ``(popsize, N, C)`` and labels ``(N,)``."""


def train_vmapped(
    network: ClasswiseNetwork,
    params: Tensor,
    tasks: StudentTasks,
    plan: StudentPlan,
    momentum: float,
    *,
    compiled: bool = False,
) -> Weights:
    """The straightforward version by ``vmap`` over candidates and tasks of the gradient of one loss.

    Returns weights ``(popsize, tasks, ...)``, as :class:`Students` does.
    """
    form = tuple(torch.as_tensor(entry) for entry in network.form(params, tasks.n_classes))

    def loss(
        weights: Weights, candidate: Tensor, entries: tuple[Tensor, ...], x: Tensor, y: Tensor
    ) -> Tensor:
        hidden = x
        for weight, bias in weights[:-1]:
            hidden = torch.relu(torch.addmm(bias, hidden, weight))
        log_probs = torch.log_softmax(torch.addmm(weights[-1][1], hidden, weights[-1][0]), dim=1)
        own = ClasswiseForm(*(entry[None] for entry in entries))
        return network.losses(candidate[None], log_probs, y, own).mean()

    over_tasks = vmap(grad(loss), in_dims=(0, None, None, 0, 0))
    gradient = vmap(over_tasks, in_dims=(0, 0, 0, None, None))
    if compiled:
        gradient = torch.compile(gradient)

    def gradients(weights: Weights, x: Tensor, y: Tensor) -> list[Tensor]:
        return [tensor for layer in gradient(weights, params, form, x, y) for tensor in layer]

    return _descend(gradients, len(params), tasks, plan, momentum)


def train_batched(
    loss: BatchLoss, popsize: int, tasks: StudentTasks, plan: StudentPlan, momentum: float
) -> Weights:
    """The same with the products batched by hand; ``loss`` sums over all students."""
    n_students = popsize * tasks.n_tasks

    def gradients(weights: Weights, x: Tensor, y: Tensor) -> list[Tensor]:
        leaves = [[tensor.detach().requires_grad_() for tensor in layer] for layer in weights]
        hidden = x.expand(popsize, *x.shape).reshape(n_students, *x.shape[1:])
        for position, (weight, bias) in enumerate(leaves):
            flat = weight.view(n_students, *weight.shape[2:])
            product = torch.baddbmm(bias.view(n_students, 1, -1), hidden, flat)
            hidden = torch.relu(product) if position + 1 < len(leaves) else product
        log_probs = torch.log_softmax(hidden, dim=2).view(popsize, -1, tasks.n_classes)
        total = loss(log_probs, y.flatten()) / x.shape[1]
        return list(torch.autograd.grad(total, [leaf for layer in leaves for leaf in layer]))

    return _descend(gradients, popsize, tasks, plan, momentum)


def network_loss(network: ClasswiseNetwork, params: Tensor, n_classes: int) -> BatchLoss:
    """The sum of every candidate's loss on predictions of its own."""
    form, layers = network.form(params, n_classes), network.mlp.layers(params)
    activate = ACTIVATIONS[network.activation][0]
    classes = torch.arange(n_classes)
    log_c = math.log(n_classes) / 4

    def loss(log_probs: Tensor, target: Tensor) -> Tensor:
        flat = log_probs.reshape(len(log_probs), -1)
        flag = (classes == target[:, None]).to(flat.dtype).view(1, -1).expand_as(flat)
        inside = flat.clamp(min=LOG_P_FLOOR)
        hidden = torch.stack([inside / 4, inside.exp(), flag, torch.full_like(flat, log_c)], dim=2)
        for weight, bias in layers[:-1]:
            hidden = activate(torch.baddbmm(bias, hidden, weight))
        raw = torch.bmm(hidden, layers[-1][0]).squeeze(2)
        # Below the floor a label's loss goes on with the slope there. Offsets are left out: without gradient.
        return (form.scale * torch.addcmul(raw, flag * (flat - inside), torch.as_tensor(form.tail))).sum()

    return loss


def cross_entropy_loss(log_probs: Tensor, target: Tensor) -> Tensor:
    """The sum of cross-entropy."""
    return -log_probs.gather(2, target.expand(len(log_probs), -1)[:, :, None]).sum()


def _descend(
    gradients: Callable[[Weights, Tensor, Tensor], Sequence[Tensor]],
    popsize: int,
    tasks: StudentTasks,
    plan: StudentPlan,
    momentum: float,
) -> Weights:
    """SGD with momentum, and the test accuracy at the end (which costs what it costs the engine)."""
    weights = tuple(
        (weight.repeat(popsize, 1, 1, 1), bias.repeat(popsize, 1, 1)) for weight, bias in plan.initial
    )
    params = [tensor for layer in weights for tensor in layer]
    moments = [torch.zeros_like(param) for param in params]
    task = torch.arange(tasks.n_tasks)[:, None]
    for batch, rate in zip(plan.batches, plan.rates.tolist(), strict=True):
        slopes = gradients(weights, tasks.x[task, batch], tasks.y[task, batch])
        for param, moment, slope in zip(params, moments, slopes, strict=True):
            param.sub_(moment.mul_(momentum).add_(slope), alpha=rate)
    accuracy(weights, tasks)
    return weights


def accuracy(weights: Weights, tasks: StudentTasks) -> Tensor:
    """Test accuracy ``(popsize, tasks)`` of students with weights ``(popsize, tasks, ...)``."""
    hidden = tasks.x_test
    for position, (weight, bias) in enumerate(weights):
        product = torch.matmul(hidden, weight) + bias[:, :, None]
        hidden = torch.relu(product) if position + 1 < len(weights) else product
    return (hidden.argmax(dim=3) == tasks.y_test).to(hidden.dtype).mean(dim=2)
