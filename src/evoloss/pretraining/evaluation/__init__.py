"""Scores of the candidates of a search on held-out pairs and tasks, and the verdict on its result."""
