"""The regimes: ways of being right or wrong, each a sampler of log-probabilities and labels.

A regime is a function ``(n, n_classes, generator, dtype) -> (log_probs (n, C), target (n,))``. Everything
is computed in log space, so that a probability of 1e-30 keeps its digits and ``1 - p_y`` can be read from
``log p_y`` where p_y is nearly 1. Which class is the label is uniform unless a regime says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Sample = tuple[Tensor, Tensor]
Regime = Callable[[int, int, torch.Generator, torch.dtype], Sample]

LOG_SMALLEST = math.log(1e-30)  # the smallest error a regime asks for


def near_uniform(n: int, n_classes: int, generator: torch.Generator, dtype: torch.dtype) -> Sample:
    """An untrained classifier: Gaussian logits of scale log-uniform in [1e-3, 0.3]."""
    scale = _log_uniform(n, 1e-3, 0.3, generator, dtype)
    logits = scale[:, None] * _normal((n, n_classes), generator, dtype)
    return _log_softmax(logits), _any_class(n, n_classes, generator)


def confident_right(n: int, n_classes: int, generator: torch.Generator, dtype: torch.dtype) -> Sample:
    """Nearly all mass on the label: ``1 - p_y`` log-uniform in [1e-4, 0.3]."""
    log_error = _log_uniform(n, 1e-4, 0.3, generator, dtype).log()
    return _label_and_rest(_log1mexp(log_error), log_error, n_classes, generator)


def confident_wrong(n: int, n_classes: int, generator: torch.Generator, dtype: torch.dtype) -> Sample:
    """Nearly all mass on one wrong class: p_y log-uniform in [1e-8, 0.1], as little for the rest.

    With two classes the rest is empty and the rival holds ``1 - p_y``.
    """
    log_p = _log_uniform(n, 1e-8, 0.1, generator, dtype).log()
    log_rest = _log_uniform(n, 1e-8, 0.1, generator, dtype).log()
    log_off_rival = torch.logaddexp(log_p, log_rest) if n_classes > 2 else log_p
    return _label_rival_rest(log_p, _log1mexp(log_off_rival), log_rest, n_classes, generator)


def two_class(n: int, n_classes: int, generator: torch.Generator, dtype: torch.dtype) -> Sample:
    """Label and one rival share all but 1e-8 to 0.1 of the mass; normal log-odds, deviation 3."""
    log_rest = _log_uniform(n, 1e-8, 0.1, generator, dtype).log()
    log_odds = _normal((n,), generator, dtype).mul(-3)
    log_shared = _log1mexp(log_rest) if n_classes > 2 else torch.zeros_like(log_rest)
    # Each from its own logsigmoid: as the remainder of the label, a small rival would lose its digits.
    log_p, log_rival = (log_shared + F.logsigmoid(odds) for odds in (log_odds, -log_odds))
    return _label_rival_rest(log_p, log_rival, log_rest, n_classes, generator)


def boundary(n: int, n_classes: int, generator: torch.Generator, dtype: torch.dtype) -> Sample:
    """On a decision boundary: the label's logit is the largest of the others, give or take 0.05.

    The others are Gaussian logits of scale log-uniform in [0.3, 10].
    """
    scale = _log_uniform(n, 0.3, 10.0, generator, dtype)
    logits = scale[:, None] * _normal((n, n_classes), generator, dtype)
    logits[:, 0] = logits[:, 1:].amax(dim=1) + 0.05 * _normal((n,), generator, dtype)
    return _move_label(_log_softmax(logits), generator)


def vertex(n: int, n_classes: int, generator: torch.Generator, dtype: torch.dtype) -> Sample:
    """Close to a vertex of the simplex, the label's or (in one half) another's.

    The mass off the vertex is log-uniform in [1e-30, 1e-4].
    """
    log_error = _log_uniform(n, 1e-30, 1e-4, generator, dtype).log()
    log_probs, at = _label_and_rest(_log1mexp(log_error), log_error, n_classes, generator)
    elsewhere = torch.rand(n, generator=generator, device=generator.device) < 0.5
    offset = torch.randint(1, n_classes, (n,), generator=generator, device=generator.device)
    return log_probs, torch.where(elsewhere, (at + offset) % n_classes, at)


def softmax_gaussian(n: int, n_classes: int, generator: torch.Generator, dtype: torch.dtype) -> Sample:
    """Gaussian logits of scale log-uniform in [0.1, 20].

    One half of the labels is drawn from the prediction itself (a calibrated classifier), one half uniformly.
    """
    scale = _log_uniform(n, 0.1, 20.0, generator, dtype)
    logits = scale[:, None] * _normal((n, n_classes), generator, dtype)
    log_probs = _log_softmax(logits)
    return log_probs, _label_from(log_probs, generator)


def dirichlet(n: int, n_classes: int, generator: torch.Generator, dtype: torch.dtype) -> Sample:
    """Dirichlet at a concentration of 0.1, 0.3, 1 or 10, the same for all classes.

    Labels are drawn as in ``softmax_gaussian``. Below a concentration of 1 a Gamma variable underflows long
    before its logarithm does, hence ``log G(a) = log G(a + 1) + log(U) / a`` with U uniform.
    """
    levels = torch.tensor([0.1, 0.3, 1.0, 10.0], dtype=dtype, device=generator.device)
    picks = torch.randint(len(levels), (n,), generator=generator, device=generator.device)
    concentration = levels[picks][:, None].expand(n, n_classes)
    log_gamma = torch._standard_gamma(concentration + 1, generator=generator).log()
    log_gamma = log_gamma + _uniform((n, n_classes), generator, dtype).log() / concentration
    log_probs = _log_softmax(log_gamma)
    return log_probs, _label_from(log_probs, generator)


REGIMES: dict[str, Regime] = {
    "near_uniform": near_uniform,
    "confident_right": confident_right,
    "confident_wrong": confident_wrong,
    "two_class": two_class,
    "boundary": boundary,
    "vertex": vertex,
    "softmax_gaussian": softmax_gaussian,
    "dirichlet": dirichlet,
}


def _uniform(shape: tuple[int, ...], generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    # In (0, 1]: torch.rand can return 0, whose logarithm is not finite.
    return 1 - torch.rand(shape, generator=generator, dtype=dtype, device=generator.device)


def _normal(shape: tuple[int, ...], generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=dtype, device=generator.device)


def _log_uniform(n: int, low: float, high: float, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    share = torch.rand(n, generator=generator, dtype=dtype, device=generator.device)
    return torch.exp(math.log(low) + share * (math.log(high) - math.log(low)))


def _any_class(n: int, n_classes: int, generator: torch.Generator) -> Tensor:
    return torch.randint(n_classes, (n,), generator=generator, device=generator.device)


def _log1mexp(log_x: Tensor) -> Tensor:
    """``log(1 - exp(log_x))`` for ``log_x < 0``, by whichever of the two forms keeps the digits."""
    return torch.where(log_x > -math.log(2), (-torch.expm1(log_x)).log(), torch.log1p(-log_x.exp()))


def _log_softmax(logits: Tensor) -> Tensor:
    """Log-softmax whose largest entry is computed from the others, so that it keeps its digits near 0."""
    log_probs = torch.log_softmax(logits, dim=1)
    top = log_probs.argmax(dim=1, keepdim=True)
    log_rest = log_probs.scatter(1, top, -torch.inf).logsumexp(dim=1, keepdim=True)
    largest = log_probs.gather(1, top)
    return log_probs.scatter(1, top, torch.where(log_rest < -1, _log1mexp(log_rest), largest))


def _spread(n: int, n_classes: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    """A random log-distribution over ``n_classes``: softmax of standard normal logits."""
    return torch.log_softmax(_normal((n, n_classes), generator, dtype), dim=1)


def _label_and_rest(log_p: Tensor, log_rest: Tensor, n_classes: int, generator: torch.Generator) -> Sample:
    """The label holds ``exp(log_p)``, the other classes share ``exp(log_rest)`` at random."""
    rest = log_rest[:, None] + _spread(len(log_p), n_classes - 1, generator, log_p.dtype)
    return _move_label(torch.cat([log_p[:, None], rest], dim=1), generator)


def _label_rival_rest(
    log_p: Tensor, log_rival: Tensor, log_rest: Tensor, n_classes: int, generator: torch.Generator
) -> Sample:
    """Label, one rival, and ``exp(log_rest)`` spread over the other classes, if there are any."""
    two = torch.stack([log_p, log_rival], dim=1)
    if n_classes == 2:
        return _move_label(two, generator)
    rest = log_rest[:, None] + _spread(len(log_p), n_classes - 2, generator, log_p.dtype)
    return _move_label(torch.cat([two, rest], dim=1), generator, rival=True)


def _move_label(log_probs: Tensor, generator: torch.Generator, *, rival: bool = False) -> Sample:
    """Swap column 0 (the label) with a uniformly drawn one, and column 1 (a rival) before it likewise."""
    n, n_classes = log_probs.shape
    if rival and n_classes > 2:
        other = torch.randint(1, n_classes, (n,), generator=generator, device=generator.device)
        log_probs = _swap(log_probs, 1, other)
    target = _any_class(n, n_classes, generator)
    return _swap(log_probs, 0, target), target


def _swap(values: Tensor, column: int, others: Tensor) -> Tensor:
    rows = torch.arange(len(values), device=values.device)
    swapped = values.clone()
    swapped[:, column] = values[rows, others]
    swapped[rows, others] = values[:, column]
    return swapped


def _label_from(log_probs: Tensor, generator: torch.Generator) -> Tensor:
    """Labels, one half drawn from the prediction (Gumbel-max, exact in log space), one half uniform."""
    n, n_classes = log_probs.shape
    waiting = -_uniform((n, n_classes), generator, log_probs.dtype).log()
    # A draw of exactly 1 (one in 2**24 in float32) stands for those half a step below it; a waiting time of 0
    # would win against any probability.
    waiting = waiting.clamp(min=torch.finfo(log_probs.dtype).eps / 4)
    calibrated = (log_probs - waiting.log()).argmax(dim=1)
    uniform = _any_class(n, n_classes, generator)
    return torch.where(torch.rand(n, generator=generator, device=generator.device) < 0.5, calibrated, uniform)
