"""One line changes: an evolved loss in a plain PyTorch training loop, on scikit-learn's digits.

python examples/drop_in.py
"""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

from evoloss import EvolvedLoss


def train(criterion: nn.Module, seed: int = 0, epochs: int = 30) -> float:
    """Train a small perceptron and return its test accuracy in percent."""
    digits = load_digits()
    split = train_test_split(digits.data / 16.0, digits.target, random_state=0, stratify=digits.target)
    x_train, x_test = (torch.tensor(part, dtype=torch.float32) for part in split[:2])
    y_train, y_test = (torch.tensor(part) for part in split[2:])

    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(epochs):
        for batch in torch.split(torch.randperm(len(x_train)), 64):
            optimizer.zero_grad()
            criterion(model(x_train[batch]), y_train[batch]).backward()
            optimizer.step()
    with torch.no_grad():
        correct = model(x_test).argmax(dim=1) == y_test
        return 100 * float(correct.float().mean())


if __name__ == "__main__":
    print(f"cross-entropy  {train(nn.CrossEntropyLoss()):.1f} %")
    print(f"evolved-base   {train(EvolvedLoss.from_pretrained('evolved-base')):.1f} %")
