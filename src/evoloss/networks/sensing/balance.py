r"""Classes that are being given up: predicted much less often than labels name them.

Doubt feeds on itself. A class that is hardly predicted has its labels doubted, so it is learned even less,
and others are predicted in its place: at a high learning rate most classes are gone within an epoch. Over the
last tenth of an epoch a class is predicted for a share :math:`q_k` of the samples and named by a share
:math:`f_k` of the labels. Below six tenths of it labels of that class are trusted again, by

.. math:: u_k = \max\Bigl(0,\ 2 \Bigl(0.6 - \frac{q_k + \epsilon}{f_k + \epsilon}\Bigr)\Bigr),

at most 1, where :math:`\epsilon` is the share of ten samples in that time: of classes that hardly occur
nothing can be told.
"""

from __future__ import annotations

from typing import Any

from evoloss.networks.sensing.operations import Operations

WINDOW = 0.1  # epochs
_LEAST_SHARE = 0.6  # of the labels of a class that are predictions of it, below which it is trusted
_GAIN = 2.0
_LEAST_SAMPLES = 10.0  # of a class in the window


def trust(
    predicted: Any, labelled: Any, n_samples: Any, of_training: Operations, of_classes: Operations
) -> Any:
    """The share of each class by which its labels are trusted again, from 0 to 1.

    Args:
        predicted: the share of samples of which each class is predicted.
        labelled: the share of labels that name it.
        n_samples: the size of the training set; 0 where it is not known.
        of_training: operations on numbers of the whole training.
        of_classes: operations on those of each class.
    """
    few = of_classes.beside(_LEAST_SAMPLES / (WINDOW * of_training.at_least(n_samples, 1.0)))
    ratio = (predicted + few) / (labelled + few)
    return of_classes.at_most(of_classes.at_least(_GAIN * (_LEAST_SHARE - ratio), 0.0), 1.0)
