"""Figures of the evaluation, drawn as PNG files."""
