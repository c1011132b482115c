"""The operations that a formula asks for beside arithmetic.

Plain numbers and short arrays are for eager calls on a CPU: an operation of PyTorch takes microseconds there
whatever its size, one of NumPy one, and one of Python a tenth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

Value = Any
"""A tensor, an array or a number."""


class Operations(Protocol):
    """Operations on numbers, and on statistics of one training."""

    def exp(self, value: Value) -> Value:
        """The exponential."""

    def expm1(self, value: Value) -> Value:
        """The exponential, less 1, to all digits."""

    def log(self, value: Value) -> Value:
        """The natural logarithm, of what is above 0."""

    def where(self, condition: Value, yes: Value, no: Value) -> Value:
        """One or the other; both are worked out."""

    def at_least(self, value: Value, bound: Value) -> Value:
        """The larger one."""

    def at_most(self, value: Value, bound: Value) -> Value:
        """The smaller one."""

    def floor(self, value: Value) -> Value:
        """The whole number below."""

    def alike(self, values: Mapping[str, Value], other: Value) -> Mapping[str, Value]:
        """The same in the dtype of another value, where values have dtypes."""

    def total(self, value: Value) -> Value:
        """The sum over the last axis; a plain number of an array."""

    def count(self, condition: Value) -> Value:
        """The number of places along the last axis at which a condition holds; a plain number of an array."""

    def beside(self, value: Value) -> Value:
        """A value that broadcasts with values of each class or sample, which have one axis more, the last."""


class BatchOperations(Operations, Protocol):
    """Operations on batches too, ``(N,)`` and ``(N, C)``, of a library with automatic differentiation."""

    def log1p(self, value: Value) -> Value:
        """The natural logarithm of 1 more, to all digits."""

    def logaddexp(self, value: Value, other: Value) -> Value:
        """The logarithm of the sum of two exponentials."""

    def sin(self, value: Value) -> Value:
        """The sine."""

    def cos(self, value: Value) -> Value:
        """The cosine."""

    def tanh(self, value: Value) -> Value:
        """The hyperbolic tangent."""

    def sigmoid(self, value: Value) -> Value:
        """The logistic function."""

    def softplus(self, value: Value) -> Value:
        """The logarithm of 1 more than the exponential."""

    def rsqrt(self, value: Value) -> Value:
        """1 by the square root."""

    def threshold(self, value: Value, bound: float) -> Value:
        """The same, and 0 where it is not above a bound."""

    def between(self, start: Value, end: Value, share: Value) -> Value:
        """The place that is a share of the way from one value to another."""

    def is_finite(self, value: Value) -> Value:
        """Mask of numbers that are neither NaN nor infinite."""

    def constant(self, value: Value) -> Value:
        """The same, of which no gradient is taken."""

    def array(self, numbers: Value, like: Value) -> Value:
        """Numbers, or nested lists of them, as an array of the dtype of another."""

    def numbers(self, value: Value, like: Value) -> Value:
        """A mask or an array in the dtype of another."""

    def wide(self, value: Value) -> Value:
        """The same in double precision, where the library has it switched on."""

    def eps(self, value: Value) -> float:
        """The distance from 1 to the next number of its dtype."""

    def ones(self, like: Value) -> Value:
        """Ones of the shape and dtype of an array."""

    def places(self, n: int, like: Value) -> Value:
        """The whole numbers below n, ``(n,)``, where the other array is."""

    def stack(self, values: Sequence[Value]) -> Value:
        """Arrays of one shape under a new first axis."""

    def stack_last(self, values: Sequence[Value]) -> Value:
        """Arrays of one shape under a new last axis."""

    def stack_rows(self, values: Sequence[Value]) -> Value:
        """Arrays of one shape under a new axis before the last."""

    def logsumexp(self, values: Value) -> Value:
        """The logarithm of the sum of exponentials over the last axis."""

    def mean(self, values: Value) -> Value:
        """The mean over the last axis."""

    def column_sums(self, values: Value) -> Value:
        """The sums over the first axis."""

    def largest(self, values: Value) -> Value:
        """The largest entry along the last axis."""

    def smallest(self, values: Value) -> Value:
        """The smallest entry along the last axis."""

    def most_likely(self, values: Value) -> tuple[Value, Value]:
        """The largest entry of each row of ``(N, C)`` and its place, the first of equal ones."""

    def least_likely(self, values: Value) -> Value:
        """The place of the smallest entry of each row of ``(N, C)``, the first of equal ones."""

    def chosen(self, values: Value, index: Value) -> Value:
        """The entry of each row of ``(N, C)`` at its index, ``(N,)``."""

    def by_class(self, values: Value, index: Value, n_classes: int) -> Value:
        """Values of samples, ``(K, N)``, added up by the class of each, ``(K, n_classes)``."""

    def rows(self, logits: Value, target: Value) -> tuple[Value, Value, Sequence[int]]:
        """Logits as rows ``(N, C)`` in single precision at least, their targets, and the shape of positions.

        Targets are class indices where they have not the shape of the logits; else class probabilities.
        """

    def log_softmax(self, logits: Value) -> Value:
        """Log-probabilities along the last axis."""


def limited(on: Operations, value: Value) -> Value:
    """A value kept from 0 to 1."""
    return on.at_most(on.at_least(value, 0.0), 1.0)
