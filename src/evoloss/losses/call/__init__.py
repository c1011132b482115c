"""The call of a loss: what is accepted, labels, the entry of a label, autocast."""
