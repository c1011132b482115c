"""Lightning with a loss of its own, as on docs/how-to/frameworks.md with one of evoloss."""

import lightning
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Classifier(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.network = nn.Linear(4, 3)
        self.criterion = nn.CrossEntropyLoss()

    def training_step(self, batch, batch_idx):
        x, y = batch
        return self.criterion(self.network(x), y)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


train_set = TensorDataset(torch.randn(64, 4), torch.randint(3, (64,)))
model = Classifier()
trainer = lightning.Trainer(max_epochs=2, accelerator="cpu", logger=False)
trainer.fit(model, DataLoader(train_set, batch_size=16, shuffle=True))
