"""Losses that are small networks, as formulas."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from evoloss.formulas.classes import sum_of_classes
from evoloss.formulas.operations import BatchOperations

Layer = Sequence[Any]
"""Weights, ``(inputs, outputs)``, and biases, ``(outputs,)``."""


def activated(value: Any, activation: str, on: BatchOperations) -> Any:
    """An activation by its name: softplus, silu or tanh."""
    if activation == "softplus":
        return on.softplus(value)
    return value * on.sigmoid(value) if activation == "silu" else on.tanh(value)


def through_layers(hidden: Any, layers: Sequence[Layer], activation: str, on: BatchOperations) -> Any:
    """The one output of a network at inputs ``(..., n)``; the last layer has weights alone."""
    for weights, bias in layers[:-1]:
        product = hidden @ on.array(weights, hidden) + on.array(bias, hidden)
        hidden = activated(product, activation, on)
    return (hidden @ on.array(layers[-1][0], hidden))[..., 0]


def class_function(
    log_p: Any,
    is_label: bool,
    n_classes: int,
    layers: Sequence[Layer],
    activation: str,
    with_logarithm: bool,
    monotone: bool,
    balanced: bool,
    on: BatchOperations,
) -> Any:
    r"""The network :math:`\phi` of a class, at log-probabilities of any shape.

    Args:
        log_p: from the floor to 0.
        is_label: whether the class is the label.
        n_classes: the class count.
        layers: of the network.
        activation: of its hidden layers.
        with_logarithm: whether log p is an input beside p.
        monotone: whether these two change sign for the label.
        balanced: whether the output for other classes is multiplied by ``1 / C + p``.
        on: operations.
    """
    sign = -1.0 if monotone and is_label else 1.0
    p, one = on.exp(log_p), on.ones(log_p)
    seen = [sign * log_p / 4, sign * p] if with_logarithm else [sign * p]
    inputs = on.stack_last([*seen, one * float(is_label), one * (math.log(n_classes) / 4)])
    value = through_layers(inputs, layers, activation, on)
    return value * (p + 1 / n_classes) if balanced and not is_label else value


def layered_costs(
    log_probs: Any,
    layers: Sequence[Layer],
    activation: str,
    with_logarithm: bool,
    monotone: bool,
    balanced: bool,
    floor: float,
    at_certain: float,
    at_floor: float,
    tail: float,
    least: float,
    on: BatchOperations,
) -> Any:
    """Costs of every class as the label, ``(N, C)``, by one network for all classes.

    Args:
        log_probs: of predictions, ``(N, C)``.
        layers: weights and biases in canonical scale.
        activation: see :func:`class_function`; so are the next three.
        with_logarithm: whether log p is an input.
        monotone: whether inputs change sign for the label.
        balanced: whether other classes weigh ``1 / C + p``.
        floor: the log-probability below which the cost is a line.
        at_certain: see :func:`~evoloss.formulas.classes.sum_of_classes`; so are the others.
        at_floor: subtracted from other classes.
        tail: slope below the floor.
        least: the least cost.
        on: operations.
    """
    n_classes, inside = log_probs.shape[1], on.where(log_probs < floor, floor, log_probs)
    below = on.where(log_probs < floor, floor - log_probs, 0.0)
    label, other = (
        class_function(
            inside, is_label, n_classes, layers, activation, with_logarithm, monotone, balanced, on
        )
        for is_label in (True, False)
    )
    return sum_of_classes(label, other, below, at_certain, at_floor, tail, least, on)


def concat_costs(
    log_probs: Any,
    layers: Sequence[Layer],
    activation: str,
    with_logarithm: bool,
    floor: float,
    at_certain: Sequence[float],
    least: float,
    on: BatchOperations,
) -> Any:
    """Costs of every class as the label, ``(N, C)``, by a network of the prediction and a one-hot label.

    Args:
        log_probs: of predictions, ``(N, C)``.
        layers: weights and biases in canonical scale; the first has 2 C inputs.
        activation: of the hidden layers.
        with_logarithm: whether predictions are seen as log p / 4, and not as p.
        floor: the least log-probability that is seen.
        at_certain: the output at a certain prediction of each class; subtracted.
        least: the least cost; subtracted.
        on: operations.
    """
    n_classes = log_probs.shape[1]
    seen = on.where(log_probs < floor, floor, log_probs) / 4 if with_logarithm else on.exp(log_probs)
    weights, bias = (on.array(values, log_probs) for values in layers[0])
    # A one-hot label chooses one row of the weights.
    first = (seen @ weights[:n_classes])[:, None, :] + weights[n_classes:] + bias
    hidden = activated(first, activation, on)
    value = through_layers(hidden, layers[1:], activation, on)
    return value - on.array(at_certain, log_probs) - least
