"""Fast ways to the costs of rows of logits, and what they keep between calls."""
