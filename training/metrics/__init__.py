"""Predictions on a test set, and the figures computed from them, whatever model made them."""
