"""Other libraries doing the work of the pretraining engine; see ``benchmarks/speed/engine/__main__.py``."""
