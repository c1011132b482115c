"""Saved losses: their files, what is checked on reading, the card."""
