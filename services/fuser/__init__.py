"""xray.specimens -> the fused tensor in object storage -> xray.tensors."""
