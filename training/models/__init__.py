"""The backbones, the hierarchy of their probabilities, and their calibration."""
