"""Boosted trees in the place of a network: grown round by round with a loss as their objective."""
