"""The training set: simulated specimens through the intake and fuser code that also serves."""
