"""timm with a loss of its own, as on docs/how-to/frameworks.md with one of evoloss."""

import torch
from timm.data import Mixup
from timm.loss import SoftTargetCrossEntropy

model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 5))
train_loss_fn = SoftTargetCrossEntropy()

mixup_fn = Mixup(mixup_alpha=0.8, cutmix_alpha=1.0, num_classes=5)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(2):
    images, target = mixup_fn(torch.randn(16, 3, 4, 4), torch.randint(5, (16,)))
    optimizer.zero_grad()
    train_loss_fn(model(images), target).backward()
    optimizer.step()
