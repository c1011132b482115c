"""Files that a run leaves beside its numbers: weights, predictions, evaluation, suspect labels."""
