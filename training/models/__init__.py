"""Both backbones of the paper, the hierarchy of their probabilities and their calibration."""
