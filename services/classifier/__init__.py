"""xray.tensors -> Triton, both backbones -> phenotype.calls."""
