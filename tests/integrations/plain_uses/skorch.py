"""skorch with a loss of its own, as on docs/how-to/frameworks.md with one of evoloss."""

from sklearn.datasets import load_iris
from skorch import NeuralNetClassifier
from torch import nn

x, y = load_iris(return_X_y=True)
network = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
net = NeuralNetClassifier(network, criterion=nn.CrossEntropyLoss, lr=0.1, max_epochs=20, verbose=0)
net.fit(x.astype("float32"), y)
assert abs(net.predict_proba(x[:1].astype("float32")).sum() - 1) < 1e-5
