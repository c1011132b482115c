r"""Contradictions in a small training set: more of them than mistakes explain.

A small training set is memorised while it is learned: contradictions c have no plateau, and the recall of an
epoch is lost in chance. What is left is how c and the share e of wrong predictions go together. As right
labels are learned both fall, and c much faster: confident predictions are the first to be right. In trainings
on 300 to 5,000 samples with right labels c was hardly ever above

.. math:: c_0 = e^3 + 0.03\,e

once e was below 0.6. Wrong labels keep it there for epochs. After two of them the *excess* adds up what c is
above :math:`c_0`, times the epochs that pass, and takes off what it is below, never under 0: a cumulative sum
(Page 1954, doi:10.2307/2333009). Above 0.05 (1 + 100 / n), of n samples, wrong labels are evident, and they
are being memorised.

Where classes are hard to tell apart right labels and wrong ones look alike in this, and nothing is found.
"""

from __future__ import annotations

from typing import Any

from evoloss.formulas import TENSORS, Operations, limited

MOST_SAMPLES = 5_000.0  # larger sets have plateaus
_FIRST_EPOCHS = 2
_MOST_MISTAKES = 0.6  # of the predictions, with which nothing is learned yet
_OF_MISTAKES = 0.03
_ONSET = 0.05
_ONSET_SAMPLES = 100.0  # at which the onset is twice that
_SPAN = 0.02


def excess(
    before: Any, reading: Any, training: Any, passed: Any, n_samples: Any, of_training: Operations = TENSORS
) -> Any:
    """The excess after a batch.

    It is 0 in the first epochs, as long as most predictions are wrong, in larger sets, and where an epoch is
    one batch, or two of very different size.

    Args:
        before: that before the batch.
        reading: the contradictions c.
        training: statistics after the batch, of them ``completed``, ``last_mean`` and ``last_known``.
        passed: epochs that the batch is; 0 once labels are doubted, so that nothing is added or taken off.
        n_samples: the size of the training set.
        of_training: operations on numbers of the whole training.
    """
    at, mistakes = of_training, 1 - training["last_mean"]
    explained = mistakes * (mistakes * mistakes + _OF_MISTAKES)
    total = at.at_least(before + passed * (reading - explained), 0.0)
    counts = (training["completed"] >= _FIRST_EPOCHS) & (training["last_known"] > 0)
    return at.where(counts & (mistakes < _MOST_MISTAKES) & (n_samples <= MOST_SAMPLES), total, 0.0)


def evidence_of_few(total: Any, n_samples: Any, of_training: Operations = TENSORS) -> Any:
    """The evidence for wrong labels that are being memorised, from 0 to 1.

    Args:
        total: the excess.
        n_samples: the size of the training set.
        of_training: operations on numbers of the whole training.
    """
    onset = _ONSET * (1 + _ONSET_SAMPLES / n_samples)
    return limited(of_training, (total - onset) / _SPAN)
