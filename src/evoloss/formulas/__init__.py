"""Formulas that are written once, and the operations that they are written in.

The same function works on tensors, on NumPy arrays, on plain numbers and on the arrays of JAX.
"""

from evoloss.formulas.formula import Formula, HasFormula, NumberedFormula
from evoloss.formulas.numbers import ARRAYS, FLOATS, POPULATIONS
from evoloss.formulas.operations import BatchOperations, Operations, Value, limited
from evoloss.formulas.tensors import TENSORS

__all__ = [
    "ARRAYS",
    "FLOATS",
    "POPULATIONS",
    "TENSORS",
    "BatchOperations",
    "Formula",
    "HasFormula",
    "NumberedFormula",
    "Operations",
    "Value",
    "limited",
]
