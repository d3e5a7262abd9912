"""xray.tensors -> both backbones in Triton -> phenotype.calls."""
