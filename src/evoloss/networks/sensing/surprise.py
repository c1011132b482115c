r"""Surprise of a contradiction: whether the label is a likely second choice, or as unlikely as any.

Hard samples with right labels are contradicted too, but mostly by the class that the prediction holds for the
second likeliest. A wrong label is mostly one that it holds for unlikely. Of what the predicted class j leaves
to the C - 1 others, the label k has the share :math:`r = p_k / (1 - p_j)`. A contradiction counts by

.. math:: s = \min\Bigl(1,\ (1 - r)\,\frac{C - 1}{C - 2}\Bigr)^2:

wholly where the label has no more than an even share of the rest, and not at all where it has all of it. Of
two classes there is only one other, whose share tells nothing: there every contradiction counts wholly.
"""

from __future__ import annotations

from typing import Any

from evoloss.formulas import TENSORS, Operations

_LEAST_REST = 1e-6  # of which single precision still tells a share


def surprise(top: Any, p: Any, n_classes: int, of_samples: Operations = TENSORS) -> Any:
    """The surprise of labels that contradict the prediction, from 0 to 1; for other labels of no meaning.

    Args:
        top: log-probabilities of the predicted classes, of any shape.
        p: probabilities of the labels, which broadcast with it.
        n_classes: the class count.
        of_samples: operations on samples.
    """
    share = p / of_samples.at_least(-of_samples.expm1(top), _LEAST_REST)
    if n_classes <= 2:
        return share * 0 + 1
    left = of_samples.at_least(1 - share, 0.0)
    counted = of_samples.at_most(left * ((n_classes - 1) / (n_classes - 2)), 1.0)
    return counted * counted
