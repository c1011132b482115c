"""torchmetrics with a loss of its own, as on docs/how-to/frameworks.md with one of evoloss."""

import torch
from torchmetrics import Accuracy, MetricCollection

accuracy = Accuracy(task="multiclass", num_classes=3)
metrics = MetricCollection({"accuracy": accuracy})
for _ in range(3):
    metrics.update(torch.randn(8, 3), torch.randint(3, (8,)))
print(metrics.compute())
