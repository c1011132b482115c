"""Other libraries doing the work of the pretraining engine; see ``benchmarks/engine.py``."""
