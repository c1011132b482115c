"""A classifier for scikit-learn whose loss is a parameter."""

from evoloss.integrations.sklearn.classifier import EvolvedClassifier

__all__ = ["EvolvedClassifier"]
