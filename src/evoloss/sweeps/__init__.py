"""Sweeps: many independent runs, each named by its configuration, each leaving one file."""
