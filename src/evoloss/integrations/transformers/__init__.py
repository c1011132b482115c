r"""Losses in the ``Trainer`` of Hugging Face transformers.

The Trainer divides what an accumulated batch costs by the number of its labels, counted over all its
micro-batches and processes (``num_items_in_batch``). So a loss has to be handed over as a sum divided by that
number, and not as the mean of a micro-batch. Four things go wrong without a sound:

- A module that is set as ``model.loss_function`` is called with other arguments, or not at all: models call
  it as ``loss_function(logits=..., labels=..., ...)``, and many do not.
- ``label_smoothing_factor`` is ignored where there is a ``compute_loss_func``; smoothing is an option of the
  loss.
- Soft labels ``(N, C)`` are counted as N times C labels.
- Class weights want the sum of the weights of the labels in place of their number.
"""

from evoloss.integrations.transformers.loss import TrainerLoss, compute_loss_func
from evoloss.integrations.transformers.trainer import STATE_FILE, EvolvedTrainer, LossCallback

__all__ = ["STATE_FILE", "EvolvedTrainer", "LossCallback", "TrainerLoss", "compute_loss_func"]
