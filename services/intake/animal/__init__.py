"""Finds the animal in an image: background, polarity, other objects, the animal's outline and its axis."""
