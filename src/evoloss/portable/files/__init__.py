"""Files that hold a loss: code for PyTorch and JAX, numbers as JSON, a graph for ONNX."""

from evoloss.portable.files.write import FORMATS, Format, exported, write_exported

__all__ = ["FORMATS", "Format", "exported", "write_exported"]
