"""Comparisons on several data sets, and what they say together."""
