"""Statistics of a training from which a loss senses wrong labels, and the fast way of such a loss."""
