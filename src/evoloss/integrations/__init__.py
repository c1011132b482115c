"""Losses inside the tools that people train with, a file or a folder a tool.

Nothing is imported here: ``from evoloss.integrations.boosting import objective`` brings what it needs, and
each tool is an extra of its own.
"""
