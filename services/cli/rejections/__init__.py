"""`xray rejections`: what was refused, why, and sending it again."""
