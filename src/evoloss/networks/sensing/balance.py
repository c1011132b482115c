r"""Guards against doubt that feeds on itself, in classes that are given up and samples that are not learned.

A class that is hardly predicted has its labels doubted, so it is learned even less, and others are predicted
in its place: at a high learning rate most classes are gone within an epoch. Over the last tenth of an epoch a
class is predicted for a share :math:`q_k` of the samples and named by a share :math:`f_k` of the labels.
Below six tenths of it labels of that class are trusted again, by

.. math:: u_k = \max\Bigl(0,\ 2 \Bigl(0.6 - \frac{q_k + \epsilon}{f_k + \epsilon}\Bigr)\Bigr),

at most 1, where :math:`\epsilon` is the share of ten samples in that time: of classes that hardly occur
nothing can be told.

And doubt holds back what is still to be learned. Then contradictions come to be more than they were on the
plateau P that doubt began with. So it is moderated by

.. math:: v = \min\Bigl(1,\ \frac{1.5\,P}{c}\Bigr)^2.
"""

from __future__ import annotations

from typing import Any

import torch

from evoloss.formulas import Operations

WINDOW = 0.1  # epochs
_TINY = torch.finfo(torch.float32).tiny
_LEAST_SHARE = 0.6  # of the labels of a class that are predictions of it, below which it is trusted
_GAIN = 2.0
_LEAST_SAMPLES = 10.0  # of a class in the window
_BORNE = 1.5  # by how much contradictions may exceed their plateau


def moderation(plateau: Any, reading: Any, of_training: Operations) -> Any:
    """The factor of doubt where it holds back what is to be learned, from 0 to 1.

    Args:
        plateau: that of contradictions before labels were doubted.
        reading: the contradictions now.
        of_training: operations on numbers of the whole training.
    """
    borne = of_training.at_most(_BORNE * plateau / of_training.at_least(reading, _TINY), 1.0)
    return borne * borne


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
