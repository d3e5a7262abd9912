"""Figures of merit on arrays, independent of which model made them."""
