"""Losses as formulas with numbers, for other array libraries and for files."""

from evoloss.portable.loss import PortableLoss, portable

__all__ = ["PortableLoss", "portable"]
