"""Training of one backbone: loss, augmentation, the resumable loop."""
