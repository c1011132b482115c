"""Small convolutional network without normalisation."""

from __future__ import annotations

from torch import Tensor, nn

from evoloss.models.shapes import image_channels


class CNN(nn.Module):
    """Four 3x3 convolutions (16, 32, pool, 48, pool, 64 channels), mean over the image, one linear layer.

    Plain on purpose: no batch norm, so nothing rescales the gradient between the loss and the weights, and
    differences between losses show. 47,034 parameters with 1 channel and 10 classes, 47,322 with 3. Weights
    start as in He et al. 2015 (arXiv:1502.01852, normal, fan-in), biases at 0.

    Args:
        in_channels: channels of the images.
        n_classes: number of classes.

    Shape:
        input ``(N, in_channels, H, W)`` with H and W at least 8, output (logits) ``(N, n_classes)``.

    Example:
        >>> CNN(in_channels=3, n_classes=10)(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 10])
    """

    def __init__(self, in_channels: int, n_classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 48, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(48, 64, 3, padding=1),
            nn.ReLU(),
        )
        self.head = nn.Linear(64, n_classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # every layer here has a bias

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits."""
        # A mean, not adaptive pooling: the latter has no deterministic backward on CUDA.
        logits: Tensor = self.head(self.features(inputs).mean(dim=(2, 3)))
        return logits


def cnn(*, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """Build :class:`CNN` for images of ``input_shape``, ``(C, H, W)``."""
    return CNN(image_channels("cnn", input_shape), n_classes)
