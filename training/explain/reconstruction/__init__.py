"""How well an autoencoder rebuilds the test specimens' tensors."""
