"""Losses in the ``Learner`` of fastai."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from evoloss.errors import ConfigError, MissingExtraError
from evoloss.integrations.model_state import keep_state_in
from evoloss.integrations.plan import plan_training, samples_of
from evoloss.integrations.training_calls import TrainingCalls
from evoloss.losses import ClassificationLoss
from evoloss.losses.resolve import make_loss
from evoloss.losses.state import states_of

try:
    from fastai.callback.core import Callback
    from fastai.callback.mixup import MixHandler
    from fastai.torch_core import num_distrib
except ImportError as error:
    raise MissingExtraError.of("fastai", "fastai", "a loss in its Learner", error) from error


class EvolvedLossFlat(nn.Module):
    """A loss with what fastai asks of one: ``activation``, ``decodes`` and flat targets.

    ``Learner(dls, model, loss_func=EvolvedLossFlat("evolved-base"))``: ``get_preds`` and ``predict`` give
    probabilities and classes. ``Learner.export`` takes the loss along; one that follows its training needs
    :class:`LossCallback` too.

    Args:
        loss: a name that :func:`~evoloss.make_loss` takes, or a loss.
        axis: the class axis of the predictions; 1 for segmentation.
        **options: those of the loss, with a name: ``weight``, ``label_smoothing`` and so on.

    Attributes:
        criterion: the loss.
        axis: the class axis.
        y_int: tells fastai's MixUp to mix costs, and not labels.

    Raises:
        ConfigError: if it is no loss of evoloss; when it is called, if targets do not fit.
        UnknownNameError: if there is no loss of a name.

    Example:
        >>> loss = EvolvedLossFlat("cross_entropy")
        >>> print(loss(torch.zeros(2, 4), torch.tensor([[0], [3]])))
        tensor(1.3863)
        >>> loss.decodes(loss.activation(torch.tensor([[0.0, 2.0, 1.0]])))
        tensor([1])
    """

    y_int = True

    def __init__(self, loss: str | nn.Module, *, axis: int = -1, **options: Any) -> None:
        super().__init__()
        if options and not isinstance(loss, str):
            raise ConfigError(f"{', '.join(options)} cannot be given with a loss that is made already")
        made = make_loss(loss, **options) if isinstance(loss, str) else loss
        if not isinstance(made, ClassificationLoss):
            raise ConfigError(
                f"the loss is a {type(made).__name__}; expected a name, or a loss of evoloss: fastai's "
                "BaseLoss is for others"
            )
        self.criterion = made
        self.axis = axis

    @property
    def reduction(self) -> Any:
        """That of the loss; fastai sets it to ``"none"`` where it wants a cost a sample."""
        return self.criterion.reduction

    @reduction.setter
    def reduction(self, value: Any) -> None:
        self.criterion.reduction = value

    @property
    def noise_rate(self) -> Any:
        """The share of wrong labels that the loss has sensed, :class:`~evoloss.losses.NoiseRate`."""
        return self.criterion.noise_rate

    def forward(self, input: Tensor, target: Tensor, index: Tensor | None = None, **training: Any) -> Tensor:
        """The cost of predictions.

        Args:
            input: logits, ``(N, C)`` or with more axes.
            target: class indices, as many as there are predictions, in any shape; or probabilities, of the
                shape of the logits.
            index: a second target, the place of each sample in the training set, for a loss that asks.
            **training: what a loss asks to be told beside.
        """
        # Tensors of fastai have a type, which the operations of a loss would carry along.
        logits, labels = input.as_subclass(Tensor), target.as_subclass(Tensor)
        logits = logits.movedim(self.axis, 1) if logits.dim() > 1 else logits
        if labels.shape == input.shape:
            labels = labels.movedim(self.axis, 1)
        else:
            places = logits.shape[:1] + logits.shape[2:]
            if labels.numel() != places.numel():
                raise ConfigError(
                    f"targets have shape {tuple(target.shape)}, predictions {tuple(input.shape)} with "
                    f"classes along axis {self.axis}; expected {places.numel()} targets, of shape "
                    f"{tuple(places)}"
                )
            labels = labels.reshape(places).long()
        if index is not None:
            training["index"] = index.as_subclass(Tensor)
        cost: Tensor = self.criterion(logits, labels, **training)
        return cost

    def activation(self, x: Tensor) -> Tensor:
        """Probabilities from logits."""
        return x.softmax(self.axis)

    def decodes(self, x: Tensor) -> Tensor:
        """Classes from logits or probabilities."""
        return x.argmax(self.axis)


class LossCallback(Callback):  # type: ignore[misc]
    """Tell a loss that follows its training of the ``Learner``, and keep its statistics with the model.

    ``Learner(..., loss_func=EvolvedLossFlat("adaptive"), cbs=LossCallback())``. Before a fit the loss is told
    how many samples and epochs there are; in a training call the learning rate, if it asks. ``Learner.save``
    and ``load``, and callbacks that use them, keep its statistics with those of the model. A fit goes on with
    the statistics that there are; ``learn.loss_func.criterion.reset()`` forgets them.

    Args:
        n_samples: how many labels an epoch has; by default the samples of the training set. Has to be said
            where a sample has many labels. MixUp shows each twice, which is counted in.

    Raises:
        ConfigError: when a fit starts, if the loss is no :class:`EvolvedLossFlat`, or asks for what is not
            known.

    Example:
        >>> LossCallback(n_samples=100).name
        'loss_callback'
    """

    # The name that fastai makes of the class is that of the value of the loss in a Learner.
    name = "loss_callback"

    def __init__(self, *, n_samples: int | None = None) -> None:
        super().__init__()
        self.n_samples = n_samples
        self._calls: TrainingCalls | None = None

    def after_create(self) -> None:
        """Keep the statistics with the model, so that they are loaded before a fit too."""
        keep_state_in(self.learn.model, self._criterion())

    def before_fit(self) -> None:
        """Tell the loss how long the training will be."""
        self.after_fit()  # of a fit that an error ended
        criterion = self._criterion()
        keep_state_in(self.learn.model, criterion)
        loader, of_epoch = self.learn.dls.train, None
        n_samples = self.n_samples
        if n_samples is None:
            n_samples, of_epoch = samples_of(loader, len(loader), processes=num_distrib() or 1)
        shown = 2 if any(isinstance(callback, MixHandler) for callback in self.learn.cbs) else 1
        if shown == 2 and states_of(criterion) and n_samples is not None:
            n_samples, of_epoch = 2 * n_samples, None if of_epoch is None else 2 * of_epoch
        plan_training(
            criterion,
            n_samples=n_samples,
            samples_per_epoch=of_epoch,
            epochs=self.learn.n_epoch,
            processes=num_distrib() or 1,
            advice={"n_samples": "LossCallback(n_samples=...)", "epochs": "Learner.fit(...)"},
        )
        told = {"lr": lambda: self.learn.opt.hypers[-1]["lr"]}
        self._calls = TrainingCalls(criterion, told, size_is_sure=self.n_samples is not None)
        self._calls.begin()

    def after_fit(self) -> None:
        """Leave the loss as it was."""
        if self._calls is not None:
            self._calls.end()
        self._calls = None

    def _criterion(self) -> ClassificationLoss:
        loss = self.learn.loss_func
        if not isinstance(loss, EvolvedLossFlat):
            raise ConfigError(
                f"loss_func is a {type(loss).__name__}; LossCallback is for an EvolvedLossFlat: "
                'Learner(..., loss_func=EvolvedLossFlat("adaptive"), cbs=LossCallback())'
            )
        return loss.criterion
