"""Numbers of networks that are made of layers, for their formulas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from evoloss.formulas import Formula, NumberedFormula
from evoloss.formulas.layers import concat_costs, layered_costs
from evoloss.networks.mlp import PopulationMLP
from evoloss.networks.terms import LOG_P_FLOOR

if TYPE_CHECKING:
    from evoloss.networks.kinds.classwise import ClasswiseNetwork
    from evoloss.networks.kinds.concat import ConcatNetwork


def canonical_numbers(
    network: ClasswiseNetwork, params: Tensor, n_classes: int
) -> tuple[Tensor, dict[str, float]]:
    """Constrained parameters ``(1, n_params)``, the last layer in canonical scale, and the other numbers."""
    form = network.constants(params, n_classes)
    scaled = network.constrain(params[None]).clone()
    scale = float(form.scale)
    scaled[:, -network.mlp.shapes[-1][0] :] *= scale
    numbers = {
        name: scale * float(value)
        for name, value in form._asdict().items()
        if name in ("at_certain", "at_floor", "tail")
    }
    return scaled, {**numbers, "least": float(network.least_cost(params, n_classes))}


def layered_formula(
    network: ClasswiseNetwork,
    params: Tensor,
    n_classes: int,
    *,
    monotone: bool = False,
    balanced: bool = False,
) -> NumberedFormula:
    """The formula of a classwise network; see :func:`evoloss.formulas.layers.layered_costs`."""
    scaled, numbers = canonical_numbers(network, params, n_classes)
    kind = {"activation": network.activation, "with_logarithm": network.features == "log_probs"}
    flags = {"monotone": monotone, "balanced": balanced}
    own = {"layers": _layers(network.mlp, scaled), **kind, **flags, "floor": LOG_P_FLOOR}
    return NumberedFormula(Formula(layered_costs, "classes"), {**own, **numbers})


def concat_formula(network: ConcatNetwork, params: Tensor, n_classes: int) -> NumberedFormula:
    """The formula of a concat network; see :func:`evoloss.formulas.layers.concat_costs`."""
    form = network.form(params[None], n_classes)
    scaled = params[None].clone()
    scaled[:, -network.mlp.shapes[-1][0] :] *= form.scale
    numbers = {
        "layers": _layers(network.mlp, scaled),
        "activation": network.activation,
        "with_logarithm": network.features == "log_probs",
        "floor": LOG_P_FLOOR,
        "at_certain": (form.scale * form.at_certain)[0].tolist(),
        "least": float(network.least_cost(params, n_classes)),
    }
    return NumberedFormula(Formula(concat_costs, "classes"), numbers)


def _layers(mlp: PopulationMLP, params: Tensor) -> list[Any]:
    """Weights and biases of each layer as lists; the last has weights alone."""
    return [
        [weights[0].tolist(), *([bias[0, 0].tolist()] if bias.shape[2] else [])]
        for weights, bias in mlp.layers(params.to(torch.float64))
    ]
