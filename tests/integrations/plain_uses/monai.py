"""MONAI with a loss of its own, as on docs/how-to/frameworks.md with one of evoloss."""

import torch
from monai.losses import DiceCELoss

network = torch.nn.Conv2d(1, 3, 3, padding=1)
loss = DiceCELoss(to_onehot_y=True, softmax=True)

images, masks = torch.randn(2, 1, 8, 8), torch.randint(3, (2, 1, 8, 8))
loss(network(images), masks).backward()
