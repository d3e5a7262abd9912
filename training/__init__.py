"""Simulated specimens, models, training and export."""
