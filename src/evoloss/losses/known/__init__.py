"""Known losses: one formula a file, with its source."""
