"""The calls that the conformance tests make: layouts, kinds of targets, options; and a cover of them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from tests.losses.conformance.subjects import C

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
REDUCTIONS = ("none", "sum", "mean")


def _draw(*shape: int) -> Tensor:
    """Logits in float64, the same at each call; sixteenths, so that every dtype holds them."""
    generator = torch.Generator().manual_seed(sum(shape) + len(shape))
    return torch.randn(shape, generator=generator, dtype=torch.float64).mul(32).round().div(16)


# From a leaf to logits: the leaf has a plain shape, the logits may have strides of any kind.
_View = tuple[tuple[int, ...], Callable[[Tensor], Tensor]]
LAYOUTS: dict[str, _View] = {
    "(C)": ((C,), lambda z: z),
    "(N, C)": ((7, C), lambda z: z),
    "N = 1": ((1, C), lambda z: z),
    "N = 0": ((0, C), lambda z: z),
    "C = 1": ((4, 1), lambda z: z),
    "C = 2": ((5, 2), lambda z: z),
    "(N, C, d1)": ((2, C, 3), lambda z: z),
    "(N, C, d1, d2)": ((2, C, 3, 2), lambda z: z),
    "(N, C, d1, d2, d3)": ((2, C, 2, 1, 2), lambda z: z),
    "channels last": ((2, C, 3, 2), lambda z: z.to(memory_format=torch.channels_last)),
    "permuted": ((2, 3, 2, C), lambda z: z.permute(0, 3, 1, 2)),
    "no place": ((2, C, 0, 3), lambda z: z),
    "transposed": ((C, 6), lambda z: z.t()),
    "every other": ((12, 2 * C), lambda z: z[::2, ::2]),
    "expanded rows": ((1, C), lambda z: z.expand(6, C)),
    "expanded classes": ((6, 1), lambda z: z.expand(6, C)),
    "expanded places": ((2, C, 1, 1), lambda z: z.expand(2, C, 3, 2)),
}
FIXED_COUNT = [name for name in LAYOUTS if name not in ("C = 1", "C = 2")]

TARGETS = ("index", "partly ignored", "all ignored", "byte", "probabilities", "wide probabilities")


@dataclass(frozen=True)
class Call:
    """One call of a loss and the options it has."""

    dtype: torch.dtype
    layout: str
    target: str
    smoothing: float
    weighted: bool
    ignore_index: int
    reduction: str

    def logits(self, dtype: torch.dtype | None = None) -> Tensor:
        """Logits with the strides of the layout, made of a leaf; the same numbers in any dtype."""
        shape, view = LAYOUTS[self.layout]
        return view(_draw(*shape).to(dtype or self.dtype).requires_grad_())

    @property
    def n_classes(self) -> int:
        """The class count of the logits."""
        shape = self._shape()
        return shape[0] if len(shape) == 1 else shape[1]

    @property
    def n_positions(self) -> int:
        """How many labels the call has."""
        return self._shape().numel() // self.n_classes

    def _shape(self) -> torch.Size:
        shape, view = LAYOUTS[self.layout]
        return view(torch.empty(shape, device="meta")).shape

    def options(self) -> dict[str, Any]:
        """The attributes of the loss."""
        weight = torch.linspace(0.5, 1.5, self.n_classes).to(self.dtype) if self.weighted else None
        return {
            "weight": weight,
            "label_smoothing": self.smoothing,
            "ignore_index": self.ignore_index,
            "reduction": self.reduction,
        }

    def labels(self, logits: Tensor) -> Tensor:
        """The target; for probabilities of the dtype of the logits or float32."""
        generator = torch.Generator().manual_seed(7)
        axis = 0 if logits.dim() == 1 else 1
        if "probabilities" in self.target:
            scores = torch.randn(logits.shape, generator=generator, dtype=torch.float64)
            return scores.softmax(axis).to(torch.float32 if self.target.startswith("wide") else self.dtype)
        shape = logits.shape[:axis] + logits.shape[axis + 1 :]
        labels = torch.randint(logits.shape[axis], shape, generator=generator)
        if self.target == "partly ignored":
            drop = torch.rand(shape, generator=generator) < 0.4
            labels = torch.where(drop, self.ignore_index, labels)
        elif self.target == "all ignored":
            labels = torch.full_like(labels, self.ignore_index)
        return labels.to(torch.uint8) if self.target == "byte" else labels

    def is_valid(self) -> bool:
        """Whether ``F.cross_entropy`` takes such a call."""
        shape, _ = LAYOUTS[self.layout]
        if "probabilities" in self.target and self.ignore_index >= 0:
            return False
        # More than two dimensions take int64 alone; a byte holds no negative index.
        byte = self.target == "byte"
        return not (byte and len(shape) > 2) and not (self.layout == "C = 1" and self.ignore_index >= 1)


def every_call(any_count: bool) -> Iterator[Call]:
    """The whole grid: 7,296 calls at any class count, 6,240 at the one of a concat loss."""
    layouts = LAYOUTS if any_count else FIXED_COUNT
    for values in itertools.product(
        DTYPES, layouts, TARGETS, (0.0, 0.2), (False, True), (-100, 1), REDUCTIONS
    ):
        call = Call(*values)
        if call.is_valid():
            yield call


@cache
def covering_calls(any_count: bool) -> tuple[Call, ...]:
    """Calls of the grid in which any two values that can meet do meet; always the same.

    The next call is the best of some drawn ones, as long as one of them brings anything new.
    """
    calls, dice = list(every_call(any_count)), random.Random(0)
    dice.shuffle(calls)
    pairs = {call: frozenset(itertools.combinations(enumerate(astuple(call)), 2)) for call in calls}
    missing = set().union(*pairs.values())
    chosen: list[Call] = []
    while missing:
        some = [call for call in dice.sample(calls, 300) if pairs[call] & missing] or calls
        chosen.append(max(some, key=lambda call: len(pairs[call] & missing)))
        missing -= pairs[chosen[-1]]
    return tuple(chosen)
