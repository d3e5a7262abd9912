"""xray.specimens -> fused tensor in object storage -> xray.tensors."""
