"""Figures of the evaluation as PNG files."""
