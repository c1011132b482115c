"""Ablations: pretraining with parts exchanged, over paired seeds."""
