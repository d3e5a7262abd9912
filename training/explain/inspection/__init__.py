"""What only the trained model itself can tell: its weights over the pictures of its test specimens."""
