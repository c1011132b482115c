"""Recipes of the shipped losses, a folder each; ``python -m recipes.build NAME`` evolves one again."""
