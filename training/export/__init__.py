"""From trained backbones to what Triton serves."""
