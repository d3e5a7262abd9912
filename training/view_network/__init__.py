"""Trains intake's small network: view (DV, LAT, other), head direction and mirror image, on simulated mice."""
