"""Export of trained backbones into Triton's model repository, for each serving target."""
