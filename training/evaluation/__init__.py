"""Calibration, thresholds and figures of trained backbones on held-out specimens."""
