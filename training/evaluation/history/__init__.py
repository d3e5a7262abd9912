"""How a model was trained: its epochs and its time."""
