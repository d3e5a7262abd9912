"""Trains the small network of intake: view (DV, LAT, other), head direction and mirror image, on simulated mice."""
