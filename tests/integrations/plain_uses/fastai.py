"""fastai with a loss of its own, as on docs/how-to/frameworks.md with one of evoloss."""

import torch
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from torch import nn
from torch.utils.data import TensorDataset

train_set = TensorDataset(torch.randn(64, 4), torch.randint(3, (64,)))
loaders = DataLoaders.from_dsets(train_set, train_set, bs=16, device="cpu")
learn = Learner(loaders, nn.Linear(4, 3), loss_func=CrossEntropyLossFlat())
with learn.no_logging():
    learn.fit(2)
